//! How often one problem is reported: a crash loop must not become a flood.

use dashmap::DashMap;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};
use tokio::time::Instant;

/// Reports of one fingerprint within [`WINDOW`].
pub const REPORTS_MAX: u32 = 5;
/// The window of [`REPORTS_MAX`].
pub const WINDOW: Duration = Duration::from_secs(600);
/// Fingerprints that are told apart; further ones share one allowance.
pub const FINGERPRINTS_MAX: usize = 256;
const OTHERS: u64 = 0;

/// Counts reports by fingerprint.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    windows: DashMap<u64, Window>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    reports: u32,
}

impl Limiter {
    /// Whether a report of this fingerprint may be sent at `now`.
    pub(crate) fn admit(&self, fingerprint: impl Hash, now: Instant) -> bool {
        let mut hasher = DefaultHasher::new();
        fingerprint.hash(&mut hasher);
        let mut key = hasher.finish();
        if !self.windows.contains_key(&key) && self.windows.len() >= FINGERPRINTS_MAX {
            self.windows.retain(|_, window| now.duration_since(window.began) < WINDOW);
            if self.windows.len() >= FINGERPRINTS_MAX {
                key = OTHERS;
            }
        }
        let mut window = self.windows.entry(key).or_insert(Window { began: now, reports: 0 });
        if now.duration_since(window.began) >= WINDOW {
            *window = Window { began: now, reports: 0 };
        }
        window.reports += 1;
        window.reports <= REPORTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_problem_leaves_room_for_another() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        assert_eq!((0..1000).filter(|_| limiter.admit("crash", now)).count(), REPORTS_MAX as usize);
        assert!(limiter.admit("other", now));
        assert!(limiter.admit("crash", now + WINDOW), "the allowance comes back");
    }

    #[test]
    fn ever_new_fingerprints_are_bounded_too() {
        let (limiter, now) = (Limiter::default(), Instant::now());
        let sent = (0..10_000).filter(|n| limiter.admit(n, now)).count();
        assert_eq!(sent, FINGERPRINTS_MAX + REPORTS_MAX as usize);
        assert!(limiter.windows.len() <= FINGERPRINTS_MAX + 1);
        assert!(limiter.admit("later", now + WINDOW), "old fingerprints are forgotten");
        assert!(limiter.windows.len() <= 2);
    }
}
