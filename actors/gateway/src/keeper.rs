//! What outlives a shard actor: the session that the next incarnation resumes, and what the shard has done so far.

use crate::{
    books::{Books, Left},
    cache::Ready,
    members::Pending,
    session::ResumePoint,
    snapshot::Unsaved,
    status::{Published, ShardStatus, Tally},
};
use arc_swap::{ArcSwap, ArcSwapOption};
use chrono::{DateTime, Utc};
use protocol::{Backlog, ShardId, Unfinished};
use serde::{Deserialize, Serialize};
use serenity::model::gateway::GatewayIntents;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};

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
    /// All up to this sequence number is done: a RESUME continues after it.
    pub seq: u64,
    /// All above this one is new to everybody.
    #[serde(default)]
    pub accepted: u64,
    /// What lies between the two and has not begun. All others there have, and are not to be done again.
    #[serde(default)]
    pub waiting: Vec<u64>,
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

/// What went with a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// Whether its part of the cache came from another process and was never confirmed.
    pub(crate) restored: bool,
    /// Events that the process before had not begun, and that nobody will send again.
    pub(crate) lost: usize,
}

/// What outlives the incarnations of one shard.
#[derive(Debug)]
pub struct Keeper {
    shard: ShardId,
    total: u32,
    books: ArcSwapOption<Books>,
    /// Of sessions that are over and of which something still waits or runs. Nobody sends that again.
    former: Mutex<Vec<Arc<Backlog>>>,
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
            former: Mutex::default(),
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
        let books = Arc::new(Books::begin(point, seq));
        let before = self.books.swap(Some(Arc::clone(&books)));
        self.lost(self.retire(before));
        books
    }

    /// Forgets the session: it cannot be resumed.
    pub(crate) fn forget(&self) -> Forgotten {
        let books = self.books.swap(None);
        let lost = self.retire(books);
        self.lost(lost);
        Forgotten { restored: self.unconfirmed.swap(false, Relaxed), lost }
    }

    /// Keeps the accounts of a session that is over for as long as something of it is not done. Returns what was still due.
    fn retire(&self, books: Option<Arc<Books>>) -> usize {
        let Some(books) = books else { return 0 };
        let mut former = self.former();
        // Whatever nobody holds any more and has come to its end needs no account.
        former.retain(|backlog| Arc::strong_count(backlog) > 1 || backlog.unfinished() != Unfinished::default());
        former.push(Arc::clone(books.backlog()));
        books.give_up_due()
    }

    fn former(&self) -> MutexGuard<'_, Vec<Arc<Backlog>>> {
        self.former.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts events that another process had not begun and that do not come again.
    pub(crate) fn lost(&self, events: usize) {
        self.tally.lost.fetch_add(u64::try_from(events).unwrap_or(u64::MAX), Relaxed);
    }

    /// From now on no event of any session begins in this process. Gives what has begun and is not done, and of sessions
    /// before this one what waited. It may be asked again.
    pub(crate) fn seal(&self) -> Unsaved {
        let session = self.books.load().as_ref().map(|books| books.seal()).unwrap_or_default();
        let former: Vec<Unfinished> = self.former().iter().map(|backlog| backlog.seal()).collect();
        Unsaved {
            cut_off: session.running + former.iter().map(|left| left.running).sum::<usize>(),
            lost: former.iter().map(|left| left.waiting.len()).sum(),
        }
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
        self.leave().map(|(session, _)| session)
    }

    /// The same, and how many events that had not begun are given up with it.
    pub(crate) fn leave(&self) -> Option<(SavedSession, usize)> {
        self.books.load().as_ref().map(|books| {
            let Left { seq, accepted, applied, waiting, lost } = books.left();
            let session = SavedSession {
                shard: self.shard,
                total: self.total,
                session_id: books.point.session_id.clone(),
                resume_url: books.point.url.clone(),
                seq,
                accepted,
                waiting,
                applied,
                intents: self.intents.load(Relaxed),
                since: self.since(),
            };
            (session, lost)
        })
    }

    /// How many events go with the session under way if it is not saved.
    pub(crate) fn open(&self) -> usize {
        self.leave().map_or(0, |(session, given_up)| session.waiting.len() + given_up)
    }

    fn since(&self) -> Option<DateTime<Utc>> {
        let published = self.published.load();
        published.session_since.or(published.restored_since)
    }

    /// Takes up a session that was written down, before the shard has started. Returns whether it fits this shard.
    pub fn restore(&self, saved: &SavedSession) -> bool {
        let fits = saved.shard == self.shard && saved.total == self.total;
        if fits {
            self.books.store(Some(Arc::new(Books::restored(saved))));
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
    fn what_waits_of_a_session_that_is_over_is_counted_as_lost_at_the_end() {
        let keeper = Keeper::new(ShardId(0), 1);
        let books = keeper.begin(&ready(), 1);
        let [waits, runs, done] = [2, 3, 4].map(|seq| books.backlog().hold(seq));
        assert!(runs.begin());
        done.settle();
        drop((waits, done, books)); // a drain lets go of what waits
        assert_eq!(keeper.forget().lost, 0, "this process still has it");
        let next = keeper.begin(&ready(), 1);
        let _held = next.backlog().hold(2);
        next.accept(2);
        keeper.begin(&ready(), 1);
        for _ in 0..2 {
            assert_eq!(keeper.seal(), Unsaved { cut_off: 1, lost: 2 });
        }
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
