//! What outlives a shard actor: the session that the next incarnation resumes, and what the shard has done so far.

use crate::{
    cache::Ready,
    members::Pending,
    session::ResumePoint,
    status::{Published, ShardStatus, Tally},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use chrono::{DateTime, Utc};
use protocol::ShardId;
use serde::{Deserialize, Serialize};
use serenity::model::gateway::GatewayIntents;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

/// One Discord session: its address and how far it has come. The reader of the connection writes it, alone.
///
/// `received` is told to Discord in heartbeats. `accepted` is what RESUME asks to continue after: it moves only once
/// the event is in the sink, so that a crash in between loses nothing. `applied` is how far the cache has come, so that
/// an event that was in the cache but not yet in the sink is not counted twice.
#[derive(Debug)]
pub struct Books {
    point: ResumePoint,
    received: AtomicU64,
    accepted: AtomicU64,
    applied: AtomicU64,
}

impl Books {
    /// A session that has come to `accepted`, and its cache to `applied`.
    fn new(point: ResumePoint, accepted: u64, applied: u64) -> Self {
        Self {
            point,
            received: AtomicU64::new(accepted),
            accepted: AtomicU64::new(accepted),
            applied: AtomicU64::new(applied),
        }
    }

    /// The last sequence number received.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// The last sequence number whose event is in the sink.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// Books that `seq` has come, before anything is done with it.
    pub(crate) fn receive(&self, seq: u64) {
        self.received.store(self.received().max(seq), Relaxed);
    }

    /// Whether the cache has seen `seq` already; if not, it has from now on.
    pub(crate) fn apply(&self, seq: u64) -> bool {
        let fresh = seq > self.applied.load(Relaxed);
        if fresh {
            self.applied.store(seq, Relaxed);
        }
        fresh
    }

    /// Books that nothing more has to be done for `seq`.
    pub(crate) fn accept(&self, seq: u64) {
        self.accepted.store(self.accepted().max(seq), Relaxed);
    }
}

/// A session as it can be written down and resumed by another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSession {
    /// The shard.
    pub shard: ShardId,
    /// Of how many.
    pub total: u32,
    /// From READY.
    pub session_id: Box<str>,
    /// The address to resume at.
    pub resume_url: Box<str>,
    /// The last accepted sequence number.
    pub seq: u64,
    /// How far the cache has come: further, if the last event waited for a full sink.
    #[serde(default)]
    pub applied: u64,
    /// The intents it was begun with; a RESUME cannot change them.
    #[serde(default)]
    pub intents: u64,
    /// When it began.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
}

/// What outlives the incarnations of one shard.
#[derive(Debug)]
pub struct Keeper {
    shard: ShardId,
    total: u32,
    books: ArcSwapOption<Books>,
    /// Held by the one connection that may handle dispatches: the last one finishes its delivery first.
    pub(crate) turn: Arc<Semaphore>,
    pub(crate) tally: Tally,
    pub(crate) members: Pending,
    pub(crate) published: ArcSwap<Published>,
    ready: watch::Sender<bool>,
    /// Woken by each acknowledged heartbeat.
    pub(crate) acked: Notify,
    /// What the last IDENTIFY asked for.
    intents: AtomicU64,
    /// Whether its part of the cache came from another process and no RESUMED has confirmed it.
    unconfirmed: AtomicBool,
}

impl Keeper {
    /// A keeper for `shard` of `total`, without a session.
    pub fn new(shard: ShardId, total: u32) -> Self {
        Self {
            shard,
            total,
            books: ArcSwapOption::empty(),
            turn: Arc::new(Semaphore::new(1)),
            tally: Tally::default(),
            members: Pending::default(),
            published: ArcSwap::from_pointee(Published::default()),
            ready: watch::Sender::new(false),
            acked: Notify::new(),
            intents: AtomicU64::new(0),
            unconfirmed: AtomicBool::new(false),
        }
    }

    /// The shard.
    pub fn shard(&self) -> ShardId {
        self.shard
    }

    /// Of how many.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The session under way, if there is one.
    pub fn books(&self) -> Option<Arc<Books>> {
        self.books.load_full()
    }

    pub(crate) fn point(&self) -> Option<ResumePoint> {
        self.books.load().as_ref().map(|books| books.point.clone())
    }

    /// Begins the session that READY told of, at sequence number `seq`.
    pub(crate) fn begin(&self, ready: &Ready, seq: u64) -> Arc<Books> {
        let point = ResumePoint { session_id: ready.session_id.clone(), url: ready.resume_gateway_url.clone() };
        let books = Arc::new(Books::new(point, seq, seq));
        self.books.store(Some(Arc::clone(&books)));
        books
    }

    /// Forgets the session: it cannot be resumed. Returns whether its part of the cache came from another process and
    /// was never confirmed.
    pub(crate) fn forget(&self) -> bool {
        self.books.store(None);
        self.unconfirmed.swap(false, Relaxed)
    }

    /// Notes what an IDENTIFY asks for.
    pub(crate) fn identifies_with(&self, intents: u64) {
        self.intents.store(intents, Relaxed);
    }

    /// What the session was begun with.
    pub(crate) fn intents(&self) -> GatewayIntents {
        GatewayIntents::from_bits_retain(self.intents.load(Relaxed))
    }

    /// Waits until no connection handles dispatches any more; none does while the permit is held.
    pub(crate) async fn rest(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turn).acquire_owned().await.ok() // it is never closed
    }

    /// The session as it can be written down.
    pub fn save(&self) -> Option<SavedSession> {
        self.books.load().as_ref().map(|books| SavedSession {
            shard: self.shard,
            total: self.total,
            session_id: books.point.session_id.clone(),
            resume_url: books.point.url.clone(),
            seq: books.accepted(),
            applied: books.applied.load(Relaxed).max(books.accepted()),
            intents: self.intents.load(Relaxed),
            since: self.since(),
        })
    }

    fn since(&self) -> Option<DateTime<Utc>> {
        let published = self.published.load();
        published.session_since.or(published.restored_since)
    }

    /// Takes up a session that was written down, before the shard has started. Returns whether it fits this shard.
    pub fn restore(&self, saved: &SavedSession) -> bool {
        let fits = saved.shard == self.shard && saved.total == self.total;
        if fits {
            let point = ResumePoint { session_id: saved.session_id.clone(), url: saved.resume_url.clone() };
            self.books.store(Some(Arc::new(Books::new(point, saved.seq, saved.applied.max(saved.seq)))));
            self.intents.store(saved.intents, Relaxed);
            self.published.rcu(|published| Published { restored_since: saved.since, ..Published::clone(published) });
        }
        fits
    }

    /// As [`Keeper::restore`], with its part of the cache; not over a session that is under way.
    pub(crate) fn take_up(&self, saved: &SavedSession) -> bool {
        let done = self.books().is_none() && self.restore(saved);
        self.unconfirmed.fetch_or(done, Relaxed);
        done
    }

    /// What can be said of the shard at this moment, without asking it.
    pub fn status(&self) -> ShardStatus {
        ShardStatus::read(self)
    }

    pub(crate) fn mark_ready(&self) {
        self.unconfirmed.store(false, Relaxed);
        self.ready.send_replace(true);
    }

    /// Ends once READY or RESUMED has come for the first time.
    pub(crate) async fn ready(&self) {
        self.ready.subscribe().wait_for(|ready| *ready).await.ok(); // the sender lives in self
    }

    pub(crate) fn has_been_ready(&self) -> bool {
        *self.ready.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        serde_json::from_value(serde_json::json!({
            "user": {"id": "1", "username": "bot"}, "guilds": [], "session_id": "s", "resume_gateway_url": "wss://r",
        }))
        .unwrap()
    }

    #[test]
    fn a_session_is_resumed_after_what_was_accepted_not_after_what_was_received() {
        let keeper = Keeper::new(ShardId(1), 4);
        let books = keeper.begin(&ready(), 1);
        for seq in 2..=9 {
            books.receive(seq);
        }
        books.accept(5);
        let saved = keeper.save().unwrap();
        assert_eq!((saved.seq, books.received()), (5, 9));
        let text = serde_json::to_string(&saved).unwrap();
        let next = Keeper::new(ShardId(1), 4);
        assert!(next.restore(&serde_json::from_str(&text).unwrap()));
        assert_eq!(next.save(), Some(saved.clone()));
        assert!(!Keeper::new(ShardId(0), 4).restore(&saved), "another shard's session");
        assert!(!Keeper::new(ShardId(1), 8).restore(&saved), "another sharding");
    }

    #[test]
    fn a_replayed_event_reaches_the_cache_once() {
        let keeper = Keeper::new(ShardId(0), 1);
        let books = keeper.begin(&ready(), 1);
        assert!(books.apply(2));
        assert!(!books.apply(2), "replayed after a crash between cache and sink");
        assert!(books.apply(3));
    }
}
