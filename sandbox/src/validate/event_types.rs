//! Where an event does not fit serenity's type for it. Serenity's own reading of a frame only takes such an event for an
//! unknown one; here its data is read as its type alone, with the way to each value kept.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use serenity::model::application::{CommandInteraction, ComponentInteraction, ModalInteraction};
use serenity::model::event::*;

use super::faults::Misfit;

/// What does not fit in the data of an event; `None` where its name is not among those below, or it fits. Some of serenity's
/// types read their data in two steps: then the place is that of the whole, and the problem says what is missing below it.
pub(super) fn misfit(event: &str, data: &Value) -> Option<Misfit> {
    let read = reader(event, data)?;
    read(data)
}

/// Reads data as the type of its event.
type Read = fn(&Value) -> Option<Misfit>;

/// By the events that the sandbox sends.
fn reader(event: &str, data: &Value) -> Option<Read> {
    Some(match event {
        "READY" => read::<ReadyEvent>,
        "RESUMED" => read::<ResumedEvent>,
        "GUILD_CREATE" => read::<GuildCreateEvent>,
        "GUILD_UPDATE" => read::<GuildUpdateEvent>,
        "GUILD_DELETE" => read::<GuildDeleteEvent>,
        "GUILD_ROLE_CREATE" => read::<GuildRoleCreateEvent>,
        "GUILD_ROLE_UPDATE" => read::<GuildRoleUpdateEvent>,
        "GUILD_ROLE_DELETE" => read::<GuildRoleDeleteEvent>,
        "GUILD_BAN_ADD" => read::<GuildBanAddEvent>,
        "GUILD_BAN_REMOVE" => read::<GuildBanRemoveEvent>,
        "GUILD_AUDIT_LOG_ENTRY_CREATE" => read::<GuildAuditLogEntryCreateEvent>,
        "CHANNEL_CREATE" => read::<ChannelCreateEvent>,
        "CHANNEL_UPDATE" => read::<ChannelUpdateEvent>,
        "CHANNEL_DELETE" => read::<ChannelDeleteEvent>,
        "CHANNEL_PINS_UPDATE" => read::<ChannelPinsUpdateEvent>,
        "THREAD_CREATE" => read::<ThreadCreateEvent>,
        "THREAD_UPDATE" => read::<ThreadUpdateEvent>,
        "THREAD_DELETE" => read::<ThreadDeleteEvent>,
        "THREAD_MEMBERS_UPDATE" => read::<ThreadMembersUpdateEvent>,
        "WEBHOOKS_UPDATE" => read::<WebhookUpdateEvent>,
        "GUILD_MEMBER_ADD" => read::<GuildMemberAddEvent>,
        "GUILD_MEMBER_UPDATE" => read::<GuildMemberUpdateEvent>,
        "GUILD_MEMBER_REMOVE" => read::<GuildMemberRemoveEvent>,
        "GUILD_MEMBERS_CHUNK" => read::<GuildMembersChunkEvent>,
        "GUILD_EMOJIS_UPDATE" => read::<GuildEmojisUpdateEvent>,
        "PRESENCE_UPDATE" => read::<PresenceUpdateEvent>,
        "TYPING_START" => read::<TypingStartEvent>,
        "MESSAGE_CREATE" => read::<MessageCreateEvent>,
        "MESSAGE_UPDATE" => read::<MessageUpdateEvent>,
        "MESSAGE_DELETE" => read::<MessageDeleteEvent>,
        "MESSAGE_DELETE_BULK" => read::<MessageDeleteBulkEvent>,
        "MESSAGE_REACTION_ADD" => read::<ReactionAddEvent>,
        "MESSAGE_REACTION_REMOVE" => read::<ReactionRemoveEvent>,
        "MESSAGE_REACTION_REMOVE_ALL" => read::<ReactionRemoveAllEvent>,
        "MESSAGE_REACTION_REMOVE_EMOJI" => read::<ReactionRemoveEmojiEvent>,
        // By kind, since the type of all of them loses the way.
        "INTERACTION_CREATE" => match data["type"].as_u64() {
            Some(2 | 4) => read::<CommandInteraction>,
            Some(3) => read::<ComponentInteraction>,
            Some(5) => read::<ModalInteraction>,
            _ => read::<InteractionCreateEvent>,
        },
        "VOICE_STATE_UPDATE" => read::<VoiceStateUpdateEvent>,
        "VOICE_SERVER_UPDATE" => read::<VoiceServerUpdateEvent>,
        _ => return None,
    })
}

fn read<T: DeserializeOwned>(data: &Value) -> Option<Misfit> {
    let error = serde_path_to_error::deserialize::<_, T>(data).err()?;
    let mut place = "/d".to_owned();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => place.push_str(&format!("/{index}")),
            Segment::Map { key } => place.push_str(&format!("/{key}")),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    let problem = error.inner().to_string();
    let missing = problem.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    Some(match missing {
        Some((field, _)) => {
            Misfit { place: format!("{place}/{field}"), keyword: "required".into(), problem: "is missing".into() }
        }
        None => Misfit { place, keyword: "type".into(), problem },
    })
}

#[cfg(test)]
mod tests {
    use super::super::exceptions::payload_exceptions;
    use super::*;
    use serde_json::json;

    fn place(event: &str, data: Value) -> Option<(String, String)> {
        misfit(event, &data).map(|misfit| (misfit.place, misfit.keyword))
    }

    fn one(place: &str, keyword: &str) -> Option<(String, String)> {
        Some((place.to_owned(), keyword.to_owned()))
    }

    #[test]
    fn the_value_at_fault_is_named_however_deep_it_lies() {
        let deleted = |channel: Value| json!({ "id": "1", "channel_id": channel });
        assert_eq!(place("MESSAGE_DELETE", deleted(json!("2"))), None);
        assert_eq!(place("MESSAGE_DELETE", deleted(Value::Null)), one("/d/channel_id", "type"));
        assert_eq!(place("MESSAGE_DELETE", json!({ "id": "1" })), one("/d/channel_id", "required"));
        let bulk = json!({ "ids": ["1", [], "3"], "channel_id": "2" });
        assert_eq!(place("MESSAGE_DELETE_BULK", bulk), one("/d/ids/1", "type"));
        let ready = |shard: Value| {
            json!({ "v": 10, "user": { "id": "1", "username": "bot", "discriminator": "0", "avatar": null },
                "guilds": [{ "id": "5", "unavailable": true }, { "id": "x" }], "session_id": "s",
                "resume_gateway_url": "ws://x", "shard": shard, "application": { "id": "1", "flags": 0 } })
        };
        assert_eq!(place("READY", ready(json!([0, 1]))), one("/d/guilds/1/id", "type"));
        let role = json!({ "guild_id": "1", "role": { "id": "2", "name": 3 } });
        assert!(place("GUILD_ROLE_CREATE", role).is_some_and(|(place, _)| place.starts_with("/d/role/")));
        assert_eq!(place("INTERACTION_CREATE", json!({ "type": 2, "id": [] })), one("/d/id", "type"));
    }

    /// The events that the documentation says the sandbox sends.
    #[test]
    fn every_event_that_the_sandbox_sends_has_its_type_here() {
        let table = include_str!("../../../docs/sandbox-parity.md");
        let row = table.lines().find_map(|line| line.strip_prefix("| Events | ")).unwrap().trim_end_matches(" |");
        let excepted = |event: &str| payload_exceptions().iter().any(|(name, _)| *name == event);
        let unknown: Vec<_> =
            row.split(", ").filter(|event| !excepted(event) && misfit(event, &json!("x")).is_none()).collect();
        assert!(unknown.is_empty() && row.split(", ").count() > 30, "{unknown:?}");
    }
}
