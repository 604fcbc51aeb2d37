//! The `[tasks]` section.

use serde::Deserialize;
use std::collections::BTreeMap;

/// `[tasks]`, with one table per task that shall differ from its declaration.
#[derive(Debug, Clone, Deserialize, PartialEq)]
pub struct TasksConfig {
    /// The least time between two looks at every task, in milliseconds.
    pub monitor_ms: u64,
    /// `[tasks.NAME]`.
    #[serde(flatten)]
    pub each: BTreeMap<String, TaskOverride>,
}

/// `[tasks.NAME]`: what shall differ from the task's own declaration.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct TaskOverride {
    /// Whether it runs at all.
    pub enabled: Option<bool>,
    /// Milliseconds between runs, for a task that repeats.
    pub every_ms: Option<u64>,
    /// How long one run may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Restarts allowed within its window.
    pub restart_limit: Option<u32>,
    /// Least time between two restarts, in milliseconds.
    pub cooldown_ms: Option<u64>,
}
