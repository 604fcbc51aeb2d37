//! Guilds with their roles, channels and members.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::audit::AuditLog;
use super::emoji::Emoji;
use super::ids::{Id, Stamp};
use super::threads::Thread;
use super::user::User;

/// A guild and everything that lives in it; its messages are kept apart, by channel.
#[derive(Clone, Debug)]
pub(crate) struct Guild {
    pub id: Id,
    pub name: String,
    pub owner: Id,
    /// When the bot joined.
    pub joined_at: Stamp,
    /// An outage: the bot hears nothing of the guild but knows that it is still in it.
    pub unavailable: bool,
    pub roles: Vec<Role>,
    pub channels: Vec<Channel>,
    pub threads: Vec<Thread>,
    pub members: BTreeMap<Id, Member>,
    pub emojis: Vec<Emoji>,
    /// Banned users and why.
    pub bans: BTreeMap<Id, Option<String>>,
    pub audit: AuditLog,
}

/// A role object (Discord documentation, "Role Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Role {
    pub id: Id,
    pub name: String,
    pub description: Option<String>,
    pub color: u32,
    pub colors: RoleColors,
    pub hoist: bool,
    pub icon: Option<String>,
    pub unicode_emoji: Option<String>,
    pub position: u16,
    #[serde(serialize_with = "bits")]
    pub permissions: u64,
    pub managed: bool,
    pub mentionable: bool,
    pub flags: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<RoleTags>,
}

/// The colours of a role; one colour repeats the old `color` field.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RoleColors {
    pub primary_color: u32,
    pub secondary_color: Option<u32>,
    pub tertiary_color: Option<u32>,
}

/// Says that a role belongs to a bot.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RoleTags {
    pub bot_id: Id,
}

impl Role {
    pub(crate) fn new(id: Id, name: &str, position: u16, permissions: u64) -> Role {
        Role {
            id,
            name: name.to_owned(),
            description: None,
            color: 0,
            colors: RoleColors { primary_color: 0, secondary_color: None, tertiary_color: None },
            hoist: false,
            icon: None,
            unicode_emoji: None,
            position,
            permissions,
            managed: false,
            mentionable: false,
            flags: 0,
            tags: None,
        }
    }
}

/// Discord's channel types that the sandbox has.
pub(crate) mod channel_type {
    pub(crate) const TEXT: u8 = 0;
    pub(crate) const DM: u8 = 1;
    pub(crate) const VOICE: u8 = 2;
    pub(crate) const CATEGORY: u8 = 4;
    pub(crate) const PUBLIC_THREAD: u8 = 11;
    pub(crate) const PRIVATE_THREAD: u8 = 12;
}

/// A guild channel object (Discord documentation, "Channel Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Channel {
    pub id: Id,
    #[serde(rename = "type")]
    pub kind: u8,
    pub guild_id: Id,
    pub name: String,
    pub position: u16,
    pub parent_id: Option<Id>,
    pub topic: Option<String>,
    pub nsfw: bool,
    pub rate_limit_per_user: u16,
    pub last_message_id: Option<Id>,
    pub permission_overwrites: Vec<Overwrite>,
    pub flags: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_limit: Option<u32>,
}

impl Channel {
    pub(crate) fn new(id: Id, guild_id: Id, kind: u8, name: &str, position: u16, parent_id: Option<Id>) -> Channel {
        let voice = kind == channel_type::VOICE;
        Channel {
            id,
            kind,
            guild_id,
            name: name.to_owned(),
            position,
            parent_id,
            topic: None,
            nsfw: false,
            rate_limit_per_user: 0,
            last_message_id: None,
            permission_overwrites: Vec::new(),
            flags: 0,
            bitrate: voice.then_some(64_000),
            user_limit: voice.then_some(0),
        }
    }

    /// Whether people can talk here.
    pub(crate) fn is_voice(&self) -> bool {
        self.kind == channel_type::VOICE
    }

    /// Whether messages can be written here.
    pub(crate) fn is_text(&self) -> bool {
        use channel_type::{PRIVATE_THREAD, PUBLIC_THREAD, TEXT, VOICE};
        matches!(self.kind, TEXT | VOICE | PUBLIC_THREAD | PRIVATE_THREAD)
    }
}

/// What a channel allows or denies to one role (`kind` 0) or member (`kind` 1).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Overwrite {
    pub id: Id,
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(serialize_with = "bits")]
    pub allow: u64,
    #[serde(serialize_with = "bits")]
    pub deny: u64,
}

/// A guild member object (Discord documentation, "Guild Member Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Member {
    pub user: Arc<User>,
    pub nick: Option<String>,
    pub avatar: Option<String>,
    pub banner: Option<String>,
    pub roles: Vec<Id>,
    pub joined_at: Stamp,
    pub premium_since: Option<Stamp>,
    pub deaf: bool,
    pub mute: bool,
    pub flags: u64,
    pub pending: bool,
    pub communication_disabled_until: Option<Stamp>,
    /// Presence in this guild: `online`, `idle`, `dnd` or `offline`.
    #[serde(skip)]
    pub status: String,
}

/// A member without its user.
#[derive(Serialize)]
pub(crate) struct PartialMember<'a> {
    nick: Option<&'a str>,
    avatar: Option<&'a str>,
    banner: Option<&'a str>,
    roles: &'a [Id],
    joined_at: Stamp,
    premium_since: Option<Stamp>,
    deaf: bool,
    mute: bool,
    flags: u64,
    pending: bool,
    communication_disabled_until: Option<Stamp>,
}

impl Member {
    pub(crate) fn new(user: Arc<User>, roles: Vec<Id>, joined_at: Stamp) -> Member {
        Member {
            user,
            nick: None,
            avatar: None,
            banner: None,
            roles,
            joined_at,
            premium_since: None,
            deaf: false,
            mute: false,
            flags: 0,
            pending: false,
            communication_disabled_until: None,
            status: "online".to_owned(),
        }
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.status == "offline"
    }

    /// The member as messages carry it: without the user, who is the message's author.
    pub(crate) fn partial(&self) -> PartialMember<'_> {
        PartialMember {
            nick: self.nick.as_deref(),
            avatar: self.avatar.as_deref(),
            banner: self.banner.as_deref(),
            roles: &self.roles,
            joined_at: self.joined_at,
            premium_since: self.premium_since,
            deaf: self.deaf,
            mute: self.mute,
            flags: self.flags,
            pending: self.pending,
            communication_disabled_until: self.communication_disabled_until,
        }
    }

    /// The member object with extra fields, such as `guild_id` or `permissions`.
    pub(crate) fn with(&self, extra: Value) -> Value {
        merged(json!(self), extra)
    }
}

impl Guild {
    /// A channel or thread.
    pub(crate) fn channel(&self, id: Id) -> Option<&Channel> {
        let threads = self.threads.iter().map(|thread| &thread.channel);
        self.channels.iter().chain(threads).find(|channel| channel.id == id)
    }

    /// The same, to be changed.
    pub(crate) fn channel_mut(&mut self, id: Id) -> Option<&mut Channel> {
        let threads = self.threads.iter_mut().map(|thread| &mut thread.channel);
        self.channels.iter_mut().chain(threads).find(|channel| channel.id == id)
    }

    pub(crate) fn channel_named(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    pub(crate) fn role(&self, id: Id) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    pub(crate) fn role_named(&self, name: &str) -> Option<&Role> {
        self.roles.iter().find(|role| role.name == name)
    }

    /// The guild object of `GET /guilds/{id}` (Discord documentation, "Guild Object").
    pub(crate) fn as_object(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "icon": null, "icon_hash": null, "splash": null, "discovery_splash": null,
            "home_header": null, "banner": null, "description": null, "owner_id": self.owner, "region": "deprecated",
            "afk_channel_id": null, "afk_timeout": 300, "widget_enabled": false, "widget_channel_id": null,
            "verification_level": 0, "default_message_notifications": 0, "explicit_content_filter": 0,
            "roles": self.roles, "emojis": self.emojis, "stickers": [], "features": [], "mfa_level": 0,
            "application_id": null, "system_channel_id": null, "system_channel_flags": 0, "rules_channel_id": null,
            "safety_alerts_channel_id": null, "public_updates_channel_id": null, "max_presences": null,
            "max_members": 500_000, "max_video_channel_users": 25, "max_stage_video_channel_users": 50,
            "vanity_url_code": null, "premium_tier": 0, "premium_subscription_count": 0,
            "premium_progress_bar_enabled": false, "premium_progress_bar_enabled_user_updated_at": null,
            "preferred_locale": "en-US", "nsfw": false, "nsfw_level": 0, "incidents_data": null,
        })
    }

    /// The data of GUILD_CREATE: the guild and what only the gateway tells. With `everyone`, all members
    /// and presences, without the offline ones where there are more members than `large_threshold`; otherwise only
    /// `only` (the bot), as Discord does without the presence intent.
    pub(crate) fn as_create(&self, everyone: bool, only: Id, presences: Vec<Value>, large_threshold: usize) -> Value {
        let large = self.members.len() > large_threshold;
        let told = |id: Id, member: &Member| id == only || everyone && !(large && member.is_offline());
        let members: Vec<&Member> =
            self.members.iter().filter(|(id, member)| told(**id, member)).map(|(_, member)| member).collect();
        let extra = json!({
            "joined_at": self.joined_at, "large": large, "unavailable": false,
            "member_count": self.members.len(), "voice_states": [], "members": members, "channels": self.channels,
            "threads": self.active_threads(only), "presences": if everyone { presences } else { Vec::new() }, "stage_instances": [],
            "guild_scheduled_events": [], "soundboard_sounds": [], "version": 1,
        });
        merged(self.as_object(), extra)
    }
}

/// `base` with the fields of `extra` put over it.
pub(crate) fn merged(base: Value, extra: Value) -> Value {
    let mut fields = match base {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    if let Value::Object(more) = extra {
        fields.extend(more);
    }
    Value::Object(fields)
}

/// Permission bits travel as a string of decimal digits.
fn bits<S: serde::Serializer>(bits: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(bits)
}
