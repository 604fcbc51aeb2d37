//! The one place where time comes from, so that tests can move it.

use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::time::Instant;

/// Wall time for what people see and for due dates; monotonic time for waiting.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, UTC.
    fn now(&self) -> DateTime<Utc>;
    /// Monotonic time; tokio's, so that paused tests move it.
    fn monotonic(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// Whole milliseconds, as a number that log fields and JSON keep a number: `u128` becomes text there.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
