//! Calls to the database.

use crate::{
    Label::{Outcome, State},
    Metric, Scrape,
    metric::count,
};

static QUERIES: Metric = Metric::histogram(
    "impresario_database_query_duration_seconds",
    &[Outcome],
    8,
    "Time of a database call, waiting for a connection included",
);
static UNAVAILABLE: Metric =
    Metric::counter("impresario_database_unavailable_total", &[], 1, "Calls refused because there was no database");
static POOL: Metric = Metric::gauge(
    "impresario_database_pool_connections",
    &[State],
    3,
    "Pool connections in use, idle, and callers waiting",
);
static BYTES: Metric = Metric::gauge("impresario_database_size_bytes", &[], 1, "Size of the database");
static UP: Metric = Metric::gauge("impresario_database_up", &[], 1, "1 while the database answers");

pub(crate) static METRICS: &[&Metric] = &[&QUERIES, &UNAVAILABLE, &POOL, &BYTES, &UP];

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryOutcome {
    /// It did what was asked.
    Done,
    /// Another writer came first.
    Conflict,
    /// No connection, or the connection broke.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The data contradict themselves.
    Corrupt,
    /// Anything else.
    Failed,
}

/// A call ended after `seconds`.
pub fn query(outcome: QueryOutcome, seconds: f64) {
    let outcome = match outcome {
        QueryOutcome::Done => "done",
        QueryOutcome::Conflict => "conflict",
        QueryOutcome::Unavailable => "unavailable",
        QueryOutcome::Timeout => "timeout",
        QueryOutcome::Corrupt => "corrupt",
        QueryOutcome::Failed => "failed",
    };
    QUERIES.observe([outcome.into()], seconds);
}

/// A call was refused because there was no database.
pub fn unavailable() {
    UNAVAILABLE.count([], 1);
}

/// The pool as a scrape sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolReading {
    /// Whether the database answers.
    pub up: bool,
    /// Connections in use.
    pub in_use: usize,
    /// Connections at rest.
    pub idle: usize,
    /// Callers waiting for one.
    pub waiting: usize,
    /// Size of the database, when known.
    pub bytes: Option<u64>,
}

/// Sets the gauges of the pool.
pub fn pool(scrape: &Scrape, reading: PoolReading) {
    UP.set(scrape, [], f64::from(u8::from(reading.up)));
    POOL.set(scrape, ["in_use".into()], count(reading.in_use));
    POOL.set(scrape, ["idle".into()], count(reading.idle));
    POOL.set(scrape, ["waiting".into()], count(reading.waiting));
    if let Some(bytes) = reading.bytes {
        BYTES.set(scrape, [], count(usize::try_from(bytes).unwrap_or(usize::MAX)));
    }
}
