//! When the next run is due.

use protocol::task::Schedule;
use std::time::Duration;

/// What decides about the next run. Times are monotonic, since any fixed moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// When the task came up.
    pub up: Duration,
    /// When its last run began; none before the first.
    pub last_began: Option<Duration>,
}

/// When the next run is due; none when there is none. `jitter` is what this wait adds at random.
/// A run that took longer than its period is followed at once, once: missed periods are not made up for.
pub fn next_due(
    schedule: Schedule,
    run_at_start: bool,
    past: Past,
    now: Duration,
    jitter: Duration,
) -> Option<Duration> {
    match (schedule, past.last_began) {
        (Schedule::Every(_), None) if run_at_start => Some(past.up),
        (Schedule::Every(period), None) => Some(past.up + period + jitter),
        (Schedule::Every(period), Some(began)) => Some((began + period + jitter).max(now)),
        (Schedule::Once(delay), None) => Some(past.up + delay + jitter),
        (Schedule::Once(_), Some(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn a_period_counts_from_the_beginning_of_the_run_and_is_never_made_up_for() {
        let every = Schedule::Every(S(10));
        let past = |last| Past { up: S(100), last_began: last };
        assert_eq!(next_due(every, true, past(None), S(100), S(3)), Some(S(100)));
        assert_eq!(next_due(every, false, past(None), S(100), S(3)), Some(S(113)));
        assert_eq!(next_due(every, false, past(Some(S(110))), S(112), S(0)), Some(S(120)));
        assert_eq!(next_due(every, false, past(Some(S(110))), S(145), S(0)), Some(S(145)), "late: once, at once");
    }

    #[test]
    fn once_is_once() {
        let once = Schedule::Once(S(5));
        assert_eq!(next_due(once, true, Past { up: S(1), last_began: None }, S(1), S(0)), Some(S(6)));
        assert_eq!(next_due(once, true, Past { up: S(1), last_began: Some(S(6)) }, S(7), S(0)), None);
    }
}
