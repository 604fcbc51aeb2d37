//! Parked messages: what each actor is not given again, bounded in number and size for the whole tree.

use crate::{message::Fingerprint, path::ActorPath};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::SystemTime,
};

/// Messages parked at the same time; the oldest is let go for a new one.
pub const POISON_MAX: usize = 64;

/// A message that has ended too many incarnations of an actor.
#[derive(Debug)]
pub struct Parked {
    /// Its number in this tree, from 1.
    pub number: u64,
    /// The actor.
    pub path: ActorPath,
    /// The message's name.
    pub name: String,
    /// What tells it from others.
    pub fingerprint: Fingerprint,
    /// The message as it is shown, without secrets and bounded.
    pub shown: String,
    /// Its size in bytes, where it knows it.
    pub size: Option<usize>,
    /// When it was parked first.
    pub since: SystemTime,
    deaths: AtomicU32,
    refused: AtomicU64,
    released: AtomicBool,
    over: AtomicBool,
}

impl Parked {
    /// Incarnations that ended with it in hand, since it was released last.
    pub fn deaths(&self) -> u32 {
        self.deaths.load(Relaxed)
    }

    /// How often it has been refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Whether it is let through once more.
    pub fn is_released(&self) -> bool {
        self.released.load(Relaxed)
    }

    /// Lets it through, or counts that it was not.
    pub(crate) fn admits(&self) -> bool {
        let admits = self.is_released();
        if !admits {
            self.refused.fetch_add(1, Relaxed);
        }
        admits
    }

    /// One more try.
    pub(crate) fn release(&self) {
        self.released.store(true, Relaxed);
    }

    /// It is forgotten.
    pub(crate) fn end(&self) {
        self.over.store(true, Relaxed);
    }
}

/// What is known of a message when it is parked.
pub(crate) struct Evidence {
    pub(crate) name: String,
    pub(crate) size: Option<usize>,
    pub(crate) shown: String,
    pub(crate) deaths: u32,
}

/// The parked messages of one tree.
#[derive(Default)]
pub(crate) struct Poisons {
    kept: Mutex<(u64, VecDeque<Arc<Parked>>)>,
}

impl Poisons {
    /// Parks the message; a released one is parked again. Also gives the one that had to be let go for it.
    pub(crate) fn park(
        &self,
        path: &ActorPath,
        fingerprint: Fingerprint,
        evidence: Evidence,
    ) -> (Arc<Parked>, Option<Arc<Parked>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.retain(|parked| !parked.over.load(Relaxed));
        let known = kept.1.iter().find(|parked| parked.fingerprint == fingerprint && parked.path == *path);
        if let Some(parked) = known {
            parked.deaths.store(evidence.deaths, Relaxed);
            parked.released.store(false, Relaxed);
            return (Arc::clone(parked), None);
        }
        let oldest = if kept.1.len() >= POISON_MAX { kept.1.pop_front() } else { None };
        kept.0 += 1;
        let parked = Arc::new(Parked {
            number: kept.0,
            path: path.clone(),
            name: evidence.name,
            fingerprint,
            shown: evidence.shown,
            size: evidence.size,
            since: SystemTime::now(),
            deaths: AtomicU32::new(evidence.deaths),
            refused: AtomicU64::new(0),
            released: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        kept.1.push_back(Arc::clone(&parked));
        (parked, oldest)
    }

    /// All of them, the oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Parked>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.iter().filter(|parked| !parked.over.load(Relaxed)).cloned().collect()
    }

    /// The actor at `path` is forgotten, and what was parked for it.
    pub(crate) fn forget(&self, path: &ActorPath) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.1.retain(|parked| !parked.path.is_within(path));
    }
}
