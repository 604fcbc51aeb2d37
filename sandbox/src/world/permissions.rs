//! Permission bits and how they add up (Discord documentation, "Permissions").

use std::cmp::Reverse;

use super::guild::Guild;
use super::ids::Id;
use super::threads::Thread;
use crate::api_error::{ApiError, Unknown};

pub(crate) const ADD_REACTIONS: u64 = 1 << 6;
pub(crate) const ADMINISTRATOR: u64 = 1 << 3;
pub(crate) const VIEW_CHANNEL: u64 = 1 << 10;
pub(crate) const SEND_MESSAGES: u64 = 1 << 11;
pub(crate) const MANAGE_MESSAGES: u64 = 1 << 13;
pub(crate) const READ_MESSAGE_HISTORY: u64 = 1 << 16;
pub(crate) const MENTION_EVERYONE: u64 = 1 << 17;
pub(crate) const MANAGE_GUILD_EXPRESSIONS: u64 = 1 << 30;
pub(crate) const CREATE_GUILD_EXPRESSIONS: u64 = 1 << 43;
pub(crate) const KICK_MEMBERS: u64 = 1 << 1;
pub(crate) const BAN_MEMBERS: u64 = 1 << 2;
pub(crate) const MANAGE_CHANNELS: u64 = 1 << 4;
pub(crate) const VIEW_AUDIT_LOG: u64 = 1 << 7;
const EMBED_LINKS: u64 = 1 << 14;
pub(crate) const SEND_TTS_MESSAGES: u64 = 1 << 12;
pub(crate) const ATTACH_FILES: u64 = 1 << 15;
const USE_EXTERNAL_EMOJIS: u64 = 1 << 18;
const CONNECT: u64 = 1 << 20;
const SPEAK: u64 = 1 << 21;
pub(crate) const CHANGE_NICKNAME: u64 = 1 << 26;
pub(crate) const MANAGE_NICKNAMES: u64 = 1 << 27;
pub(crate) const MANAGE_GUILD: u64 = 1 << 5;
pub(crate) const MANAGE_ROLES: u64 = 1 << 28;
pub(crate) const MANAGE_WEBHOOKS: u64 = 1 << 29;
const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
pub(crate) const MANAGE_THREADS: u64 = 1 << 34;
pub(crate) const CREATE_PUBLIC_THREADS: u64 = 1 << 35;
pub(crate) const CREATE_PRIVATE_THREADS: u64 = 1 << 36;
pub(crate) const SEND_MESSAGES_IN_THREADS: u64 = 1 << 38;
pub(crate) const MODERATE_MEMBERS: u64 = 1 << 40;
pub(crate) const PIN_MESSAGES: u64 = 1 << 51;

/// All bits that Discord has given a meaning (0 to 52).
pub(crate) const ALL: u64 = (1 << 53) - 1;

/// What @everyone may do in a new guild of the sandbox.
pub(crate) const EVERYONE: u64 = ADD_REACTIONS
    | VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_EXTERNAL_EMOJIS
    | CONNECT
    | SPEAK
    | CHANGE_NICKNAME
    | USE_APPLICATION_COMMANDS
    | CREATE_PUBLIC_THREADS
    | CREATE_PRIVATE_THREADS
    | SEND_MESSAGES_IN_THREADS;

/// What the role "moderators" may do.
pub(crate) const MODERATOR: u64 = EVERYONE
    | KICK_MEMBERS
    | BAN_MEMBERS
    | VIEW_AUDIT_LOG
    | MANAGE_MESSAGES
    | MANAGE_NICKNAMES
    | MODERATE_MEMBERS
    | MANAGE_THREADS
    | PIN_MESSAGES;

/// What the bot's own role may do: all a moderation bot asks for, short of ADMINISTRATOR.
pub(crate) const BOT: u64 = MODERATOR
    | MANAGE_CHANNELS
    | MANAGE_ROLES
    | MANAGE_WEBHOOKS
    | MANAGE_GUILD_EXPRESSIONS
    | CREATE_GUILD_EXPRESSIONS
    | MENTION_EVERYONE;

/// What `user` may do in `channel` of `guild`, or in the guild at large when `channel` is `None`.
pub(crate) fn of(guild: &Guild, user: Id, channel: Option<Id>) -> u64 {
    if guild.owner == user {
        return ALL;
    }
    let Some(member) = guild.members.get(&user) else { return 0 };
    let everyone = guild.role(guild.id).map_or(0, |role| role.permissions);
    let base =
        member.roles.iter().filter_map(|id| guild.role(*id)).fold(everyone, |bits, role| bits | role.permissions);
    if base & ADMINISTRATOR != 0 {
        return ALL;
    }
    let thread = channel.and_then(|id| guild.thread(id));
    // A thread has no overwrites: those of its parent hold in it.
    let channel = thread.map_or(channel, Thread::parent);
    let Some(channel) = channel.and_then(|id| guild.channel(id)) else { return base };
    let overwrites = &channel.permission_overwrites;
    let mut bits = base;
    for overwrite in overwrites.iter().filter(|o| o.id == guild.id) {
        bits = bits & !overwrite.deny | overwrite.allow;
    }
    let of_roles = || overwrites.iter().filter(|o| o.kind == 0 && member.roles.contains(&o.id));
    bits = bits & !of_roles().fold(0, |deny, o| deny | o.deny) | of_roles().fold(0, |allow, o| allow | o.allow);
    for overwrite in overwrites.iter().filter(|o| o.kind == 1 && o.id == user) {
        bits = bits & !overwrite.deny | overwrite.allow;
    }
    // A private thread is there for those in it, and for who manages threads.
    let private = thread.is_some_and(|thread| thread.is_private() && !thread.members.contains_key(&user));
    if private && bits & MANAGE_THREADS == 0 { bits & !VIEW_CHANNEL } else { bits }
}

/// Whether `user` sees `channel`.
pub(crate) fn sees(guild: &Guild, user: Id, channel: Id) -> bool {
    of(guild, user, Some(channel)) & VIEW_CHANNEL != 0
}

/// How high a member stands: the position of its highest role; of two at one position the older is the higher.
pub(crate) fn rank(guild: &Guild, user: Id) -> (u16, Reverse<Id>) {
    let roles = guild.members.get(&user).into_iter().flat_map(|member| &member.roles);
    let ranks = roles.filter_map(|id| guild.role(*id)).map(|role| (role.position, Reverse(role.id)));
    ranks.max().unwrap_or((0, Reverse(Id(u64::MAX))))
}

/// Refuses unless `actor` may moderate `target`: not itself, not the owner, nobody as high as itself.
pub(crate) fn require_above(guild: &Guild, actor: Id, target: Id) -> Result<(), ApiError> {
    let allowed = target != actor
        && target != guild.owner
        && (actor == guild.owner || !guild.members.contains_key(&target) || rank(guild, actor) > rank(guild, target));
    if allowed { Ok(()) } else { Err(ApiError::missing_permissions()) }
}

/// Refuses unless `actor` may give, take, move and delete the role: below its own, and no bot's.
pub(crate) fn require_above_role(guild: &Guild, actor: Id, role: Id) -> Result<(), ApiError> {
    require_rank_above(guild, actor, role)?;
    let managed = guild.role(role).is_some_and(|role| role.managed);
    if managed || role == guild.id { Err(ApiError::missing_permissions()) } else { Ok(()) }
}

/// Refuses unless the role is below the highest of `actor`.
pub(crate) fn require_rank_above(guild: &Guild, actor: Id, role: Id) -> Result<(), ApiError> {
    let role = guild.role(role).ok_or_else(|| ApiError::unknown(Unknown::Role))?;
    let above = actor == guild.owner || rank(guild, actor) > (role.position, Reverse(role.id));
    if above { Ok(()) } else { Err(ApiError::missing_permissions()) }
}

/// Refuses unless `actor` has all the bits itself that it wants to give.
pub(crate) fn require_has(guild: &Guild, actor: Id, bits: u64) -> Result<(), ApiError> {
    if bits & !of(guild, actor, None) == 0 { Ok(()) } else { Err(ApiError::missing_permissions()) }
}
