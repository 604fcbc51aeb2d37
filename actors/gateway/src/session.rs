//! The gateway session as a pure state machine: inputs and the time go in, actions come out.
//!
//! It holds no socket, no clock and no token. Its invariants, each tested with random inputs: no IDENTIFY without a
//! grant that it asked for, at most one connection attempt at a time, nothing at all after a fatal close or a stop,
//! and never a wait without a timer that ends it.

mod close;
mod io;
mod pace;
#[cfg(test)]
mod tests;

pub use close::{CLOSE_FINAL, CLOSE_RESUMABLE, Fatal, SHARDING_REQUIRED, Verdict, verdict};
pub use io::{Action, Cause, Input, Loss, Pulse, ResumePoint, Target, TimerId, TimerKind};
pub use pace::Timing;

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::Serialize;
use std::time::Duration;
use tokio::time::Instant;

/// A session online for this long counts as healthy: backoff and the count of IDENTIFYs begin anew.
const STABLE: Duration = Duration::from_secs(60);
/// A connection that has brought something new forgives what was before it once it is this old, counted from its opening:
/// a long replay is progress too. A younger one does not: whenever anybody says anything each RESUME brings something new,
/// also from a server that closes each connection at once. So connections that do bring something come to three a minute.
const PROGRESS: Duration = Duration::from_secs(20);
/// A young connection that the network cut, or that Discord asked to replace, after it had brought something new is no
/// failure: the next one comes at once. But so many of them in a row double the wait, for a network that never stops.
const CUTS_FREE: u32 = 12;
/// Counted no further: the wait has long been at its longest.
const COUNTED_MAX: u32 = 10_000;
/// After this many failed connections in a row the resume address is given up for the general one.
const DIALS_MAX: u32 = 3;
/// READY or RESUMED must come within this time, unless other events are still coming.
const ANSWER: Duration = Duration::from_secs(60);
/// A silent connection is excused so often in a row because we could not run.
const EXCUSED_MAX: u32 = 2;
/// A heartbeat interval is kept within these bounds whatever HELLO says.
const INTERVAL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(600));

/// The interval that is kept where HELLO tells `told`.
pub(crate) fn kept_interval(told: Duration) -> Duration {
    told.clamp(INTERVAL.0, INTERVAL.1)
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Not begun.
    New,
    /// Waits before it connects.
    Waiting,
    /// Connects.
    Connecting,
    /// Waits for HELLO.
    AwaitingHello,
    /// Waits for the permission to IDENTIFY.
    AwaitingGrant,
    /// Waits for READY.
    Identifying,
    /// Waits for RESUMED; replayed events come before it.
    Resuming,
    /// READY or RESUMED has come.
    Online,
    /// Never again until an operator acts.
    Parked,
    /// Stopped.
    Stopped,
}

/// The state machine of one shard's session.
#[derive(Debug)]
pub struct Session {
    timing: Timing,
    rng: StdRng,
    phase: Phase,
    point: Option<ResumePoint>,
    armed: [u64; TimerKind::COUNT],
    timers: u64,
    interval: Duration,
    /// Frames seen when the last heartbeat was sent; none before the first.
    beat: Option<u64>,
    /// When the last heartbeat was sent.
    beat_sent_at: Option<Instant>,
    /// When the next heartbeat is due.
    beat_due: Option<Instant>,
    /// Heartbeats in a row that came after silence that we were not able to hear the end of.
    excused: u32,
    beat_sent: Option<Instant>,
    latency: Option<Duration>,
    answer_seen: u64,
    resume_sent: bool,
    opened: Option<Instant>,
    online_since: Option<Instant>,
    /// Reconnects since the last healthy or useful connection.
    attempts: u32,
    /// Connections that brought something and were cut young, since the last one that was not.
    cut_young: u32,
    /// Connections in a row that could not be opened, or ended before HELLO.
    dials_failed: u32,
    /// What the resumes in a row that led to nothing weigh.
    barren: u32,
    /// IDENTIFYs since the last stable session.
    identifies: u32,
    /// Whether 4003 has come since the last stable session.
    unauthenticated: bool,
}

impl Session {
    /// A session that resumes at `point`, if there is one. `seed` decides all its random waits.
    pub fn new(timing: Timing, seed: u64, point: Option<ResumePoint>) -> Self {
        Self {
            timing,
            rng: StdRng::seed_from_u64(seed),
            phase: Phase::New,
            point,
            armed: [0; TimerKind::COUNT],
            timers: 0,
            interval: INTERVAL.1,
            beat: None,
            beat_sent_at: None,
            beat_due: None,
            excused: 0,
            beat_sent: None,
            latency: None,
            answer_seen: 0,
            resume_sent: false,
            opened: None,
            online_since: None,
            attempts: 0,
            cut_young: 0,
            dials_failed: 0,
            barren: 0,
            identifies: 0,
            unauthenticated: false,
        }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Time between the last acknowledged heartbeat and its acknowledgement.
    pub fn latency(&self) -> Option<Duration> {
        self.latency
    }

    /// Whether a heartbeat is on its way whose acknowledgement has not come.
    pub fn awaits_ack(&self) -> bool {
        self.beat_sent.is_some()
    }

    /// Takes one input. `pulse` is what the connection's reader has seen; the default without a connection.
    pub fn on(&mut self, input: Input, pulse: Pulse, now: Instant) -> Vec<Action> {
        let mut out = Vec::new();
        if matches!(self.phase, Phase::Parked | Phase::Stopped) {
            return out;
        }
        match input {
            Input::Start if self.phase == Phase::New => self.wait(Duration::ZERO, &mut out),
            Input::Connected if self.phase == Phase::Connecting => self.connected(now, &mut out),
            Input::ConnectFailed { refused } if self.phase == Phase::Connecting => {
                self.connect_failed(refused, pulse, now, &mut out);
            }
            Input::Hello { interval } if self.phase == Phase::AwaitingHello => self.hello(interval, now, &mut out),
            Input::Ack => self.latency = self.beat_sent.take().map(|sent| now - sent).or(self.latency),
            Input::Ready(point) if matches!(self.phase, Phase::Identifying) => {
                self.point = Some(point);
                self.online(false, now, &mut out);
            }
            Input::Resumed if self.phase == Phase::Resuming => self.online(true, now, &mut out),
            Input::HeartbeatRequested if self.is_connected() => {
                // Between two beats of its own: whether the connection is silent is measured from one of those to the next.
                self.beat_sent.get_or_insert(now);
                out.push(Action::SendHeartbeat);
            }
            Input::ReconnectRequested if self.is_connected() => {
                self.drop_connection(Cause::ReconnectRequested, true, pulse, now, &mut out);
            }
            Input::OutOfStep if self.is_connected() => {
                self.drop_connection(Cause::OutOfStep, true, pulse, now, &mut out);
            }
            Input::InvalidSession { resumable } if self.is_connected() => {
                self.drop_connection(Cause::InvalidSession, resumable, pulse, now, &mut out);
            }
            Input::Closed { code } if self.is_connected() => self.closed(code, pulse, now, &mut out),
            Input::Timer(timer) if self.armed[timer.kind as usize] == timer.nth => {
                self.disarm(timer.kind);
                self.timer(timer.kind, pulse, now, &mut out);
            }
            Input::IdentifyGranted if self.phase == Phase::AwaitingGrant => {
                self.phase = Phase::Identifying;
                self.identifies += 1;
                self.answer_seen = pulse.dispatches();
                out.push(Action::SendIdentify);
                self.arm(TimerKind::Answer, ANSWER, &mut out);
            }
            Input::IdentifyDenied { retry_after } if self.phase == Phase::AwaitingGrant => {
                self.denied(retry_after, &mut out);
            }
            Input::OperatorReconnect if self.phase != Phase::New => {
                self.ordered(true, pulse, now, &mut out);
            }
            Input::OperatorReidentify if self.phase != Phase::New => {
                self.ordered(false, pulse, now, &mut out);
            }
            Input::Stop => {
                if self.is_connected() {
                    out.push(Action::Close { code: CLOSE_RESUMABLE });
                }
                self.phase = Phase::Stopped;
            }
            _ => {} // of a connection that no longer counts, or out of turn: Discord's and our own
        }
        out
    }

    fn is_connected(&self) -> bool {
        matches!(
            self.phase,
            Phase::AwaitingHello | Phase::AwaitingGrant | Phase::Identifying | Phase::Resuming | Phase::Online
        )
    }

    fn connected(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.phase = Phase::AwaitingHello;
        self.opened = Some(now);
        (self.beat, self.beat_sent, self.online_since, self.resume_sent) = (None, None, None, false);
        (self.beat_sent_at, self.beat_due, self.excused) = (None, None, 0);
        self.arm(TimerKind::Hello, self.timing.hello, out);
    }

    fn hello(&mut self, interval: Duration, now: Instant, out: &mut Vec<Action>) {
        self.disarm(TimerKind::Hello);
        self.dials_failed = 0;
        self.interval = kept_interval(interval);
        // The jitter keeps a fleet that was cut off together from beating together.
        let first = self.interval.mul_f64(self.rng.random_range(0.0..1.0));
        self.next_beat(first, now, out);
        match &self.point {
            Some(point) => {
                out.push(Action::SendResume { session_id: point.session_id.clone() });
                self.phase = Phase::Resuming;
                (self.resume_sent, self.answer_seen) = (true, 0);
                self.arm(TimerKind::Answer, ANSWER, out);
            }
            None => {
                self.phase = Phase::AwaitingGrant;
                out.push(Action::AskIdentify);
            }
        }
    }

    fn online(&mut self, resumed: bool, now: Instant, out: &mut Vec<Action>) {
        self.disarm(TimerKind::Answer);
        self.phase = Phase::Online;
        self.online_since = Some(now);
        out.push(Action::Online { resumed });
    }

    fn next_beat(&mut self, after: Duration, now: Instant, out: &mut Vec<Action>) {
        self.beat_due = Some(now + after);
        self.arm(TimerKind::Beat, after, out);
    }

    /// Whether a heartbeat comes a whole interval late: the process was stopped, the machine slept, or nothing could run.
    /// Discord has closed such a connection or is about to, and whether we hear of that is chance.
    fn has_overslept(&self, pulse: Pulse, now: Instant) -> bool {
        let kept = pulse.stood_in.map(|at| at + self.interval);
        let due = self.beat_due.map(|due| kept.map_or(due, |kept| due.max(kept)));
        due.is_some_and(|due| now.saturating_duration_since(due) + pulse.asleep >= self.interval)
    }

    /// Whether silence is excused: we could not run since the last heartbeat, as whoever sent one for us shows. Only so
    /// often in a row: a connection that stays silent is dead, whoever could not run.
    fn was_starved(&mut self, pulse: Pulse) -> bool {
        let starved = pulse.stood_in.is_some_and(|at| self.beat_sent_at.is_some_and(|sent| at > sent));
        self.excused += u32::from(starved);
        starved && self.excused <= EXCUSED_MAX
    }

    fn send_beat(&mut self, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        self.beat = Some(pulse.frames);
        self.beat_sent_at = Some(now);
        self.beat_sent = Some(now);
        out.push(Action::SendHeartbeat);
    }

    fn timer(&mut self, kind: TimerKind, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        match kind {
            TimerKind::Dial if self.phase == Phase::Waiting => {
                self.phase = Phase::Connecting;
                out.push(Action::Dial(self.target()));
            }
            TimerKind::Hello if self.phase == Phase::AwaitingHello => {
                self.drop_connection(Cause::HelloTimeout, true, pulse, now, out);
            }
            TimerKind::Beat if self.is_connected() && self.has_overslept(pulse, now) => {
                self.drop_connection(Cause::Overslept, true, pulse, now, out);
            }
            TimerKind::Beat if self.is_connected() => {
                // Any frame is a sign of life: an acknowledgement may wait behind a backlog of events.
                let silent = self.beat.is_some_and(|seen| seen == pulse.frames);
                if !silent {
                    self.excused = 0;
                }
                if silent && !pulse.paused && !self.was_starved(pulse) {
                    return self.drop_connection(Cause::Zombie, true, pulse, now, out);
                }
                self.send_beat(pulse, now, out);
                self.next_beat(self.interval, now, out);
            }
            TimerKind::Answer if matches!(self.phase, Phase::Identifying | Phase::Resuming) => {
                if pulse.dispatches() == self.answer_seen && !pulse.paused {
                    return self.drop_connection(Cause::AnswerTimeout, true, pulse, now, out);
                }
                self.answer_seen = pulse.dispatches();
                self.arm(TimerKind::Answer, ANSWER, out);
            }
            TimerKind::Dial | TimerKind::Hello | TimerKind::Beat | TimerKind::Answer => {}
        }
    }

    fn target(&self) -> Target {
        match &self.point {
            Some(point) if self.dials_failed < DIALS_MAX => Target::Resume(point.url.clone()),
            _ => Target::Base,
        }
    }

    fn connect_failed(&mut self, refused: bool, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        let at_base = self.target() == Target::Base;
        if refused && at_base {
            return self.park(close::HOST_REFUSED, out);
        }
        // A forbidden resume address is never tried again; the session may still resume at the general one.
        self.dials_failed = if refused { DIALS_MAX } else { self.dials_failed + 1 };
        self.lose(Cause::ConnectFailed, None, true, pulse, now, out);
    }

    fn closed(&mut self, code: Option<u16>, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
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

    fn denied(&mut self, retry_after: Duration, out: &mut Vec<Action>) {
        out.push(Action::Close { code: CLOSE_RESUMABLE });
        // A little later than told, so that shards that were told together do not all come back together.
        let wait = retry_after.max(self.timing.reconnect_min).mul_f64(self.rng.random_range(1.0..1.1));
        out.push(Action::Lost(Loss { cause: Cause::IdentifyDenied, code: None, resume: false, wait }));
        self.wait(wait, out);
    }

    fn ordered(&mut self, resume: bool, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
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
    fn drop_connection(&mut self, cause: Cause, resume: bool, pulse: Pulse, now: Instant, out: &mut Vec<Action>) {
        out.push(Action::Close { code: if resume { CLOSE_RESUMABLE } else { CLOSE_FINAL } });
        self.lose(cause, None, resume, pulse, now, out);
    }

    /// Books the end of a connection and plans the next.
    fn lose(
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

    fn is_stable(&self, now: Instant) -> bool {
        self.online_since.is_some_and(|since| now - since >= STABLE)
    }

    fn forget(&mut self, out: &mut Vec<Action>) {
        if self.point.take().is_some() {
            out.push(Action::Forget);
        }
        (self.barren, self.dials_failed) = (0, 0);
    }

    fn park(&mut self, fatal: Fatal, out: &mut Vec<Action>) {
        self.forget(out);
        self.phase = Phase::Parked;
        out.push(Action::Park(fatal));
    }

    fn wait(&mut self, wait: Duration, out: &mut Vec<Action>) {
        self.phase = Phase::Waiting;
        self.armed = [0; TimerKind::COUNT];
        (self.opened, self.online_since, self.resume_sent, self.beat_sent) = (None, None, false, None);
        self.arm(TimerKind::Dial, wait, out);
    }

    fn arm(&mut self, kind: TimerKind, after: Duration, out: &mut Vec<Action>) {
        self.timers += 1;
        self.armed[kind as usize] = self.timers;
        out.push(Action::SetTimer { timer: TimerId { kind, nth: self.timers }, after });
    }

    fn disarm(&mut self, kind: TimerKind) {
        self.armed[kind as usize] = 0;
    }
}
