//! What can happen to a supervisor, what may be asked of it, and what it can do.

mod action;
mod order;

pub use action::Action;
pub use order::{Order, Outcome, Refusal};

use super::probe::Finding;
use crate::{exit::Exit, message::Fingerprint};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Names the asker of an [`Order`], so that the answer finds its way.
pub type Ticket = u64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The supervisor itself starts: bring the children up in order.
    Begin,
    /// A child's `start` returned.
    Started {
        /// The child.
        id: String,
        /// Its incarnation.
        incarnation: u64,
    },
    /// An incarnation is gone: its state dropped, its tasks ended.
    Exited {
        /// The child.
        id: String,
        /// Its incarnation.
        incarnation: u64,
        /// Why.
        exit: Exit,
    },
    /// A timer set by [`Action::SetTimer`] fired.
    Elapsed {
        /// The child.
        id: String,
        /// Its incarnation when the timer was set.
        incarnation: u64,
        /// Which timer.
        timer: Timer,
    },
    /// A probe has looked at an incarnation ([`Action::Probe`]). Only what is missing progress, or was, needs telling.
    Probed {
        /// The child.
        id: String,
        /// Its incarnation.
        incarnation: u64,
        /// What it saw.
        finding: Finding,
    },
    /// An incarnation fails with this message in hand; told before its [`Event::Exited`].
    InHand {
        /// The child.
        id: String,
        /// Its incarnation.
        incarnation: u64,
        /// What tells the message from others.
        fingerprint: Fingerprint,
        /// Its name.
        name: String,
    },
    /// An operator lets a parked message pass.
    Pardoned {
        /// The child.
        id: String,
        /// The message.
        fingerprint: Fingerprint,
        /// Whether its deaths are forgotten; else it has one more try.
        forget: bool,
    },
    /// More incarnations were left behind in this tree than it may hold; told to the root.
    Overrun {
        /// Which, as `path#incarnation`.
        left: Vec<String>,
        /// How many it may hold.
        max: usize,
    },
    /// Something that children may need came up or went away.
    Dependency {
        /// Its path.
        path: String,
        /// Whether it is there.
        up: bool,
    },
    /// The first phase of a shutdown, from which there is no way back: what drains finishes what is under way, and nothing
    /// of it starts any more.
    Drain {
        /// The child that drains; none: all of them do.
        id: Option<String>,
    },
    /// The supervisor is asked to stop.
    Shutdown {
        /// What it shall exit with.
        exit: Exit,
        /// How long it has in all; none: as long as its children's own rules allow.
        within: Option<Duration>,
    },
    /// The supervisor is killed: it kills its children and ends.
    KillAll {
        /// Who or what kills it.
        by: String,
    },
    /// Somebody asks for something.
    Order {
        /// Who gets the answer.
        ticket: Ticket,
        /// What is asked.
        order: Order,
    },
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// `start` has taken its time.
    Start,
    /// A kill during start had no effect.
    Abort,
    /// A delay before a restart is over.
    Delay,
    /// A parked child gets one more try.
    HalfOpen,
    /// A running child is looked at.
    Probe,
    /// A polite stop has taken its time.
    Stop,
    /// A kill has taken its time.
    Killed,
    /// An abort has taken its time.
    Aborted,
}
