//! What can happen to a supervisor, and what it can do.

use super::{
    policy::{Flags, Policy},
    probe::{Finding, Probe},
    respec::{Plan, Removed, Wanted},
};
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
    /// Look at an incarnation; what is seen comes as [`Event::Probed`].
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
    /// Set a timer; it fires as [`Event::Elapsed`].
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
    /// Answer an [`Order`].
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
