//! Guilds coming and going, people joining and leaving, who is online.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::audit::{AuditLog, action};
use super::guild::{Channel, Guild, Member, Role, RoleTags, channel_type};
use super::ids::{Id, Stamp};
use super::outbox::to_json;
use super::permissions;
use super::user::User;
use crate::api_error::ApiError;

impl World {
    /// A new guild with roles, channels and the bot in it; nothing is announced.
    pub(crate) fn found_guild(&mut self, id: Id, name: &str, owner: Id, now_ms: u64) -> Result<(), ApiError> {
        let joined_at = Stamp(now_ms);
        let mut everyone = Role::new(id, "@everyone", 0, permissions::EVERYONE);
        everyone.mentionable = false;
        let moderators = Role::new(self.ids.next(now_ms), "moderators", 1, permissions::MODERATOR);
        let mut bots = Role::new(self.ids.next(now_ms), "impresario", 2, permissions::BOT);
        bots.managed = true;
        bots.tags = Some(RoleTags { bot_id: self.bot });
        let (bot, owner_user) = (Arc::clone(self.user(self.bot)?), Arc::clone(self.user(owner)?));
        let members = BTreeMap::from([
            (self.bot, Member::new(bot, vec![bots.id], joined_at)),
            (owner, Member::new(owner_user, Vec::new(), joined_at)),
        ]);
        let guild = Guild {
            id,
            name: name.to_owned(),
            owner,
            joined_at,
            unavailable: false,
            roles: vec![everyone, moderators, bots],
            channels: Vec::new(),
            threads: Vec::new(),
            members,
            emojis: Vec::new(),
            bans: BTreeMap::new(),
            audit: AuditLog::default(),
        };
        self.guilds.insert(id, guild);
        let category = self.ids.next(now_ms);
        self.add_channel(Channel::new(category, id, channel_type::CATEGORY, "text", 0, None));
        for (position, name) in ["general", "random", "mod-log"].into_iter().enumerate() {
            let channel = self.ids.next(now_ms);
            self.add_channel(Channel::new(channel, id, channel_type::TEXT, name, position as u16, Some(category)));
        }
        let voice = self.ids.next(now_ms);
        self.add_channel(Channel::new(voice, id, channel_type::VOICE, "lounge", 0, None));
        Ok(())
    }

    /// The guild is gone for the bot: by an outage it is only unavailable, else the bot was removed.
    pub(crate) fn lose_guild(&mut self, id: Id, unavailable: bool) -> Result<(), ApiError> {
        if unavailable {
            self.guild_mut(id)?.unavailable = true;
            self.outbox.guild_event("GUILD_DELETE", id, &json!({ "id": id, "unavailable": true }));
            return Ok(());
        }
        let guild = self.guilds.remove(&id).ok_or_else(|| ApiError::unknown(crate::api_error::Unknown::Guild))?;
        for channel in guild.channels.iter().chain(guild.threads.iter().map(|thread| &thread.channel)) {
            self.homes.remove(&channel.id);
            self.logs.remove(&channel.id);
        }
        self.webhooks.retain(|_, hook| hook.guild != id);
        self.commands.forget_guild(id);
        self.outbox.guild_event("GUILD_DELETE", id, &json!({ "id": id }));
        Ok(())
    }

    /// Renames a guild and tells everybody.
    pub(crate) fn rename_guild(
        &mut self,
        id: Id,
        name: String,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let home = self.guild_mut(id)?;
        home.name = name;
        let body = home.as_object();
        self.outbox.guild_event("GUILD_UPDATE", id, &body);
        self.audit(id, action::GUILD_UPDATE, id, reason, now_ms);
        Ok(())
    }

    /// Ends a guild's outage; says whether there was one.
    pub(crate) fn restore_guild(&mut self, id: Id) -> bool {
        let guild = self.guilds.get_mut(&id).filter(|guild| guild.unavailable);
        guild.map(|guild| guild.unavailable = false).is_some()
    }

    /// Puts a user into a guild, unless it is there already.
    pub(crate) fn join(&mut self, guild: Id, user: Id, roles: Vec<Id>, now_ms: u64) -> Result<(), ApiError> {
        let user = Arc::clone(self.user(user)?);
        let home = self.guild_mut(guild)?;
        if home.members.contains_key(&user.id) {
            return Ok(());
        }
        if home.bans.contains_key(&user.id) {
            return Err(ApiError::new(403, 40007, "The user is banned from this guild."));
        }
        let member = Member::new(Arc::clone(&user), roles, Stamp(now_ms));
        let body = member.with(json!({ "guild_id": guild }));
        home.members.insert(user.id, member);
        self.outbox.guild_event("GUILD_MEMBER_ADD", guild, &body);
        Ok(())
    }

    /// Takes a user out of a guild.
    pub(crate) fn leave(&mut self, guild: Id, user: Id) -> Result<(), ApiError> {
        let home = self.guild_mut(guild)?;
        if let Some(member) = home.members.remove(&user) {
            let body = json!({ "guild_id": guild, "user": member.user });
            self.outbox.guild_event("GUILD_MEMBER_REMOVE", guild, &body);
        }
        Ok(())
    }

    /// Announces a member's present state; heard without the member intent when it is the bot's own.
    pub(crate) fn announce_member(&mut self, guild: Id, user: Id) -> Result<(), ApiError> {
        let member = self.guild(guild)?.members.get(&user);
        let Some(member) = member.map(|member| member.with(json!({ "guild_id": guild }))) else { return Ok(()) };
        if user == self.bot {
            self.outbox.bot_event("GUILD_MEMBER_UPDATE", guild, &member);
        } else {
            self.outbox.guild_event("GUILD_MEMBER_UPDATE", guild, &member);
        }
        Ok(())
    }

    /// Changes what a role allows and announces it.
    pub(crate) fn set_role_permissions(&mut self, guild: Id, role: Id, bits: u64) -> Result<(), ApiError> {
        let unknown = || ApiError::unknown(crate::api_error::Unknown::Role);
        let home = self.guild_mut(guild)?;
        let role = home.roles.iter_mut().find(|known| known.id == role).ok_or_else(unknown)?;
        role.permissions = bits;
        let body = json!({ "guild_id": guild, "role": role });
        self.outbox.guild_event("GUILD_ROLE_UPDATE", guild, &body);
        Ok(())
    }

    /// Announces a presence in one guild (`online`, `idle`, `dnd` or `offline`).
    pub(crate) fn announce_presence(&mut self, guild: Id, user: Id, status: &str) -> Result<(), ApiError> {
        if let Some(member) = self.guild_mut(guild)?.members.get_mut(&user) {
            status.clone_into(&mut member.status);
        }
        let body = presence(user, guild, status);
        self.outbox.guild_event("PRESENCE_UPDATE", guild, &body);
        Ok(())
    }

    /// The presences that GUILD_CREATE carries: everybody's but of those who are offline.
    pub(crate) fn presences(guild: &Guild) -> Vec<Value> {
        let shown = guild.members.values().filter(|member| !member.is_offline());
        shown.map(|member| World::presence(guild, member)).collect()
    }

    /// One of those.
    pub(crate) fn presence(guild: &Guild, member: &Member) -> Value {
        presence(member.user.id, guild.id, &member.status)
    }

    /// The data of GUILD_CREATE of a guild like the default one, but with so many members that it has at least
    /// `bytes` bytes. The guild is made up: the world has neither it nor its people.
    pub(crate) fn huge_guild(&self, id: Id, bytes: usize) -> Result<String, ApiError> {
        let mut guild = self.guild(self.default_guild)?.clone();
        guild.id = id;
        "Huge".clone_into(&mut guild.name);
        for channel in &mut guild.channels {
            channel.guild_id = id;
        }
        for role in guild.roles.iter_mut().filter(|role| role.id == self.default_guild) {
            role.id = id;
        }
        // Written member by member: as one tree of values it would need many times its size.
        let text = guild.as_create(true, self.bot, Vec::new(), usize::MAX).to_string();
        let few = guild.members.len();
        let (mut crowd, mut made) = (String::with_capacity(bytes + 1_024), 0);
        while text.len() + crowd.len() < bytes {
            made += 1;
            let user = Arc::new(User::new(Id(id.0 + made), &format!("member{made:06}"), false));
            crowd.push_str(&to_json(&Member::new(user, Vec::new(), guild.joined_at)));
            crowd.push(',');
        }
        let counted =
            text.replace(&format!("\"member_count\":{few}"), &format!("\"member_count\":{}", few as u64 + made));
        Ok(counted.replace("\"members\":[", &format!("\"members\":[{crowd}")))
    }

    /// The direct-message channel with a user, opened when there is none yet.
    pub(crate) fn direct_channel(&mut self, user: Id, now_ms: u64) -> Result<Id, ApiError> {
        self.user(user)?;
        if let Some((channel, _)) = self.direct.iter().find(|(_, with)| **with == user) {
            return Ok(*channel);
        }
        let channel = self.ids.next(now_ms);
        self.direct.insert(channel, user);
        Ok(channel)
    }
}

fn presence(user: Id, guild: Id, status: &str) -> Value {
    let client = if status == "offline" { json!({}) } else { json!({ "desktop": status }) };
    json!({ "user": { "id": user }, "guild_id": guild, "status": status, "activities": [], "client_status": client })
}
