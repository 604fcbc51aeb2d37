//! What may be asked of a supervisor, and what it answers.

use crate::{
    core::{
        policy::{Flags, Policy},
        respec::{Plan, Removed, Wanted},
    },
    exit::Exit,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a caller may ask of a supervisor (OTP's calls, and an operator's).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Adds a child and starts it.
    StartChild {
        /// Its rules.
        policy: Box<Policy>,
        /// What it needs and is missing at the moment.
        missing: Vec<String>,
    },
    /// Stops a child and keeps its spec (a temporary one's is forgotten).
    TerminateChild {
        /// The child.
        id: String,
    },
    /// Starts a child that is down, parked or waiting.
    RestartChild {
        /// The child.
        id: String,
    },
    /// Forgets a child that is down.
    DeleteChild {
        /// The child.
        id: String,
    },
    /// Stops a child, if it is there, and forgets it.
    RemoveChild {
        /// The child.
        id: String,
    },
    /// Stops a running child and starts it again; counts against its budget unless forced.
    Cycle {
        /// The child.
        id: String,
        /// Whether budget and cooldown are overridden.
        force: bool,
    },
    /// Kills a child's incarnation: an abnormal exit that its restart rule then answers.
    Kill {
        /// The child.
        id: String,
    },
    /// Gives the supervisor a new list of children and new rules, while it runs.
    Respecify {
        /// Its rules.
        flags: Flags,
        /// Its children in start order; for a dynamic supervisor the one template.
        children: Vec<Wanted>,
        /// What becomes of those that the list leaves out.
        removed: Removed,
    },
    /// Gives the supervisor new rules and children that are there theirs, while they run.
    Amend {
        /// The supervisor's own.
        flags: Flags,
        /// Its children's; one that is not named keeps its own.
        children: Vec<Wanted>,
    },
}

impl Order {
    /// The child it is about; empty when it is about the supervisor.
    pub fn id(&self) -> &str {
        match self {
            Self::StartChild { policy, .. } => &policy.id,
            Self::TerminateChild { id }
            | Self::RestartChild { id }
            | Self::DeleteChild { id }
            | Self::RemoveChild { id }
            | Self::Cycle { id, .. }
            | Self::Kill { id } => id,
            Self::Respecify { .. } | Self::Amend { .. } => "",
        }
    }
}

/// What became of an [`Order`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Done {
        /// The child's incarnation afterwards.
        incarnation: u64,
    },
    /// It said in its start that it is not needed: it is down, and that is no failure.
    Ignored {
        /// The incarnation that said so.
        incarnation: u64,
    },
    /// A re-specification is carried out.
    Respecified {
        /// What it came to.
        plan: Plan,
        /// Those that should have been started, or restarted, and did not come up.
        down: Vec<String>,
    },
    /// Only rehearsed: what a re-specification would come to.
    Planned {
        /// Child by child.
        plan: Plan,
    },
    /// Only rehearsed: it would be carried out, and nothing has been.
    WouldBe {
        /// The child's incarnation now.
        incarnation: u64,
    },
}

/// Why an [`Order`] was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "refusal", rename_all = "snake_case")]
pub enum Refusal {
    /// A child of that name runs (OTP's `already_started`).
    #[error("it is running already")]
    AlreadyStarted,
    /// A child of that name is known but down (OTP's `already_present`).
    #[error("a child of that name is known already; start it or delete it first")]
    AlreadyPresent,
    /// No child of that name (OTP's `not_found`).
    #[error("there is no such child")]
    NotFound,
    /// It runs, and the order needs it down (OTP's `running`).
    #[error("it is running")]
    Running,
    /// It is being restarted (OTP's `restarting`).
    #[error("it is being restarted")]
    Restarting,
    /// It is on its way down.
    #[error("it is being stopped")]
    Stopping,
    /// It could not be killed and may still be alive.
    #[error("it is quarantined: its last incarnation could not be killed; only a restart of the process helps")]
    Quarantined,
    /// It is not running, and the order needs it up.
    #[error("it is not running")]
    NotRunning,
    /// Its restart budget is spent.
    #[error("its restart budget is spent ({used} of {allowed}); {}", remedy(*parked))]
    Budget {
        /// Restarts within the window.
        used: u32,
        /// Restarts allowed.
        allowed: u32,
        /// Whether it is parked for it: a start, which begins its budget anew, helps then.
        parked: bool,
    },
    /// Its cooldown has not passed.
    #[error("its cooldown has {} ms to go; force it (--force), or wait", remaining.as_millis())]
    Cooldown {
        /// What is left of it.
        remaining: Duration,
    },
    /// The supervisor itself is stopping.
    #[error("its supervisor is shutting down")]
    ShuttingDown,
    /// The supervisor has not finished starting.
    #[error("its supervisor is still starting")]
    NotReady,
    /// It was added, and stays parked as an earlier process left it.
    #[error("it stays parked, as the process before left it ({reason}); start it to try now")]
    Parked {
        /// Why it was parked.
        reason: String,
    },
    /// The child did not come up.
    #[error("it did not start: {exit}")]
    StartFailed {
        /// Why.
        exit: Exit,
    },
    /// Another incarnation than the one that was meant is there.
    #[error("it is incarnation {actual}, not {wanted}")]
    Stale {
        /// The incarnation that was meant.
        wanted: u64,
        /// The incarnation that is there.
        actual: u64,
    },
    /// The rules of the child contradict each other.
    #[error("its specification does not hold: {reason}")]
    BadSpec {
        /// What is wrong.
        reason: String,
    },
}

/// What helps against a spent budget.
fn remedy(parked: bool) -> &'static str {
    if parked {
        "start it, which begins its budget anew, force it (--force), or wait"
    } else {
        "force it (--force), or wait"
    }
}
