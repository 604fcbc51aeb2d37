//! The types of gateway events, and the intent that each needs.

use serde::{Deserialize, Serialize};
use serenity::model::gateway::GatewayIntents;
use std::ops::BitOr;

macro_rules! kinds {
    ($($variant:ident $name:literal [$($intent:ident)|*]),+ $(,)?) => {
        /// A gateway event type, by Discord's names.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        #[repr(u8)]
        pub enum EventKind { $(#[doc = concat!("`", $name, "`")] $variant),+ }

        impl EventKind {
            /// Every known type.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$variant),+];

            /// Discord's name of it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The type called `name`; none for one that this version does not know.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)+ _ => None }
            }

            /// The intents under which Discord sends it; empty: it is always sent.
            pub fn intents(self) -> GatewayIntents {
                match self { $(Self::$variant => GatewayIntents::empty() $(.union(GatewayIntents::$intent))*),+ }
            }
        }
    };
}

kinds! {
    Ready "READY" [],
    Resumed "RESUMED" [],
    ApplicationCommandPermissionsUpdate "APPLICATION_COMMAND_PERMISSIONS_UPDATE" [],
    AutoModerationRuleCreate "AUTO_MODERATION_RULE_CREATE" [AUTO_MODERATION_CONFIGURATION],
    AutoModerationRuleUpdate "AUTO_MODERATION_RULE_UPDATE" [AUTO_MODERATION_CONFIGURATION],
    AutoModerationRuleDelete "AUTO_MODERATION_RULE_DELETE" [AUTO_MODERATION_CONFIGURATION],
    AutoModerationActionExecution "AUTO_MODERATION_ACTION_EXECUTION" [AUTO_MODERATION_EXECUTION],
    ChannelCreate "CHANNEL_CREATE" [GUILDS],
    ChannelUpdate "CHANNEL_UPDATE" [GUILDS],
    ChannelDelete "CHANNEL_DELETE" [GUILDS],
    ChannelPinsUpdate "CHANNEL_PINS_UPDATE" [GUILDS],
    ThreadCreate "THREAD_CREATE" [GUILDS],
    ThreadUpdate "THREAD_UPDATE" [GUILDS],
    ThreadDelete "THREAD_DELETE" [GUILDS],
    ThreadListSync "THREAD_LIST_SYNC" [GUILDS],
    ThreadMemberUpdate "THREAD_MEMBER_UPDATE" [GUILDS],
    ThreadMembersUpdate "THREAD_MEMBERS_UPDATE" [GUILDS],
    GuildCreate "GUILD_CREATE" [GUILDS],
    GuildUpdate "GUILD_UPDATE" [GUILDS],
    GuildDelete "GUILD_DELETE" [GUILDS],
    GuildAuditLogEntryCreate "GUILD_AUDIT_LOG_ENTRY_CREATE" [GUILD_MODERATION],
    GuildBanAdd "GUILD_BAN_ADD" [GUILD_MODERATION],
    GuildBanRemove "GUILD_BAN_REMOVE" [GUILD_MODERATION],
    GuildEmojisUpdate "GUILD_EMOJIS_UPDATE" [GUILD_EMOJIS_AND_STICKERS],
    GuildStickersUpdate "GUILD_STICKERS_UPDATE" [GUILD_EMOJIS_AND_STICKERS],
    GuildIntegrationsUpdate "GUILD_INTEGRATIONS_UPDATE" [GUILD_INTEGRATIONS],
    GuildMemberAdd "GUILD_MEMBER_ADD" [GUILD_MEMBERS],
    GuildMemberRemove "GUILD_MEMBER_REMOVE" [GUILD_MEMBERS],
    GuildMemberUpdate "GUILD_MEMBER_UPDATE" [GUILD_MEMBERS],
    GuildMembersChunk "GUILD_MEMBERS_CHUNK" [],
    GuildRoleCreate "GUILD_ROLE_CREATE" [GUILDS],
    GuildRoleUpdate "GUILD_ROLE_UPDATE" [GUILDS],
    GuildRoleDelete "GUILD_ROLE_DELETE" [GUILDS],
    GuildScheduledEventCreate "GUILD_SCHEDULED_EVENT_CREATE" [GUILD_SCHEDULED_EVENTS],
    GuildScheduledEventUpdate "GUILD_SCHEDULED_EVENT_UPDATE" [GUILD_SCHEDULED_EVENTS],
    GuildScheduledEventDelete "GUILD_SCHEDULED_EVENT_DELETE" [GUILD_SCHEDULED_EVENTS],
    GuildScheduledEventUserAdd "GUILD_SCHEDULED_EVENT_USER_ADD" [GUILD_SCHEDULED_EVENTS],
    GuildScheduledEventUserRemove "GUILD_SCHEDULED_EVENT_USER_REMOVE" [GUILD_SCHEDULED_EVENTS],
    IntegrationCreate "INTEGRATION_CREATE" [GUILD_INTEGRATIONS],
    IntegrationUpdate "INTEGRATION_UPDATE" [GUILD_INTEGRATIONS],
    IntegrationDelete "INTEGRATION_DELETE" [GUILD_INTEGRATIONS],
    InteractionCreate "INTERACTION_CREATE" [],
    InviteCreate "INVITE_CREATE" [GUILD_INVITES],
    InviteDelete "INVITE_DELETE" [GUILD_INVITES],
    MessageCreate "MESSAGE_CREATE" [GUILD_MESSAGES | DIRECT_MESSAGES],
    MessageUpdate "MESSAGE_UPDATE" [GUILD_MESSAGES | DIRECT_MESSAGES],
    MessageDelete "MESSAGE_DELETE" [GUILD_MESSAGES | DIRECT_MESSAGES],
    MessageDeleteBulk "MESSAGE_DELETE_BULK" [GUILD_MESSAGES],
    MessageReactionAdd "MESSAGE_REACTION_ADD" [GUILD_MESSAGE_REACTIONS | DIRECT_MESSAGE_REACTIONS],
    MessageReactionRemove "MESSAGE_REACTION_REMOVE" [GUILD_MESSAGE_REACTIONS | DIRECT_MESSAGE_REACTIONS],
    MessageReactionRemoveAll "MESSAGE_REACTION_REMOVE_ALL" [GUILD_MESSAGE_REACTIONS | DIRECT_MESSAGE_REACTIONS],
    MessageReactionRemoveEmoji "MESSAGE_REACTION_REMOVE_EMOJI" [GUILD_MESSAGE_REACTIONS | DIRECT_MESSAGE_REACTIONS],
    PresenceUpdate "PRESENCE_UPDATE" [GUILD_PRESENCES],
    StageInstanceCreate "STAGE_INSTANCE_CREATE" [GUILDS],
    StageInstanceUpdate "STAGE_INSTANCE_UPDATE" [GUILDS],
    StageInstanceDelete "STAGE_INSTANCE_DELETE" [GUILDS],
    TypingStart "TYPING_START" [GUILD_MESSAGE_TYPING | DIRECT_MESSAGE_TYPING],
    UserUpdate "USER_UPDATE" [],
    VoiceServerUpdate "VOICE_SERVER_UPDATE" [],
    VoiceStateUpdate "VOICE_STATE_UPDATE" [GUILD_VOICE_STATES],
    WebhooksUpdate "WEBHOOKS_UPDATE" [GUILD_WEBHOOKS],
}

/// A set of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindSet(u64);

const _: () = assert!(EventKind::ALL.len() <= 64, "KindSet holds 64 types");

impl KindSet {
    /// The set of `kinds`.
    pub const fn of(kinds: &[EventKind]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether `kind` is in it.
    pub const fn contains(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    /// Its members, in declaration order.
    pub fn iter(self) -> impl Iterator<Item = EventKind> {
        EventKind::ALL.iter().copied().filter(move |kind| self.contains(*kind))
    }

    /// The intents that its members need.
    pub fn intents(self) -> GatewayIntents {
        self.iter().fold(GatewayIntents::empty(), |all, kind| all | kind.intents())
    }
}

impl BitOr for KindSet {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_kind() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_name(kind.name()), Some(*kind));
            assert_eq!(serde_json::to_value(kind).ok(), Some(kind.name().into()));
        }
    }

    #[test]
    fn intents_follow_from_the_members() {
        let set = KindSet::of(&[EventKind::GuildCreate, EventKind::InteractionCreate]);
        assert_eq!(set.intents(), GatewayIntents::GUILDS);
        assert_eq!(set.iter().count(), 2);
    }
}
