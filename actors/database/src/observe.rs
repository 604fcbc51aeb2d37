//! What is told about calls and pools.

use crate::{db::Db, error::DbError};
use metering::{
    Collector, Scrape,
    database::{PoolReading, QueryOutcome, pool, query},
};
use std::time::Duration;

/// One finished call; `name` is one of the few literals in this crate.
pub(crate) fn call(name: &'static str, took: Duration, error: Option<&DbError>) {
    query(outcome(error), took.as_secs_f64());
    let outcome = error.map_or("done", DbError::kind);
    tracing::trace!(
        db.call = name,
        db.outcome = outcome,
        took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "database call"
    );
}

/// One call that was turned away without being tried.
pub(crate) fn refused() {
    metering::database::unavailable();
}

fn outcome(error: Option<&DbError>) -> QueryOutcome {
    match error {
        None => QueryOutcome::Done,
        Some(DbError::Conflict { .. }) => QueryOutcome::Conflict,
        Some(DbError::Unavailable { .. } | DbError::Unknown { .. }) => QueryOutcome::Unavailable,
        Some(DbError::Timeout { .. }) => QueryOutcome::Timeout,
        Some(DbError::Corrupt(_)) => QueryOutcome::Corrupt,
        Some(DbError::Newer(_) | DbError::ReadOnly(_) | DbError::Config(_) | DbError::Other(_)) => QueryOutcome::Failed,
    }
}

impl Collector for Db {
    fn name(&self) -> &'static str {
        "database"
    }

    /// The pools (SQLite's writer counted in) as a scrape sees them; never asks the database.
    fn collect(&self, scrape: &Scrape) {
        let status = self.status();
        let both = [status.pool, status.writer].into_iter().flatten();
        let reading = both.fold(
            PoolReading { up: matches!(status.state, "open" | "read_only"), ..PoolReading::default() },
            |sum, one| PoolReading {
                in_use: sum.in_use + one.in_use,
                idle: sum.idle + one.size.saturating_sub(one.in_use),
                waiting: sum.waiting + one.waiting,
                ..sum
            },
        );
        let bytes = self.side_bytes("").map(|bytes| bytes + self.side_bytes("-wal").unwrap_or(0));
        pool(scrape, PoolReading { bytes, ..reading });
    }
}
