//! What changes around the people: guilds, members, roles, presences, emojis.

use crate::act::named;
use crate::config::{Limit, SandboxError};
use crate::handle::Sandbox;
use crate::shared::State;
use crate::world::expressions::Shelf;
use crate::world::ids::Id;

impl Sandbox {
    /// The REST limits of single routes are these from now on; windows that run keep what was used of them.
    pub fn set_limits(&self, limits: Vec<Limit>) {
        self.shared.with(|state| state.limits.routes = limits);
    }

    /// The owner adds an emoji to a guild (`None`: to the application); the value is its id.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for a bad name, too many emojis, or an unknown guild.
    pub fn upload_emoji(&self, guild: Option<u64>, name: &str) -> Result<u64, SandboxError> {
        let by = |state: &State| state.world.owner;
        Ok(self.shared.with(|state| state.world.add_emoji(shelf(guild), name, by(state), state.now_ms))?.id.0)
    }

    /// Renames an emoji of a guild or of the application.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for a bad name or an unknown emoji.
    pub fn rename_emoji(&self, guild: Option<u64>, emoji: u64, name: &str) -> Result<(), SandboxError> {
        self.shared.with(|state| state.world.rename_emoji(shelf(guild), Id(emoji), name))?;
        Ok(())
    }

    /// Deletes an emoji of a guild or of the application.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for an unknown emoji.
    pub fn delete_emoji(&self, guild: Option<u64>, emoji: u64) -> Result<(), SandboxError> {
        Ok(self.shared.with(|state| state.world.delete_emoji(shelf(guild), Id(emoji)))?)
    }

    /// The bot is added to a new guild of that name, owned by alice; the value is its id.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] when the world cannot hold it.
    pub fn add_guild(&self, name: &str) -> Result<u64, SandboxError> {
        self.shared.with(|state| {
            let id = state.world.ids.next(state.now_ms);
            state.world.found_guild(id, name, state.world.owner, state.now_ms)?;
            state.announce_guild(id);
            Ok(id.0)
        })
    }

    /// A guild has an outage (`unavailable`) or removes the bot.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for an unknown guild.
    pub fn remove_guild(&self, guild: u64, unavailable: bool) -> Result<(), SandboxError> {
        Ok(self.shared.with(|state| state.world.lose_guild(Id(guild), unavailable))?)
    }

    /// A guild's outage ends; says whether it had one.
    pub fn restore_guild(&self, guild: u64) -> bool {
        self.shared.with(|state| {
            let restored = state.world.restore_guild(Id(guild));
            if restored {
                state.announce_guild(Id(guild));
            }
            restored
        })
    }

    /// A user, made now if need be, joins a guild.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for an unknown guild.
    pub fn join(&self, guild: u64, user: &str) -> Result<u64, SandboxError> {
        Ok(self.shared.with(|state| state.present(Id(guild), user))?.0)
    }

    /// A user leaves a guild.
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`], or [`SandboxError::Refused`] for an unknown guild.
    pub fn leave(&self, guild: u64, user: &str) -> Result<(), SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            Ok(state.world.leave(Id(guild), user)?)
        })
    }

    /// A member's roles become these.
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`], or [`SandboxError::Refused`] for an unknown guild.
    pub fn set_roles(&self, guild: u64, user: &str, roles: &[u64]) -> Result<(), SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            if let Some(member) = state.world.guild_mut(Id(guild))?.members.get_mut(&user) {
                member.roles = roles.iter().map(|role| Id(*role)).collect();
            }
            Ok(state.world.announce_member(Id(guild), user)?)
        })
    }

    /// A role of a guild allows these bits from now on; take permissions from the bot with its own role.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for an unknown guild or role.
    pub fn set_role_permissions(&self, guild: u64, role: u64, bits: u64) -> Result<(), SandboxError> {
        Ok(self.shared.with(|state| state.world.set_role_permissions(Id(guild), Id(role), bits))?)
    }

    /// A member's presence changes (`online`, `idle`, `dnd`, `offline`).
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`], or [`SandboxError::Refused`] for an unknown guild.
    pub fn set_presence(&self, guild: u64, user: &str, status: &str) -> Result<(), SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            Ok(state.world.announce_presence(Id(guild), user, status)?)
        })
    }
}

impl State {
    /// GUILD_CREATE to every session, each as it may see the guild; its body is made there.
    fn announce_guild(&mut self, guild: Id) {
        self.world.outbox.guild_event("GUILD_CREATE", guild, &());
    }
}

fn shelf(guild: Option<u64>) -> Shelf {
    guild.map_or(Shelf::Application, |guild| Shelf::Guild(Id(guild)))
}
