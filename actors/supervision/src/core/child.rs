//! One child as its supervisor remembers it.

use super::{
    Time,
    event::Ticket,
    is_default,
    poison::Death,
    policy::{Criticality, Policy},
    probe::Activity,
};
use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// Where a child is in its life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Life {
    /// Not there.
    Down,
    /// Its `start` runs.
    Starting,
    /// It is up.
    Running,
    /// It will be started again at `until`.
    Waiting {
        /// When.
        until: Time,
        /// `backoff` or `cooldown`.
        why: String,
    },
    /// It failed while something it needs is missing: it is started again when that is back.
    Held,
    /// It was asked to end, in whichever way.
    Stopping {
        /// How far that has gone.
        stage: Stage,
    },
    /// Out of budget or beyond help: the rest goes on without it.
    Parked {
        /// Why.
        reason: String,
        /// When it gets one more try.
        retry_at: Option<Time>,
    },
    /// It could neither be killed nor aborted: it may still be alive, so its path is not used again.
    Quarantined,
}

/// The rungs of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Politely.
    Asked,
    /// At its next await point.
    Killed,
    /// By cancelling its task.
    Aborted,
}

/// What shall become of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// It shall run, or be started when its turn comes.
    Up,
    /// It shall be down and stay so, its spec kept.
    Down,
    /// It shall be stopped and started again.
    Again,
    /// It shall be stopped and forgotten.
    Gone,
}

/// Who asked for a start, and so who answers for its failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// The first start of the supervisor: a required child's failure ends it.
    Boot,
    /// `start_child`: the caller is told; the spec of a required child is forgotten, as in OTP.
    Start,
    /// `restart_child`: the caller is told, and the child is where it was: down, held or parked.
    Restart,
    /// The same for a restart by order: a start that succeeds leaves the budget as it is.
    Cycle,
    /// A restart rule: the failure counts against the budget.
    Rule,
}

/// One child. What is as it is of a child that has not begun is left out of its JSON: thousands of them are written down
/// before they are started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// Its rules.
    pub policy: Policy,
    /// Where it is.
    pub life: Life,
    /// What shall become of it.
    pub goal: Goal,
    /// Whether it waits for its turn to be started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub due: bool,
    /// Whether it takes part in the ordered round under way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_round: bool,
    /// Its newest incarnation; 0 before the first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub incarnation: u64,
    /// When its state last changed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub since: Time,
    /// Restarts within its own window, oldest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restarts: VecDeque<Time>,
    /// Restarts ever.
    #[serde(default, skip_serializing_if = "is_default")]
    pub restarts_total: u64,
    /// Failures in a row, for the backoff.
    #[serde(default, skip_serializing_if = "is_default")]
    pub failures: u32,
    /// When it was last started.
    #[serde(default, skip_serializing_if = "is_default")]
    pub last_start: Option<Time>,
    /// Since when it has been up; none while it is not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub up_since: Option<Time>,
    /// How it last ended.
    #[serde(default, skip_serializing_if = "is_default")]
    pub last_exit: Option<Exit>,
    /// What it needs and is missing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missing: BTreeSet<String>,
    /// Who waits for it to be up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub waiting: Vec<Ticket>,
    /// Who waits for it to be down.
    #[serde(default, skip_serializing_if = "is_default")]
    pub parting: Vec<Ticket>,
    /// Whose the failure of the start under way would be.
    pub asked: Asked,
    /// What it was told to go for: an order, a sibling's failure, the end of its supervisor. None while it is to be up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub told: Option<String>,
    /// Whether its start timed out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub late: bool,
    /// Whether it is on its one try while parked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub half_open: bool,
    /// Whether it was held when it was ordered up.
    #[serde(default, skip_serializing_if = "is_default")]
    pub held: bool,
    /// Tries while parked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub half_open_tries: u32,
    /// Deadline of the stop under way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop_by: Option<Time>,
    /// Whether it drains: it is not started again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub draining: bool,
    /// When it is looked at next.
    #[serde(default, skip_serializing_if = "is_default")]
    pub look_at: Option<Time>,
    /// Whether the last look was left out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub look_left_out: bool,
    /// The lack of progress that was noted of it last; none while it makes some.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stalled: Option<Activity>,
    /// Whether its incarnation is being stopped because it made no progress.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stopped_for_stall: bool,
    /// Incarnations that ended with a message in hand, oldest first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub deaths: VecDeque<Death>,
}

impl Child {
    pub(crate) fn new(policy: Policy, missing: BTreeSet<String>) -> Self {
        Self {
            policy: policy.bounded(),
            life: Life::Down,
            goal: Goal::Up,
            due: false,
            in_round: false,
            incarnation: 0,
            since: Time::ZERO,
            restarts: VecDeque::new(),
            restarts_total: 0,
            failures: 0,
            last_start: None,
            up_since: None,
            last_exit: None,
            missing,
            waiting: Vec::new(),
            parting: Vec::new(),
            asked: Asked::Rule,
            told: None,
            late: false,
            half_open: false,
            held: false,
            half_open_tries: 0,
            stop_by: None,
            draining: false,
            look_at: None,
            look_left_out: false,
            stalled: None,
            stopped_for_stall: false,
            deaths: VecDeque::new(),
        }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.policy.id
    }

    /// Whether an incarnation of it exists.
    pub fn is_alive(&self) -> bool {
        matches!(self.life, Life::Starting | Life::Running | Life::Stopping { .. })
    }

    /// What it needs and is missing.
    pub fn missing(&self) -> Vec<String> {
        self.missing.iter().cloned().collect()
    }

    pub(crate) fn is_vital(&self) -> bool {
        self.policy.criticality == Criticality::Vital
    }
}
