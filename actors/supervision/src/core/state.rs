//! What a supervisor remembers.

use super::{
    Time,
    event::Ticket,
    explain::Budget,
    policy::{Criticality, Flags, Intensity, Policy},
};
use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

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
    /// `restart_child`: the caller is told and the spec kept.
    Restart,
    /// A restart rule: the failure counts against the budget.
    Rule,
}

/// One child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Child {
    /// Its rules.
    pub policy: Policy,
    /// Where it is.
    pub life: Life,
    /// What shall become of it.
    pub goal: Goal,
    /// Whether it waits for its turn to be started.
    pub due: bool,
    /// Whether it takes part in the ordered round under way.
    pub in_round: bool,
    /// Its newest incarnation; 0 before the first.
    pub incarnation: u64,
    /// When its state last changed.
    pub since: Time,
    /// Restarts within its own window, oldest first.
    pub restarts: VecDeque<Time>,
    /// Restarts ever.
    pub restarts_total: u64,
    /// Failures in a row, for the backoff.
    pub failures: u32,
    /// When it was last started.
    pub last_start: Option<Time>,
    /// How it last ended.
    pub last_exit: Option<Exit>,
    /// What it needs and is missing.
    pub missing: BTreeSet<String>,
    /// Who waits for it to be up or down.
    pub waiting: Vec<Ticket>,
    /// Whose the failure of the start under way would be.
    pub asked: Asked,
    /// Whether its start timed out.
    pub late: bool,
    /// Whether it is on its one try while parked.
    pub half_open: bool,
    /// Tries while parked.
    pub half_open_tries: u32,
    /// Deadline of the stop under way.
    pub stop_by: Option<Time>,
}

impl Child {
    pub(crate) fn new(policy: Policy, missing: BTreeSet<String>) -> Self {
        Self {
            policy,
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
            last_exit: None,
            missing,
            waiting: Vec::new(),
            asked: Asked::Rule,
            late: false,
            half_open: false,
            half_open_tries: 0,
            stop_by: None,
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

/// What a supervisor is doing as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Not begun.
    Idle,
    /// Bringing its children up for the first time.
    Starting,
    /// Up.
    Running,
    /// Taking its children down, then exiting.
    Stopping {
        /// What it exits with.
        exit: Exit,
        /// When everything must be down.
        by: Option<Time>,
    },
    /// Gone.
    Done,
}

/// A supervisor's memory: what [`super::decide`] changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its rules.
    pub flags: Flags,
    /// Its children in start order.
    pub children: Vec<Child>,
    /// Restarts of children without a budget of their own, oldest first.
    pub restarts: VecDeque<Time>,
    /// What it is doing.
    pub phase: Phase,
    /// The state of the generator behind jitter.
    pub seed: u64,
    /// The newest incarnations of children that were forgotten, so that a number never means two lives.
    pub forgotten: BTreeMap<String, u64>,
    /// No new child begins below this: the newest incarnation that `forgotten` had no more room for.
    pub floor: u64,
}

/// Forgotten children whose incarnations are remembered one by one.
const FORGOTTEN_MAX: usize = 1_024;

impl State {
    /// A supervisor that has not begun. `up` says which paths are there already; `seed` feeds the jitter.
    pub fn new(flags: Flags, mut children: Vec<Policy>, up: impl Fn(&str) -> bool, seed: u64) -> Self {
        children.sort_by_key(|policy| std::cmp::Reverse(policy.rank));
        let children = children
            .into_iter()
            .map(|policy| {
                let missing = policy.needs.iter().filter(|need| !up(need)).cloned().collect();
                Child::new(policy, missing)
            })
            .collect();
        Self {
            flags,
            children,
            restarts: VecDeque::new(),
            phase: Phase::Idle,
            seed: seed | 1,
            forgotten: BTreeMap::new(),
            floor: 0,
        }
    }

    /// Remembers how far the incarnations of a forgotten child had come.
    pub(crate) fn remember(&mut self, child: &Child) {
        if child.incarnation == 0 {
            return;
        }
        if self.forgotten.len() >= FORGOTTEN_MAX
            && let Some((_, incarnation)) = self.forgotten.pop_first()
        {
            self.floor = self.floor.max(incarnation);
        }
        self.forgotten.insert(child.id().to_owned(), child.incarnation);
    }

    /// Where the incarnations of a new child called `id` go on.
    pub(crate) fn recall(&mut self, id: &str) -> u64 {
        self.forgotten.remove(id).unwrap_or(self.floor)
    }

    /// The position of the child called `id`.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.children.iter().position(|child| child.id() == id)
    }

    /// The child called `id`.
    pub fn child(&self, id: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.id() == id)
    }

    /// Whether the supervisor is on its way out.
    pub fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. } | Phase::Done)
    }

    /// The budget that a failure of the child at `at` counts against, as it stands at `now`.
    pub fn budget(&self, at: usize, now: Time) -> Budget {
        let child = &self.children[at];
        let (intensity, restarts) = match child.policy.budget {
            Some(own) => (own, &child.restarts),
            None => (self.flags.intensity, &self.restarts),
        };
        Budget { used: within(restarts, intensity, now), allowed: intensity.restarts, window: intensity.window }
    }

    /// Writes a restart of the child at `at` down and tells whether the budget still holds.
    pub(crate) fn charge(&mut self, at: usize, now: Time) -> bool {
        let (intensity, restarts) = match self.children[at].policy.budget {
            Some(own) => (own, &mut self.children[at].restarts),
            None => (self.flags.intensity, &mut self.restarts),
        };
        while restarts.front().is_some_and(|oldest| now.saturating_sub(*oldest) > intensity.window) {
            restarts.pop_front();
        }
        restarts.push_back(now);
        let spent = restarts.len() > intensity.restarts as usize;
        if spent {
            restarts.pop_front(); // remembers no more than it needs to say no again
        }
        !spent
    }
}

fn within(restarts: &VecDeque<Time>, intensity: Intensity, now: Time) -> u32 {
    let young = restarts.iter().filter(|at| now.saturating_sub(**at) <= intensity.window).count();
    u32::try_from(young).unwrap_or(u32::MAX)
}

/// The longest delay a timer may be set for: about 30 years, so that sums never overflow.
pub(crate) const FOREVER: Duration = Duration::from_secs(1 << 30);
