//! Times as both engines keep them: UTC, microseconds.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};

/// `at` as it is stored: PostgreSQL keeps no finer part than the microsecond, so SQLite is not given one either.
pub(crate) fn stored(at: DateTime<Utc>) -> NaiveDateTime {
    at.trunc_subsecs(6).naive_utc()
}
