//! How many panics a cog may have before its actor gives up. Pure: the caller brings the time.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Panics of a cog's commands within [`CRASH_WINDOW`] at which its actor fails and is restarted.
pub(crate) const CRASHES_MAX: usize = 5;
/// The sliding window of [`CRASHES_MAX`].
pub(crate) const CRASH_WINDOW: Duration = Duration::from_secs(600);

/// The panics of one incarnation.
#[derive(Debug, Default)]
pub(crate) struct CrashBudget {
    at: VecDeque<Instant>,
}

impl CrashBudget {
    /// Counts one panic; true when the budget is spent.
    pub(crate) fn crashed(&mut self, now: Instant) -> bool {
        self.at.push_back(now);
        while self.at.front().is_some_and(|at| now.saturating_duration_since(*at) > CRASH_WINDOW) {
            self.at.pop_front();
        }
        self.at.len() >= CRASHES_MAX
    }

    /// Panics that count at the moment.
    pub(crate) fn used(&self) -> usize {
        self.at.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fifth_panic_within_ten_minutes_spends_it() {
        let (start, mut budget) = (Instant::now(), CrashBudget::default());
        let spent: Vec<bool> = (0..5).map(|n| budget.crashed(start + Duration::from_secs(n * 150))).collect();
        assert_eq!(spent, [false, false, false, false, true], "600 s apart still counts");
        let mut slow = CrashBudget::default();
        assert!((0..20).all(|n| !slow.crashed(start + Duration::from_secs(n * 151))));
        assert_eq!(slow.used(), 4);
    }
}
