//! When a shard loses its connection too often: one disconnect is daily bread, ten in ten minutes are a fault that
//! somebody should look at, however quickly each of them mends.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// A shard that has lost this many connections within [`WINDOW`] is unstable. Discord itself asks for a reconnect every
/// few hours, and a deploy on its side takes two or three.
pub(crate) const LOST_MAX: usize = 10;
/// The time that is looked at.
pub(crate) const WINDOW: Duration = Duration::from_secs(600);
/// It is stable again once no more than this many lie within the window: half, so that it does not flicker.
const CALM: usize = LOST_MAX / 2;
/// More are not remembered.
const REMEMBERED: usize = 64;

/// The connections that one shard has lost lately.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stability {
    lost: VecDeque<Instant>,
    unstable: bool,
}

/// What has become different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has just become unstable, after so many losses.
    Unstable(usize),
    /// It is stable again.
    Stable,
}

impl Stability {
    /// Books a lost connection.
    pub(crate) fn lose(&mut self, now: Instant) -> Option<Change> {
        self.expire(now);
        if self.lost.len() == REMEMBERED {
            self.lost.pop_front();
        }
        self.lost.push_back(now);
        let becomes = !self.unstable && self.lost.len() >= LOST_MAX;
        self.unstable |= becomes;
        becomes.then_some(Change::Unstable(self.lost.len()))
    }

    /// Looks again after some time.
    pub(crate) fn look(&mut self, now: Instant) -> Option<Change> {
        self.expire(now);
        let calms = self.unstable && self.lost.len() <= CALM;
        self.unstable &= !calms;
        calms.then_some(Change::Stable)
    }

    /// When to look again; none while it is stable.
    pub(crate) fn looks_in(&self, now: Instant) -> Option<Duration> {
        let last = self.lost.len().checked_sub(CALM + 1)?;
        self.unstable.then(|| (self.lost[last] + WINDOW).saturating_duration_since(now))
    }

    fn expire(&mut self, now: Instant) {
        while self.lost.front().is_some_and(|at| now.saturating_duration_since(*at) >= WINDOW) {
            self.lost.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_losses_in_ten_minutes_are_told_once_and_so_is_their_end() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut stability = Stability::default();
        let told: Vec<_> = (0..40).filter_map(|nth| stability.lose(at(nth * 50))).collect();
        assert_eq!(told, [Change::Unstable(LOST_MAX)]);
        let mut now = at(39 * 50);
        assert_eq!(stability.look(now), None);
        while let Some(wait) = stability.looks_in(now) {
            assert!(wait > Duration::ZERO, "it would look for ever");
            now += wait;
            if stability.look(now).is_some() {
                break;
            }
        }
        assert_eq!(now, at(34 * 50 + 600), "five of the last losses are left then");
        assert_eq!(stability.looks_in(now), None);
    }

    #[test]
    fn a_loss_an_hour_and_nine_at_once_are_nothing() {
        let start = Instant::now();
        let mut stability = Stability::default();
        assert!((0..1000).all(|nth| stability.lose(start + Duration::from_secs(nth * 3600)).is_none()));
        let later = start + Duration::from_secs(1001 * 3600);
        assert!((0..9).all(|_| stability.lose(later).is_none()));
        assert_eq!(stability.lose(later), Some(Change::Unstable(10)));
        (0..1000).for_each(|_| assert_eq!(stability.lose(later), None));
        assert_eq!(stability.lost.len(), REMEMBERED);
    }
}
