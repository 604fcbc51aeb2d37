//! What a process leaves to the next of its invalid answers and silences, and how much of it still holds. Pure.
//!
//! All times are spans before or after the moment of writing, so that only one question is asked of any clock: how long ago
//! that was.

use protocol::{Uptime, millis};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The moment of writing, by the clock that people set and by the one that nobody sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    unix_ms: i64,
    /// Which start of the machine [`Self::uptime_ms`] counts from.
    boot: String,
    uptime_ms: u64,
}

impl Moment {
    /// Milliseconds of wall time, and how long the machine has run.
    pub(crate) fn new(unix_ms: i64, uptime: Uptime) -> Self {
        Self { unix_ms, boot: uptime.boot, uptime_ms: millis(uptime.since) }
    }

    /// How much later `now` is. While the machine runs a clock that is set changes nothing; over a start of the machine wall
    /// time has to do, and where it went back no time has passed: what is left then lasts as long as it would have, not longer.
    pub(crate) fn until(&self, now: &Self) -> Duration {
        let passed = if self.boot == now.boot {
            now.uptime_ms.saturating_sub(self.uptime_ms)
        } else {
            u64::try_from(now.unix_ms.saturating_sub(self.unix_ms)).unwrap_or_default()
        };
        Duration::from_millis(passed)
    }
}

/// What is left. Empty when the next process need know nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Invalid answers within the span that Discord counts over: how old, in whole seconds, and how many.
    #[serde(default)]
    pub(crate) invalid: Vec<(u64, u32)>,
    /// The breaker, where it was open.
    #[serde(default)]
    pub(crate) breaker: Option<Open>,
    /// The edge's stop, where there was one.
    #[serde(default)]
    pub(crate) edge: Option<Edge>,
}

/// An open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Open {
    /// Until a probe may go, in milliseconds.
    pub(crate) left_ms: u64,
    /// How long a silence lasts by now, in milliseconds.
    pub(crate) silence_ms: u64,
}

/// A stop by Discord's edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Edge {
    /// How long it lasts, in milliseconds; 0 once it is over, with the strikes that still count.
    pub(crate) left_ms: u64,
    /// How many there have been without an answer of the API in between.
    pub(crate) strikes: u32,
}

impl Left {
    /// Whether there is nothing to leave.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(unix_s: i64, boot: &str, uptime_s: u64) -> Moment {
        Moment::new(unix_s * 1_000, Uptime { boot: boot.to_owned(), since: Duration::from_secs(uptime_s) })
    }

    #[test]
    fn a_clock_that_is_set_changes_nothing_and_one_that_went_back_over_a_start_stands_still() {
        let written = moment(1_000_000, "a", 500);
        for wall in [0, 1_000_000, 9_000_000, -5] {
            assert_eq!(written.until(&moment(wall, "a", 530)), Duration::from_secs(30), "{wall}");
        }
        assert_eq!(written.until(&moment(1_000_045, "b", 3)), Duration::from_secs(45));
        assert_eq!(written.until(&moment(900_000, "b", 3)), Duration::ZERO);
        assert_eq!(written.until(&moment(1_000_000, "a", 499)), Duration::ZERO);
        let (first, last) = (moment(i64::MIN / 1_000, "a", 0), moment(i64::MAX / 1_000, "b", 0));
        assert!(first.until(&last) > Duration::from_secs(1) && last.until(&first).is_zero());
    }
}
