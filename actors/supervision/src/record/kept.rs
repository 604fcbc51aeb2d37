//! What is carried over from process to process, with times of the wall clock.

use super::format::{Change, News, Written};
use crate::{
    core::{Time, carried::Carried},
    path::ActorPath,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// Children that something is known of, at most; those that have been quiet the longest are forgotten first.
const CHILDREN_MAX: usize = 16_384;
/// What has not changed for this long is forgotten: the actor may not exist any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a supervisor takes over: restarts against its own intensity, and what its children take over.
pub(crate) type Inheritance = (Vec<Time>, BTreeMap<String, Carried>);

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// By path of the child.
    pub(crate) children: BTreeMap<ActorPath, Carried<u64>>,
    /// Restarts against the intensity of supervisors, by their paths.
    pub(crate) own: BTreeMap<ActorPath, Vec<u64>>,
    /// What the tree gave up over, if that was the end of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gave_up: Option<GaveUp>,
}

/// The tree gave up because a child's budget, or the root's own, was spent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct GaveUp {
    /// The child.
    pub(crate) child: String,
    /// The decision's words.
    pub(crate) said: String,
    /// When the budget has room again, in milliseconds of the wall clock.
    pub(crate) until: u64,
    /// The budget's window, in milliseconds.
    pub(crate) window: u64,
    /// Whether that was the root's own intensity, spent by a child without a budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) shared: bool,
}

impl Kept {
    /// A supervisor begins, or is written down anew.
    pub(crate) fn written(&mut self, written: &Written) {
        self.begins(&written.path, &written.kept, &written.own);
    }

    pub(crate) fn begins(&mut self, path: &ActorPath, kept: &[(String, Carried<u64>)], own: &[u64]) {
        self.children.retain(|child, _| child.parent().as_ref() != Some(path));
        self.children.extend(kept.iter().map(|(id, carried)| (path.child(id), carried.clone())));
        self.set_own(path, own);
    }

    /// A step of the supervisor at `path` changed this.
    pub(crate) fn changed(&mut self, path: &ActorPath, change: &Change) {
        for (id, news) in &change.kept {
            let path = path.child(id);
            let Some(News { past, carried }) = news else {
                self.children.remove(&path);
                continue;
            };
            let kept = self.children.entry(path).or_default();
            let known = std::mem::take(&mut kept.restarts).into_iter().skip(*past);
            let restarts = known.chain(carried.restarts.iter().copied()).collect();
            *kept = Carried { restarts, ..carried.clone() };
        }
        if let Some(own) = &change.own {
            let own = own.follow(self.own.get(path).map_or(&[], Vec::as_slice));
            self.set_own(path, &own);
        }
        if change.gave_up.is_some() {
            self.gave_up.clone_from(&change.gave_up);
        }
    }

    fn set_own(&mut self, path: &ActorPath, own: &[u64]) {
        if own.is_empty() {
            self.own.remove(path);
        } else {
            self.own.insert(path.clone(), own.to_vec());
        }
    }

    /// After an end in order: budgets stay, nobody stays parked.
    pub(crate) fn unpark(&mut self) {
        for carried in self.children.values_mut() {
            (carried.parked, carried.tries) = (None, 0);
        }
    }

    /// Makes sense of it at `now`: what seems to come from the future happened now, by a clock that has gone back since;
    /// what is long past is forgotten. Whether anything was brought forward.
    pub(crate) fn settle(&mut self, now: u64) -> bool {
        let mut moved = false;
        let mut clamp = |at: &mut u64| {
            moved |= *at > now;
            *at = (*at).min(now);
        };
        for carried in self.children.values_mut() {
            carried.restarts.iter_mut().for_each(&mut clamp);
            clamp(&mut carried.since);
        }
        self.own.values_mut().flatten().for_each(&mut clamp);
        if let Some(gave_up) = &mut self.gave_up {
            let latest = now.saturating_add(gave_up.window);
            moved |= gave_up.until > latest;
            gave_up.until = gave_up.until.min(latest);
        }
        let old = now.saturating_sub(millis(FORGOTTEN_AFTER));
        self.children.retain(|_, carried| carried.since >= old);
        self.own.retain(|_, restarts| restarts.last().is_some_and(|at| *at >= old));
        if self.children.len() > CHILDREN_MAX {
            let mut ages: Vec<_> = self.children.iter().map(|(path, carried)| (carried.since, path.clone())).collect();
            ages.sort();
            for (_, path) in ages.drain(..self.children.len() - CHILDREN_MAX) {
                self.children.remove(&path);
            }
        }
        moved
    }

    /// How long ago the oldest of it was.
    pub(crate) fn reach(&self, now: u64) -> Duration {
        let times = self.children.values().flat_map(|it| it.restarts.iter().chain([&it.since]));
        let oldest = times.chain(self.own.values().flatten()).min().copied().unwrap_or(now);
        Duration::from_millis(now.saturating_sub(oldest))
    }

    /// The same for the tree, whose time is `origin` at `now`, by supervisor.
    pub(crate) fn hand_over(self, now: u64, origin: Time) -> HashMap<ActorPath, Inheritance> {
        let time = |at: u64| match at.checked_sub(now) {
            Some(ahead) => origin.saturating_add(Duration::from_millis(ahead)),
            None => origin.saturating_sub(Duration::from_millis(now - at)),
        };
        let mut all: HashMap<ActorPath, Inheritance> = HashMap::new();
        for (path, carried) in self.children {
            if let Some(parent) = path.parent() {
                all.entry(parent).or_default().1.insert(path.id().to_owned(), carried.map(time));
            }
        }
        for (path, restarts) in self.own {
            all.entry(path).or_default().0 = restarts.into_iter().map(time).collect();
        }
        all
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
