//! Background tasks, as a cog declares them.

use crate::BoxFuture;
use serde::{Deserialize, Serialize};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// What kind of work a task is. Typed at registration, never guessed from its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Started by a command.
    Command,
    /// Part of the runtime.
    System,
    /// Runs by a schedule.
    Scheduled,
    /// Works on gateway events or state.
    Gateway,
}

/// Order at shutdown (low first) and at start (critical first).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// First to stop.
    Low,
    /// The default.
    Normal,
    /// Stops late.
    High,
    /// Starts first, stops last.
    Critical,
}

/// When a task runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Again and again, this long after the last run began; a run that takes longer is followed at once, never doubled.
    Every(Duration),
    /// One run, this long after the task started; then it is finished.
    Once(Duration),
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunOutcome {
    /// It did `operations` pieces of work.
    Done {
        /// How many.
        operations: u64,
    },
    /// There was nothing it could do.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// A failed run: counted, shown, and charged to the task's restart limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RunError(pub String);

/// What a run is given.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its number, from 1, since the process began.
    pub number: u64,
    /// Fires when the task is to end: a run that ignores it is cut off at its deadline.
    pub cancel: CancellationToken,
}

type RunFn = dyn Fn(Run) -> BoxFuture<'static, Result<RunOutcome, RunError>> + Send + Sync;

/// A background task.
#[derive(Clone)]
pub struct TaskSpec {
    /// Its name, unique in the process: it becomes the path `task-supervisor/<name>`.
    pub name: String,
    /// The cog it belongs to.
    pub cog: String,
    /// What kind of work it is.
    pub category: Category,
    /// Its place in start and shutdown order.
    pub priority: Priority,
    /// When it runs.
    pub schedule: Schedule,
    /// Up to this much is added at random to each wait.
    pub jitter: Duration,
    /// Whether the first run comes at once instead of after one period.
    pub run_at_start: bool,
    /// How long one run may take.
    pub timeout: Duration,
    /// Whether it waits until the bot is ready.
    pub wait_until_ready: bool,
    /// Restarts allowed within `restart_window`.
    pub restart_limit: u32,
    /// The sliding window of `restart_limit`.
    pub restart_window: Duration,
    /// Least time between two restarts.
    pub cooldown: Duration,
    /// Paths it has nothing to do without.
    pub needs: Vec<String>,
    /// One run.
    pub run: Arc<RunFn>,
}

impl TaskSpec {
    /// A task with the defaults: scheduled, normal priority, 5 restarts in 1 h, cooldown 30 s, 60 s per run.
    pub fn new<F, Fut>(cog: &str, name: &str, schedule: Schedule, run: F) -> Self
    where
        F: Fn(Run) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RunOutcome, RunError>> + Send + 'static,
    {
        Self {
            name: name.to_owned(),
            cog: cog.to_owned(),
            category: Category::Scheduled,
            priority: Priority::Normal,
            schedule,
            jitter: Duration::ZERO,
            run_at_start: false,
            timeout: Duration::from_secs(60),
            wait_until_ready: true,
            restart_limit: 5,
            restart_window: Duration::from_secs(3600),
            cooldown: Duration::from_secs(30),
            needs: Vec::new(),
            run: Arc::new(move |given| Box::pin(run(given))),
        }
    }
}

impl fmt::Debug for TaskSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpec")
            .field("name", &self.name)
            .field("cog", &self.cog)
            .field("category", &self.category)
            .field("priority", &self.priority)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

/// Why a task was not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// The name is taken.
    #[error("a task named {0:?} is registered already")]
    Duplicate(String),
    /// The declaration contradicts itself.
    #[error("task {name:?}: {reason}")]
    Invalid {
        /// The task.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The task supervisor is not there.
    #[error("the task supervisor is not running")]
    Unavailable,
}

/// Registers tasks; the task supervisor is behind it.
pub trait Tasks: Send + Sync + 'static {
    /// Registers a task and starts it as a supervised child.
    fn register(&self, spec: TaskSpec) -> BoxFuture<'_, Result<(), RegisterError>>;
    /// Stops and forgets every task of `cog`.
    fn unregister_cog<'a>(&'a self, cog: &'a str) -> BoxFuture<'a, ()>;
}
