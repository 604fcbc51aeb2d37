//! The budget of session starts. Pure.

use std::collections::BTreeMap;

/// The time over which session starts are counted.
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Session starts left, and when each `max_concurrency` key last identified.
#[derive(Debug)]
pub(crate) struct Starts {
    total: u32,
    left: u32,
    resets_ms: u64,
    max_concurrency: u32,
    interval_ms: u64,
    last_ms: BTreeMap<u32, u64>,
}

impl Starts {
    pub(crate) fn new(total: u32, max_concurrency: u32, interval_ms: u64) -> Starts {
        let max_concurrency = max_concurrency.max(1);
        Starts { total, left: total, resets_ms: 0, max_concurrency, interval_ms, last_ms: BTreeMap::new() }
    }

    /// Uses up one start; false when none is left.
    pub(crate) fn spend(&mut self, now_ms: u64) -> bool {
        self.refill(now_ms);
        if self.left == self.total {
            self.resets_ms = now_ms + DAY_MS;
        }
        let enough = self.left > 0;
        self.left = self.left.saturating_sub(1);
        enough
    }

    /// Whether a shard may identify already, and remembers that it did.
    pub(crate) fn identify_due(&mut self, shard: u32, now_ms: u64) -> bool {
        let key = shard % self.max_concurrency;
        let due = self.last_ms.get(&key).is_none_or(|last| now_ms >= last + self.interval_ms);
        if due {
            self.last_ms.insert(key, now_ms);
        }
        due
    }

    /// Total, left, milliseconds until the reset, `max_concurrency`.
    pub(crate) fn report(&mut self, now_ms: u64) -> (u32, u32, u64, u32) {
        self.refill(now_ms);
        (self.total, self.left, self.resets_ms.saturating_sub(now_ms), self.max_concurrency)
    }

    pub(crate) fn set(&mut self, left: u32, reset_after_ms: u64, now_ms: u64) {
        self.left = left;
        self.resets_ms = now_ms + reset_after_ms;
    }

    fn refill(&mut self, now_ms: u64) {
        if self.resets_ms != 0 && now_ms >= self.resets_ms {
            self.left = self.total;
            self.resets_ms = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_runs_out_and_comes_back_after_a_day() {
        let mut starts = Starts::new(2, 1, 0);
        assert!(starts.spend(1_000));
        assert!(starts.spend(2_000));
        assert!(!starts.spend(3_000));
        assert_eq!(starts.report(3_000), (2, 0, DAY_MS - 2_000, 1));
        assert!(starts.spend(1_000 + DAY_MS));
    }

    #[test]
    fn keys_of_max_concurrency_wait_for_themselves_only() {
        let mut starts = Starts::new(10, 2, 5_000);
        assert!(starts.identify_due(0, 0) && starts.identify_due(1, 0));
        assert!(!starts.identify_due(2, 4_999));
        assert!(starts.identify_due(2, 5_000));
    }
}
