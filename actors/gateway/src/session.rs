//! The gateway session as a pure state machine: inputs and the time go in, actions come out.
//!
//! It holds no socket, no clock and no token. Its invariants, each tested with random inputs: no IDENTIFY without a
//! grant that it asked for, at most one connection attempt at a time, nothing at all after a fatal close or a stop,
//! and never a wait without a timer that ends it.

mod close;
mod heart;
mod io;
mod loss;
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

/// After this many failed connections in a row the resume address is given up for the general one.
const DIALS_MAX: u32 = 3;
/// READY or RESUMED must come within this time, unless other events are still coming.
const ANSWER: Duration = Duration::from_secs(60);
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
