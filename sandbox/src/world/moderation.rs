//! Bans, kicks, timeouts, nicknames, and who may do them to whom.

use std::sync::Arc;

use serde_json::json;

use super::World;
use super::audit::action;
use super::guild::{Guild, Member};
use super::ids::{DISCORD_EPOCH_MS, Id, Stamp};
use super::permissions;
use crate::api_error::{ApiError, Unknown};

/// Longest timeout (Discord documentation, "Modify Guild Member").
pub(crate) const TIMEOUT_MAX_MS: u64 = 28 * 24 * 60 * 60 * 1_000;

/// What an edit makes of a member; `None` leaves it.
#[derive(Default)]
pub(crate) struct MemberEdit {
    pub nick: Option<Option<String>>,
    pub roles: Option<Vec<Id>>,
    /// Until when, in Unix milliseconds.
    pub timeout: Option<Option<u64>>,
}

impl World {
    /// Refuses unless the bot has all of `needed` in the guild at large.
    pub(crate) fn require_in(&self, guild: Id, needed: u64) -> Result<&Guild, ApiError> {
        let guild = self.guild(guild)?;
        if permissions::of(guild, self.bot, None) & needed != needed {
            return Err(ApiError::missing_permissions());
        }
        Ok(guild)
    }

    pub(crate) fn member(&self, guild: Id, user: Id) -> Result<&Member, ApiError> {
        let unknown = if self.users.contains_key(&user) { Unknown::Member } else { Unknown::User };
        self.guild(guild)?.members.get(&user).ok_or_else(|| ApiError::unknown(unknown))
    }

    /// Bans a user, who need not be a member, and deletes what it wrote in the last `delete_seconds`.
    pub(crate) fn ban(
        &mut self,
        guild: Id,
        user: Id,
        reason: Option<&str>,
        delete_seconds: u64,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let home = self.require_in(guild, permissions::BAN_MEMBERS)?;
        let person = Arc::clone(self.user(user)?);
        permissions::require_above(home, self.bot, user)?;
        let known = home.bans.contains_key(&user);
        self.leave(guild, user)?;
        self.guild_mut(guild)?.bans.insert(user, reason.map(str::to_owned));
        if delete_seconds > 0 {
            self.forget_messages_of(guild, user, now_ms.saturating_sub(delete_seconds * 1_000));
        }
        if !known {
            self.outbox.guild_event("GUILD_BAN_ADD", guild, &json!({ "guild_id": guild, "user": person }));
            self.audit(guild, action::MEMBER_BAN_ADD, user, reason, now_ms);
        }
        Ok(())
    }

    pub(crate) fn unban(&mut self, guild: Id, user: Id, reason: Option<&str>, now_ms: u64) -> Result<(), ApiError> {
        self.require_in(guild, permissions::BAN_MEMBERS)?;
        let ban = self.guild_mut(guild)?.bans.remove(&user);
        ban.ok_or_else(|| ApiError::unknown(Unknown::Ban))?;
        let body = json!({ "guild_id": guild, "user": self.user(user)? });
        self.outbox.guild_event("GUILD_BAN_REMOVE", guild, &body);
        self.audit(guild, action::MEMBER_BAN_REMOVE, user, reason, now_ms);
        Ok(())
    }

    pub(crate) fn kick(&mut self, guild: Id, user: Id, reason: Option<&str>, now_ms: u64) -> Result<(), ApiError> {
        let home = self.require_in(guild, permissions::KICK_MEMBERS)?;
        self.member(guild, user)?;
        permissions::require_above(home, self.bot, user)?;
        self.leave(guild, user)?;
        self.audit(guild, action::MEMBER_KICK, user, reason, now_ms);
        Ok(())
    }

    /// Changes a member, all of it or nothing.
    pub(crate) fn edit_member(
        &mut self,
        guild: Id,
        user: Id,
        edit: MemberEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Member, ApiError> {
        let home = self.guild(guild)?;
        let member = self.member(guild, user)?;
        let own = user == self.bot;
        if edit.nick.is_some() {
            let needed = if own { permissions::CHANGE_NICKNAME } else { permissions::MANAGE_NICKNAMES };
            self.require_in(guild, needed)?;
            if !own {
                permissions::require_above(home, self.bot, user)?;
            }
        }
        if edit.timeout.is_some() {
            self.require_in(guild, permissions::MODERATE_MEMBERS)?;
            permissions::require_above(home, self.bot, user)?;
            if permissions::of(home, user, None) & permissions::ADMINISTRATOR != 0 {
                return Err(ApiError::missing_permissions());
            }
        }
        if let Some(roles) = &edit.roles {
            self.require_in(guild, permissions::MANAGE_ROLES)?;
            let changed = roles.iter().filter(|role| !member.roles.contains(role));
            for role in changed.chain(member.roles.iter().filter(|role| !roles.contains(role))) {
                permissions::require_above_role(home, self.bot, *role)?;
            }
        }
        let (of_roles, of_self) = (edit.roles.is_some(), edit.nick.is_some() || edit.timeout.is_some());
        let unknown = || ApiError::unknown(Unknown::Member);
        let member = self.guild_mut(guild)?.members.get_mut(&user).ok_or_else(unknown)?;
        if let Some(nick) = edit.nick {
            member.nick = nick.filter(|nick| !nick.is_empty());
        }
        if let Some(roles) = edit.roles {
            member.roles = roles;
        }
        if let Some(until) = edit.timeout {
            member.communication_disabled_until = until.map(Stamp);
        }
        let member = member.clone();
        self.announce_member(guild, user)?;
        if of_self {
            self.audit(guild, action::MEMBER_UPDATE, user, reason, now_ms);
        }
        if of_roles {
            self.audit(guild, action::MEMBER_ROLE_UPDATE, user, reason, now_ms);
        }
        Ok(member)
    }

    /// Refuses a member who is timed out.
    pub(crate) fn require_voice(&self, guild: Id, user: Id, now_ms: u64) -> Result<(), ApiError> {
        let until = self.member(guild, user)?.communication_disabled_until;
        if until.is_some_and(|until| until.0 > now_ms) { Err(ApiError::missing_permissions()) } else { Ok(()) }
    }

    fn forget_messages_of(&mut self, guild: Id, user: Id, since_ms: u64) {
        let channels: Vec<Id> =
            self.guilds.get(&guild).map(|home| home.channels.iter().map(|c| c.id).collect()).unwrap_or_default();
        let first = Id(since_ms.saturating_sub(DISCORD_EPOCH_MS) << 22);
        for channel in channels {
            let Some(log) = self.logs.get_mut(&channel) else { continue };
            let gone: Vec<Id> = log.since(first).filter(|message| message.author.id == user).map(|m| m.id).collect();
            self.delete_many(guild, channel, &gone);
        }
    }

    /// Deletes those of these messages that there are, and tells of all at once.
    pub(crate) fn delete_many(&mut self, guild: Id, channel: Id, ids: &[Id]) {
        let Some(log) = self.logs.get_mut(&channel) else { return };
        let gone: Vec<Id> = ids.iter().copied().filter(|id| log.remove(*id).is_some()).collect();
        if !gone.is_empty() {
            let body = json!({ "ids": gone, "channel_id": channel, "guild_id": guild });
            self.outbox.guild_event("MESSAGE_DELETE_BULK", guild, &body);
        }
    }
}
