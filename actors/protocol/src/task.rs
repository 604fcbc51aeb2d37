//! Background tasks, as a cog declares them.

mod precondition;

pub use precondition::Precondition;
/// Discord's permissions, as serenity types them.
pub use serenity::model::Permissions;

use crate::BoxFuture;
use serde::{Deserialize, Serialize};
use serenity::model::id::{GuildId, UserId};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// What kind of work a task is. Typed at registration, never guessed from its name. The order is that of shutdown among
/// tasks of one priority: what a command began stops first, gateway work last.
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

impl Category {
    /// Every category, in stop order.
    pub const ALL: [Self; 4] = [Self::Command, Self::System, Self::Scheduled, Self::Gateway];

    /// The word itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::System => "system",
            Self::Scheduled => "scheduled",
            Self::Gateway => "gateway",
        }
    }
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

impl Priority {
    /// Every priority, in stop order.
    pub const ALL: [Self; 4] = [Self::Low, Self::Normal, Self::High, Self::Critical];

    /// The word itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// When a task runs. What was missed (the machine slept, the clock was set forward, the bot was busy) is made up for by one
/// run, not by many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// Again and again, this long after the last run began.
    Every(Duration),
    /// One run, this long after the task first came up; then it is finished.
    Once(Duration),
    /// By a cron expression of five fields, or six with seconds in front, read in a time zone.
    Cron {
        /// Minute, hour, day of month, month, day of week: `*/15 * * * *`.
        expression: String,
        /// A name of the IANA time zone database: `Europe/Berlin`, `UTC`.
        zone: String,
    },
    /// Every day at a time of day. A time that a change of clocks leaves out is made up for when that day goes on; one that
    /// comes twice counts once.
    Daily {
        /// Hour, 0 to 23.
        hour: u8,
        /// Minute, 0 to 59.
        minute: u8,
        /// A name of the IANA time zone database.
        zone: String,
    },
}

impl Schedule {
    /// A cron expression in a time zone.
    pub fn cron(expression: &str, zone: &str) -> Self {
        Self::Cron { expression: expression.to_owned(), zone: zone.to_owned() }
    }

    /// A time of day in a time zone.
    pub fn daily(hour: u8, minute: u8, zone: &str) -> Self {
        Self::Daily { hour, minute, zone: zone.to_owned() }
    }
}

/// What happens when a run is due while the one before it is still under way. Two runs of a task never overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The due run is left out, and counted as skipped.
    Skip,
    /// One run, however many were due, follows at once.
    #[default]
    Queue,
    /// The one under way is told to end, cut off after 5 s, and the due one begins.
    CancelOld,
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

/// What a run is given: made anew for each run, nothing of the run before is in it.
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
    /// What happens when a run is due while another is under way.
    pub overlap: Overlap,
    /// Whether a run that is due waits until the bot is ready.
    pub wait_until_ready: bool,
    /// What must hold when a run begins; what does not makes it skipped.
    pub requires: Vec<Precondition>,
    /// Restarts allowed within `restart_window`.
    pub restart_limit: u32,
    /// The sliding window of `restart_limit`.
    pub restart_window: Duration,
    /// Least time between two restarts.
    pub cooldown: Duration,
    /// How often its health is judged.
    pub health_check: Duration,
    /// After this many periods without a sign of life it is stalled, and restarted.
    pub stall_periods: u32,
    /// Paths it has nothing to do without. A task that it needs is `task-supervisor/<name>`.
    pub needs: Vec<String>,
    /// The guild it works for, for logs.
    pub guild: Option<GuildId>,
    /// The user it works for, for logs.
    pub user: Option<UserId>,
    /// One run.
    pub run: Arc<RunFn>,
}

impl TaskSpec {
    /// A task with the defaults: scheduled, normal priority, waits until ready, 60 s per run, 5 restarts in 1 h, cooldown
    /// 30 s, health judged every 300 s, stalled after 3 periods.
    pub fn new<F, Fut>(cog: &str, name: &str, schedule: Schedule, run: F) -> Self
    where
        F: Fn(Run) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RunOutcome, RunError>> + Send + 'static,
    {
        Self::declared(cog, name, schedule).doing(run)
    }

    /// The same before it is known what a run does, which [`TaskSpec::doing`] says: the rules of a task, known before
    /// anything it works with is there.
    pub fn declared(cog: &str, name: &str, schedule: Schedule) -> Self {
        Self {
            name: name.to_owned(),
            cog: cog.to_owned(),
            category: Category::Scheduled,
            priority: Priority::Normal,
            schedule,
            jitter: Duration::ZERO,
            run_at_start: false,
            timeout: Duration::from_secs(60),
            overlap: Overlap::default(),
            wait_until_ready: true,
            requires: Vec::new(),
            restart_limit: 5,
            restart_window: Duration::from_secs(3600),
            cooldown: Duration::from_secs(30),
            health_check: Duration::from_secs(300),
            stall_periods: 3,
            needs: Vec::new(),
            guild: None,
            user: None,
            run: Arc::new(|_| Box::pin(async { Err(RunError("nobody has said what this task does".to_owned())) })),
        }
    }

    /// What one run does.
    #[must_use]
    pub fn doing<F, Fut>(mut self, run: F) -> Self
    where
        F: Fn(Run) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<RunOutcome, RunError>> + Send + 'static,
    {
        self.run = Arc::new(move |given| Box::pin(run(given)));
        self
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

/// What of a declaration a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskRule {
    /// Its name or its cog.
    Identity,
    /// When it runs.
    Schedule,
    /// What is added to each wait.
    Jitter,
    /// How long a run may take.
    Timeout,
    /// The window of its restart limit.
    Window,
    /// Its restart limit, within that window.
    Limit,
    /// The least time between two restarts, as many as that limit allows.
    Cooldown,
    /// How often its health is judged.
    Health,
    /// After how many periods it is stalled.
    Stall,
    /// What it needs.
    Needs,
    /// None of its own: the registry is full, or its supervisor has refused it.
    Outside,
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
        /// Which of its rules this is about.
        rule: TaskRule,
        /// What is wrong.
        reason: String,
    },
    /// The task supervisor is not there.
    #[error("the task supervisor is not running")]
    Unavailable,
}

/// Registers tasks; the task supervisor is behind it.
pub trait Tasks: Send + Sync + 'static {
    /// Registers a task and starts it as a supervised child. One whose own declaration holds and which is refused all the
    /// same, by the configuration or by its supervisor, is remembered: it is told of, and comes up once that is mended.
    fn register(&self, spec: TaskSpec) -> BoxFuture<'_, Result<(), RegisterError>>;
    /// Stops and forgets the task `name` of `cog`; whether there was one.
    fn unregister<'a>(&'a self, cog: &'a str, name: &'a str) -> BoxFuture<'a, bool>;
    /// Stops and forgets every task of `cog`.
    fn unregister_cog<'a>(&'a self, cog: &'a str) -> BoxFuture<'a, ()>;
}
