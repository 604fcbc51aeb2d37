//! What command functions and cog hooks are given.

use crate::{
    catalogue::{Catalogue, Runnable},
    cell::CogCell,
    cog::State,
    guard::{Access, Caller, Verdict, judge},
    permissions::outranks,
    ports::{BotInfo, Presence, TreeOps},
    prefixes::Prefixes,
    reply::{Failure, Reply},
    responder::Responder,
};
use chrono::{DateTime, Utc};
use database::Db;
use emoji_cache::Emojis;
use protocol::{
    Clock, ShardId,
    cache::{CacheView, CachedMember},
    ports::Capture,
    task::{RegisterError, TaskSpec, Tasks},
};
use rest::Rest;
use serde_json::Value;
use serenity::model::id::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use std::{any::Any, ops::Deref, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Everything a cog may use. Each is a handle: cheap to clone, and failing per call when what is behind it is away.
pub struct Services {
    /// The database.
    pub db: Db,
    /// Discord's REST API.
    pub rest: Rest,
    /// Emojis, lock-free.
    pub emoji: Emojis,
    /// Guilds, roles, channels.
    pub cache: Arc<dyn CacheView>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Failure reports.
    pub capture: Arc<dyn Capture>,
    /// The actor tree.
    pub tree: Arc<dyn TreeOps>,
    /// What the bot is shown to be doing.
    pub presence: Arc<dyn Presence>,
    /// Facts about the process.
    pub bot: Arc<dyn BotInfo>,
    /// Guild prefixes.
    pub prefixes: Arc<Prefixes>,
    /// Background tasks; [`Ctx::tasks`] reads better.
    pub background: Arc<dyn Tasks>,
}

/// How a command was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// By a message.
    Prefix {
        /// The message.
        message: MessageId,
    },
    /// By a slash command.
    Slash {
        /// The interaction.
        interaction: InteractionId,
    },
}

/// One call of a command.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The command with its subcommand: `prefix set`.
    pub command: String,
    /// Who called.
    pub author: UserId,
    /// In which guild; none in direct messages.
    pub guild: Option<GuildId>,
    /// In which channel.
    pub channel: ChannelId,
    /// By which way.
    pub source: Source,
    /// The prefix it was called with; for a slash command the one that memory has for the place.
    pub prefix: Arc<str>,
    /// The shard it came over.
    pub shard: ShardId,
    /// When Discord made the message or interaction.
    pub created: DateTime<Utc>,
    /// When the frame had been read.
    pub received: Instant,
}

/// What a command function is given: its invocation, the way to answer, and the [`Services`] as fields.
#[derive(Clone)]
pub struct Ctx {
    pub(crate) services: Arc<Services>,
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) responder: Arc<Responder>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) access: Arc<Access>,
    pub(crate) caller: Caller,
    pub(crate) cell: Arc<CogCell>,
    pub(crate) state: State,
}

impl Ctx {
    /// The call.
    pub fn invocation(&self) -> &Invocation {
        &self.invocation
    }

    /// Every command there is.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Whether the caller could run `runnable` here, and why not.
    pub fn verdict(&self, runnable: &Runnable) -> Verdict {
        judge(&runnable.guard, &self.caller, &self.access)
    }

    /// The prefix that holds here; waits for the database when memory does not have it.
    pub async fn prefix(&self) -> Arc<str> {
        match self.invocation.guild {
            Some(guild) => self.services.prefixes.of(guild).await,
            None => Arc::clone(self.services.prefixes.default_prefix()),
        }
    }

    /// A member of this guild, as the cache knows it: for cogs that say [`crate::Cog::reads_members`]. None means not known,
    /// which is not the same as no member; Discord can be asked over `rest`.
    pub fn member(&self, user: UserId) -> Option<CachedMember> {
        self.services.cache.member(self.invocation.guild?, user)
    }

    /// Whether `one` may act on `other` in this guild as far as ranks go (see [`crate::outranks`]). None when the guild or one
    /// of them is not known; of the bot itself the roles are always known.
    pub fn outranks(&self, one: UserId, other: UserId) -> Option<bool> {
        let guild = self.services.cache.guild(self.invocation.guild?)?;
        let roles = |user: UserId| match Some(user) == self.services.cache.own_id() {
            true => Some(guild.own_roles.to_vec().into()),
            false => self.member(user).map(|member| member.roles),
        };
        // The owner's rank does not come from roles.
        let held = |user| if user == guild.owner_id { Some(Box::default()) } else { roles(user) };
        Some(outranks(&guild, (one, &held(one)?), (other, &held(other)?)))
    }

    /// The cog's state; none when `T` is not what its manifest makes.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.state).downcast().ok()
    }

    /// The value of a setting of the cog.
    pub fn setting(&self, key: &str) -> Option<&Value> {
        self.cell.settings.values.get(key)
    }

    /// What the cog's tasks are given: for a task that a command registers.
    pub fn of_cog(&self) -> CogCtx {
        let (services, cell, state) = (Arc::clone(&self.services), Arc::clone(&self.cell), Arc::clone(&self.state));
        CogCtx { services, cell, state }
    }

    /// Background tasks of the cog that the command belongs to.
    pub fn tasks(&self) -> CogTasks<'_> {
        CogTasks { cog: self.cell.cog.name, tasks: &*self.services.background }
    }

    /// Answers at once; what the function returns is a further message, unless it is [`Reply::none`].
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn reply(&self, reply: Reply) -> Result<(), Failure> {
        Ok(self.responder.send(&reply).await?)
    }

    /// Tells Discord that the answer will take longer than its 3 s; done by itself after 2 s. Nothing for a message.
    ///
    /// # Errors
    /// Discord did not take it.
    pub async fn defer(&self) -> Result<(), Failure> {
        Ok(self.responder.defer().await?)
    }

    /// Time since Discord made the message or interaction, by the two clocks; none when they disagree.
    pub fn age(&self) -> Option<Duration> {
        (self.services.clock.now() - self.invocation.created).to_std().ok()
    }
}

impl Deref for Ctx {
    type Target = Services;
    fn deref(&self) -> &Services {
        &self.services
    }
}

/// What a cog's hooks and tasks are given: its state and the [`Services`] as fields.
#[derive(Clone)]
pub struct CogCtx {
    pub(crate) services: Arc<Services>,
    pub(crate) cell: Arc<CogCell>,
    pub(crate) state: State,
}

impl CogCtx {
    /// The cog's state; none when `T` is not what its manifest makes.
    pub fn state<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        Arc::clone(&self.state).downcast().ok()
    }

    /// The value of a setting of the cog.
    pub fn setting(&self, key: &str) -> Option<&Value> {
        self.cell.settings.values.get(key)
    }
}

/// The background tasks of one cog, registered at run time. They are stopped and forgotten when it is unloaded, like those
/// that its manifest declares.
#[derive(Clone, Copy)]
pub struct CogTasks<'a> {
    cog: &'static str,
    tasks: &'a dyn Tasks,
}

impl CogTasks<'_> {
    /// Registers a task of the cog, whatever cog it names, and waits until it is up.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(&self, spec: TaskSpec) -> Result<(), RegisterError> {
        self.tasks.register(TaskSpec { cog: self.cog.to_owned(), ..spec }).await
    }

    /// Stops and forgets one task of the cog; whether there was one.
    pub async fn unregister(&self, name: &str) -> bool {
        self.tasks.unregister(self.cog, name).await
    }
}

impl CogCtx {
    /// Background tasks of the cog.
    pub fn tasks(&self) -> CogTasks<'_> {
        CogTasks { cog: self.cell.cog.name, tasks: &*self.services.background }
    }
}

impl Deref for CogCtx {
    type Target = Services;
    fn deref(&self) -> &Services {
        &self.services
    }
}
