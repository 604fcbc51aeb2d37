//! Channels made, changed and deleted by the bot, and what they allow to whom.

use serde_json::json;

use super::World;
use super::audit::action;
use super::guild::{Channel, Overwrite, channel_type};
use super::ids::Id;
use super::permissions;
use crate::api_error::{ApiError, Unknown};

/// Channels of a guild.
const CHANNELS_MAX: usize = 500;

/// What a request makes of a channel; `None` leaves it.
#[derive(Default)]
pub(crate) struct ChannelEdit {
    pub name: Option<String>,
    pub position: Option<u16>,
    pub topic: Option<Option<String>>,
    pub nsfw: Option<bool>,
    pub slow_mode_s: Option<u16>,
    pub parent: Option<Option<Id>>,
    pub overwrites: Option<Vec<Overwrite>>,
}

impl ChannelEdit {
    fn apply(self, channel: &mut Channel) {
        if let Some(name) = self.name {
            channel.name = name;
        }
        if let Some(topic) = self.topic {
            channel.topic = topic;
        }
        if let Some(parent) = self.parent {
            channel.parent_id = parent;
        }
        if let Some(overwrites) = self.overwrites {
            channel.permission_overwrites = overwrites;
        }
        channel.position = self.position.unwrap_or(channel.position);
        channel.nsfw = self.nsfw.unwrap_or(channel.nsfw);
        channel.rate_limit_per_user = self.slow_mode_s.unwrap_or(channel.rate_limit_per_user);
    }
}

impl World {
    pub(crate) fn create_channel(
        &mut self,
        guild: Id,
        kind: u8,
        edit: ChannelEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Channel, ApiError> {
        let home = self.require_in(guild, permissions::MANAGE_CHANNELS)?;
        self.check_place(guild, &edit)?;
        if home.channels.len() >= CHANNELS_MAX {
            return Err(ApiError::new(400, 30013, "Maximum number of server channels reached (500)"));
        }
        let position = u16::try_from(home.channels.iter().filter(|known| known.kind == kind).count()).unwrap_or(0);
        let mut channel = Channel::new(self.ids.next(now_ms), guild, kind, "", position, None);
        edit.apply(&mut channel);
        self.add_channel(channel.clone());
        self.outbox.guild_event("CHANNEL_CREATE", guild, &channel);
        self.audit(guild, action::CHANNEL_CREATE, channel.id, reason, now_ms);
        Ok(channel)
    }

    pub(crate) fn edit_channel(
        &mut self,
        id: Id,
        edit: ChannelEdit,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Channel, ApiError> {
        let guild = self.manageable(id, permissions::MANAGE_CHANNELS)?;
        self.check_place(guild, &edit)?;
        if edit.overwrites.is_some() {
            self.require(id, permissions::MANAGE_ROLES)?;
        }
        let channel = self.place_mut(id)?;
        edit.apply(channel);
        let channel = channel.clone();
        self.outbox.guild_event("CHANNEL_UPDATE", guild, &channel);
        self.audit(guild, action::CHANNEL_UPDATE, id, reason, now_ms);
        Ok(channel)
    }

    pub(crate) fn delete_channel(&mut self, id: Id, reason: Option<&str>, now_ms: u64) -> Result<Channel, ApiError> {
        let guild = self.manageable(id, permissions::MANAGE_CHANNELS)?;
        let channel = self.place_mut(id)?.clone();
        let home = self.guild_mut(guild)?;
        home.channels.retain(|known| known.id != id);
        // Channels of a category that goes stay, outside any.
        home.channels.iter_mut().filter(|known| known.parent_id == Some(id)).for_each(|known| known.parent_id = None);
        self.homes.remove(&id);
        self.logs.remove(&id);
        self.forget_threads(guild, |thread| thread.parent() == Some(id))?;
        self.webhooks.retain(|_, hook| hook.channel != id);
        self.outbox.guild_event("CHANNEL_DELETE", guild, &channel);
        self.audit(guild, action::CHANNEL_DELETE, id, reason, now_ms);
        Ok(channel)
    }

    /// Puts an overwrite into a channel; the bot can allow or deny only what it may itself.
    pub(crate) fn set_overwrite(
        &mut self,
        channel: Id,
        overwrite: Overwrite,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let guild = self.manageable(channel, permissions::MANAGE_ROLES)?;
        self.check_overwrite(guild, Some(channel), &overwrite)?;
        let target = overwrite.id;
        let place = self.place_mut(channel)?;
        let known = place.permission_overwrites.iter().position(|known| known.id == target);
        let done = match known {
            Some(at) => {
                place.permission_overwrites[at] = overwrite;
                action::OVERWRITE_UPDATE
            }
            None => {
                place.permission_overwrites.push(overwrite);
                action::OVERWRITE_CREATE
            }
        };
        let place = place.clone();
        self.outbox.guild_event("CHANNEL_UPDATE", guild, &place);
        self.audit(guild, done, channel, reason, now_ms);
        Ok(())
    }

    pub(crate) fn delete_overwrite(
        &mut self,
        channel: Id,
        target: Id,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<(), ApiError> {
        let guild = self.manageable(channel, permissions::MANAGE_ROLES)?;
        let place = self.place_mut(channel)?;
        let known = place.permission_overwrites.iter().position(|known| known.id == target);
        let at = known.ok_or_else(|| ApiError::new(404, 10009, "Unknown Permission Overwrite"))?;
        place.permission_overwrites.remove(at);
        let place = place.clone();
        self.outbox.guild_event("CHANNEL_UPDATE", guild, &place);
        self.audit(guild, action::OVERWRITE_DELETE, channel, reason, now_ms);
        Ok(())
    }

    /// The guild of a guild channel in which the bot has all of `needed`.
    fn manageable(&self, channel: Id, needed: u64) -> Result<Id, ApiError> {
        let guild = self.guild_of(channel)?.map(|guild| guild.id);
        self.require(channel, needed)?;
        guild.ok_or_else(|| ApiError::new(403, 50003, "Cannot execute action on a DM channel"))
    }

    fn place_mut(&mut self, channel: Id) -> Result<&mut Channel, ApiError> {
        let unknown = || ApiError::unknown(Unknown::Channel);
        let guild = self.homes.get(&channel).copied().ok_or_else(unknown)?;
        self.guild_mut(guild)?.channel_mut(channel).ok_or_else(unknown)
    }

    /// Checks what refers to other things: the category, and whom overwrites are for.
    fn check_place(&self, guild: Id, edit: &ChannelEdit) -> Result<(), ApiError> {
        let home = self.guild(guild)?;
        if let Some(Some(parent)) = edit.parent
            && home.channel(parent).is_none_or(|category| category.kind != channel_type::CATEGORY)
        {
            let message = "Category does not exist";
            return Err(ApiError::invalid_field("parent_id", "CHANNEL_PARENT_INVALID", message));
        }
        edit.overwrites.iter().flatten().try_for_each(|overwrite| self.check_overwrite(guild, None, overwrite))
    }

    fn check_overwrite(&self, guild: Id, channel: Option<Id>, overwrite: &Overwrite) -> Result<(), ApiError> {
        let home = self.guild(guild)?;
        if overwrite.kind == 0 && home.role(overwrite.id).is_none() {
            return Err(ApiError::unknown(Unknown::Role));
        }
        let has = permissions::of(home, self.bot, channel);
        let beyond = (overwrite.allow | overwrite.deny) & !has;
        if beyond == 0 { Ok(()) } else { Err(ApiError::missing_permissions()) }
    }
}

impl Overwrite {
    /// The event of the audit log and the gateway name it by its target.
    pub(crate) fn new(id: Id, kind: u8, allow: u64, deny: u64) -> Overwrite {
        Overwrite { id, kind, allow, deny }
    }
}

/// The positions of channels being changed together.
impl World {
    pub(crate) fn move_channels(&mut self, guild: Id, places: &[(Id, u16)]) -> Result<(), ApiError> {
        self.require_in(guild, permissions::MANAGE_CHANNELS)?;
        for (id, position) in places {
            let unknown = || ApiError::unknown(Unknown::Channel);
            let channel = self.guild_mut(guild)?.channel_mut(*id).ok_or_else(unknown)?;
            channel.position = *position;
            let body = json!(channel);
            self.outbox.guild_event("CHANNEL_UPDATE", guild, &body);
        }
        Ok(())
    }
}
