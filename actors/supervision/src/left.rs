//! Incarnations that could not be ended: each may hold a thread for as long as the process lives.

use crate::path::ActorPath;
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Incarnations that a tree may have left behind at a time, unless told otherwise; one more and it gives up.
pub const QUARANTINE_MAX: usize = 4;

/// Those of one tree.
pub(crate) struct LeftBehind {
    max: usize,
    left: Mutex<BTreeSet<(ActorPath, u64)>>,
}

impl LeftBehind {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, left: Mutex::default() }
    }

    /// One more. When that is one too many: all of them, as `path#incarnation`, and how many there may be.
    pub(crate) fn add(&self, path: ActorPath, incarnation: u64) -> Option<(Vec<String>, usize)> {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.insert((path, incarnation));
        let name = |(path, incarnation): &(ActorPath, u64)| format!("{path}#{incarnation}");
        (left.len() > self.max).then(|| (left.iter().map(name).collect(), self.max))
    }

    /// It has ended after all.
    pub(crate) fn remove(&self, path: &ActorPath, incarnation: u64) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if !left.is_empty() {
            left.remove(&(path.clone(), incarnation));
        }
    }

    /// The incarnations of `path` that were left behind, the oldest first.
    pub(crate) fn of(&self, path: &ActorPath) -> Vec<u64> {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.range((path.clone(), 0)..=(path.clone(), u64::MAX)).map(|(_, incarnation)| *incarnation).collect()
    }
}
