//! Background tasks.

use crate::{
    Label::{Category, Class, Outcome, Priority, State, Task},
    Metric, Name, Scrape,
    metric::count,
};

static RUNS: Metric =
    Metric::counter("impresario_task_runs_total", &[Task, Class, Outcome], 1000, "Runs, by task, category and outcome");
static DURATION: Metric = Metric::histogram("impresario_task_run_duration_seconds", &[Task], 250, "Time of a run");
static RESTARTS: Metric = Metric::counter("impresario_task_restarts_total", &[Task], 250, "Restarts of a task");
static TASKS: Metric = Metric::gauge("impresario_tasks", &[State], 16, "Tasks, by state");

static HEALTH: Metric = Metric::gauge("impresario_task_health", &[State], 8, "Tasks, by how well they are");
static UNOWNED: Metric = Metric::gauge("impresario_unowned_work", &[], 1, "Tokio tasks alive that no actor owns");

static CATEGORY: Metric = Metric::gauge("impresario_tasks_by_category", &[Category], 8, "Tasks, by what they are for");
static PRIORITY: Metric = Metric::gauge("impresario_tasks_by_priority", &[Priority], 8, "Tasks, by priority");
static LAST_RUN: Metric = Metric::gauge(
    "impresario_task_last_run_timestamp_seconds",
    &[Task],
    250,
    "When the last run of a task ended, in seconds since 1970",
);
static LAST_ERROR: Metric = Metric::gauge(
    "impresario_task_last_error_timestamp_seconds",
    &[Task],
    250,
    "When a run of a task last failed, in seconds since 1970",
);

pub(crate) static METRICS: &[&Metric] =
    &[&RUNS, &DURATION, &RESTARTS, &TASKS, &HEALTH, &CATEGORY, &PRIORITY, &LAST_RUN, &LAST_ERROR, &UNOWNED];

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskOutcome {
    /// It did its work.
    Done,
    /// There was nothing it could do.
    Skipped,
    /// It failed.
    Failed,
    /// It panicked.
    Panicked,
    /// It took longer than its deadline.
    Timeout,
    /// It was told to end.
    Cancelled,
}

impl TaskOutcome {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A run of `task` ended after `seconds`; `category` is `command`, `system`, `scheduled` or `gateway`.
pub fn run(task: impl Into<Name>, category: &'static str, outcome: TaskOutcome, seconds: f64) {
    let task = task.into();
    DURATION.observe([task.clone().into()], seconds);
    RUNS.count([task.into(), category.into(), outcome.name().into()], 1);
}

/// A task was restarted.
pub fn restarted(task: impl Into<Name>) {
    RESTARTS.count([task.into().into()], 1);
}

/// Tasks in one state (a fixed word).
pub fn in_state(scrape: &Scrape, state: &'static str, n: usize) {
    TASKS.set(scrape, [state.into()], count(n));
}

/// Tasks that are so well (a fixed word).
pub fn in_health(scrape: &Scrape, health: &'static str, n: usize) {
    HEALTH.set(scrape, [health.into()], count(n));
}

/// Tasks of one category (a fixed word).
pub fn in_category(scrape: &Scrape, category: &'static str, n: usize) {
    CATEGORY.set(scrape, [category.into()], count(n));
}

/// Tasks of one priority (a fixed word).
pub fn in_priority(scrape: &Scrape, priority: &'static str, n: usize) {
    PRIORITY.set(scrape, [priority.into()], count(n));
}

/// When the last run of `task` ended, in seconds since 1970.
pub fn last_run(scrape: &Scrape, task: impl Into<Name>, at: f64) {
    LAST_RUN.set(scrape, [task.into().into()], at);
}

/// When a run of `task` last failed, in seconds since 1970.
pub fn last_error(scrape: &Scrape, task: impl Into<Name>, at: f64) {
    LAST_ERROR.set(scrape, [task.into().into()], at);
}

/// Tokio tasks alive that no actor owns.
pub fn unowned(scrape: &Scrape, n: usize) {
    UNOWNED.set(scrape, [], count(n));
}
