//! A task's figures as they are read.

use super::Timing;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::Duration;

/// What the last run came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum LastRun {
    /// It did its work.
    Done {
        /// Pieces of work.
        operations: u64,
    },
    /// There was nothing it could do, or a precondition did not hold.
    Skipped {
        /// Why.
        reason: String,
    },
    /// It failed, panicked, or took too long.
    Failed {
        /// Why.
        error: String,
    },
    /// It was told to end, and what it failed with then is no failure.
    Cancelled {
        /// Why.
        reason: String,
    },
}

/// The last error of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// What went wrong.
    pub error: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A task's figures at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskFigures {
    /// Runs that began, or were skipped because a precondition did not hold.
    pub runs: u64,
    /// Runs that did their work.
    pub done: u64,
    /// Runs that had nothing to do, or were not due any more.
    pub skipped: u64,
    /// Runs that failed, panicked or took too long.
    pub errors: u64,
    /// Runs that were told to end.
    pub cancelled: u64,
    /// Errors within the last hour.
    pub errors_last_hour: u32,
    /// Restarts of its actor, whoever wanted them.
    pub restarts: u64,
    /// Due runs that nobody made up for: the machine slept, the clock was set, the bot was not up.
    pub missed: u64,
    /// Due runs that were left out because the one before was still under way.
    pub overlapped: u64,
    /// Pieces of work in all.
    pub operations: u64,
    /// How long runs took.
    pub timing: Timing,
    /// How long the last run took, in milliseconds.
    pub last_ms: Option<u64>,
    /// What it came to.
    pub last: Option<LastRun>,
    /// When it ended.
    pub last_at: Option<DateTime<Utc>>,
    /// The last error, whatever came after it.
    pub last_error: Option<LastError>,
    /// Whether a run is under way.
    pub running: bool,
    /// Whether an operator has paused it.
    pub paused: bool,
    /// Milliseconds until the next run; none when none is planned, or when it is due and waits for something.
    pub next_in_ms: Option<u64>,
    /// What a run that is due waits for, in words.
    pub waits: Option<String>,
}

/// What the health of a task is judged by, of one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulse {
    /// How long a run has been under way.
    pub(crate) running: Option<Duration>,
    /// How long nothing has happened that shows that the task lives; none before its first incarnation.
    pub(crate) silent: Option<Duration>,
    /// How much of that the next planned run is still away; none when none is planned.
    pub(crate) next_in: Option<Duration>,
    /// Since its last restart.
    pub(crate) restarted: Option<Duration>,
    pub(crate) paused: bool,
    pub(crate) draining: bool,
    pub(crate) waits: bool,
    pub(crate) errors_last_hour: u32,
}
