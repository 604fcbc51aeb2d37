//! A task's figures; they outlive its incarnations.

use protocol::task::RunOutcome;
use serde::Serialize;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What the last run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum LastRun {
    /// It did its work.
    Done {
        /// Pieces of work.
        operations: u64,
    },
    /// There was nothing it could do.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It failed, or took too long.
    Failed {
        /// Why.
        error: String,
    },
}

/// A task's figures at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskFigures {
    /// Runs that began.
    pub runs: u64,
    /// Runs that did their work.
    pub done: u64,
    /// Runs that had nothing to do.
    pub skipped: u64,
    /// Runs that failed or took too long.
    pub errors: u64,
    /// Pieces of work in all.
    pub operations: u64,
    /// How long the last run took, in milliseconds.
    pub last_ms: Option<u64>,
    /// What it came to.
    pub last: Option<LastRun>,
    /// Whether a run is under way.
    pub running: bool,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Milliseconds until the next run; none when none is planned, or when it is due and waits for something.
    pub next_in_ms: Option<u64>,
    /// What a run that is due waits for, in words.
    pub waits: Option<String>,
}

/// One task's counters.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    figures: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    figures: TaskFigures,
    next: Option<tokio::time::Instant>,
    /// When the last run began, in whichever incarnation: a restart does not move the schedule.
    last_began: Option<tokio::time::Instant>,
    /// A run came to its end without failing.
    complete: bool,
}

impl Stats {
    fn with<R>(&self, change: impl FnOnce(&mut Inner) -> R) -> R {
        change(&mut self.figures.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn begin(&self) -> u64 {
        self.with(|inner| {
            inner.figures.running = true;
            inner.figures.runs += 1;
            inner.figures.waits = None;
            inner.next = None;
            inner.last_began = Some(tokio::time::Instant::now());
            inner.figures.runs
        })
    }

    pub(crate) fn end(&self, took: Duration, outcome: &Result<RunOutcome, String>) {
        self.with(|Inner { figures, complete, .. }| {
            figures.running = false;
            *complete |= outcome.is_ok();
            figures.last_ms = Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            figures.last = Some(match outcome {
                Ok(RunOutcome::Done { operations }) => {
                    figures.done += 1;
                    figures.operations += operations;
                    LastRun::Done { operations: *operations }
                }
                Ok(RunOutcome::Skipped { reason }) => {
                    figures.skipped += 1;
                    LastRun::Skipped { reason: reason.clone() }
                }
                Err(error) => {
                    figures.errors += 1;
                    LastRun::Failed { error: error.clone() }
                }
            });
        });
    }

    pub(crate) fn last_began(&self) -> Option<tokio::time::Instant> {
        self.with(|inner| inner.last_began)
    }

    /// A new incarnation: nothing is planned yet, and nothing is done.
    pub(crate) fn reopen(&self) {
        self.with(|inner| {
            inner.next = None;
            inner.figures.waits = None;
            inner.complete = false;
        });
    }

    /// Whether a run has come to its end without failing.
    pub(crate) fn is_complete(&self) -> bool {
        self.with(|inner| inner.complete)
    }

    pub(crate) fn plan(&self, next: Option<tokio::time::Instant>) {
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
        self.with(|inner| inner.figures.paused = paused);
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.with(|inner| inner.figures.paused)
    }

    pub(crate) fn read(&self) -> TaskFigures {
        self.with(|inner| {
            let mut figures = inner.figures.clone();
            figures.next_in_ms = inner.next.map(|at| {
                let left = at.saturating_duration_since(tokio::time::Instant::now());
                u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
            });
            figures
        })
    }
}
