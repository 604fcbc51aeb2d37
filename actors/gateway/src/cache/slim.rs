//! The parts of payloads that the cache reads; everything else is skipped without being stored.

use super::members::{Listing, MemberList};
use protocol::{
    cache::{CachedChannel, CachedGuild, CachedRole, GuildEmoji},
    id::{ChannelId, EmojiId, GuildId, RoleId, UserId},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use serenity::model::{
    Permissions,
    channel::{ChannelType, PermissionOverwrite, PermissionOverwriteType},
};
use std::{fmt, sync::Arc};

/// READY, as far as the gateway needs it.
#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    pub(crate) user: User,
    pub(crate) guilds: Vec<GuildRef>,
    pub(crate) session_id: Box<str>,
    pub(crate) resume_gateway_url: Box<str>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GuildRef {
    pub(crate) id: GuildId,
}

#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: UserId,
    pub(crate) username: Box<str>,
}

#[derive(Deserialize)]
pub(super) struct GuildUpdate {
    pub(super) id: GuildId,
    pub(super) name: Option<Box<str>>,
    pub(super) owner_id: Option<UserId>,
    pub(super) roles: Option<Vec<Role>>,
    pub(super) emojis: Option<Vec<IgnoredAny>>,
}

#[derive(Deserialize)]
pub(super) struct GuildDelete {
    pub(super) id: GuildId,
    #[serde(default)]
    pub(super) unavailable: bool,
}

#[derive(Deserialize)]
pub(super) struct Emojis {
    pub(super) guild_id: GuildId,
    pub(super) emojis: Vec<IgnoredAny>,
}

/// An emoji; one without an id or a name is counted and not handed over.
#[derive(Deserialize)]
struct Emoji {
    id: Option<EmojiId>,
    name: Option<Box<str>>,
    animated: Option<bool>,
    available: Option<bool>,
}

impl Emoji {
    fn known(self) -> Option<GuildEmoji> {
        let (animated, available) = (self.animated == Some(true), self.available != Some(false));
        Some(GuildEmoji { id: self.id?, name: self.name?, animated, available })
    }
}

#[derive(Deserialize)]
pub(super) struct RoleEvent {
    pub(super) guild_id: GuildId,
    pub(super) role: Role,
}

#[derive(Deserialize)]
pub(super) struct RoleDelete {
    pub(super) guild_id: GuildId,
    pub(super) role_id: RoleId,
}

#[derive(Deserialize)]
pub(super) struct ThreadSync {
    pub(super) guild_id: GuildId,
    pub(super) channel_ids: Option<Vec<ChannelId>>,
    pub(super) threads: Vec<Channel>,
}

/// A member event. Its roles stay text until it is known to be about us.
#[derive(Deserialize)]
pub(super) struct Member<'a> {
    pub(super) guild_id: GuildId,
    pub(super) user: UserRef,
    #[serde(borrow)]
    roles: Option<&'a RawValue>,
}

impl Member<'_> {
    pub(super) fn roles(&self) -> serde_json::Result<Vec<RoleId>> {
        self.roles.map_or_else(|| Ok(Vec::new()), |raw| serde_json::from_str(raw.get()))
    }
}

#[derive(Deserialize)]
pub(super) struct UserRef {
    pub(super) id: UserId,
}

#[derive(Deserialize)]
pub(super) struct Role {
    id: RoleId,
    name: Box<str>,
    position: i64,
    permissions: Bits,
}

impl From<Role> for CachedRole {
    fn from(role: Role) -> Self {
        let position = u16::try_from(role.position.max(0)).unwrap_or(u16::MAX);
        Self { id: role.id, name: role.name, position, permissions: role.permissions.0 }
    }
}

#[derive(Deserialize)]
pub(super) struct Channel {
    pub(super) id: ChannelId,
    pub(super) guild_id: Option<GuildId>,
    name: Option<Box<str>>,
    #[serde(rename = "type")]
    kind: ChannelType,
    parent_id: Option<ChannelId>,
    permission_overwrites: Option<Vec<Overwrite>>,
    thread_metadata: Option<ThreadMetadata>,
}

#[derive(Deserialize)]
struct ThreadMetadata {
    #[serde(default)]
    archived: bool,
}

impl Channel {
    pub(super) fn is_thread(&self) -> bool {
        is_thread(self.kind)
    }

    pub(super) fn is_archived(&self) -> bool {
        self.thread_metadata.as_ref().is_some_and(|thread| thread.archived)
    }
}

impl From<Channel> for CachedChannel {
    fn from(channel: Channel) -> Self {
        let overwrites = channel.permission_overwrites.unwrap_or_default();
        Self {
            id: channel.id,
            name: channel.name.unwrap_or_default(),
            kind: channel.kind,
            parent_id: channel.parent_id,
            overwrites: overwrites.into_iter().filter_map(Overwrite::known).collect(),
        }
    }
}

#[derive(Deserialize)]
struct Overwrite {
    id: RoleId,
    #[serde(rename = "type")]
    kind: u8,
    allow: Bits,
    deny: Bits,
}

impl Overwrite {
    /// Overwrites for something that is neither role nor member cannot matter to a permission check.
    fn known(self) -> Option<PermissionOverwrite> {
        let kind = match self.kind {
            0 => PermissionOverwriteType::Role(self.id),
            1 => PermissionOverwriteType::Member(UserId::new(self.id.get())),
            _ => return None,
        };
        let bits = |bits: Bits| Permissions::from_bits_truncate(bits.0);
        Some(PermissionOverwrite { allow: bits(self.allow), deny: bits(self.deny), kind })
    }
}

/// A permission set: a number in a string.
#[derive(Clone, Copy)]
struct Bits(u64);

impl<'de> Deserialize<'de> for Bits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BitsVisitor;
        impl Visitor<'_> for BitsVisitor {
            type Value = Bits;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a permission set")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Bits, E> {
                text.parse().map(Bits).map_err(E::custom)
            }
            fn visit_u64<E: serde::de::Error>(self, bits: u64) -> Result<Bits, E> {
                Ok(Bits(bits))
            }
        }
        deserializer.deserialize_any(BitsVisitor)
    }
}

pub(super) fn roles(roles: Vec<Role>) -> Arc<[CachedRole]> {
    let mut roles: Vec<CachedRole> = roles.into_iter().map(Into::into).collect();
    roles.sort_unstable_by_key(|role| role.id);
    roles.into()
}

pub(super) fn sorted(mut channels: Vec<Arc<CachedChannel>>) -> Arc<[Arc<CachedChannel>]> {
    channels.sort_unstable_by_key(|channel| channel.id);
    channels.dedup_by_key(|channel| channel.id);
    channels.into()
}

pub(super) fn is_thread(kind: ChannelType) -> bool {
    matches!(kind, ChannelType::NewsThread | ChannelType::PublicThread | ChannelType::PrivateThread)
}

pub(super) fn count(things: &[IgnoredAny]) -> u32 {
    u32::try_from(things.len()).unwrap_or(u32::MAX)
}

/// What GUILD_CREATE told.
pub(super) enum Created {
    /// A guild, and its emojis.
    Guild(CachedGuild, Vec<GuildEmoji>),
    /// One that is in an outage.
    Unavailable(GuildId),
}

/// Reads GUILD_CREATE in one pass; of its members only the bot itself, unless there is a listing to put them in.
pub(super) struct GuildSeed<'a, 'm> {
    pub(super) own: Option<UserId>,
    pub(super) listing: Option<&'a mut Listing<'m>>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Id,
    Name,
    OwnerId,
    MemberCount,
    Unavailable,
    Roles,
    Channels,
    Threads,
    Emojis,
    Members,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for GuildSeed<'_, '_> {
    type Value = Created;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Created, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for GuildSeed<'_, '_> {
    type Value = Created;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a guild")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<Created, M::Error> {
        let (mut id, mut name, mut owner_id) = (None, None, None);
        let (mut member_count, mut unavailable) = (None::<u64>, None::<bool>);
        let (mut read_roles, mut channels, mut threads) = (None, None::<Vec<Channel>>, None::<Vec<Channel>>);
        let (mut emojis, mut own_roles) = (None::<Vec<Emoji>>, Vec::new());
        while let Some(field) = map.next_key()? {
            match field {
                Field::Id => id = Some(map.next_value::<GuildId>()?),
                Field::Name => name = map.next_value::<Option<Box<str>>>()?,
                Field::OwnerId => owner_id = map.next_value::<Option<UserId>>()?,
                Field::MemberCount => member_count = map.next_value()?,
                Field::Unavailable => unavailable = map.next_value()?,
                Field::Roles => read_roles = Some(map.next_value::<Vec<Role>>()?),
                Field::Channels => channels = map.next_value()?,
                Field::Threads => threads = map.next_value()?,
                Field::Emojis => emojis = map.next_value()?,
                Field::Members => {
                    let own = self.own;
                    own_roles = match self.listing.as_deref_mut() {
                        Some(listing) => map.next_value_seed(MemberList { listing, own })?,
                        None => map.next_value_seed(OwnRoles { own })?,
                    };
                }
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let id = id.ok_or_else(|| M::Error::missing_field("id"))?;
        if unavailable == Some(true) {
            return Ok(Created::Unavailable(id));
        }
        let emojis = emojis.unwrap_or_default();
        let emoji_count = u32::try_from(emojis.len()).unwrap_or(u32::MAX);
        let all = channels.unwrap_or_default().into_iter().chain(threads.unwrap_or_default());
        let guild = CachedGuild {
            id,
            name: name.ok_or_else(|| M::Error::missing_field("name"))?,
            owner_id: owner_id.ok_or_else(|| M::Error::missing_field("owner_id"))?,
            member_count: member_count.unwrap_or(0),
            unavailable: false,
            roles: roles(read_roles.unwrap_or_default()),
            channels: sorted(all.map(|channel| Arc::new(channel.into())).collect()),
            own_roles: own_roles.into(),
            emoji_count,
        };
        Ok(Created::Guild(guild, emojis.into_iter().filter_map(Emoji::known).collect()))
    }
}

/// Finds the bot's own roles in a list of members.
struct OwnRoles {
    own: Option<UserId>,
}

impl<'de> DeserializeSeed<'de> for OwnRoles {
    type Value = Vec<RoleId>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<RoleId>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OwnRoles {
    type Value = Vec<RoleId>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of members")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut members: S) -> Result<Vec<RoleId>, S::Error> {
        #[derive(Deserialize)]
        struct Listed<'a> {
            user: Option<UserRef>,
            #[serde(borrow)]
            roles: Option<&'a RawValue>,
        }
        while let Some(member) = members.next_element::<Listed<'de>>()? {
            if self.own.is_some() && member.user.map(|user| user.id) == self.own {
                while members.next_element::<IgnoredAny>()?.is_some() {}
                let roles = member.roles.map_or("[]", RawValue::get);
                return serde_json::from_str(roles).map_err(S::Error::custom);
            }
        }
        Ok(Vec::new())
    }
}
