//! Permission bits and how they add up (Discord documentation, "Permissions").

use super::guild::Guild;
use super::ids::Id;

pub(crate) const ADD_REACTIONS: u64 = 1 << 6;
pub(crate) const ADMINISTRATOR: u64 = 1 << 3;
pub(crate) const VIEW_CHANNEL: u64 = 1 << 10;
pub(crate) const SEND_MESSAGES: u64 = 1 << 11;
pub(crate) const MANAGE_MESSAGES: u64 = 1 << 13;
pub(crate) const READ_MESSAGE_HISTORY: u64 = 1 << 16;
pub(crate) const MENTION_EVERYONE: u64 = 1 << 17;
pub(crate) const MANAGE_GUILD_EXPRESSIONS: u64 = 1 << 30;
pub(crate) const CREATE_GUILD_EXPRESSIONS: u64 = 1 << 43;
const KICK_MEMBERS: u64 = 1 << 1;
const BAN_MEMBERS: u64 = 1 << 2;
const MANAGE_CHANNELS: u64 = 1 << 4;
const VIEW_AUDIT_LOG: u64 = 1 << 7;
const EMBED_LINKS: u64 = 1 << 14;
const ATTACH_FILES: u64 = 1 << 15;
const USE_EXTERNAL_EMOJIS: u64 = 1 << 18;
const CONNECT: u64 = 1 << 20;
const SPEAK: u64 = 1 << 21;
const CHANGE_NICKNAME: u64 = 1 << 26;
const MANAGE_NICKNAMES: u64 = 1 << 27;
const MANAGE_ROLES: u64 = 1 << 28;
const MANAGE_WEBHOOKS: u64 = 1 << 29;
const USE_APPLICATION_COMMANDS: u64 = 1 << 31;
const MODERATE_MEMBERS: u64 = 1 << 40;

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
    | USE_APPLICATION_COMMANDS;

/// What the role "moderators" may do.
pub(crate) const MODERATOR: u64 =
    EVERYONE | KICK_MEMBERS | BAN_MEMBERS | VIEW_AUDIT_LOG | MANAGE_MESSAGES | MANAGE_NICKNAMES | MODERATE_MEMBERS;

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
    bits
}
