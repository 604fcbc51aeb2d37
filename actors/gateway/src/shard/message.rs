//! What a shard is told, by its connection, its timers and the rest of the bot.

use crate::{
    identify::Decision,
    members::Unsent,
    session::{ResumePoint, TimerId},
    socket::{ConnectError, Socket},
};
use std::time::Duration;
use supervision::{Message, Reply};

/// What a shard is told.
pub(crate) enum ShardMsg {
    /// A connection attempt is over.
    Dialed {
        /// Which.
        generation: u64,
        /// The connection, or why there is none.
        result: Result<Box<Socket>, ConnectError>,
    },
    /// The reader of a connection has something for the session.
    Control {
        /// Which connection.
        generation: u64,
        /// What.
        control: Control,
    },
    /// The identify queue has decided.
    Identify {
        /// For which connection.
        generation: u64,
        /// What.
        decision: Decision,
    },
    /// A timer of the session fired.
    Timer(TimerId),
    /// The presence has changed.
    Presence,
    /// There is room again for a send that waited for the limit.
    Room,
    /// To look whether the shard is stable again.
    Calm,
    /// Somebody wants to know how long a heartbeat takes now.
    Beat,
    /// A payload that can wait for room.
    Send {
        /// Its text; not a secret.
        text: String,
        /// Whether it went out.
        reply: Reply<Result<(), Unsent>>,
    },
    /// An operator's order.
    Order {
        /// Whether to resume; else a new session.
        resume: bool,
        /// Says that it is under way, or in a sentence why not.
        reply: Reply<Result<(), String>>,
    },
    /// Whether an order that costs an IDENTIFY can be carried out.
    Allowed {
        /// As it was ordered.
        resume: bool,
        /// Whether; else why not, in a sentence.
        allowed: Result<(), String>,
        /// Of whoever ordered it.
        reply: Reply<Result<(), String>>,
    },
}

impl Message for ShardMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Dialed { .. } => "dialed",
            Self::Control { .. } => "control",
            Self::Identify { .. } => "identify",
            Self::Timer(_) => "timer",
            Self::Presence => "presence",
            Self::Room => "room",
            Self::Calm => "calm",
            Self::Beat => "beat",
            Self::Send { .. } => "send",
            Self::Order { .. } => "order",
            Self::Allowed { .. } => "allowed",
        }
    }
}

/// What a connection tells its shard.
#[derive(Debug)]
pub(crate) enum Control {
    /// Op 10.
    Hello(Duration),
    /// Op 11.
    Ack,
    /// Op 1.
    Heartbeat,
    /// Op 7.
    Reconnect,
    /// Op 9.
    InvalidSession(bool),
    /// READY.
    Ready(ResumePoint),
    /// RESUMED.
    Resumed,
    /// Its dispatches are not what can come next, for this reason.
    OutOfStep(String),
    /// It has ended.
    Closed(Option<u16>, String),
}
