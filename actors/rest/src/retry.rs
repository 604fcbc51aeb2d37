//! When a request may be sent again, and after how long. Pure.

use crate::call::Call;
use reqwest::Method;
use std::time::Duration;

/// The first wait after a failure; it doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
/// The longest wait after a failure.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What came of an attempt that did not succeed, as far as repeating it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It never left: no connection could be made.
    NotSent,
    /// It may have been carried out: the connection broke, or Discord answered 5xx.
    Unknown,
    /// It was not carried out: 429, with Discord's wait.
    Limited(Duration),
}

/// Whether a repetition has no second effect.
pub(crate) fn is_repeatable(call: &Call) -> bool {
    if call.is_interaction() {
        return false;
    }
    matches!(call.method, Method::GET | Method::PUT | Method::DELETE) || call.nonced
}

/// How long to wait before attempt `done + 1` of `attempts`; none when there must not be one. `dice` is in 0.0..1.0.
pub(crate) fn wait(repeatable: bool, trouble: Trouble, done: u32, attempts: u32, dice: f64) -> Option<Duration> {
    if done >= attempts {
        return None;
    }
    match trouble {
        Trouble::Limited(after) => Some(after),
        Trouble::Unknown if !repeatable => None,
        Trouble::NotSent | Trouble::Unknown => {
            let doubled = BACKOFF_FIRST.saturating_mul(1 << done.saturating_sub(1).min(16)).min(BACKOFF_MAX);
            Some(doubled.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_outcome_is_repeated_only_when_that_is_harmless() {
        assert_eq!(wait(false, Trouble::Unknown, 1, 3, 0.0), None);
        assert!(wait(true, Trouble::Unknown, 1, 3, 0.0).is_some());
        assert!(wait(false, Trouble::NotSent, 1, 3, 0.0).is_some());
        let limited = Trouble::Limited(Duration::from_secs(2));
        assert_eq!(wait(false, limited, 1, 3, 0.9), Some(Duration::from_secs(2)));
    }

    #[test]
    fn attempts_are_bounded_and_waits_grow_to_a_limit() {
        assert_eq!(wait(true, Trouble::Unknown, 3, 3, 0.0), None);
        let waits: Vec<_> = (1..40).filter_map(|done| wait(true, Trouble::Unknown, done, 99, 1.0)).collect();
        assert!(waits.is_sorted() && waits.last() == Some(&BACKOFF_MAX), "{waits:?}");
    }
}
