//! What Discord shows of the bot: status and activity, the same on all shards, kept across reconnects.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// Discord shows activity names up to this many characters.
const NAME_MAX_CHARS: usize = 128;
/// Discord takes addresses up to this many characters.
const URL_MAX_CHARS: usize = 512;

/// The bot's presence. Clones are the same presence.
#[derive(Debug, Clone)]
pub struct Presence {
    current: Arc<watch::Sender<PresenceData>>,
}

/// Status and activity.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceData {
    /// The coloured dot.
    #[serde(default)]
    pub status: OnlineStatus,
    /// The line below the name.
    #[serde(default)]
    pub activity: Option<Activity>,
}

/// The coloured dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnlineStatus {
    /// Green.
    #[default]
    Online,
    /// Yellow.
    Idle,
    /// Red.
    Dnd,
    /// Shown as offline.
    Invisible,
}

/// The line below the name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// What kind of activity.
    #[serde(default)]
    pub kind: ActivityKind,
    /// Its name; for `custom` the text itself.
    pub name: String,
    /// For `streaming`: where.
    #[serde(default)]
    pub url: Option<String>,
}

/// What kind of activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivityKind {
    /// "Playing …"
    #[default]
    Playing,
    /// "Streaming …"
    Streaming,
    /// "Listening to …"
    Listening,
    /// "Watching …"
    Watching,
    /// The text alone.
    Custom,
    /// "Competing in …"
    Competing,
}

/// Why a presence was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// Its name is empty or too long.
    #[error("an activity's name has 1 to {NAME_MAX_CHARS} characters, not {0}")]
    Name(usize),
    /// Its address is too long.
    #[error("an activity's address has at most {URL_MAX_CHARS} characters, not {0}")]
    Url(usize),
}

impl Presence {
    /// A presence that begins as `initial`.
    pub fn new(initial: PresenceData) -> Self {
        Self { current: Arc::new(watch::Sender::new(initial)) }
    }

    /// Shows `presence` on every shard, now and in each new session. Never waits; of several in quick succession the
    /// last one counts.
    ///
    /// # Errors
    /// When Discord would refuse it.
    pub fn set(&self, presence: PresenceData) -> Result<(), PresenceError> {
        if let Some(activity) = &presence.activity {
            let chars = activity.name.chars().count();
            if chars == 0 || chars > NAME_MAX_CHARS {
                return Err(PresenceError::Name(chars));
            }
            let chars = activity.url.as_ref().map_or(0, |url| url.chars().count());
            if chars > URL_MAX_CHARS {
                return Err(PresenceError::Url(chars));
            }
        }
        self.current.send_if_modified(|current| {
            let changes = *current != presence;
            *current = presence;
            changes
        });
        Ok(())
    }

    /// What is shown.
    pub fn current(&self) -> PresenceData {
        self.current.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<PresenceData> {
        self.current.subscribe()
    }
}

impl Default for Presence {
    fn default() -> Self {
        Self::new(PresenceData::default())
    }
}

impl PresenceData {
    /// The payload of op 3, and the `presence` of op 2.
    pub(crate) fn payload(&self) -> Value {
        let activities: Vec<Value> = self.activity.iter().map(Activity::payload).collect();
        json!({"since": null, "activities": activities, "status": self.status, "afk": false})
    }
}

impl Activity {
    fn payload(&self) -> Value {
        match self.kind {
            ActivityKind::Custom => json!({"name": "Custom Status", "type": 4, "state": self.name}),
            kind => json!({"name": self.name, "type": kind.number(), "url": self.url}),
        }
    }
}

impl ActivityKind {
    fn number(self) -> u8 {
        match self {
            Self::Playing => 0,
            Self::Streaming => 1,
            Self::Listening => 2,
            Self::Watching => 3,
            Self::Custom => 4,
            Self::Competing => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_discord_would_refuse_is_refused_here() {
        let presence = Presence::default();
        for chars in [0, 129] {
            let activity = Activity { kind: ActivityKind::Playing, name: "é".repeat(chars), url: None };
            let set = presence.set(PresenceData { activity: Some(activity), ..PresenceData::default() });
            assert_eq!(set, Err(PresenceError::Name(chars)));
        }
        let activity = Activity { kind: ActivityKind::Streaming, name: "x".into(), url: Some("u".repeat(513)) };
        let set = presence.set(PresenceData { activity: Some(activity), ..PresenceData::default() });
        assert_eq!(set, Err(PresenceError::Url(513)));
        assert_eq!(presence.current(), PresenceData::default());
    }

    #[test]
    fn the_payload_names_discords_numbers() {
        let data: PresenceData =
            serde_json::from_value(json!({"status": "dnd", "activity": {"kind": "watching", "name": "x"}})).unwrap();
        let payload = data.payload();
        assert_eq!(payload["status"], "dnd");
        assert_eq!(payload["activities"][0]["type"], 3);
    }
}
