//! The prefix of each guild: kept in the database, remembered in bounded memory, with a default to fall back on.
//!
//! At boot all that are set are read at once, if they fit: most guilds have none, and each would otherwise cost a read, and
//! its first message a decoding, to learn just that.

mod memory;

pub use self::memory::PrefixReading;
use self::memory::{Entry, Generations};
use crate::prefix::{PrefixError, checked};
use database::{Db, DbError};
use protocol::BoxFuture;
use serenity::model::id::GuildId;
use std::{
    sync::{Arc, PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};
use tokio::time::Instant;

/// How long a message waits for its guild's prefix before the default is taken.
const LOOKUP_DEADLINE: Duration = Duration::from_millis(500);
/// How long the default stands in for a prefix that could not be read.
const FALLBACK_FOR: Duration = Duration::from_secs(5);
/// How often reading all prefixes is tried again.
const READ_ALL_EVERY: Duration = Duration::from_secs(30);
/// How often it may be disturbed by guilds that speak before it is left at that.
const DISTURBED_MAX: u32 = 10;

/// Where prefixes are kept. [`Db`] is behind it; tests put a map there.
pub trait PrefixStore: Send + Sync + 'static {
    /// Guilds that have set one, and which; `limit` of them at most.
    fn load_all(&self, limit: usize) -> BoxFuture<'_, Result<Vec<(GuildId, String)>, DbError>>;
    /// The prefix of `guild`, if it has set one.
    fn load(&self, guild: GuildId) -> BoxFuture<'_, Result<Option<String>, DbError>>;
    /// Sets or resets it, committed before it returns.
    fn save(&self, guild: GuildId, prefix: Option<String>) -> BoxFuture<'_, Result<(), DbError>>;
}

impl PrefixStore for Db {
    fn load_all(&self, limit: usize) -> BoxFuture<'_, Result<Vec<(GuildId, String)>, DbError>> {
        Box::pin(self.guild_prefixes(limit))
    }

    fn load(&self, guild: GuildId) -> BoxFuture<'_, Result<Option<String>, DbError>> {
        Box::pin(async move { Ok(self.guild_config(guild).await?.and_then(|config| config.prefix)) })
    }

    fn save(&self, guild: GuildId, prefix: Option<String>) -> BoxFuture<'_, Result<(), DbError>> {
        Box::pin(async move { self.set_prefix(guild, prefix.as_deref()).await.map(drop) })
    }
}

/// Why a prefix was not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetPrefixError {
    /// It is no good as a prefix.
    #[error(transparent)]
    Bad(#[from] PrefixError),
    /// It was not kept.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The prefixes.
pub struct Prefixes {
    default: Arc<str>,
    store: Arc<dyn PrefixStore>,
    remembered: RwLock<Generations>,
}

impl Prefixes {
    /// Prefixes kept in `store`, `capacity` of them remembered, `default` where a guild has set none.
    pub fn new(default: &str, capacity: usize, store: Arc<dyn PrefixStore>) -> Arc<Self> {
        Arc::new(Self { default: default.into(), store, remembered: RwLock::new(Generations::new(capacity)) })
    }

    /// Reads every prefix that is set, so that no message has to wait for its guild's.
    ///
    /// # Errors
    /// [`DbError`]: they cannot be read at the moment.
    pub async fn read_all(&self) -> Result<PrefixReading, DbError> {
        let begun = self.remembered().begin_reading();
        let set = self.store.load_all(begun.fit + 1).await?;
        if set.len() > begun.fit {
            return Ok(PrefixReading::TooMany);
        }
        let set = set.into_iter().map(|(guild, prefix)| (guild, prefix.into()));
        Ok(self.remembered().take_all(&begun, set.collect(), &self.default))
    }

    /// Does it once the database can be read, for a boot at which it could not: tries every 30 s.
    pub async fn read_all_later(&self) {
        let mut disturbed = 0;
        while disturbed < DISTURBED_MAX {
            tokio::time::sleep(READ_ALL_EVERY).await;
            match self.read_all().await {
                Ok(PrefixReading::Done | PrefixReading::TooMany) => return,
                Ok(PrefixReading::Disturbed) => disturbed += 1,
                Err(error) => tracing::debug!(%error, "guilds' prefixes still cannot be read at once"),
            }
        }
        tracing::info!("too many guilds speak to read all prefixes at once: each is read when its guild speaks");
    }

    /// The prefix where no guild has another.
    pub fn default_prefix(&self) -> &Arc<str> {
        &self.default
    }

    /// The prefix of `guild` when memory has it; never waits.
    pub fn peek(&self, guild: GuildId) -> Option<Arc<str>> {
        self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(guild)?.valid(Instant::now())
    }

    /// The prefix of `guild`: from memory, else from the database, else the default.
    pub async fn of(self: &Arc<Self>, guild: GuildId) -> Arc<str> {
        if let Some(prefix) = self.peek(guild) {
            return prefix;
        }
        let this = Arc::clone(self);
        // A task of its own: a slow read is not cancelled, its answer is remembered for the next message.
        let lookup = tokio::spawn(async move { this.look_up(guild).await });
        let found = tokio::time::timeout(LOOKUP_DEADLINE, lookup).await;
        found.ok().and_then(Result::ok).unwrap_or_else(|| Arc::clone(&self.default))
    }

    async fn look_up(&self, guild: GuildId) -> Arc<str> {
        let entry = match self.store.load(guild).await {
            Ok(prefix) => Entry::Lasting(prefix.map_or_else(|| Arc::clone(&self.default), Arc::from)),
            Err(error) => {
                tracing::debug!(guild.id = guild.get(), %error, "the prefix could not be read; the default stands in");
                Entry::StandIn { prefix: Arc::clone(&self.default), until: Instant::now() + FALLBACK_FOR }
            }
        };
        // A prefix that was set while this read was under way is newer than what it found.
        self.remembered().fill(guild, entry)
    }

    /// Sets the prefix of `guild`, or resets it to the default; gives the one that holds now. It is committed and
    /// remembered before this returns, and also when the caller stops waiting.
    ///
    /// # Errors
    /// [`SetPrefixError`]; the old prefix then still holds, unless the outcome of the write is unknown.
    pub async fn set(self: &Arc<Self>, guild: GuildId, prefix: Option<&str>) -> Result<Arc<str>, SetPrefixError> {
        let prefix = prefix.map(checked).transpose()?.map(str::to_owned);
        let this = Arc::clone(self);
        let write = tokio::spawn(async move {
            let saved = this.store.save(guild, prefix.clone()).await;
            let mut remembered = this.remembered();
            match saved {
                Ok(()) => {
                    let prefix = prefix.map_or_else(|| Arc::clone(&this.default), Arc::from);
                    remembered.put(guild, Entry::Lasting(Arc::clone(&prefix)));
                    Ok(prefix)
                }
                Err(error) => {
                    // The outcome may be unknown: it is read anew.
                    let until = Instant::now();
                    remembered.put(guild, Entry::Unsure { prefix: Arc::clone(&this.default), until });
                    Err(SetPrefixError::from(error))
                }
            }
        });
        let lost = || DbError::Other("the write ended without an answer".to_owned());
        write.await.unwrap_or_else(|_| Err(lost().into()))
    }

    fn remembered(&self) -> RwLockWriteGuard<'_, Generations> {
        self.remembered.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
