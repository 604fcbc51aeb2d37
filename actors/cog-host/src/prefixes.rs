//! The prefix of each guild: kept in the database, remembered in bounded memory, with a default to fall back on.
//!
//! At boot all that are set are read at once, if they fit: most guilds have none, and each would otherwise cost a read, and
//! its first message a decoding, to learn just that.

use crate::prefix::{PrefixError, checked};
use database::{Db, DbError};
use protocol::BoxFuture;
use serenity::model::id::GuildId;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::time::Instant;

/// How long a message waits for its guild's prefix before the default is taken.
const LOOKUP_DEADLINE: Duration = Duration::from_millis(500);
/// How long the default stands in for a prefix that could not be read.
const FALLBACK_FOR: Duration = Duration::from_secs(5);
/// How often reading all prefixes is tried again.
const READ_ALL_EVERY: Duration = Duration::from_secs(30);

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

    /// Reads every prefix that is set. If there are more than fit, or they cannot be read, each is read when a message of
    /// its guild comes.
    ///
    /// # Errors
    /// [`DbError`]: they cannot be read at the moment.
    pub async fn read_all(&self) -> Result<(), DbError> {
        let (fit, dropped) = {
            let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
            (remembered.half, remembered.dropped)
        };
        let set = self.store.load_all(fit + 1).await?;
        if set.len() <= fit {
            let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
            for (guild, prefix) in set {
                // What memory has, or had, may be newer than what was read: set meanwhile, or with an unknown outcome.
                if remembered.dropped != dropped {
                    return Ok(());
                }
                if remembered.get(guild).is_none() {
                    remembered.put(guild, Entry { prefix: prefix.into(), until: None });
                }
            }
            if remembered.dropped == dropped {
                remembered.others = Some(Arc::clone(&self.default));
            }
        }
        Ok(())
    }

    /// Does it once the database can be read, for a boot at which it could not: tries every 30 s.
    pub async fn read_all_later(&self) {
        loop {
            tokio::time::sleep(READ_ALL_EVERY).await;
            match self.read_all().await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "guilds' prefixes still cannot be read at once"),
            }
        }
    }

    /// The prefix where no guild has another.
    pub fn default_prefix(&self) -> &Arc<str> {
        &self.default
    }

    /// The prefix of `guild` when memory has it; never waits.
    pub fn peek(&self, guild: GuildId) -> Option<Arc<str>> {
        let entry = self.remembered.read().unwrap_or_else(PoisonError::into_inner).get(guild)?;
        entry.until.is_none_or(|until| Instant::now() < until).then_some(entry.prefix)
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
            Ok(prefix) => Entry { prefix: prefix.map_or_else(|| Arc::clone(&self.default), Arc::from), until: None },
            Err(error) => {
                tracing::debug!(guild.id = guild.get(), %error, "the prefix could not be read; the default stands in");
                Entry { prefix: Arc::clone(&self.default), until: Some(Instant::now() + FALLBACK_FOR) }
            }
        };
        // A prefix that was set while this read was under way is newer than what it found.
        self.remembered.write().unwrap_or_else(PoisonError::into_inner).fill(guild, entry)
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
            let mut remembered = this.remembered.write().unwrap_or_else(PoisonError::into_inner);
            match saved {
                Ok(()) => {
                    let prefix = prefix.map_or_else(|| Arc::clone(&this.default), Arc::from);
                    remembered.put(guild, Entry { prefix: Arc::clone(&prefix), until: None });
                    Ok(prefix)
                }
                Err(error) => {
                    // The outcome may be unknown: it is read anew.
                    remembered.put(guild, Entry { prefix: Arc::clone(&this.default), until: Some(Instant::now()) });
                    Err(SetPrefixError::from(error))
                }
            }
        });
        let lost = || DbError::Other("the write ended without an answer".to_owned());
        write.await.unwrap_or_else(|_| Err(lost().into()))
    }
}

#[derive(Clone)]
struct Entry {
    prefix: Arc<str>,
    until: Option<Instant>,
}

/// Two generations of at most half the capacity each: when the young one is full it becomes the old one, and the old one
/// is dropped. Bounded, and O(1) without a list; what is dropped too early is read again.
struct Generations {
    half: usize,
    /// The prefix of every guild that is in neither generation; none: those have yet to be read.
    others: Option<Arc<str>>,
    /// How often entries were dropped.
    dropped: u64,
    young: HashMap<GuildId, Entry>,
    old: HashMap<GuildId, Entry>,
}

impl Generations {
    fn new(capacity: usize) -> Self {
        Self { half: (capacity / 2).max(1), others: None, dropped: 0, young: HashMap::new(), old: HashMap::new() }
    }

    fn get(&self, guild: GuildId) -> Option<Entry> {
        let known = self.young.get(&guild).or_else(|| self.old.get(&guild)).cloned();
        known.or_else(|| Some(Entry { prefix: self.others.clone()?, until: None }))
    }

    fn put(&mut self, guild: GuildId, entry: Entry) {
        if self.young.len() >= self.half && !self.young.contains_key(&guild) {
            let dropped = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            if !dropped.is_empty() {
                self.others = None;
                self.dropped += 1;
            }
        }
        self.old.remove(&guild);
        self.young.insert(guild, entry);
    }

    /// Puts `entry` unless a lasting one is there; gives the prefix that holds.
    fn fill(&mut self, guild: GuildId, entry: Entry) -> Arc<str> {
        if let Some(lasting) = self.get(guild).filter(|known| known.until.is_none()) {
            return lasting.prefix;
        }
        let prefix = Arc::clone(&entry.prefix);
        self.put(guild, entry);
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MapStore;

    fn guild(id: u64) -> GuildId {
        GuildId::new(id)
    }

    #[tokio::test(start_paused = true)]
    async fn a_set_prefix_is_committed_before_it_holds_and_a_reset_brings_the_default_back() {
        let store = MapStore::new();
        let prefixes = Prefixes::new("!", 10, store.clone());
        assert_eq!(&*prefixes.of(guild(1)).await, "!");
        assert_eq!(&*prefixes.set(guild(1), Some(" ? ")).await.unwrap(), "?");
        assert_eq!(store.saved(guild(1)), Some("?".to_owned()));
        assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("?"));
        assert_eq!(&*Prefixes::new("!", 10, store.clone()).of(guild(1)).await, "?", "another process reads it");
        prefixes.set(guild(1), None).await.unwrap();
        assert_eq!((store.saved(guild(1)), &*prefixes.of(guild(1)).await), (None, "!"));
        assert_eq!(prefixes.set(guild(1), Some("@here")).await, Err(SetPrefixError::Bad(PrefixError::Mention)));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_database_the_default_stands_in_and_the_real_prefix_returns_with_it() {
        let store = MapStore::new();
        store.put(guild(1), "?");
        store.fail(true);
        let prefixes = Prefixes::new("!", 10, store.clone());
        assert_eq!(&*prefixes.of(guild(1)).await, "!");
        assert!(prefixes.set(guild(1), Some("$")).await.is_err());
        store.fail(false);
        assert_eq!(&*prefixes.of(guild(1)).await, "?", "the failed write forgot the stand-in");
        store.fail(true);
        assert_eq!(&*prefixes.of(guild(2)).await, "!");
        store.fail(false);
        store.put(guild(2), "%");
        assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("!"));
        tokio::time::advance(FALLBACK_FOR).await;
        assert_eq!(prefixes.peek(guild(2)), None);
        assert_eq!(&*prefixes.of(guild(2)).await, "%");
    }

    #[tokio::test(start_paused = true)]
    async fn once_all_have_been_read_no_message_waits_for_the_database() {
        let store = MapStore::new();
        store.put(guild(1), "?");
        let prefixes = Prefixes::new("!", 10, store.clone());
        prefixes.read_all().await.unwrap();
        store.fail(true);
        assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("?"));
        assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("!"), "it has set none");
        store.fail(false);
        prefixes.set(guild(2), Some("$")).await.unwrap();
        prefixes.set(guild(1), None).await.unwrap();
        assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("$"));
        assert_eq!(prefixes.peek(guild(1)).as_deref(), Some("!"));
        store.fail(true);
        assert!(prefixes.set(guild(2), Some("%")).await.is_err());
        assert_eq!(prefixes.peek(guild(2)), None, "whether that was written is unknown: it is read again");
        assert_eq!(prefixes.peek(guild(3)).as_deref(), Some("!"), "of the others nothing has changed");
        store.fail(false);
        assert_eq!(&*prefixes.of(guild(2)).await, "$");
        assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("$"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_read_at_boot_is_read_once_the_database_is_back() {
        let store = MapStore::new();
        (1..=3).for_each(|id| store.put(guild(id), "?"));
        store.fail(true);
        let prefixes = Prefixes::new("!", 10, store.clone());
        assert!(prefixes.read_all().await.is_err());
        let later = tokio::spawn({
            let prefixes = Arc::clone(&prefixes);
            async move { prefixes.read_all_later().await }
        });
        tokio::time::sleep(READ_ALL_EVERY * 5 / 2).await;
        assert!(prefixes.set(guild(1), Some("$")).await.is_err());
        store.fail(false);
        prefixes.set(guild(2), Some("%")).await.unwrap();
        store.put(guild(2), "older"); // as a read that began before the change would find it
        later.await.unwrap();
        assert_eq!(prefixes.peek(guild(1)), None, "its outcome is unknown still");
        assert_eq!(prefixes.peek(guild(2)).as_deref(), Some("%"));
        assert_eq!(prefixes.peek(guild(3)).as_deref(), Some("?"));
        assert_eq!(prefixes.peek(guild(4)).as_deref(), Some("!"));
        assert_eq!(&*prefixes.of(guild(1)).await, "?");
    }

    #[tokio::test(start_paused = true)]
    async fn prefixes_that_do_not_fit_into_memory_are_read_guild_by_guild() {
        let store = MapStore::new();
        (1..=6).for_each(|id| store.put(guild(id), "?"));
        let prefixes = Prefixes::new("!", 10, store.clone());
        prefixes.read_all().await.unwrap();
        assert_eq!(prefixes.peek(guild(1)), None);
        assert_eq!(&*prefixes.of(guild(1)).await, "?");
        // They fit at first, then one more is set after the other.
        let prefixes = Prefixes::new("!", 14, store);
        prefixes.read_all().await.unwrap();
        assert_eq!(prefixes.peek(guild(100)).as_deref(), Some("!"));
        for id in 7..=30 {
            prefixes.set(guild(id), Some("?")).await.unwrap();
        }
        for id in 1..=30 {
            assert_ne!(prefixes.peek(guild(id)).as_deref(), Some("!"), "guild {id}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_database_that_hangs_delays_a_message_by_half_a_second_at_most() {
        let store = MapStore::new();
        store.hang(true);
        let prefixes = Prefixes::new("!", 10, store);
        let asked = Instant::now();
        assert_eq!(&*prefixes.of(guild(1)).await, "!");
        assert_eq!(asked.elapsed(), LOOKUP_DEADLINE);
    }

    #[test]
    fn a_read_that_began_before_a_change_does_not_undo_it() {
        let entry = |prefix: &str, until| Entry { prefix: prefix.into(), until };
        let mut generations = Generations::new(10);
        generations.put(guild(1), entry("new", None));
        assert_eq!(&*generations.fill(guild(1), entry("old", None)), "new");
        assert_eq!(generations.get(guild(1)).map(|entry| entry.prefix).as_deref(), Some("new"));
        generations.put(guild(2), entry("stand-in", Some(Instant::now())));
        assert_eq!(&*generations.fill(guild(2), entry("real", None)), "real");
    }

    #[test]
    fn memory_never_holds_more_than_its_capacity_and_keeps_the_newest() {
        let mut generations = Generations::new(100);
        for id in 1..=1000 {
            generations.put(guild(id), Entry { prefix: "!".into(), until: None });
            assert!(generations.young.len() + generations.old.len() <= 100);
            assert!(generations.get(guild(id)).is_some());
        }
        assert!(generations.get(guild(960)).is_some() && generations.get(guild(1)).is_none());
    }
}
