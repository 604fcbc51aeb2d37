//! Times as both engines keep them: UTC, microseconds.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use std::time::Duration;

/// `at` as it is stored: PostgreSQL keeps no finer part than the microsecond, so SQLite is not given one either.
pub(crate) fn stored(at: DateTime<Utc>) -> NaiveDateTime {
    at.trunc_subsecs(6).naive_utc()
}

/// Whole milliseconds, as a number that log fields and JSON keep a number: `u128` becomes text there.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
