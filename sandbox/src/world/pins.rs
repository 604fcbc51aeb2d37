//! Pinned messages of a channel.

use serde_json::json;

use super::World;
use super::audit::action;
use super::ids::{Id, Stamp};
use super::message::Message;
use crate::api_error::ApiError;

/// Pins of a channel.
const PINS_MAX: usize = 250;

impl World {
    /// Pins a message or takes it down; doing it twice changes nothing.
    pub(crate) fn pin(
        &mut self,
        channel: Id,
        id: Id,
        pinned: bool,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        if self.message(channel, id)?.pinned == pinned {
            return Ok(());
        }
        if pinned && self.pins(channel).len() >= PINS_MAX {
            return Err(ApiError::new(400, 30003, "Maximum number of pins reached (250)"));
        }
        if let Some(message) = self.logs.get_mut(&channel).and_then(|log| log.get_mut(id)) {
            message.pinned = pinned;
            message.pinned_at = pinned.then_some(Stamp(now_ms));
        }
        let message = self.message(channel, id)?.clone();
        self.tell_of("MESSAGE_UPDATE", &message);
        let guild = self.guild_of(channel)?.map(|guild| guild.id);
        let last = self.pins(channel).first().and_then(|message| message.pinned_at);
        let mut body = json!({ "channel_id": channel, "last_pin_timestamp": last });
        if let Some(guild) = guild {
            body["guild_id"] = json!(guild);
        }
        self.outbox.push("CHANNEL_PINS_UPDATE", guild, &body, None::<&()>);
        if let Some(guild) = guild {
            let done = if pinned { action::MESSAGE_PIN } else { action::MESSAGE_UNPIN };
            self.audit(guild, done, message.author.id, reason, now_ms);
        }
        Ok(())
    }

    /// The pinned messages, the last pinned first.
    pub(crate) fn pins(&self, channel: Id) -> Vec<&Message> {
        let log = self.logs.get(&channel);
        let mut pins: Vec<&Message> =
            log.into_iter().flat_map(|log| log.since(Id(0))).filter(|message| message.pinned).collect();
        pins.sort_by_key(|message| std::cmp::Reverse((message.pinned_at, message.id)));
        pins
    }
}
