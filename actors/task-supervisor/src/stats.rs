//! A task's figures; they outlive its incarnations, and its registrations too.

mod figures;
mod runs;

pub(crate) use figures::Pulse;
pub use figures::{LastError, LastRun, TaskFigures};
pub use runs::{RunRecord, Timing};

use crate::{end::End, schedule::Moment};
use chrono::{DateTime, Utc};
use runs::Runs;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The window of the error rate: errors an hour.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// Errors and failures that are remembered for rates; more than any rule looks at.
const REMEMBERED: usize = 256;

/// One task's counters.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    figures: TaskFigures,
    runs: Runs,
    next: Option<Instant>,
    began: Option<Instant>,
    /// When the last run began or a due one was left out, in whichever incarnation: a restart does not move the schedule.
    dealt: Option<Moment>,
    /// When it first came up since it was registered: what periods and delays count from until a run has begun.
    first_up: Option<Moment>,
    /// When something last showed that the task lives.
    alive: Option<Instant>,
    restarted: Option<Instant>,
    draining: bool,
    errors: VecDeque<Instant>,
    /// Failures charged to the task, for limits that must survive its being registered anew.
    charged: VecDeque<Instant>,
    /// It was brought up anew without its supervisor knowing what it had done before.
    bridged: bool,
    /// It was not let up because of that.
    refused: bool,
    /// A run came to its end without failing.
    complete: bool,
}

impl Inner {
    fn errors_last_hour(&self) -> u32 {
        u32::try_from(self.errors.iter().filter(|at| at.elapsed() <= HOUR).count()).unwrap_or(u32::MAX)
    }
}

fn remember(times: &mut VecDeque<Instant>) {
    if times.len() == REMEMBERED {
        times.pop_front();
    }
    times.push_back(Instant::now());
}

impl Stats {
    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is registered, anew or for the first time. An operator's pause and all figures stay; one that begins `afresh`
    /// (it runs at its start, or once) starts again, any other keeps its place in its schedule.
    pub(crate) fn register(&self, afresh: bool) {
        self.with(|inner| {
            inner.first_up = None;
            inner.alive = None;
            if afresh {
                inner.dealt = None;
            }
            inner.complete = false;
        });
    }

    /// A child is about to be added for it.
    pub(crate) fn bring(&self) {
        self.with(|inner| {
            inner.refused = false;
            inner.bridged = !inner.charged.is_empty();
        });
    }

    /// A new incarnation: nothing is planned yet, and nothing is done. Whether it is a restart.
    pub(crate) fn come_up(&self, now: Moment) -> bool {
        self.with(|inner| {
            inner.first_up.get_or_insert(now);
            let again = inner.alive.is_some();
            inner.next = None;
            inner.figures.waits = None;
            inner.complete = false;
            inner.draining = false;
            inner.alive = Some(Instant::now());
            if again {
                inner.figures.restarts += 1;
                inner.restarted = Some(Instant::now());
            }
            again
        })
    }

    /// Whether its failures have used up `limit` within `window`, counting those before it was brought up anew, of which its
    /// supervisor knows nothing; how many those are. A start that follows such a refusal is a try while parked or an
    /// operator's, and begins a new count.
    pub(crate) fn is_spent(&self, limit: u32, window: Duration) -> Option<usize> {
        self.with(|inner| {
            inner.charged.retain(|at| at.elapsed() <= window);
            if std::mem::take(&mut inner.refused) {
                inner.charged.clear();
            }
            let used = inner.charged.len();
            inner.bridged &= used > 0;
            inner.refused = inner.bridged && used > limit as usize;
            inner.refused.then_some(used)
        })
    }

    /// A failure that its restart rule answers.
    pub(crate) fn charge(&self) {
        self.with(|inner| remember(&mut inner.charged));
    }

    /// A run begins, due or on demand; gives its number.
    pub(crate) fn begin(&self, now: Moment) -> u64 {
        self.with(|inner| {
            inner.figures.running = true;
            inner.figures.runs += 1;
            inner.figures.waits = None;
            inner.next = None;
            inner.began = Some(Instant::now());
            inner.alive = inner.began;
            inner.dealt = Some(now);
            inner.figures.runs
        })
    }

    /// A run is over.
    pub(crate) fn end(&self, number: u64, took: Duration, end: &End, at: DateTime<Utc>) {
        self.with(|inner| {
            let figures = &mut inner.figures;
            figures.running = false;
            inner.began = None;
            inner.alive = Some(Instant::now());
            inner.complete |= matches!(end, End::Done { .. } | End::Skipped { .. });
            figures.last_ms = Some(protocol::millis(took));
            figures.last_at = Some(at);
            figures.last = Some(match end {
                End::Done { operations } => {
                    figures.done += 1;
                    figures.operations += operations;
                    LastRun::Done { operations: *operations }
                }
                End::Skipped { reason } => {
                    figures.skipped += 1;
                    LastRun::Skipped { reason: reason.clone() }
                }
                End::Cancelled { reason } => {
                    figures.cancelled += 1;
                    LastRun::Cancelled { reason: reason.clone() }
                }
                End::Failed { error } | End::Panicked { error } | End::TimedOut { error } => {
                    figures.errors += 1;
                    figures.last_error = Some(LastError { error: error.clone(), at });
                    remember(&mut inner.errors);
                    LastRun::Failed { error: error.clone() }
                }
            });
            inner.runs.push(RunRecord {
                number,
                at,
                took_ms: protocol::millis(took),
                outcome: end.name(),
                why: end.why(),
            });
        });
    }

    /// A due run is left out because the one before is still under way.
    pub(crate) fn overlap(&self, now: Moment) {
        self.with(|inner| {
            inner.dealt = Some(now);
            inner.figures.overlapped += 1;
            inner.figures.skipped += 1;
        });
    }

    pub(crate) fn miss(&self, missed: u32) {
        self.with(|inner| inner.figures.missed += u64::from(missed));
    }

    pub(crate) fn first_up(&self) -> Option<Moment> {
        self.with(|inner| inner.first_up)
    }

    pub(crate) fn dealt(&self) -> Option<Moment> {
        self.with(|inner| inner.dealt)
    }

    /// It has another schedule: what it does by it counts from now.
    pub(crate) fn reschedule(&self, now: Moment) {
        self.with(|inner| {
            inner.first_up = inner.first_up.map(|_| now);
            inner.dealt = inner.dealt.map(|_| now);
            inner.alive = inner.alive.map(|_| Instant::now());
        });
    }

    /// Whether a run has come to its end without failing.
    pub(crate) fn is_complete(&self) -> bool {
        self.with(|inner| inner.complete)
    }

    /// The next run is planned for then, or none is.
    pub(crate) fn plan(&self, next: Option<Instant>) {
        self.with(|inner| {
            inner.next = next;
            inner.figures.waits = None;
        });
    }

    /// The next run is due, and waits.
    pub(crate) fn wait(&self, what: &str) {
        self.with(|inner| {
            inner.next = None;
            inner.figures.waits = Some(what.to_owned());
        });
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        self.with(|inner| {
            inner.figures.paused = paused;
            inner.alive = Some(Instant::now());
        });
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.with(|inner| inner.figures.paused)
    }

    pub(crate) fn drain(&self) {
        self.with(|inner| inner.draining = true);
    }

    /// It could not work for a while through no fault of its own: that time is no silence.
    pub(crate) fn excuse(&self) {
        self.with(|inner| inner.alive = inner.alive.map(|_| Instant::now()));
    }

    pub(crate) fn pulse(&self) -> Pulse {
        self.with(|inner| Pulse {
            running: inner.began.map(|at| at.elapsed()),
            silent: inner.alive.map(|at| at.elapsed()),
            next_in: inner.next.map(|at| at.saturating_duration_since(Instant::now())),
            restarted: inner.restarted.map(|at| at.elapsed()),
            paused: inner.figures.paused,
            draining: inner.draining,
            waits: inner.figures.waits.is_some(),
            errors_last_hour: inner.errors_last_hour(),
        })
    }

    /// The last runs, the oldest first.
    pub(crate) fn recent(&self) -> Vec<RunRecord> {
        self.with(|inner| inner.runs.recent())
    }

    pub(crate) fn read(&self) -> TaskFigures {
        self.with(|inner| {
            let mut figures = inner.figures.clone();
            figures.errors_last_hour = inner.errors_last_hour();
            figures.timing = inner.runs.timing();
            figures.next_in_ms = inner.next.map(|at| protocol::millis(at.saturating_duration_since(Instant::now())));
            figures
        })
    }
}
