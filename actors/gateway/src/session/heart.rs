//! When a heartbeat is due, and what its lateness or the silence before it says.

use super::{Action, Pulse, Session, TimerKind};
use std::time::Duration;
use tokio::time::Instant;

/// A silent connection is excused so often in a row because we could not run.
pub(super) const EXCUSED_MAX: u32 = 2;

impl Session {
    pub(super) fn next_beat(&mut self, after: Duration, now: Instant, out: &mut Vec<Action>) {
        self.beat_due = Some(now + after);
        self.arm(TimerKind::Beat, after, out);
    }

    /// Whether a heartbeat comes a whole interval late: the process was stopped, the machine slept, or nothing could run.
    /// Discord has closed such a connection or is about to, and whether we hear of that is chance.
    pub(super) fn has_overslept(&self, pulse: Pulse, now: Instant) -> bool {
        let kept = pulse.stood_in.map(|at| at + self.interval);
        let due = self.beat_due.map(|due| kept.map_or(due, |kept| due.max(kept)));
        due.is_some_and(|due| now.saturating_duration_since(due) + pulse.asleep >= self.interval)
    }

    /// Whether silence is excused: we could not run since the last heartbeat, as whoever sent one for us shows. Only so
    /// often in a row: a connection that stays silent is dead, whoever could not run.
    pub(super) fn was_starved(&mut self, pulse: Pulse) -> bool {
        let starved = pulse.stood_in.is_some_and(|at| self.beat_sent_at.is_some_and(|sent| at > sent));
        self.excused += u32::from(starved);
        starved && self.excused <= EXCUSED_MAX
    }

    pub(super) fn send_beat(&mut self, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        self.beat = Some(pulse.frames);
        self.beat_sent_at = Some(now);
        self.beat_sent = Some(now);
        out.push(Action::SendHeartbeat);
    }
}
