//! The bounded memory of decisions, and who listens to them.

use crate::{
    core::{Decision, Rule},
    panics::guarded_sync,
    path::ActorPath,
};
use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use tokio::sync::broadcast;

/// Decisions that are remembered; the oldest are forgotten.
pub const JOURNAL_MAX: usize = 8_192;
/// Decisions that a slow listener may fall behind before it loses some.
pub const LISTENER_LAG_MAX: usize = 1_024;

/// One decision in the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its number, from 1, without gaps; a process that knows what an earlier one decided goes on from there.
    pub seq: u64,
    /// When, by the wall clock.
    pub wall: SystemTime,
    /// The actor it is about.
    pub path: ActorPath,
    /// Whether an earlier process made it.
    pub earlier: bool,
    /// The decision itself.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What is written down of a decision of the supervisor at `path`: about whom, and in full. None for what somebody else
/// says: that a supervisor is up its parent tells, as of any child, once.
pub(crate) fn told(path: &ActorPath, incarnation: u64, mut decision: Decision) -> Option<(ActorPath, Decision)> {
    if !decision.id.is_empty() {
        return Some((path.child(&decision.id), decision));
    }
    decision.incarnation = incarnation; // a supervisor does not know its own
    (decision.rule != Rule::Up || path.is_root()).then(|| (path.clone(), decision))
}

/// Told of every decision, at once and on the control plane: it must not block. Crash records are completed by it.
pub trait Observer: Send + Sync + 'static {
    /// A decision was made.
    fn decided(&self, entry: &Entry);

    /// The last lines that the actor at `path` logged, the oldest first, without secrets. Asked on the thread where it
    /// fails: it must not block.
    fn log_tail(&self, path: &ActorPath) -> Vec<Arc<str>> {
        let _ = path;
        Vec::new()
    }

    /// `text` without secrets. What an actor failed with goes through it before it is kept in a crash record.
    fn redact(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// Observes nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn decided(&self, _: &Entry) {}
}

pub(crate) struct Journal {
    entries: Mutex<(u64, VecDeque<Arc<Entry>>)>,
    listeners: broadcast::Sender<Arc<Entry>>,
    observer: Arc<dyn Observer>,
}

impl Journal {
    /// A journal that begins with what `earlier` processes wrote, and goes on with the next number.
    pub(crate) fn new(observer: Arc<dyn Observer>, earlier: Vec<Arc<Entry>>) -> Self {
        let (listeners, _) = broadcast::channel(LISTENER_LAG_MAX);
        let last = earlier.last().map_or(0, |entry| entry.seq);
        Self { entries: Mutex::new((last, earlier.into())), listeners, observer }
    }

    /// Writes a decision down; its entry.
    pub(crate) fn write(&self, path: ActorPath, decision: Decision) -> Arc<Entry> {
        let entry = {
            let mut kept = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            kept.0 = kept.0.saturating_add(1); // where it goes on from stands in a file
            let entry = Arc::new(Entry { seq: kept.0, wall: SystemTime::now(), path, earlier: false, decision });
            if kept.1.len() >= JOURNAL_MAX {
                kept.1.pop_front();
            }
            kept.1.push_back(Arc::clone(&entry));
            entry
        };
        // Foreign code on a supervisor's turn: its panic must not end the supervisor, and with it all below.
        if let Err(panic) = guarded_sync(|| self.observer.decided(&entry)) {
            tracing::error!(%panic, "the observer of decisions failed");
        }
        self.listeners.send(Arc::clone(&entry)).ok(); // nobody listens: nothing to do
        entry
    }

    /// The last `max` entries that `wanted` holds for, oldest first.
    pub(crate) fn last(&self, max: usize, wanted: impl Fn(&Entry) -> bool) -> Vec<Arc<Entry>> {
        let kept = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = kept.1.iter().rev().filter(|entry| wanted(entry)).take(max).cloned().collect();
        found.reverse();
        found
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.listeners.subscribe()
    }
}
