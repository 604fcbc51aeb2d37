//! What goes into a session and what comes out of it: plain data.

use super::close::Fatal;
use serde::Serialize;
use std::{fmt, time::Duration};
use tokio::time::Instant;

/// What RESUME needs besides the sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResumePoint {
    /// From READY.
    pub session_id: Box<str>,
    /// The address to resume at, from READY.
    pub url: Box<str>,
}

/// What the reader of the connection has seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    /// Frames of any kind.
    pub frames: u64,
    /// Dispatches that were not seen before, READY and RESUMED apart.
    pub fresh: u64,
    /// Those of them that came after READY or RESUMED, and so as they happened.
    pub live: u64,
    /// Dispatches that were seen before: of a replay that begins further back.
    pub again: u64,
    /// Whether it waits for a full sink: silence then says nothing about the connection.
    pub paused: bool,
    /// When somebody else last sent a heartbeat because we could not run: silence before that says nothing either.
    pub stood_in: Option<Instant>,
    /// How long the machine has slept since the last heartbeat. The monotonic clock stands still meanwhile.
    pub asleep: Duration,
}

impl Pulse {
    /// What tells that READY or RESUMED is still on its way.
    pub(super) fn dispatches(&self) -> u64 {
        self.fresh + self.again
    }
}

/// A timer that the session has set. Setting one of a kind again replaces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimerId {
    /// What it is for.
    pub kind: TimerKind,
    pub(super) nth: u64,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimerKind {
    /// To connect.
    Dial,
    /// HELLO is overdue.
    Hello,
    /// To send a heartbeat.
    Beat,
    /// READY or RESUMED is overdue.
    Answer,
}

impl TimerKind {
    pub(super) const COUNT: usize = 4;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Start,
    /// The WebSocket is open.
    Connected,
    /// It could not be opened; `refused`: the address is not an allowed one.
    ConnectFailed {
        /// Whether our own rules forbid the address.
        refused: bool,
    },
    /// Op 10.
    Hello {
        /// Time between heartbeats.
        interval: Duration,
    },
    /// Op 11.
    Ack,
    /// READY.
    Ready(ResumePoint),
    /// RESUMED.
    Resumed,
    /// Op 1.
    HeartbeatRequested,
    /// Op 7.
    ReconnectRequested,
    /// Op 9.
    InvalidSession {
        /// Its payload.
        resumable: bool,
    },
    /// Dispatches come that cannot be the next ones.
    OutOfStep,
    /// The connection has ended, with a close code or without.
    Closed {
        /// The code of the close frame, if there was one.
        code: Option<u16>,
    },
    /// A timer fired.
    Timer(TimerId),
    /// One IDENTIFY may be sent now.
    IdentifyGranted,
    /// None may be sent for a while.
    IdentifyDenied {
        /// How long.
        retry_after: Duration,
    },
    /// An operator wants a reconnect with RESUME.
    OperatorReconnect,
    /// An operator wants a new session.
    OperatorReidentify,
    /// The bot stops.
    Stop,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The gateway's general address.
    Base,
    /// The address that READY gave for resuming.
    Resume(Box<str>),
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open a connection.
    Dial(Target),
    /// Ask the identify queue for a grant.
    AskIdentify,
    /// Send op 2.
    SendIdentify,
    /// Send op 6 with this session id and the last accepted sequence number.
    SendResume {
        /// From READY.
        session_id: Box<str>,
    },
    /// Send op 1.
    SendHeartbeat,
    /// Close the connection; nothing more of it counts.
    Close {
        /// Our close code.
        code: u16,
    },
    /// Let this timer fire after this long.
    SetTimer {
        /// The timer.
        timer: TimerId,
        /// How long.
        after: Duration,
    },
    /// The Discord session has ended: forget what RESUME would need.
    Forget,
    /// READY or RESUMED has come.
    Online {
        /// Whether it was RESUMED.
        resumed: bool,
    },
    /// Discord found us too fast: send less.
    SlowDown,
    /// The connection is lost; `wait` until the next.
    Lost(Loss),
    /// Never connect again until an operator has acted.
    Park(Fatal),
}

/// Why and how a connection was lost: for the log, the report and the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: Cause,
    /// Discord's close code, if it gave one.
    pub code: Option<u16>,
    /// Whether the session will be resumed.
    pub resume: bool,
    /// Until the next connection.
    pub wait: Duration,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Discord sent a close frame.
    Closed,
    /// It ended without one.
    Cut,
    /// It could not be opened.
    ConnectFailed,
    /// HELLO did not come.
    HelloTimeout,
    /// Neither READY nor RESUMED came.
    AnswerTimeout,
    /// Nothing came between two heartbeats.
    Zombie,
    /// A heartbeat came a whole interval late: the process was stopped or starved.
    Overslept,
    /// Its dispatches could not be the next ones of the session.
    OutOfStep,
    /// Op 7.
    ReconnectRequested,
    /// Op 9.
    InvalidSession,
    /// No IDENTIFY may be sent for a while.
    IdentifyDenied,
    /// An operator asked for it.
    Operator,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed by Discord",
            Self::Cut => "cut",
            Self::ConnectFailed => "could not connect",
            Self::HelloTimeout => "no HELLO",
            Self::AnswerTimeout => "neither READY nor RESUMED",
            Self::Zombie => "silent between two heartbeats",
            Self::Overslept => "a heartbeat was late by a whole interval: the process was stopped or starved",
            Self::OutOfStep => "its events were out of step",
            Self::ReconnectRequested => "Discord asked for a reconnect",
            Self::InvalidSession => "session invalidated",
            Self::IdentifyDenied => "no IDENTIFY allowed yet",
            Self::Operator => "an operator asked for it",
        })
    }
}
