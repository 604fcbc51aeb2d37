//! The handle: lock-free reads for everybody, and the gateway's way in.

use crate::{
    actor::{EmojiMsg, Refreshed},
    emoji::{CachedEmoji, Origin, of_guild, set},
    snapshot::{EmojiCounts, Resolved, Snapshot},
};
use arc_swap::ArcSwap;
use protocol::{Delivery, Dispatch, Event, EventKind, EventSink, KindSet, cache::GuildEmoji};
use serde::Serialize;
use serenity::model::id::{EmojiId, GuildId};
use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Addr, CallError};
use tokio::time::Instant;

/// Reads the emoji cache. Cloning is cheap; reads take no lock and ask no actor, so they work while it is down.
#[derive(Clone)]
pub struct Emojis {
    pub(crate) shared: Arc<Shared>,
}

/// What outlives an incarnation of the actor.
pub(crate) struct Shared {
    pub(crate) addr: Addr<EmojiMsg>,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) health: ArcSwap<Health>,
    /// Numbers events in the order of their delivery, so that older readings do not undo them.
    pub(crate) events: Arc<AtomicU64>,
    /// Guilds whose event found the actor busy or down; at most as many as there are guilds.
    missed: Mutex<BTreeSet<GuildId>>,
}

/// How the last refresh went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Health {
    pub(crate) refreshing: bool,
    pub(crate) last_done: Option<Instant>,
    pub(crate) last_error: Option<String>,
}

/// The cache's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EmojiStatus {
    /// How much is cached.
    #[serde(flatten)]
    pub counts: EmojiCounts,
    /// Whether a refresh is under way.
    pub refreshing: bool,
    /// Time since the last refresh that read everything, in milliseconds; none: there has been none.
    pub refreshed_ms_ago: Option<u64>,
    /// What went wrong in the last refresh; what is served may be old then.
    pub last_error: Option<String>,
    /// Guilds that must be read anew because their event could not be taken.
    pub missed: usize,
}

/// A change that an event tells of.
#[derive(Debug)]
pub(crate) enum Change {
    Has(GuildId, crate::emoji::Set),
    Gone(GuildId),
}

impl Emojis {
    pub(crate) fn new(addr: Addr<EmojiMsg>) -> Self {
        let shared = Shared {
            addr,
            snapshot: ArcSwap::default(),
            health: ArcSwap::default(),
            events: Arc::default(),
            missed: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The custom emoji with this id, if the application or one of its guilds has it.
    pub fn get(&self, id: EmojiId) -> Option<Arc<CachedEmoji>> {
        self.shared.snapshot.load().get(id)
    }

    /// The emoji that `name` (a name or shortcode with or without colons, a mention, or a glyph) stands for in
    /// `guild`: that guild's, else the application's, else another guild's, else Unicode's.
    pub fn resolve(&self, name: &str, guild: Option<GuildId>) -> Option<Resolved> {
        self.shared.snapshot.load().resolve(name, guild)
    }

    /// The emojis of one origin, ascending by id; everything, the application's first, when none is given.
    pub fn list(&self, origin: Option<Origin>) -> Vec<Arc<CachedEmoji>> {
        self.shared.snapshot.load().list(origin)
    }

    /// How much is cached.
    pub fn counts(&self) -> EmojiCounts {
        self.shared.snapshot.load().model.counts()
    }

    /// The cache's state.
    pub fn status(&self) -> EmojiStatus {
        let health = self.shared.health.load();
        let millis = |at: Instant| protocol::millis(at.elapsed());
        EmojiStatus {
            counts: self.counts(),
            refreshing: health.refreshing,
            refreshed_ms_ago: health.last_done.map(millis),
            last_error: health.last_error.clone(),
            missed: self.shared.missed().len(),
        }
    }

    /// Reads everything anew and waits for it, `deadline` at most.
    ///
    /// # Errors
    /// One sentence; what was known is still served.
    pub async fn refresh(&self, deadline: Duration) -> Result<Refreshed, String> {
        match self.shared.addr.call(deadline, EmojiMsg::Refresh).await {
            Ok(done) => done,
            Err(CallError::Deadline) => Err("the refresh is still under way".to_owned()),
            Err(error) => Err(format!("the emoji cache cannot refresh: {error}")),
        }
    }
}

impl Shared {
    fn missed(&self) -> std::sync::MutexGuard<'_, BTreeSet<GuildId>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the actor. Never makes the shard wait: what the actor cannot take now is noted and read anew later.
    fn changed(&self, change: Change) {
        let number = self.events.fetch_add(1, Relaxed) + 1;
        let (Change::Has(id, _) | Change::Gone(id)) = change;
        if self.addr.try_send(EmojiMsg::Event { number, change }).is_err() {
            self.miss([id]);
        }
    }

    /// Notes guilds that must be read.
    pub(crate) fn miss(&self, guilds: impl IntoIterator<Item = GuildId>) {
        self.missed().extend(guilds);
    }

    /// Hands over the guilds that were missed.
    pub(crate) fn take_missed(&self) -> BTreeSet<GuildId> {
        std::mem::take(&mut self.missed())
    }

    pub(crate) fn has_missed(&self) -> bool {
        !self.missed().is_empty()
    }
}

impl EventSink for Emojis {
    /// Not GUILD_CREATE: the gateway's cache, which reads it anyway, hands over its emojis.
    fn wants(&self) -> KindSet {
        KindSet::of(&[EventKind::GuildEmojisUpdate, EventKind::GuildDelete, EventKind::Resumed])
    }

    fn guild_emojis(&self, guild: GuildId, emojis: &[GuildEmoji]) {
        self.shared.changed(Change::Has(guild, of_guild(guild, emojis)));
    }

    fn deliver(&self, dispatch: Dispatch) -> Delivery<'_> {
        let change = match &*dispatch.event {
            Event::GuildEmojisUpdate(event) => {
                Change::Has(event.guild_id, set(event.emojis.values(), Origin::Guild(event.guild_id)))
            }
            // Unavailable means an outage: the guild and its emojis will be back.
            Event::GuildDelete(event) if !event.guild.unavailable => Change::Gone(event.guild.id),
            Event::Resumed(_) => {
                self.shared.addr.try_send(EmojiMsg::CatchUp).ok(); // a busy or new incarnation catches up anyway
                return None;
            }
            _ => return None,
        };
        self.shared.changed(change);
        None
    }
}

impl fmt::Debug for Emojis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Emojis").field(&self.counts()).finish()
    }
}
