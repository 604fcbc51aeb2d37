//! What the HTTP client is told: its section of the configuration, and where Discord is.

use protocol::Secret;
use serde::Deserialize;
use std::time::Duration;

/// The section `[rest]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestConfig {
    /// Requests a second over all routes but interactions; Discord allows a bot 50.
    pub global_per_second: u16,
    /// How long a request may take in all, waiting included, in milliseconds.
    pub deadline_ms: u64,
    /// Attempts for a request that is safe to repeat.
    pub attempts: u32,
    /// Answers of 401, 403 and 429 within 10 minutes after which nothing more is sent; Discord bans the address at
    /// 10,000.
    pub invalid_limit: u32,
}

impl RestConfig {
    /// The deadline of a request that names none.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

/// Where Discord is and who the bot is there.
#[derive(Debug, Clone)]
pub struct Access {
    /// The API's base, version included: `https://discord.com/api/v10`.
    pub api_base: String,
    /// The bot's token, without the word `Bot`.
    pub token: Secret,
    /// The only hosts that may be contacted; a leading dot admits subdomains.
    pub allow_hosts: Vec<String>,
}

impl Access {
    /// Whether the address may be contacted at all; for validating configuration before anything starts.
    ///
    /// # Errors
    /// One sentence that names the key to change.
    pub fn check(&self) -> Result<(), String> {
        crate::hosts::admitted(&self.api_base, &self.allow_hosts).map(|_| ())
    }
}
