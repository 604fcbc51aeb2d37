//! The bounded queue between supervisors and the thread that writes.

use super::{
    QUEUE_MAX,
    format::{self, Change, Written},
    past::Past,
    segment::Segment,
    writer,
};
use crate::{
    core::{Event, Time},
    journal::Entry,
    path::ActorPath,
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

/// The writer gathers this long before it writes: one wake for many records.
const GATHER: Duration = Duration::from_millis(2);

/// Room that is left for supervisors that have been told that there is room.
const LEAST: usize = 64;

/// What waits to be written.
pub(super) enum Item {
    /// A supervisor's state; `free` when it does not count against the segment's bound: it is not a restart that made
    /// it necessary.
    State { written: Box<Written>, free: bool },
    /// One event and what followed.
    Step(Box<Taken>),
    /// From here on a new segment.
    Rotate,
    /// Records that found no room.
    Lost(u64),
}

/// A step as its supervisor took it, and as it is written: what [`super::format::Stepped`] reads.
#[derive(Serialize)]
pub(super) struct Taken {
    pub(super) sup: u64,
    pub(super) path: ActorPath,
    pub(super) at: Time,
    pub(super) wall: u64,
    pub(super) event: Event,
    #[serde(rename = "told", serialize_with = "format::told", skip_serializing_if = "Vec::is_empty")]
    pub(super) entries: Vec<Arc<Entry>>,
    #[serde(flatten)]
    pub(super) change: Change,
    /// Whether more of `change` is new than that a child has begun anew.
    #[serde(skip)]
    pub(super) matters: bool,
}

/// How it is to end.
pub(super) struct Closing {
    /// What the record says of the end; none: nobody said how.
    pub(super) orderly: Option<bool>,
    pub(super) done: Option<mpsc::Sender<()>>,
}

#[derive(Default)]
pub(super) struct Queue {
    items: VecDeque<Item>,
    /// Nothing is written yet.
    held: bool,
    /// Counts segments: a supervisor that wrote its state down in an earlier one does so again.
    generation: u64,
    /// The segment is full.
    full: bool,
    lost: u64,
    supervisors: u64,
    /// It has been full and is not half empty yet.
    choked: bool,
    closing: Option<Closing>,
    /// Nothing is taken any more.
    ended: bool,
    /// The writer sleeps until it is woken.
    asleep: bool,
}

pub(super) struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Records that were lost in this process, for whatever reason.
    lost: AtomicU64,
    /// Why nothing can be written, while nothing can.
    trouble: Mutex<Option<String>>,
}

/// What the writer is given.
pub(super) struct Batch {
    pub(super) items: VecDeque<Item>,
    pub(super) held: bool,
    pub(super) closing: Option<Closing>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, queue: &mut Queue) {
        if std::mem::replace(&mut queue.asleep, false) {
            self.changed.notify_one();
        }
    }

    /// A number for one life of a supervisor.
    pub(super) fn number(&self) -> u64 {
        let mut queue = self.lock();
        queue.supervisors += 1;
        queue.supervisors
    }

    /// Which segment a record would stand in now. A full one gives way to the next here, so that it is the same order
    /// that records and segments come in.
    /// None when there is no room: what is lost is counted, and nothing is recorded before half of the queue is free.
    pub(super) fn generation(&self) -> Option<u64> {
        let mut queue = self.lock();
        queue.choked = queue.items.len() >= if queue.choked { QUEUE_MAX / 2 } else { QUEUE_MAX - LEAST };
        if queue.ended {
            return None; // the tree goes down beside a record that is closed
        }
        if queue.choked {
            queue.lost += 1;
            self.lost.fetch_add(1, Relaxed);
            return None;
        }
        if std::mem::replace(&mut queue.full, false) {
            queue.generation += 1;
            queue.items.push_back(Item::Rotate);
        }
        Some(queue.generation)
    }

    /// Puts in what [`Shared::generation`] has said that there is room for.
    pub(super) fn put(&self, items: impl IntoIterator<Item = Item>) {
        let mut queue = self.lock();
        if queue.lost > 0 {
            let lost = std::mem::take(&mut queue.lost);
            queue.items.push_back(Item::Lost(lost));
        }
        for item in items {
            queue.held &= !matters(&item);
            queue.items.push_back(item);
        }
        if !queue.held {
            self.wake(&mut queue);
        }
    }

    /// The writer's: waits for something to do.
    pub(super) fn gather(&self) -> Batch {
        let mut queue = self.lock();
        while queue.closing.is_none() && (queue.held || queue.items.is_empty()) {
            queue.asleep = true;
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closing.is_none() {
            let waited = self.changed.wait_timeout_while(queue, GATHER, |queue| queue.closing.is_none());
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Batch { items: std::mem::take(&mut queue.items), held: queue.held, closing: queue.closing.take() }
    }

    /// The writer's: the segment is full, or what stood in it is lost.
    pub(super) fn full(&self) {
        self.lock().full = true;
    }

    /// The writer's: records are missing, so every supervisor's state is to be written down anew.
    pub(super) fn begin_anew(&self) {
        self.lock().generation += 1;
    }

    /// The writer's: what it lost, and why it cannot write, if it cannot.
    pub(super) fn account(&self, lost: u64, trouble: Option<&str>) {
        self.lost.fetch_add(lost, Relaxed);
        let mut told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if told.as_deref() != trouble {
            *told = trouble.map(ToOwned::to_owned);
        }
    }

    /// The writer's: it ends before its time, and nobody is to fill its queue.
    pub(super) fn give_up(&self, why: String) {
        self.account(0, Some(&why));
        let mut queue = self.lock();
        queue.ended = true;
        queue.items.clear();
        queue.closing = None; // whoever waits for the end is told by its sender that is gone
    }

    fn close(&self, closing: Closing) {
        let mut queue = self.lock();
        queue.ended = true;
        queue.closing = Some(closing);
        queue.asleep = false;
        self.changed.notify_one();
    }
}

/// Whether the next process must know of it, however this one ends.
fn matters(item: &Item) -> bool {
    match item {
        Item::Step(taken) => taken.matters,
        Item::State { .. } | Item::Rotate | Item::Lost(_) => false,
    }
}

/// Ends the writer when nobody can record any more.
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.close(Closing { orderly: None, done: None });
    }
}

/// Writes a tree's decisions down, beside the tree.
#[derive(Clone)]
pub struct Recorder {
    pub(super) shared: Arc<Shared>,
    _last: Arc<Last>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// Goes on where `past` ends. Nothing is written before [`Recorder::keep`]: what fails at boot leaves no trace, unless
    /// it failed by a decision that the next process must know.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn begin(past: &Past) -> io::Result<Self> {
        Self::with(Segment::new(past, super::SEGMENT_MAX))
    }

    pub(crate) fn with(segment: Segment) -> io::Result<Self> {
        let queue = Queue { held: true, ..Queue::default() };
        let shared = Arc::new(Shared {
            queue: Mutex::new(queue),
            changed: Condvar::new(),
            lost: AtomicU64::new(0),
            trouble: Mutex::default(),
        });
        let writers = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("supervision-record".to_owned());
        thread.spawn(move || writer::run(&writers, segment))?;
        Ok(Self { _last: Arc::new(Last(Arc::clone(&shared))), shared })
    }

    /// Records that could not be kept so far: the disk failed, or the writer could not keep up.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Relaxed)
    }

    /// Why nothing can be written, while nothing can.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts segments.
    #[cfg(test)]
    pub(crate) fn generation(&self) -> u64 {
        self.shared.lock().generation
    }

    /// Whether all that was recorded is written, and its writer sleeps.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        let queue = self.shared.lock();
        queue.asleep && queue.items.is_empty()
    }

    /// From now on what is recorded is written.
    pub fn keep(&self) {
        let mut queue = self.shared.lock();
        queue.held = false;
        self.shared.wake(&mut queue);
    }

    /// Writes out what waits, with how the process ends, syncs, and waits for that: `within` at most. `orderly`: somebody
    /// asked for the end, and it went in order; the next process then starts what was parked.
    /// False when it was not done in time.
    pub async fn seal(&self, orderly: bool, within: Duration) -> bool {
        let (done, is_done) = mpsc::channel();
        self.shared.close(Closing { orderly: Some(orderly), done: Some(done) });
        // Real time, whatever the runtime's clock is: a disk knows no other.
        let wait = tokio::task::spawn_blocking(move || is_done.recv_timeout(within).is_ok());
        wait.await.unwrap_or(false)
    }
}
