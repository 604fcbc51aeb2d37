//! The section `[control]`.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The section `[control]`; the shipped `config.toml` holds the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlConfig {
    /// Path of the socket; empty: the default place, resolved where the configuration is loaded.
    pub socket: String,
    /// Lines longer than this many bytes are refused.
    pub line_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// A connection without a subscription that says nothing for this long is closed, in milliseconds.
    pub idle_ms: u64,
}

impl ControlConfig {
    pub(crate) fn idle(&self) -> Duration {
        Duration::from_millis(self.idle_ms)
    }
}
