//! The section `[emoji]`.

use serde::Deserialize;
use std::time::Duration;

/// How the emoji cache keeps itself fresh.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmojiConfig {
    /// How often everything is read anew, in seconds; events keep it fresh in between.
    pub refresh_s: u64,
}

impl EmojiConfig {
    /// The time between two full refreshes; never less than a second.
    pub fn refresh(&self) -> Duration {
        Duration::from_secs(self.refresh_s.max(1))
    }
}
