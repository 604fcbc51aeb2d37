//! Falls silent before Discord bans the address: it does so at 10,000 invalid answers in 10 minutes. Pure.

use super::left;
use protocol::millis;
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

    /// What the next process has to know: how old, in whole seconds, how many invalid answers are, and whether it is open.
    pub(crate) fn leave(&mut self, now: Instant) -> (Vec<(u64, u32)>, Option<left::Open>) {
        self.prune(now);
        let mut invalid: Vec<(u64, u32)> = Vec::new();
        for &at in &self.invalid {
            let age = now.saturating_duration_since(at).as_secs();
            match invalid.last_mut() {
                Some((known, count)) if *known == age => *count = count.saturating_add(1),
                _ => invalid.push((age, 1)),
            }
        }
        let open = self.open.map(|open| left::Open {
            left_ms: millis(open.probe_at.saturating_duration_since(now)),
            silence_ms: millis(open.silence),
        });
        (invalid, open)
    }

    /// Takes over what a process left so long ago. Whatever it says, no silence lasts longer than the longest there is, and
    /// no more is counted than this breaker would have counted itself.
    pub(crate) fn take_over(
        &mut self,
        now: Instant,
        passed: Duration,
        invalid: &[(u64, u32)],
        open: Option<left::Open>,
    ) {
        let mut ages: Vec<(Duration, usize)> = invalid
            .iter()
            .map(|&(age, count)| {
                (Duration::from_secs(age).saturating_add(passed), usize::try_from(count).unwrap_or(usize::MAX))
            })
            .filter(|&(age, _)| age < WINDOW)
            .collect();
        ages.sort_unstable(); // youngest first: should there be too many, the oldest are left out
        for (age, count) in ages {
            let at = now.checked_sub(age).unwrap_or(now);
            let room = self.limit.saturating_mul(2).saturating_sub(self.invalid.len());
            (0..count.min(room)).for_each(|_| self.invalid.push_front(at));
        }
        // Once a whole window has gone by since the silence, what made it necessary counts no more.
        self.open = open.and_then(|open| {
            let silence = Duration::from_millis(open.silence_ms).clamp(PROBE_FIRST, PROBE_MAX);
            let left = Duration::from_millis(open.left_ms).min(silence);
            let probe_at = now + left.saturating_sub(passed);
            (passed < left + WINDOW).then_some(Open { silence, probe_at })
        });
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

    /// What the next process makes of it after so long.
    fn handed_on(breaker: &mut Breaker, limit: usize, now: Instant, passed: Duration) -> Breaker {
        let (invalid, open) = breaker.leave(now);
        let mut next = Breaker::new(limit);
        next.take_over(now + passed, passed, &invalid, open);
        next
    }

    #[test]
    fn the_next_process_counts_on_and_keeps_the_silence_with_its_doubling() {
        let now = Instant::now();
        let mut breaker = Breaker::new(5);
        for second in 0..4 {
            breaker.observe(now + Duration::from_secs(second), PLAIN, true);
        }
        let later = now + Duration::from_secs(100);
        let mut next = handed_on(&mut breaker, 5, later, Duration::from_secs(15));
        assert_eq!(next.count(later + Duration::from_secs(15)), 4);
        let later = later + Duration::from_secs(15);
        assert_eq!(next.count(now + WINDOW - Duration::from_secs(1)), 4);
        assert_eq!(next.observe(later, PLAIN, true), Some(Change::Opened), "4 of before and 1");

        let probe = next.admit(later + PROBE_FIRST).unwrap();
        next.observe(later + PROBE_FIRST, probe, true);
        let later = later + PROBE_FIRST;
        let (gap, left) = (Duration::from_secs(20), PROBE_FIRST * 2 - Duration::from_secs(20));
        let mut third = handed_on(&mut next, 5, later, gap);
        assert_eq!(third.admit(later + gap), Err(left));
        let probe = third.admit(later + gap + left).unwrap();
        assert!(probe.probe);
        third.observe(later + gap + left, probe, true);
        assert_eq!(third.silence(later + gap + left), Some(PROBE_FIRST * 4), "it doubles on");
        third.reset();
        assert_eq!(third.leave(later), (Vec::new(), None));
    }

    #[test]
    fn what_has_grown_old_or_is_nonsense_holds_nobody_for_long() {
        let now = Instant::now();
        let mut breaker = opened(5, now);
        let mut next = handed_on(&mut breaker, 5, now, PROBE_FIRST + WINDOW);
        assert_eq!((next.admit(now + PROBE_FIRST + WINDOW), next.count(now + PROBE_FIRST + WINDOW)), (Ok(PLAIN), 0));
        let mut next = handed_on(&mut breaker, 5, now, PROBE_FIRST);
        assert_eq!(
            next.admit(now + PROBE_FIRST),
            Ok(Pass { probe: true }),
            "the silence is over, its cause may not be"
        );

        let mut next = Breaker::new(5);
        let open = left::Open { left_ms: u64::MAX, silence_ms: u64::MAX };
        next.take_over(now, Duration::ZERO, &[(0, u32::MAX), (u64::MAX, 1), (3, u32::MAX)], Some(open));
        assert_eq!((next.silence(now), next.count(now)), (Some(PROBE_MAX), 10));
        next.take_over(now, Duration::MAX, &[(0, 1)], Some(open));
        assert_eq!(next.silence(now), None);
    }

    #[test]
    fn forty_kills_in_ten_minutes_cost_what_they_lose_and_no_more() {
        let (start, life) = (Instant::now(), Duration::from_secs(15));
        let (mut total, mut saved, mut saved_at) = (0, (Vec::new(), None), start);
        for process in 0..40 {
            let mut now = start + life * process;
            let mut breaker = Breaker::new(5_000);
            breaker.take_over(now, now - saved_at, &saved.0, saved.1);
            let mut sent = 0;
            while now < start + life * (process + 1) {
                if let Ok(pass) = breaker.admit(now) {
                    sent += 1;
                    breaker.observe(now, pass, true);
                    // The last 73 of the 750 that fit into a life are lost.
                    if sent % 74 == 11 || breaker.silence(now).is_some() {
                        (saved, saved_at) = (breaker.leave(now), now);
                    }
                }
                now += Duration::from_millis(20);
            }
            total += sent;
        }
        println!("R12 kills=40 refused_in_10_min={total}");
        assert!((5_000..6_000).contains(&total), "{total} went out");
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
