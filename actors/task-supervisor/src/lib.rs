#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]
//! Background tasks as supervised actors.
//!
//! A task is a child of `task-supervisor`: its restart limit, window and cooldown are the child's supervision rules, so
//! that a loop that fails is restarted by rule, never silently gone and never restarted for ever.
//!
//! - [`schedule`] when the next run is due, purely;
//! - [`TaskActor`](task) one task;
//! - [`TaskRegistry`] what is registered, and its figures; it outlives every actor;
//! - `monitor` the worker that brings registered tasks up as its siblings.

mod config;
mod methods;
mod monitor;
mod registry;
pub mod schedule;
mod stats;
mod task;

#[cfg(test)]
mod tests;

pub use config::{TaskRules, TasksConfig};
pub use methods::methods;
pub use registry::TaskRegistry;
pub use stats::{LastRun, TaskFigures};

use std::{sync::Arc, time::Duration};
use supervision::{Backoff, ChildSpec, Criticality, Flags, Intensity, Strategy};

/// The supervisor's path.
pub const PATH: &str = "task-supervisor";

/// The supervisor `task-supervisor`: it starts with its monitor, which adds the registered tasks.
pub fn child(monitor: Duration, registry: &Arc<TaskRegistry>) -> ChildSpec {
    let monitor = monitor::child(monitor, registry);
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity = Intensity::new(5, Duration::from_secs(60));
    ChildSpec::supervisor(PATH, flags, vec![monitor])
        .criticality(Criticality::Important)
        .budget(5, Duration::from_secs(600))
        .backoff(Backoff::doubling(Duration::from_millis(200), Duration::from_secs(30)))
        .retry_parked(Backoff::doubling(Duration::from_secs(60), Duration::from_secs(900)))
}
