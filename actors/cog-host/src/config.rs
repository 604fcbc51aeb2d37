//! Section `[cog_host]`.

use serde::Deserialize;
use std::time::Duration;

/// The bounds of command handling.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CogHostConfig {
    /// How long a command may run, in milliseconds, unless it declares otherwise. Shorter cuts off honest work, longer
    /// keeps a guild's places occupied.
    pub deadline_ms: u64,
    /// Events of one guild that may wait; a full lane pushes back on the socket.
    pub lane_capacity: usize,
    /// Commands of one guild that may run at once.
    pub lane_commands: usize,
    /// Guild prefixes kept in memory.
    pub prefix_cache: usize,
}

impl CogHostConfig {
    /// The deadline of commands that declare none.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}
