//! How a connection ends, and what follows from it: whether the session is resumed, and when.

use super::{
    Action, CLOSE_FINAL, CLOSE_RESUMABLE, Cause, DIALS_MAX, Fatal, Loss, Phase, Pulse, Session, Target, Verdict, close,
    pace, verdict,
};
use rand::Rng;
use std::time::Duration;
use tokio::time::Instant;

/// A session online for this long counts as healthy: backoff and the count of IDENTIFYs begin anew.
pub(super) const STABLE: Duration = Duration::from_secs(60);
/// A connection that has brought something new forgives what was before it once it is this old, counted from its opening:
/// a long replay is progress too. A younger one does not: whenever anybody says anything each RESUME brings something new,
/// also from a server that closes each connection at once. So connections that do bring something come to three a minute.
const PROGRESS: Duration = Duration::from_secs(20);
/// A young connection that the network cut, or that Discord asked to replace, after it had brought something new is no
/// failure: the next one comes at once. But so many of them in a row double the wait, for a network that never stops.
const CUTS_FREE: u32 = 12;
/// Counted no further: the wait has long been at its longest.
const COUNTED_MAX: u32 = 10_000;

impl Session {
    pub(super) fn connect_failed(&mut self, refused: bool, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        let at_base = self.target() == Target::Base;
        if refused && at_base {
            return self.park(close::HOST_REFUSED, out);
        }
        // A forbidden resume address is never tried again; the session may still resume at the general one.
        self.dials_failed = if refused { DIALS_MAX } else { self.dials_failed + 1 };
        self.lose(Cause::ConnectFailed, None, true, pulse, now, out);
    }

    pub(super) fn closed(&mut self, code: Option<u16>, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        let cause = if code.is_some() { Cause::Closed } else { Cause::Cut };
        let resume = match verdict(code) {
            Verdict::Resume => true,
            Verdict::ResumeSlower => {
                out.push(Action::SlowDown);
                true
            }
            Verdict::Fresh => false,
            Verdict::FreshOnce if self.unauthenticated && !self.is_stable(now) => {
                return self.park(close::STILL_UNAUTHENTICATED, out);
            }
            Verdict::FreshOnce => false,
            Verdict::Fatal(fatal) => return self.park(fatal, out),
        };
        self.lose(cause, code, resume, pulse, now, out);
        self.unauthenticated |= code == Some(4003);
    }

    pub(super) fn denied(&mut self, retry_after: Duration, out: &mut Vec<Action>) {
        out.push(Action::Close { code: CLOSE_RESUMABLE });
        // A little later than told, so that shards that were told together do not all come back together.
        let wait = retry_after.max(self.timing.reconnect_min).mul_f64(self.rng.random_range(1.0..1.1));
        out.push(Action::Lost(Loss { cause: Cause::IdentifyDenied, code: None, resume: false, wait }));
        self.wait(wait, out);
    }

    pub(super) fn ordered(&mut self, resume: bool, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        match self.phase {
            // A connection attempt under way is what was asked for; it must only not resume. One that has sent its IDENTIFY
            // would spend another, and lose the session that may have begun already.
            Phase::Connecting | Phase::Identifying if resume => {}
            Phase::Connecting => self.forget(out),
            Phase::Waiting => {
                if !resume {
                    self.forget(out);
                }
                self.wait(Duration::ZERO, out);
            }
            _ => self.drop_connection(Cause::Operator, resume, pulse, now, out),
        }
    }

    /// Closes the connection ourselves and plans the next.
    pub(super) fn drop_connection(
        &mut self,
        cause: Cause,
        resume: bool,
        pulse: Pulse,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        out.push(Action::Close { code: if resume { CLOSE_RESUMABLE } else { CLOSE_FINAL } });
        self.lose(cause, None, resume, pulse, now, out);
    }

    /// Books the end of a connection and plans the next.
    pub(super) fn lose(
        &mut self,
        cause: Cause,
        code: Option<u16>,
        resume: bool,
        pulse: Pulse,
        now: Instant,
        out: &mut Vec<Action>,
    ) {
        let lasted = |since: Option<Instant>, least| since.is_some_and(|since| now - since >= least);
        let useful = pulse.fresh > 0 && self.point.is_some();
        let cut = useful && self.resume_sent && matches!(cause, Cause::Cut | Cause::ReconnectRequested);
        if self.is_stable(now) {
            (self.attempts, self.cut_young, self.identifies, self.unauthenticated) = (0, 0, 0, false);
        } else if useful && lasted(self.opened, PROGRESS) {
            (self.attempts, self.cut_young) = (0, 0);
        } else if cut {
            self.attempts = 0;
        }
        // Whoever ends connections before HELLO, however they do it, is as good as not there.
        if self.phase == Phase::AwaitingHello && cause != Cause::Operator {
            self.dials_failed += 1;
        }
        if self.resume_sent {
            // A long replay that brings something is life too: RESUMED comes after all of it.
            let lived = lasted(self.online_since, pace::BARREN) || useful && lasted(self.opened, PROGRESS);
            let weight = pace::barren_weight(cause, pulse).filter(|_| !lived);
            self.barren = weight.map_or(0, |weight| self.barren + weight);
        }
        let resume = resume && self.point.is_some() && self.barren < pace::BARREN_MAX;
        if !resume {
            self.forget(out);
        }
        let mut wait = match cause {
            Cause::Operator => Duration::ZERO,
            _ => pace::backoff(&self.timing, self.attempts + self.cut_young / CUTS_FREE, &mut self.rng),
        };
        if !resume && (self.identifies > 0 || cause == Cause::InvalidSession) {
            wait = wait.max(pace::fresh_wait(self.identifies, &mut self.rng));
        }
        let counts = if cut { &mut self.cut_young } else { &mut self.attempts };
        *counts = counts.saturating_add(1).min(COUNTED_MAX);
        out.push(Action::Lost(Loss { cause, code, resume, wait }));
        self.wait(wait, out);
    }

    pub(super) fn is_stable(&self, now: Instant) -> bool {
        self.online_since.is_some_and(|since| now - since >= STABLE)
    }

    pub(super) fn forget(&mut self, out: &mut Vec<Action>) {
        if self.point.take().is_some() {
            out.push(Action::Forget);
        }
        (self.barren, self.dials_failed) = (0, 0);
    }

    pub(super) fn park(&mut self, fatal: Fatal, out: &mut Vec<Action>) {
        self.forget(out);
        self.phase = Phase::Parked;
        out.push(Action::Park(fatal));
    }
}
