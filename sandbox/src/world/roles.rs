//! Roles made, changed, moved and deleted by the bot.

use serde_json::json;

use super::World;
use super::audit::action;
use super::guild::{Role, RoleColors};
use super::ids::Id;
use super::permissions;
use crate::api_error::{ApiError, Unknown};

/// Roles of a guild, @everyone included.
const ROLES_MAX: usize = 250;

/// What a request makes of a role; `None` leaves it.
#[derive(Default)]
pub(crate) struct RoleEdit {
    pub name: Option<String>,
    pub permissions: Option<u64>,
    pub color: Option<u32>,
    pub hoist: Option<bool>,
    pub mentionable: Option<bool>,
}

impl RoleEdit {
    fn apply(self, role: &mut Role) {
        if let Some(name) = self.name {
            role.name = name;
        }
        if let Some(color) = self.color {
            role.color = color;
            role.colors = RoleColors { primary_color: color, secondary_color: None, tertiary_color: None };
        }
        role.permissions = self.permissions.unwrap_or(role.permissions);
        role.hoist = self.hoist.unwrap_or(role.hoist);
        role.mentionable = self.mentionable.unwrap_or(role.mentionable);
    }
}

impl World {
    /// A new role at the bottom, just above @everyone.
    pub(crate) fn create_role(
        &mut self,
        guild: Id,
        edit: RoleEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Role, ApiError> {
        let home = self.require_in(guild, permissions::MANAGE_ROLES)?;
        permissions::require_has(home, self.bot, edit.permissions.unwrap_or(0))?;
        if home.roles.len() >= ROLES_MAX {
            return Err(ApiError::new(400, 30005, "Maximum number of guild roles reached (250)"));
        }
        let inherited = home.role(guild).map_or(0, |everyone| everyone.permissions);
        let mut role = Role::new(self.ids.next(now_ms), "new role", 1, inherited);
        edit.apply(&mut role);
        let home = self.guild_mut(guild)?;
        home.roles.iter_mut().filter(|known| known.id != guild).for_each(|known| known.position += 1);
        home.roles.push(role.clone());
        self.outbox.guild_event("GUILD_ROLE_CREATE", guild, &json!({ "guild_id": guild, "role": role }));
        self.audit(guild, action::ROLE_CREATE, role.id, reason, now_ms);
        Ok(role)
    }

    pub(crate) fn edit_role(
        &mut self,
        guild: Id,
        role: Id,
        edit: RoleEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Role, ApiError> {
        let home = self.require_in(guild, permissions::MANAGE_ROLES)?;
        let old = home.role(role).ok_or_else(|| ApiError::unknown(Unknown::Role))?.permissions;
        permissions::require_rank_above(home, self.bot, role)?;
        // What the role has already may stay, though the bot could not give it.
        permissions::require_has(home, self.bot, edit.permissions.unwrap_or(0) & !old)?;
        let unknown = || ApiError::unknown(Unknown::Role);
        let known = self.guild_mut(guild)?.roles.iter_mut().find(|known| known.id == role).ok_or_else(unknown)?;
        edit.apply(known);
        let known = known.clone();
        self.outbox.guild_event("GUILD_ROLE_UPDATE", guild, &json!({ "guild_id": guild, "role": known }));
        self.audit(guild, action::ROLE_UPDATE, role, reason, now_ms);
        Ok(known)
    }

    pub(crate) fn delete_role(
        &mut self,
        guild: Id,
        role: Id,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let home = self.require_in(guild, permissions::MANAGE_ROLES)?;
        let known = home.role(role).ok_or_else(|| ApiError::unknown(Unknown::Role))?;
        if role == guild || known.managed {
            return Err(ApiError::new(400, 50028, "Invalid Role"));
        }
        permissions::require_above_role(home, self.bot, role)?;
        let home = self.guild_mut(guild)?;
        home.roles.retain(|known| known.id != role);
        home.members.values_mut().for_each(|member| member.roles.retain(|held| *held != role));
        home.channels.iter_mut().for_each(|channel| channel.permission_overwrites.retain(|o| o.id != role));
        self.outbox.guild_event("GUILD_ROLE_DELETE", guild, &json!({ "guild_id": guild, "role_id": role }));
        self.audit(guild, action::ROLE_DELETE, role, reason, now_ms);
        Ok(())
    }

    /// Moves roles to positions; neither they nor their new places may be at or above the bot's own.
    pub(crate) fn move_roles(
        &mut self,
        guild: Id,
        places: &[(Id, u16)],
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Vec<Role>, ApiError> {
        let home = self.require_in(guild, permissions::MANAGE_ROLES)?;
        for (role, position) in places {
            permissions::require_above_role(home, self.bot, *role)?;
            if *position >= permissions::rank(home, self.bot).0 {
                return Err(ApiError::missing_permissions());
            }
        }
        let home = self.guild_mut(guild)?;
        let mut moved = Vec::new();
        for (role, position) in places {
            if let Some(known) = home.roles.iter_mut().find(|known| known.id == *role) {
                known.position = *position;
                moved.push(known.clone());
            }
        }
        let all = home.roles.clone();
        for role in moved {
            self.outbox.guild_event("GUILD_ROLE_UPDATE", guild, &json!({ "guild_id": guild, "role": role }));
            self.audit(guild, action::ROLE_UPDATE, role.id, reason, now_ms);
        }
        Ok(all)
    }
}
