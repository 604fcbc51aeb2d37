#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]
//! Background tasks as supervised actors.
//!
//! A task is a child of `task-supervisor`: its restart limit, window and cooldown are the child's supervision rules, so
//! that a loop that fails is restarted by rule, never silently gone and never restarted for ever.
//!
//! - `admission` which declarations make sense, `order` who starts first;
//! - [`schedule`] when the next run is due, purely;
//! - [`health`] how well a task is, purely;
//! - `task` one task as an actor, `run` one run of it;
//! - [`TaskRegistry`] what is registered, and its figures; it outlives every actor;
//! - `rules` new rules for what is registered, while it runs;
//! - `monitor` the worker that brings registered tasks up as its siblings, judges them, and restarts what is stalled;
//! - `unowned` tokio tasks that nobody owns;
//! - `way_down` the end of all tasks as one operation.

mod admission;
mod config;
mod end;
pub mod health;
mod methods;
mod monitor;
mod order;
mod registry;
mod rows;
mod rules;
mod run;
pub mod schedule;
mod stats;
mod surroundings;
mod task;
mod unowned;
mod way_down;

#[cfg(test)]
mod tests;

pub use config::{TaskRules, TasksConfig};
pub use methods::methods;
pub use monitor::{MONITOR, policy as monitor_policy};
pub use registry::TaskRegistry;
pub use rows::Statistics;
pub use rules::{Becomes, RuleChange, Rulebook, TaskChange};
pub use stats::{LastError, LastRun, RunRecord, TaskFigures, Timing};
pub use surroundings::Surroundings;
pub use task::backoff;
pub use unowned::Work;

use std::{sync::Arc, time::Duration};
use supervision::{Backoff, ChildSpec, Criticality, Flags, Intensity, Kind, Policy, Strategy};

/// The supervisor's path.
pub const PATH: &str = "task-supervisor";

/// The supervisor `task-supervisor`: it starts with its monitor, which adds the registered tasks.
pub fn child(monitor: Duration, registry: &Arc<TaskRegistry>) -> ChildSpec {
    let monitor = monitor::child(monitor, registry);
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity = Intensity::new(5, Duration::from_secs(60));
    flags.by_needs = true;
    ChildSpec::supervisor(PATH, flags, vec![monitor]).with(|declared| *declared = policy())
}

/// The name of the task that `path` stands for, if it is a task's.
pub(crate) fn named(path: &str) -> Option<&str> {
    path.strip_prefix(PATH)?.strip_prefix('/')
}

/// The rules that the supervisor is declared with.
pub fn policy() -> Policy {
    Policy {
        criticality: Criticality::Important,
        required: false,
        budget: Some(Intensity::new(5, Duration::from_secs(600))),
        backoff: Some(Backoff::doubling(Duration::from_millis(200), Duration::from_secs(30))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(60), Duration::from_secs(900))),
        ..Policy::new(PATH, Kind::Supervisor)
    }
}
