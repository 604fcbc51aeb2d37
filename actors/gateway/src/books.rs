//! How far one session has come: what was received, what was handed over, what another process left to be done.

mod step;

use step::Doubts;
pub(crate) use step::Step;

use crate::{keeper::SavedSession, session::ResumePoint};
use protocol::{Backlog, Unfinished};
use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

/// How far back a RESUME may reach for what has not begun, in events: the older are given up. All that lies between is sent
/// again, and Discord refuses a session of which it has not kept enough, with everything in it: one old event is not worth
/// that. How much it keeps is not documented. The lanes have room for fewer events unless they were configured otherwise.
pub(crate) const REACH_MAX: u64 = 16_384;

/// One Discord session: its address and how far it has come. The reader of the connection writes it, alone.
///
/// `received` is told to Discord in heartbeats. `accepted` is the last event that is in the sink; it moves only then, so
/// that a crash in between loses nothing. `applied` is how far the cache has come, so that an event that was in the cache
/// but not yet in the sink is not counted twice.
///
/// An event in the sink has not begun yet. Within a process that changes nothing, the sink has it; a process that ends
/// leaves what has not begun (`backlog`) to the next one. There it is `due`: below `accepted`, and still to be handed over.
#[derive(Debug)]
pub struct Books {
    pub(crate) point: ResumePoint,
    received: AtomicU64,
    accepted: AtomicU64,
    applied: AtomicU64,
    backlog: Arc<Backlog>,
    due: Mutex<BTreeSet<u64>>,
    doubts: Mutex<Doubts>,
    /// Whether there are any: asked for each dispatch.
    in_doubt: AtomicBool,
}

/// What is written down of the books.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// A RESUME continues after this one: all below is done.
    pub(crate) seq: u64,
    /// What lies above this one is new to everybody.
    pub(crate) accepted: u64,
    /// How far the cache has come.
    pub(crate) applied: u64,
    /// What lies between and has not begun; all others there have, or are lost.
    pub(crate) waiting: Vec<u64>,
    /// How many were given up: they lie too far back.
    pub(crate) lost: usize,
}

impl Books {
    /// A session that begins with `seq`.
    pub(crate) fn begin(point: ResumePoint, seq: u64) -> Self {
        Self::at(point, &Left { seq, accepted: seq, applied: seq, waiting: Vec::new(), lost: 0 })
    }

    /// The session that another process has written down.
    pub(crate) fn restored(saved: &SavedSession) -> Self {
        let point = ResumePoint { session_id: saved.session_id.clone(), url: saved.resume_url.clone() };
        let accepted = saved.accepted.max(saved.seq);
        let waiting = saved.waiting.iter().copied().filter(|seq| (saved.seq + 1..=accepted).contains(seq));
        let (applied, waiting) = (saved.applied.max(accepted), waiting.collect());
        let left = Left { seq: saved.seq, accepted, applied, waiting, lost: 0 };
        Self::at(point, &left)
    }

    fn at(point: ResumePoint, left: &Left) -> Self {
        Self {
            point,
            received: AtomicU64::new(left.seq),
            accepted: AtomicU64::new(left.accepted),
            applied: AtomicU64::new(left.applied),
            backlog: Arc::default(),
            due: Mutex::new(left.waiting.iter().copied().collect()),
            doubts: Mutex::default(),
            in_doubt: AtomicBool::new(false),
        }
    }

    /// The last sequence number received, over this connection: a RESUME begins anew where it was asked to.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// The last sequence number whose event is in the sink.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Relaxed)
    }

    /// What a RESUME continues after: all below is in the sink.
    pub(crate) fn resume_after(&self) -> u64 {
        let accepted = self.before_leap(self.accepted());
        self.due().first().map_or(accepted, |due| accepted.min(due - 1))
    }

    /// Whether `seq` needs nothing more: it is in the sink, or another process has begun it.
    pub(crate) fn is_done(&self, seq: u64) -> bool {
        seq <= self.accepted() && !self.due().contains(&seq)
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
        if seq <= self.accepted() {
            self.due().remove(&seq);
        } else {
            self.accepted.store(seq, Relaxed);
        }
    }

    /// `seq` is the first number after `before` that comes when nothing is sent again. Whatever came before it lies below: where
    /// an earlier process has left more as accepted, its last number was false, and what it hides is new.
    pub(crate) fn disprove(&self, before: u64, seq: u64) {
        if seq > before && seq <= self.accepted().max(self.applied.load(Relaxed)) {
            self.accepted.fetch_min(seq - 1, Relaxed);
            self.applied.fetch_min(seq - 1, Relaxed);
            self.due().retain(|due| *due < seq); // of the false number too
        }
    }

    /// Where the sink notes what has begun.
    pub(crate) fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// Discord has sent again all that it will: what is still due is lost. Returns how much that is.
    pub(crate) fn give_up_due(&self) -> usize {
        std::mem::take(&mut *self.due()).len()
    }

    /// From now on nothing of the session begins in this process.
    pub(crate) fn seal(&self) -> Unfinished {
        self.backlog.seal()
    }

    /// What can be written down; final once they are sealed and no reader is at work.
    pub(crate) fn left(&self) -> Left {
        let accepted = self.accepted();
        // What the sink waits for room with was not accepted: Discord sends it again anyway.
        let mut open: BTreeSet<u64> =
            self.backlog.unfinished().waiting.into_iter().filter(|seq| *seq <= accepted).collect();
        open.extend(self.due().iter());
        let all = open.len();
        open = open.split_off(&(accepted.saturating_sub(REACH_MAX) + 1));
        let seq = open.first().map_or(accepted, |first| first - 1);
        let applied = self.applied.load(Relaxed).max(accepted);
        Left { seq, accepted, applied, lost: all - open.len(), waiting: open.into_iter().collect() }
    }

    fn due(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
