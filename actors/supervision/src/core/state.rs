//! What a supervisor remembers.

pub use super::child::{Asked, Child, Goal, Life, Stage};
use super::{
    Time,
    carried::Carried,
    children::Children,
    event::Ticket,
    explain::Budget,
    policy::{Flags, Intensity, Policy},
    respec::Plan,
};
use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

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
        /// When too little of that is left for one after the other: from then on the rest stops at the same time.
        rush: Option<Time>,
    },
    /// Gone.
    Done,
}

/// A supervisor's memory: what [`super::decide`] changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its rules.
    pub flags: Flags,
    /// What stands before a child's name in its path: nothing for the root's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub under: String,
    /// Its children in start order.
    pub children: Children,
    /// Restarts of children without a budget of their own, oldest first.
    pub restarts: VecDeque<Time>,
    /// What it is doing.
    pub phase: Phase,
    /// The state of the generator behind jitter.
    pub seed: u64,
    /// The newest incarnations of children that were forgotten, so that a number never means two lives.
    pub forgotten: BTreeMap<String, u64>,
    /// Whether all of it drains: no child is added.
    #[serde(default)]
    pub draining: bool,
    /// No new child begins below this: the newest incarnation that `forgotten` had no more room for.
    pub floor: u64,
    /// Who waits for a new list of children to be carried out, and what it came to.
    pub reloads: Vec<(Ticket, Plan)>,
    /// What children that have not begun yet take over from an earlier process.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carried: BTreeMap<String, Carried>,
}

/// Forgotten children whose incarnations are remembered one by one.
const FORGOTTEN_MAX: usize = 1_024;

impl State {
    /// A supervisor that has not begun. `up` says which paths are there already; `seed` feeds the jitter.
    pub fn new(flags: Flags, children: Vec<Policy>, up: impl Fn(&str) -> bool, seed: u64) -> Self {
        let children = children
            .into_iter()
            .map(|policy| {
                let missing = policy.needs.iter().filter(|need| !up(need)).cloned().collect();
                Child::new(policy, missing)
            })
            .collect();
        Self {
            flags,
            under: String::new(),
            children,
            restarts: VecDeque::new(),
            phase: Phase::Idle,
            seed: seed | 1,
            forgotten: BTreeMap::new(),
            draining: false,
            floor: 0,
            reloads: Vec::new(),
            carried: BTreeMap::new(),
        }
    }

    /// Remembers how far the incarnations of a forgotten child had come.
    pub(crate) fn remember(&mut self, child: &Child) {
        self.note_incarnation(child.id().to_owned(), child.incarnation);
    }

    fn note_incarnation(&mut self, id: String, incarnation: u64) {
        if incarnation <= self.floor {
            return;
        }
        if self.forgotten.len() >= FORGOTTEN_MAX
            && let Some((_, incarnation)) = self.forgotten.pop_first()
        {
            self.floor = self.floor.max(incarnation);
        }
        self.forgotten.insert(id, incarnation);
    }

    /// Where the incarnations of a new child called `id` go on.
    pub(crate) fn recall(&mut self, id: &str) -> u64 {
        self.forgotten.remove(id).map_or(self.floor, |incarnation| incarnation.max(self.floor))
    }

    /// The position of the child called `id`.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.children.find(id)
    }

    /// The child called `id`.
    pub fn child(&self, id: &str) -> Option<&Child> {
        self.children.find(id).map(|at| &self.children[at])
    }

    /// What the next life of this supervisor has to know about the children of this one.
    pub(crate) fn legacy(&self) -> Legacy {
        let there = |child: &&Child| child.life == Life::Quarantined || child.is_alive();
        let mut incarnations = self.forgotten.clone();
        incarnations.extend(self.children.iter().map(|child| (child.id().to_owned(), child.incarnation)));
        let left = self.children.iter().filter(there).map(|child| child.id().to_owned());
        Legacy { incarnations, floor: self.floor, left_behind: left.collect() }
    }

    /// Goes on where an earlier life of this supervisor ended: no number means two incarnations, and a path whose last
    /// one may still be alive is not used again.
    pub(crate) fn inherit(&mut self, legacy: Legacy) {
        self.floor = legacy.floor;
        for at in 0..self.children.len() {
            let child = &mut self.children[at];
            child.incarnation = legacy.incarnations.get(child.id()).copied().unwrap_or(legacy.floor);
            if legacy.left_behind.contains(child.id()) {
                child.life = Life::Quarantined; // with the goal to be up, once that incarnation has ended
            }
        }
        for (id, incarnation) in legacy.incarnations {
            if self.children.find(&id).is_none() {
                self.note_incarnation(id, incarnation);
            }
        }
    }

    /// Goes on with what an earlier process left: restarts within the supervisor's own intensity (oldest first), and
    /// what each child takes over when it begins.
    pub(crate) fn carry(&mut self, restarts: Vec<Time>, children: BTreeMap<String, Carried>) {
        self.restarts = if self.flags.carry { restarts.into() } else { VecDeque::new() };
        self.carried = children;
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
        Budget::of(restarts, intensity, now)
    }

    /// The supervisor's own, as it stands at `now`.
    pub(crate) fn own_budget(&self, now: Time) -> Budget {
        Budget::of(&self.restarts, self.flags.intensity, now)
    }

    /// Writes a restart of the child at `at` down and tells whether the budget still holds.
    pub(crate) fn charge(&mut self, at: usize, now: Time) -> bool {
        match self.children[at].policy.budget {
            Some(own) => counts(&mut self.children[at].restarts, own, now),
            None => self.charge_own(now),
        }
    }

    /// The same against the supervisor's own intensity.
    pub(crate) fn charge_own(&mut self, now: Time) -> bool {
        counts(&mut self.restarts, self.flags.intensity, now)
    }
}

fn counts(restarts: &mut VecDeque<Time>, intensity: Intensity, now: Time) -> bool {
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

/// What outlives a supervisor's incarnation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Legacy {
    incarnations: BTreeMap<String, u64>,
    floor: u64,
    left_behind: BTreeSet<String>,
}

impl Legacy {
    /// An incarnation that was left behind has ended.
    pub(crate) fn ended(&mut self, id: &str, incarnation: u64) {
        if self.incarnations.get(id) == Some(&incarnation) {
            self.left_behind.remove(id);
        }
    }
}

/// The longest delay a timer may be set for: about 30 years, so that sums never overflow.
pub(crate) const FOREVER: Duration = Duration::from_secs(1 << 30);
