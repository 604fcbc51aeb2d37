//! Falls silent before Discord bans the address: it does so at 10,000 invalid answers in 10 minutes. Pure.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// The span over which Discord counts invalid answers.
pub(crate) const WINDOW: Duration = Duration::from_secs(600);
/// Silence before the first probe after opening; it doubles with each probe that fails.
pub(crate) const PROBE_FIRST: Duration = Duration::from_secs(60);
/// The longest silence between probes.
pub(crate) const PROBE_MAX: Duration = WINDOW;

/// Counts invalid answers (401, 403, and 429 that are our own doing) and opens at a limit.
pub(crate) struct Breaker {
    limit: usize,
    invalid: VecDeque<Instant>,
    open: Option<Open>,
}

#[derive(Clone, Copy)]
struct Open {
    silence: Duration,
    probe_at: Instant,
}

/// What an answer did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Opened,
    Closed,
}

/// Permission to send one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pass {
    /// Whether it goes out to try while the breaker is open.
    pub(crate) probe: bool,
}

impl Breaker {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), invalid: VecDeque::new(), open: None }
    }

    /// How long nothing may be sent; none when something may.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        self.open.map(|open| open.probe_at.saturating_duration_since(now)).filter(|silence| !silence.is_zero())
    }

    /// Lets a request through, or says how long to be silent. While open, one request per silence goes as a probe;
    /// a probe that is never heard of again simply leaves the turn to the next.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Pass, Duration> {
        if let Some(silence) = self.silence(now) {
            return Err(silence);
        }
        if let Some(open) = &mut self.open {
            open.probe_at = now + open.silence;
        }
        Ok(Pass { probe: self.open.is_some() })
    }

    /// Takes the answer to a request that was let through.
    pub(crate) fn observe(&mut self, now: Instant, pass: Pass, invalid: bool) -> Option<Change> {
        self.prune(now);
        if invalid && self.invalid.len() < self.limit.saturating_mul(2) {
            self.invalid.push_back(now);
        }
        match &mut self.open {
            None if self.invalid.len() >= self.limit && invalid => {
                self.open = Some(Open { silence: PROBE_FIRST, probe_at: now + PROBE_FIRST });
                Some(Change::Opened)
            }
            Some(open) if pass.probe && invalid => {
                open.silence = (open.silence * 2).min(PROBE_MAX);
                open.probe_at = now + open.silence;
                None
            }
            Some(_) if pass.probe => {
                self.open = None;
                Some(Change::Closed)
            }
            _ => None,
        }
    }

    /// Invalid answers in the last 10 minutes.
    pub(crate) fn count(&mut self, now: Instant) -> usize {
        self.prune(now);
        self.invalid.len()
    }

    /// Forgets everything: an operator has mended the cause.
    pub(crate) fn reset(&mut self) {
        self.invalid.clear();
        self.open = None;
    }

    fn prune(&mut self, now: Instant) {
        while self.invalid.front().is_some_and(|&at| now.saturating_duration_since(at) >= WINDOW) {
            self.invalid.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Pass = Pass { probe: false };

    fn opened(limit: usize, now: Instant) -> Breaker {
        let mut breaker = Breaker::new(limit);
        for _ in 1..limit {
            assert_eq!(breaker.observe(now, PLAIN, true), None);
        }
        assert_eq!(breaker.observe(now, PLAIN, true), Some(Change::Opened));
        breaker
    }

    #[test]
    fn it_opens_at_the_limit_and_half_opens_for_one_probe() {
        let now = Instant::now();
        let mut breaker = opened(5, now);
        assert_eq!(breaker.admit(now + Duration::from_secs(1)), Err(PROBE_FIRST - Duration::from_secs(1)));
        let later = now + PROBE_FIRST;
        assert_eq!(breaker.admit(later), Ok(Pass { probe: true }));
        assert!(breaker.admit(later).is_err(), "a second probe went out");
        assert_eq!(breaker.observe(later, Pass { probe: true }, false), Some(Change::Closed));
        assert_eq!(breaker.admit(later), Ok(PLAIN));
    }

    #[test]
    fn a_failed_probe_doubles_the_silence() {
        let now = Instant::now();
        let mut breaker = opened(5, now);
        let later = now + PROBE_FIRST;
        let probe = breaker.admit(later).unwrap();
        assert_eq!(breaker.observe(later, probe, true), None);
        assert_eq!(breaker.admit(later), Err(PROBE_FIRST * 2));
    }

    #[test]
    fn an_answer_from_before_the_opening_does_not_close_it() {
        let now = Instant::now();
        let mut breaker = opened(5, now);
        assert_eq!(breaker.observe(now, PLAIN, false), None);
        assert!(breaker.admit(now).is_err());
    }

    #[test]
    fn it_reopens_at_the_next_invalid_answer_while_the_window_is_full() {
        let now = Instant::now();
        let mut breaker = opened(5, now);
        let later = now + PROBE_FIRST;
        let probe = breaker.admit(later).unwrap();
        breaker.observe(later, probe, false);
        assert_eq!(breaker.observe(later, PLAIN, true), Some(Change::Opened));
    }

    #[test]
    fn the_window_slides() {
        let now = Instant::now();
        let mut breaker = Breaker::new(5);
        for minute in 0..60 {
            let at = now + Duration::from_secs(60) * 3 * minute;
            assert_eq!(breaker.observe(at, PLAIN, true), None, "opened at minute {minute}");
            assert!(breaker.count(at) <= 4);
        }
    }

    #[test]
    fn ten_minutes_of_nothing_but_403_stay_below_twice_the_limit() {
        let start = Instant::now();
        let mut breaker = Breaker::new(5_000);
        let mut sent = 0;
        for tick in 0..300_000_u64 {
            let now = start + Duration::from_millis(tick * 2);
            if let Ok(pass) = breaker.admit(now) {
                sent += 1;
                breaker.observe(now, pass, true);
            }
        }
        assert!((5_000..5_020).contains(&sent), "{sent} went out");
    }
}
