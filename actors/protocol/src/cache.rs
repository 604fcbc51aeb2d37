//! What the rest of the bot may read of the gateway's cache: snapshots, never locks.

use chrono::{DateTime, Utc};
use serenity::model::{
    channel::{ChannelType, PermissionOverwrite},
    guild::{GuildMemberFlags, Role},
    id::{ChannelId, EmojiId, GuildId, RoleId, UserId},
};
use std::sync::Arc;

/// A guild as the cache keeps it: what permissions and greetings need, no members and no messages.
#[derive(Debug, Clone)]
pub struct CachedGuild {
    /// Its id.
    pub id: GuildId,
    /// Its name.
    pub name: Box<str>,
    /// Who owns it.
    pub owner_id: UserId,
    /// Members, as Discord last counted them.
    pub member_count: u64,
    /// Whether Discord reports an outage for it.
    pub unavailable: bool,
    /// Its roles, ascending by id.
    pub roles: Arc<[CachedRole]>,
    /// Its channels and known threads, ascending by id.
    pub channels: Arc<[Arc<CachedChannel>]>,
    /// The bot's own roles in it.
    pub own_roles: Arc<[RoleId]>,
    /// How many emojis it has; the emojis themselves are the emoji cache's.
    pub emoji_count: u32,
}

/// A role: what permission checks need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedRole {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    pub name: Box<str>,
    /// Its place in the hierarchy; ties break by the lower id.
    pub position: u16,
    /// Its permission bits.
    pub permissions: u64,
}

impl From<&Role> for CachedRole {
    fn from(role: &Role) -> Self {
        Self {
            id: role.id,
            name: role.name.as_str().into(),
            position: role.position,
            permissions: role.permissions.bits(),
        }
    }
}

/// A channel: what permission checks need.
#[derive(Debug, Clone)]
pub struct CachedChannel {
    /// Its id.
    pub id: ChannelId,
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub kind: ChannelType,
    /// The category it stands in, or a thread's channel.
    pub parent_id: Option<ChannelId>,
    /// Permission overwrites.
    pub overwrites: Box<[PermissionOverwrite]>,
}

/// A member of a guild, as far as the cache knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedMember {
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub name: Box<str>,
    /// The nickname in this guild.
    pub nick: Option<Box<str>>,
    /// Whether it is a bot.
    pub bot: bool,
    /// The roles in this guild, without @everyone, in Discord's order.
    pub roles: Box<[RoleId]>,
    /// When it joined, to the second.
    pub joined_at: Option<DateTime<Utc>>,
    /// When its last timeout ends or ended, to the second; none if Discord tells of none.
    pub timeout_until: Option<DateTime<Utc>>,
    /// Whether it has yet to pass membership screening.
    pub pending: bool,
    /// Discord's flags: whether it rejoined, bypasses verification, is quarantined for its name; none if they were not told.
    pub flags: Option<GuildMemberFlags>,
}

impl CachedMember {
    /// Whether it may not speak at `now`.
    pub fn is_timed_out(&self, now: DateTime<Utc>) -> bool {
        self.timeout_until.is_some_and(|until| now < until)
    }
}

/// A custom emoji of a guild, as the cache hands it over when it reads a guild; it keeps only their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuildEmoji {
    /// Its id.
    pub id: EmojiId,
    /// Its name.
    pub name: Box<str>,
    /// Whether it moves.
    pub animated: bool,
    /// Whether the guild may use it now (a lost boost takes some away).
    pub available: bool,
}

/// How much the cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct CacheCounts {
    /// Guilds that are there.
    pub guilds: u64,
    /// Guilds in an outage.
    pub unavailable_guilds: u64,
    /// Channels and threads.
    pub channels: u64,
    /// Roles.
    pub roles: u64,
    /// Members, as Discord counts them.
    pub members: u64,
    /// Members that are known one by one; 0 unless a cog asks for members.
    pub known_members: u64,
}

/// Read access to the cache. Every method is lock-free or nearly so, and none awaits.
pub trait CacheView: Send + Sync + 'static {
    /// The guild, if it is known.
    fn guild(&self, id: GuildId) -> Option<Arc<CachedGuild>>;
    /// A member, if it is known. `None` says nothing about whether there is such a member: members are kept only if a cog
    /// asks for them, as many as fit, and learned from events.
    fn member(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        let _ = (guild, user);
        None
    }
    /// Every known guild id.
    fn guild_ids(&self) -> Vec<GuildId>;
    /// The bot's own user id, once READY has been seen.
    fn own_id(&self) -> Option<UserId>;
    /// The bot's own name, once READY has been seen.
    fn own_name(&self) -> Option<Arc<str>>;
    /// How much it holds.
    fn counts(&self) -> CacheCounts;
}
