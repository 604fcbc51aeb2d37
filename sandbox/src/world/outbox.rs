//! What a change of the world causes: events for the gateway and notes for onlookers.

use std::sync::Arc;

use serde::Serialize;

use super::ids::Id;
use crate::events::SandboxEvent;

/// One gateway event, serialised once; who hears it is for the gateway to decide.
#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    /// Name, such as `MESSAGE_CREATE`.
    pub name: &'static str,
    /// Guild it belongs to; `None` for direct messages and events outside guilds.
    pub guild: Option<Id>,
    /// Heard whatever the intents are (a change of the bot's own member).
    pub about_bot: bool,
    /// The data, as JSON.
    pub body: Arc<str>,
    /// The data for sessions without the message content intent, where it differs.
    pub body_without_content: Option<Arc<str>>,
}

/// Collects what a change causes until it is taken.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub dispatches: Vec<Dispatch>,
    pub notes: Vec<SandboxEvent>,
    /// Whether any session ever lacked the message content intent; only then is content blanked.
    pub blind_listeners: bool,
}

impl Outbox {
    pub(crate) fn guild_event(&mut self, name: &'static str, guild: Id, body: &impl Serialize) {
        self.push(name, Some(guild), body, None::<&()>);
    }

    pub(crate) fn bot_event(&mut self, name: &'static str, guild: Id, body: &impl Serialize) {
        self.push(name, Some(guild), body, None::<&()>);
        if let Some(last) = self.dispatches.last_mut() {
            last.about_bot = true;
        }
    }

    pub(crate) fn push(
        &mut self,
        name: &'static str,
        guild: Option<Id>,
        body: &impl Serialize,
        without_content: Option<&impl Serialize>,
    ) {
        let body_without_content = without_content.map(|body| to_json(body));
        self.dispatches.push(Dispatch { name, guild, about_bot: false, body: to_json(body), body_without_content });
    }

    pub(crate) fn note(&mut self, event: SandboxEvent) {
        self.notes.push(event);
    }
}

/// JSON of our own types, none of which can fail to serialise (string keys, finite numbers).
pub(crate) fn to_json(value: &impl Serialize) -> Arc<str> {
    serde_json::to_string(value).unwrap_or_default().into()
}
