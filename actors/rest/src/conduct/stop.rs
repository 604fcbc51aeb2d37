//! The one clock that every request waits for while Discord wants silence from the whole bot. Pure.

use super::left;
use crate::answer::RETRY_AFTER_MAX;
use protocol::millis;
use std::time::Duration;
use tokio::time::Instant;

/// The first silence after a 429 that did not come from the API itself; it doubles with each that follows.
pub(crate) const EDGE_FIRST: Duration = Duration::from_secs(60);
/// The longest such silence, unless the edge itself names a longer one.
pub(crate) const EDGE_MAX: Duration = Duration::from_secs(3600);

/// Until when nothing may be sent.
#[derive(Default)]
pub(crate) struct GlobalStop {
    global: Option<Instant>,
    edge: Option<Instant>,
    strikes: u32,
}

impl GlobalStop {
    /// When a request may go. Interaction answers are outside the global limit, but not outside the edge's.
    pub(crate) fn until(&self, now: Instant, exempt: bool) -> Option<Instant> {
        let global = if exempt { None } else { self.global };
        global.max(self.edge).filter(|&until| until > now)
    }

    /// A 429 with global scope.
    pub(crate) fn global(&mut self, now: Instant, retry_after: Duration) -> Instant {
        let until = self.global.map_or(now + retry_after, |until| until.max(now + retry_after));
        self.global = Some(until);
        until
    }

    /// A 429 that Discord's edge sent in the API's place (HTML, or without rate-limit headers): the address itself is
    /// close to a ban. Those that arrive while it lasts were on their way already and are no new strike.
    pub(crate) fn edge(&mut self, now: Instant, retry_after: Option<Duration>) -> Instant {
        if let Some(until) = self.edge.filter(|&until| until > now) {
            return until;
        }
        let silence = EDGE_FIRST.saturating_mul(1 << self.strikes.min(6)).min(EDGE_MAX);
        self.strikes = self.strikes.saturating_add(1);
        let until = now + silence.max(retry_after.unwrap_or_default());
        self.edge = Some(until);
        until
    }

    /// The API itself answered a request again.
    pub(crate) fn answered(&mut self, now: Instant) {
        if self.edge.is_none_or(|until| until <= now) {
            self.strikes = 0;
        }
    }

    /// How often the edge has said so without an answer of the API in between.
    pub(crate) fn strikes(&self) -> u32 {
        self.strikes
    }

    /// What the next process has to know of the edge. A global 429 is over before a process is back, or in seconds.
    pub(crate) fn leave(&self, now: Instant) -> Option<left::Edge> {
        let left = self.edge.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        (self.strikes > 0).then_some(left::Edge { left_ms: millis(left), strikes: self.strikes })
    }

    /// Takes over what a process left so long ago; no stop lasts longer than the longest wait that is believed. Strikes of
    /// long ago are no reason to double any more.
    pub(crate) fn take_over(&mut self, now: Instant, passed: Duration, edge: left::Edge) {
        let left = Duration::from_millis(edge.left_ms).min(RETRY_AFTER_MAX);
        if passed < left + EDGE_MAX {
            self.edge = Some(now + left.saturating_sub(passed));
            self.strikes = edge.strikes;
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_global_429_waits_for_the_first() {
        let now = Instant::now();
        let mut stop = GlobalStop::default();
        let first = stop.global(now, Duration::from_secs(10));
        assert_eq!(stop.global(now + Duration::from_secs(1), Duration::from_secs(2)), first);
        assert_eq!(stop.until(now, false), Some(first));
        assert_eq!(stop.until(now, true), None, "interactions are exempt");
        assert_eq!(stop.until(first, false), None);
    }

    #[test]
    fn an_edge_stop_holds_everything_and_doubles() {
        let mut now = Instant::now();
        let mut stop = GlobalStop::default();
        for expected in [60, 120, 240] {
            let until = stop.edge(now, None);
            assert_eq!(until - now, Duration::from_secs(expected));
            assert_eq!(stop.edge(now, None), until, "late answers are no new strikes");
            assert_eq!(stop.until(now, true), Some(until));
            now = until;
        }
        stop.answered(now);
        assert_eq!(stop.edge(now, None) - now, EDGE_FIRST);
    }
    #[test]
    fn the_next_process_is_silent_for_the_rest_of_it_and_doubles_on() {
        let now = Instant::now();
        let mut stop = GlobalStop::default();
        assert_eq!(stop.leave(now), None);
        stop.global(now, Duration::from_secs(5));
        assert_eq!(stop.leave(now), None);
        stop.edge(now, None);
        let (left, passed) = (stop.leave(now).unwrap(), Duration::from_secs(20));
        let mut next = GlobalStop::default();
        next.take_over(now + passed, passed, left);
        assert_eq!(next.until(now + passed, true), Some(now + EDGE_FIRST));
        assert_eq!(next.edge(now + EDGE_FIRST, None) - (now + EDGE_FIRST), EDGE_FIRST * 2);

        let mut late = GlobalStop::default();
        late.take_over(now, EDGE_FIRST + EDGE_MAX, left);
        assert_eq!((late.until(now, true), late.edge(now, None)), (None, now + EDGE_FIRST));
        let mut nonsense = GlobalStop::default();
        nonsense.take_over(now, Duration::ZERO, left::Edge { left_ms: u64::MAX, strikes: u32::MAX });
        assert_eq!(nonsense.until(now, true), Some(now + RETRY_AFTER_MAX));
        assert_eq!(nonsense.edge(now + RETRY_AFTER_MAX, None), now + RETRY_AFTER_MAX + EDGE_MAX);
    }

    #[test]
    fn a_stop_of_many_hours_goes_on_in_the_next_process() {
        let (now, named) = (Instant::now(), Duration::from_secs(20 * 3_600));
        let mut stop = GlobalStop::default();
        stop.edge(now, Some(named));
        let left = stop.leave(now).unwrap();
        for passed in [15, 7_200, 72_000 - 1].map(Duration::from_secs) {
            let mut next = GlobalStop::default();
            next.take_over(now + passed, passed, left);
            assert_eq!(next.until(now + passed, true), Some(now + named));
        }
    }
}
