//! From a dispatch's payload to serenity's event: the concrete struct straight from the text, without a detour over a
//! tree of values.

use protocol::{Event, EventKind, id::GuildId};
use serenity::model::event as model;
use std::sync::Arc;

/// A decoded event and the guild it belongs to.
pub type Decoded = (Arc<Event>, Option<GuildId>);

macro_rules! kinds {
    ($($kind:ident => $variant:ident($event:ty), $guild:expr;)+) => {
        /// Decodes `data`, the payload of a dispatch of `kind`.
        ///
        /// # Errors
        /// What does not fit serenity's type.
        pub fn decode(kind: EventKind, data: &str) -> serde_json::Result<Decoded> {
            match kind {
                $(EventKind::$kind => {
                    let event: $event = serde_json::from_str(data)?;
                    let guild_of: fn(&$event) -> Option<GuildId> = $guild;
                    let guild = guild_of(&event);
                    Ok((Arc::new(Event::$variant(event)), guild))
                })+
            }
        }
    };
}

kinds! {
    Ready => Ready(model::ReadyEvent), |_| None;
    Resumed => Resumed(model::ResumedEvent), |_| None;
    ApplicationCommandPermissionsUpdate => CommandPermissionsUpdate(model::CommandPermissionsUpdateEvent),
        |e| Some(e.permission.guild_id);
    AutoModerationRuleCreate => AutoModRuleCreate(model::AutoModRuleCreateEvent), |e| Some(e.rule.guild_id);
    AutoModerationRuleUpdate => AutoModRuleUpdate(model::AutoModRuleUpdateEvent), |e| Some(e.rule.guild_id);
    AutoModerationRuleDelete => AutoModRuleDelete(model::AutoModRuleDeleteEvent), |e| Some(e.rule.guild_id);
    AutoModerationActionExecution => AutoModActionExecution(model::AutoModActionExecutionEvent),
        |e| Some(e.execution.guild_id);
    ChannelCreate => ChannelCreate(model::ChannelCreateEvent), |e| Some(e.channel.guild_id);
    ChannelUpdate => ChannelUpdate(model::ChannelUpdateEvent), |e| Some(e.channel.guild_id);
    ChannelDelete => ChannelDelete(model::ChannelDeleteEvent), |e| Some(e.channel.guild_id);
    ChannelPinsUpdate => ChannelPinsUpdate(model::ChannelPinsUpdateEvent), |e| e.guild_id;
    ThreadCreate => ThreadCreate(model::ThreadCreateEvent), |e| Some(e.thread.guild_id);
    ThreadUpdate => ThreadUpdate(model::ThreadUpdateEvent), |e| Some(e.thread.guild_id);
    ThreadDelete => ThreadDelete(model::ThreadDeleteEvent), |e| Some(e.thread.guild_id);
    ThreadListSync => ThreadListSync(model::ThreadListSyncEvent), |e| Some(e.guild_id);
    ThreadMemberUpdate => ThreadMemberUpdate(model::ThreadMemberUpdateEvent), |e| e.member.guild_id;
    ThreadMembersUpdate => ThreadMembersUpdate(model::ThreadMembersUpdateEvent), |e| Some(e.guild_id);
    GuildCreate => GuildCreate(model::GuildCreateEvent), |e| Some(e.guild.id);
    GuildUpdate => GuildUpdate(model::GuildUpdateEvent), |e| Some(e.guild.id);
    GuildDelete => GuildDelete(model::GuildDeleteEvent), |e| Some(e.guild.id);
    GuildAuditLogEntryCreate => GuildAuditLogEntryCreate(model::GuildAuditLogEntryCreateEvent), |e| Some(e.guild_id);
    GuildBanAdd => GuildBanAdd(model::GuildBanAddEvent), |e| Some(e.guild_id);
    GuildBanRemove => GuildBanRemove(model::GuildBanRemoveEvent), |e| Some(e.guild_id);
    GuildEmojisUpdate => GuildEmojisUpdate(model::GuildEmojisUpdateEvent), |e| Some(e.guild_id);
    GuildStickersUpdate => GuildStickersUpdate(model::GuildStickersUpdateEvent), |e| Some(e.guild_id);
    GuildIntegrationsUpdate => GuildIntegrationsUpdate(model::GuildIntegrationsUpdateEvent), |e| Some(e.guild_id);
    GuildMemberAdd => GuildMemberAdd(model::GuildMemberAddEvent), |e| Some(e.member.guild_id);
    GuildMemberRemove => GuildMemberRemove(model::GuildMemberRemoveEvent), |e| Some(e.guild_id);
    GuildMemberUpdate => GuildMemberUpdate(model::GuildMemberUpdateEvent), |e| Some(e.guild_id);
    GuildMembersChunk => GuildMembersChunk(model::GuildMembersChunkEvent), |e| Some(e.guild_id);
    GuildRoleCreate => GuildRoleCreate(model::GuildRoleCreateEvent), |e| Some(e.role.guild_id);
    GuildRoleUpdate => GuildRoleUpdate(model::GuildRoleUpdateEvent), |e| Some(e.role.guild_id);
    GuildRoleDelete => GuildRoleDelete(model::GuildRoleDeleteEvent), |e| Some(e.guild_id);
    GuildScheduledEventCreate => GuildScheduledEventCreate(model::GuildScheduledEventCreateEvent),
        |e| Some(e.event.guild_id);
    GuildScheduledEventUpdate => GuildScheduledEventUpdate(model::GuildScheduledEventUpdateEvent),
        |e| Some(e.event.guild_id);
    GuildScheduledEventDelete => GuildScheduledEventDelete(model::GuildScheduledEventDeleteEvent),
        |e| Some(e.event.guild_id);
    GuildScheduledEventUserAdd => GuildScheduledEventUserAdd(model::GuildScheduledEventUserAddEvent),
        |e| Some(e.guild_id);
    GuildScheduledEventUserRemove => GuildScheduledEventUserRemove(model::GuildScheduledEventUserRemoveEvent),
        |e| Some(e.guild_id);
    IntegrationCreate => IntegrationCreate(model::IntegrationCreateEvent), |e| e.integration.guild_id;
    IntegrationUpdate => IntegrationUpdate(model::IntegrationUpdateEvent), |e| e.integration.guild_id;
    IntegrationDelete => IntegrationDelete(model::IntegrationDeleteEvent), |e| Some(e.guild_id);
    InteractionCreate => InteractionCreate(model::InteractionCreateEvent), |e| guild_of_interaction(&e.interaction);
    InviteCreate => InviteCreate(model::InviteCreateEvent), |e| e.guild_id;
    InviteDelete => InviteDelete(model::InviteDeleteEvent), |e| e.guild_id;
    MessageCreate => MessageCreate(model::MessageCreateEvent), |e| e.message.guild_id;
    MessageUpdate => MessageUpdate(model::MessageUpdateEvent), |e| e.guild_id;
    MessageDelete => MessageDelete(model::MessageDeleteEvent), |e| e.guild_id;
    MessageDeleteBulk => MessageDeleteBulk(model::MessageDeleteBulkEvent), |e| e.guild_id;
    MessageReactionAdd => ReactionAdd(model::ReactionAddEvent), |e| e.reaction.guild_id;
    MessageReactionRemove => ReactionRemove(model::ReactionRemoveEvent), |e| e.reaction.guild_id;
    MessageReactionRemoveAll => ReactionRemoveAll(model::ReactionRemoveAllEvent), |e| e.guild_id;
    MessageReactionRemoveEmoji => ReactionRemoveEmoji(model::ReactionRemoveEmojiEvent), |e| e.reaction.guild_id;
    PresenceUpdate => PresenceUpdate(model::PresenceUpdateEvent), |e| e.presence.guild_id;
    StageInstanceCreate => StageInstanceCreate(model::StageInstanceCreateEvent), |e| Some(e.stage_instance.guild_id);
    StageInstanceUpdate => StageInstanceUpdate(model::StageInstanceUpdateEvent), |e| Some(e.stage_instance.guild_id);
    StageInstanceDelete => StageInstanceDelete(model::StageInstanceDeleteEvent), |e| Some(e.stage_instance.guild_id);
    TypingStart => TypingStart(model::TypingStartEvent), |e| e.guild_id;
    UserUpdate => UserUpdate(model::UserUpdateEvent), |_| None;
    VoiceServerUpdate => VoiceServerUpdate(model::VoiceServerUpdateEvent), |e| e.guild_id;
    VoiceStateUpdate => VoiceStateUpdate(model::VoiceStateUpdateEvent), |e| e.voice_state.guild_id;
    WebhooksUpdate => WebhookUpdate(model::WebhookUpdateEvent), |e| Some(e.guild_id);
}

fn guild_of_interaction(interaction: &serenity::model::application::Interaction) -> Option<GuildId> {
    use serenity::model::application::Interaction::{Autocomplete, Command, Component, Modal};
    match interaction {
        Command(command) | Autocomplete(command) => command.guild_id,
        Component(component) => component.guild_id,
        Modal(modal) => modal.guild_id,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_message_carries_its_guild() {
        let data = json!({
            "id": "5", "channel_id": "3", "guild_id": "2", "content": "hi", "timestamp": "2026-01-01T00:00:00Z",
            "author": {"id": "7", "username": "ann", "discriminator": "0", "avatar": null},
            "edited_timestamp": null, "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [],
            "attachments": [], "embeds": [], "pinned": false, "type": 0,
        });
        let (event, guild) = decode(EventKind::MessageCreate, &data.to_string()).unwrap();
        assert_eq!(guild, Some(GuildId::new(2)));
        assert!(matches!(&*event, Event::MessageCreate(e) if e.message.content == "hi"));
    }

    #[test]
    fn a_malformed_event_is_an_error_for_every_kind() {
        for kind in EventKind::ALL {
            assert!(decode(*kind, r#""not an object""#).is_err(), "{}", kind.name());
            assert!(decode(*kind, "{").is_err(), "{}", kind.name());
        }
    }

    #[test]
    fn the_variant_agrees_with_the_name() {
        for (kind, data) in [
            (EventKind::WebhooksUpdate, json!({"channel_id": "1", "guild_id": "2"})),
            (EventKind::GuildDelete, json!({"id": "2", "unavailable": true})),
            (EventKind::MessageDelete, json!({"id": "1", "channel_id": "3", "guild_id": "2"})),
            (EventKind::GuildRoleDelete, json!({"role_id": "1", "guild_id": "2"})),
        ] {
            let (event, guild) = decode(kind, &data.to_string()).unwrap();
            assert_eq!(event.name().as_deref(), Some(kind.name()));
            assert_eq!(guild, Some(GuildId::new(2)));
        }
    }
}
