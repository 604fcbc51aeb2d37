//! The `[database]` section.

use crate::{error::DbError, location::Location};
use protocol::Secret;
use serde::Deserialize;
use std::{path::Path, time::Duration};

/// Most connections a pool may have. PostgreSQL allows 100 in all unless its operator raised that.
pub const POOL_SIZE_MAX: usize = 100;
/// The shortest useful time between two health checks.
const HEALTH_MIN_MS: u64 = 100;

/// `[database]` of `config.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite://PATH` or `postgres://USER:PASSWORD@HOST/NAME`; never printed, for it may hold a password.
    pub url: Secret,
    /// Connections that read (SQLite; one more writes) or connections in all (PostgreSQL).
    pub pool_size: usize,
    /// Longest wait for a connection. Too low sheds calls in a burst; too high lets them pile up behind a slow one.
    pub acquire_ms: u64,
    /// Time between two health checks; also what callers are told to wait while the database is away.
    pub health_ms: u64,
    /// How long a start retries a database server that does not answer.
    pub connect_ms: u64,
}

impl DatabaseConfig {
    /// Checks what the types cannot: the URL's form and the ranges.
    ///
    /// # Errors
    /// [`DbError::Config`] with one sentence naming the key.
    pub fn validate(&self) -> Result<(), DbError> {
        Location::parse(&self.url, Path::new(""))?;
        if !(1..=POOL_SIZE_MAX).contains(&self.pool_size) {
            let given = self.pool_size;
            return Err(DbError::Config(format!("database.pool_size is {given}; it must be 1 to {POOL_SIZE_MAX}")));
        }
        if self.acquire_ms == 0 {
            return Err(DbError::Config("database.acquire_ms is 0; it must be at least 1".to_owned()));
        }
        if self.health_ms < HEALTH_MIN_MS {
            let given = self.health_ms;
            return Err(DbError::Config(format!("database.health_ms is {given}; it must be at least {HEALTH_MIN_MS}")));
        }
        Ok(())
    }

    pub(crate) fn acquire(&self) -> Duration {
        Duration::from_millis(self.acquire_ms)
    }

    pub(crate) fn health(&self) -> Duration {
        Duration::from_millis(self.health_ms)
    }

    pub(crate) fn connect(&self) -> Duration {
        Duration::from_millis(self.connect_ms)
    }
}
