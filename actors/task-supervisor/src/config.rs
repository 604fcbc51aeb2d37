//! The `[tasks]` section.

use serde::Deserialize;

/// `[tasks]`, the keys of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TasksConfig {
    /// Least time between two looks at every task, in milliseconds.
    pub monitor_ms: u64,
}

/// `[tasks.NAME]`: what is given replaces the task's declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRules {
    /// Whether it runs at all.
    pub enabled: Option<bool>,
    /// Time between the beginnings of two runs, in seconds.
    pub every_s: Option<u64>,
    /// How long a run may take, in seconds.
    pub timeout_s: Option<u64>,
    /// Restarts within the window.
    pub restarts: Option<u32>,
    /// The window, in seconds.
    pub window_s: Option<u64>,
    /// Least time between two restarts, in seconds.
    pub cooldown_s: Option<u64>,
}
