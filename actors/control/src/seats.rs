//! Places for connections. They are few; whoever only sits there gives way to whoever has something to ask.

use crate::{connection::CALLS_MAX, outbox::Outbox};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long a new connection waits for the place of an idle one, which has been told to leave.
const MAKE_ROOM: Duration = Duration::from_secs(2);

/// Every place.
pub(crate) struct Seats {
    max: usize,
    free: Arc<Semaphore>,
    table: Arc<Table>,
}

#[derive(Default)]
struct Table {
    seated: Mutex<BTreeMap<u64, Arc<Inner>>>,
    /// Counts seats and lines: what has the least number was heard of longest ago.
    clock: AtomicU64,
}

struct Inner {
    heard: AtomicU64,
    outbox: Arc<Outbox>,
    permits: Arc<Semaphore>,
    leave: CancellationToken,
}

/// A place among the connections; dropping it gives it back.
pub(crate) struct Seat {
    /// What the connection has yet to send.
    pub(crate) outbox: Arc<Outbox>,
    /// Its calls under way.
    pub(crate) permits: Arc<Semaphore>,
    number: u64,
    inner: Arc<Inner>,
    table: Arc<Table>,
    _place: OwnedSemaphorePermit,
}

/// A place that is free, or about to be.
pub(crate) struct Claim {
    free: Arc<Semaphore>,
    table: Arc<Table>,
    place: Option<OwnedSemaphorePermit>,
}

impl Seats {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.min(Semaphore::MAX_PERMITS);
        Self { max, free: Arc::new(Semaphore::new(max)), table: Arc::default() }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.max.saturating_sub(self.free.available_permits())
    }

    /// A free place, or that of the connection that has been idle longest: it is told to leave. `None` when all work.
    pub(crate) fn claim(&self) -> Option<Claim> {
        let place = Arc::clone(&self.free).try_acquire_owned().ok();
        if place.is_none() {
            let seated = self.table.seated();
            let idle = seated.values().filter(|seat| seat.is_idle());
            idle.min_by_key(|seat| seat.heard.load(Relaxed))?.leave.cancel();
        }
        Some(Claim { free: Arc::clone(&self.free), table: Arc::clone(&self.table), place })
    }
}

impl Claim {
    /// The place, once it is free; `None` when that takes too long.
    pub(crate) async fn seat(self) -> Option<Seat> {
        let place = match self.place {
            Some(place) => place,
            None => tokio::time::timeout(MAKE_ROOM, self.free.acquire_owned()).await.ok()?.ok()?,
        };
        let number = self.table.tick();
        let (outbox, permits) = (Arc::new(Outbox::default()), Arc::new(Semaphore::new(CALLS_MAX as usize)));
        let inner = Arc::new(Inner {
            heard: AtomicU64::new(number),
            outbox: Arc::clone(&outbox),
            permits: Arc::clone(&permits),
            leave: CancellationToken::new(),
        });
        self.table.seated().insert(number, Arc::clone(&inner));
        Some(Seat { outbox, permits, number, inner, table: self.table, _place: place })
    }
}

impl Seat {
    /// It has said something.
    pub(crate) fn heard(&self) {
        self.inner.heard.store(self.table.tick(), Relaxed);
    }

    /// Ends when it is to leave.
    pub(crate) async fn wanted(&self) {
        self.inner.leave.cancelled().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.table.seated().remove(&self.number);
    }
}

impl Inner {
    /// Nothing under way, nothing subscribed, and not told to leave yet.
    fn is_idle(&self) -> bool {
        self.permits.available_permits() == CALLS_MAX as usize
            && self.outbox.subscriptions() == 0
            && !self.leave.is_cancelled()
    }
}

impl Table {
    fn seated(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Inner>>> {
        self.seated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Relaxed) + 1
    }
}
