//! What a supervisor can do.

use super::{Outcome, Refusal, Ticket, Timer};
use crate::{core::probe::Probe, exit::Exit, message::Fingerprint};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Begin an incarnation.
    Spawn {
        /// The child.
        id: String,
        /// Its new incarnation.
        incarnation: u64,
        /// What it needs and is missing: it starts suspended.
        missing: Vec<String>,
    },
    /// Ask a child to stop.
    AskStop {
        /// The child.
        id: String,
        /// How long it has; a supervisor shares it out among its own children.
        within: Option<Duration>,
    },
    /// Kill a child.
    Kill {
        /// The child.
        id: String,
        /// Who or what does.
        by: String,
    },
    /// Cancel a child's task.
    Abort {
        /// The child.
        id: String,
    },
    /// Look at an incarnation; what is seen comes as [`Event::Probed`](super::Event::Probed).
    Probe {
        /// The child.
        id: String,
        /// Its incarnation.
        incarnation: u64,
        /// How it is watched.
        probe: Probe,
    },
    /// Note why a child ends, before it is told to.
    Blame {
        /// The child.
        id: String,
        /// Why.
        exit: Exit,
    },
    /// An incarnation could not be ended and may hold its thread for ever: count it.
    LeaveBehind {
        /// The child.
        id: String,
        /// Its incarnation.
        incarnation: u64,
    },
    /// Refuse a message from now on.
    Poison {
        /// The child.
        id: String,
        /// The message.
        fingerprint: Fingerprint,
        /// Incarnations that ended with it in hand.
        deaths: u32,
    },
    /// Tell a child that something it needs is missing.
    Suspend {
        /// The child.
        id: String,
        /// What.
        missing: Vec<String>,
    },
    /// Tell a child that nothing is missing any more.
    Resume {
        /// The child.
        id: String,
    },
    /// Set a timer; it fires as [`Event::Elapsed`](super::Event::Elapsed).
    SetTimer {
        /// The child.
        id: String,
        /// Its incarnation now.
        incarnation: u64,
        /// Which timer.
        timer: Timer,
        /// How long.
        after: Duration,
    },
    /// A child's spec is gone: forget how to make it.
    Forget {
        /// The child.
        id: String,
    },
    /// Answer an [`Order`](super::Order).
    Answer {
        /// Whose.
        ticket: Ticket,
        /// How.
        answer: Result<Outcome, Refusal>,
    },
    /// Every child of the first start is up (or not required): the supervisor is up.
    Ready,
    /// All children are down: the supervisor exits.
    Exit {
        /// With this.
        exit: Exit,
    },
}
