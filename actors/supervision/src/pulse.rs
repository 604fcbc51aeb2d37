//! What one incarnation is doing, readable while it does it: the message in hand, when its handler was last polled, and
//! the messages before.
//!
//! The way of a message pays for two readings of the clock at most: one when its handler begins, and one for each time
//! the handler has to wait. A handler that is done at its first poll, as most are, costs one.

use crate::{
    core::probe::Reading,
    crash::{Handled, MESSAGES_KEPT},
    message::Fingerprint,
};
use std::{
    collections::VecDeque,
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Longest text that a message is shown by, in bytes.
pub(crate) const SHOWN_MAX: usize = 16 * 1024;

/// What is known of a message before its handler takes it.
#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    pub(crate) size: Option<usize>,
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Its bytes as they are shown, bounded; only of a message with a fingerprint.
    pub(crate) shown: Option<Arc<[u8]>>,
}

impl Label {
    /// Something of the kernel's own.
    pub(crate) fn plain(name: &'static str) -> Self {
        Self { name, size: None, fingerprint: None, shown: None }
    }
}

struct Begun {
    label: Label,
    at: u64,
}

/// The pulse of one incarnation. Times are microseconds since it began, plus one: 0 means "not".
pub(crate) struct Pulse {
    epoch: Instant,
    busy_since: AtomicU64,
    polling_since: AtomicU64,
    polled_at: AtomicU64,
    begun: Mutex<VecDeque<Begun>>,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            busy_since: AtomicU64::new(0),
            polling_since: AtomicU64::new(0),
            polled_at: AtomicU64::new(0),
            begun: Mutex::new(VecDeque::new()),
        }
    }

    /// How long the incarnation has existed.
    pub(crate) fn age(&self) -> Duration {
        self.epoch.elapsed()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX - 1) + 1
    }

    /// How long ago `stamp` was.
    fn ago(&self, stamp: u64) -> Duration {
        self.epoch.elapsed().saturating_sub(Duration::from_micros(stamp.saturating_sub(1)))
    }

    /// Runs `work` as the handler of the message that bears `label`, its polls stamped. The message stays in hand until
    /// [`Pulse::rest`].
    pub(crate) async fn of<T>(&self, label: Label, work: impl Future<Output = T>) -> T {
        let mut stamp = self.begin(label);
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            let now = if stamp > 0 { std::mem::take(&mut stamp) } else { self.now() };
            self.polling_since.store(now, Relaxed);
            let polled = work.as_mut().poll(cx);
            if polled.is_pending() {
                self.polled_at.store(self.now(), Relaxed);
            }
            self.polling_since.store(0, Relaxed);
            polled
        })
        .await
    }

    /// Runs `work`, which does not await, likewise.
    pub(crate) fn of_sync<T>(&self, label: Label, work: impl FnOnce() -> T) -> T {
        let stamp = self.begin(label);
        self.polling_since.store(stamp, Relaxed);
        let done = work();
        self.polling_since.store(0, Relaxed);
        done
    }

    fn begin(&self, label: Label) -> u64 {
        let at = self.now();
        {
            let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
            if begun.len() == MESSAGES_KEPT {
                begun.pop_front();
            }
            if let Some(before) = begun.back_mut() {
                before.label.shown = None; // only the bytes of what is in hand are wanted
            }
            begun.push_back(Begun { label, at });
        }
        self.polled_at.store(at, Relaxed);
        self.busy_since.store(at, Relaxed);
        at
    }

    /// No handler runs.
    pub(crate) fn rest(&self) {
        self.polling_since.store(0, Relaxed);
        self.busy_since.store(0, Relaxed);
    }

    /// The message in hand and for how long it has been there.
    pub(crate) fn in_hand(&self) -> Option<(Label, Duration)> {
        let since = self.busy_since.load(Relaxed);
        if since == 0 {
            return None;
        }
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        begun.back().map(|begun| (begun.label.clone(), self.ago(begun.at)))
    }

    /// The last messages, the oldest first, each with the time since its handler began. The one in hand is the last.
    pub(crate) fn messages(&self) -> Vec<Handled> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let handled = |begun: &Begun| Handled {
            name: begun.label.name,
            size: begun.label.size,
            fingerprint: begun.label.fingerprint,
            ago: self.ago(begun.at),
        };
        begun.iter().map(handled).collect()
    }

    /// What a probe reads, of an actor for which `waiting` messages wait.
    pub(crate) fn reading(&self, waiting: usize) -> Reading {
        let since = |stamp: &AtomicU64| Some(stamp.load(Relaxed)).filter(|at| *at > 0).map(|at| self.ago(at));
        Reading {
            waiting,
            handling: since(&self.busy_since),
            polling: since(&self.polling_since),
            polled: since(&self.polled_at),
            late: Duration::ZERO,
        }
    }
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pulse").field(&self.in_hand()).finish()
    }
}
