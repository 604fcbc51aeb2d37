//! At most so many sends a minute on one connection.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Discord closes a connection (4008) that sends more than 120 events in this time.
const WINDOW: Duration = Duration::from_secs(60);
/// What we allow ourselves of Discord's 120.
const SENDS_MAX: usize = 110;
/// Kept free for heartbeats, IDENTIFY and RESUME, which never wait.
const RESERVE: usize = 10;
/// A budget halved by 4008 goes no lower.
const SENDS_LEAST: usize = 20;

/// The send budget of a shard; one connection at a time.
#[derive(Debug)]
pub struct SendBudget {
    limit: usize,
    sent: VecDeque<Instant>,
}

impl Default for SendBudget {
    fn default() -> Self {
        Self { limit: SENDS_MAX, sent: VecDeque::with_capacity(SENDS_MAX) }
    }
}

impl SendBudget {
    /// Books a send that cannot wait.
    pub fn book(&mut self, now: Instant) {
        self.expire(now);
        if self.sent.len() == SENDS_MAX {
            self.sent.pop_front(); // bounded even if something beats faster than the reserve allows
        }
        self.sent.push_back(now);
    }

    /// Books a send that can wait, or says how long it must.
    ///
    /// # Errors
    /// The wait.
    pub fn try_book(&mut self, now: Instant) -> Result<(), Duration> {
        self.expire(now);
        let room = self.limit - RESERVE;
        if self.sent.len() < room {
            self.sent.push_back(now);
            return Ok(());
        }
        let frees = self.sent[self.sent.len() - room] + WINDOW;
        Err((frees - now).max(Duration::from_millis(1)))
    }

    /// Halves the budget, after Discord said that it was too much.
    pub fn halve(&mut self) {
        self.limit = (self.limit / 2).max(SENDS_LEAST);
    }

    /// Sends within the last minute.
    pub fn used(&mut self, now: Instant) -> usize {
        self.expire(now);
        self.sent.len()
    }

    fn expire(&mut self, now: Instant) {
        while self.sent.front().is_some_and(|sent| now - *sent >= WINDOW) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends as fast as allowed for ten minutes; returns the most within any 60 s.
    fn flood(budget: &mut SendBudget, start: Instant) -> usize {
        let mut sends = Vec::new();
        for millis in (0..600_000).step_by(250) {
            let now = start + Duration::from_millis(millis);
            if millis % 41_250 == 0 {
                budget.book(now);
                sends.push(now);
            }
            if budget.try_book(now).is_ok() {
                sends.push(now);
            }
        }
        sends.iter().map(|at| sends.iter().filter(|s| **s >= *at && **s - *at < WINDOW).count()).max().unwrap_or(0)
    }

    #[test]
    fn a_flood_stays_within_110_a_minute_and_half_after_4008() {
        let start = Instant::now();
        let mut budget = SendBudget::default();
        let most = flood(&mut budget, start);
        assert!((90..=SENDS_MAX).contains(&most), "{most}");
        budget.halve();
        let most = flood(&mut budget, start + Duration::from_secs(3600));
        assert!(most <= SENDS_MAX / 2, "{most}");
    }

    #[test]
    fn a_refused_send_fits_after_the_wait_it_was_told() {
        let start = Instant::now();
        let mut budget = SendBudget::default();
        while budget.try_book(start).is_ok() {}
        let wait = budget.try_book(start).unwrap_err();
        assert!(budget.try_book(start + wait - Duration::from_millis(1)).is_err());
        assert!(budget.try_book(start + wait).is_ok());
    }

    #[test]
    fn halving_again_and_again_leaves_a_budget() {
        let mut budget = SendBudget::default();
        (0..10).for_each(|_| budget.halve());
        assert!(budget.try_book(Instant::now()).is_ok());
    }
}
