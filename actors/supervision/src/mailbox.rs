//! The untyped half of an address: what outlives incarnations and can be read without asking the actor.

use crate::{
    admin::ADMIN_WAITING_MAX, core::probe::Reading, message::Fingerprint, path::ActorPath, poison::Parked, pulse::Pulse,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Notify, Semaphore};

/// Depth, counters and availability of one actor's mailbox. Shared by every incarnation and every address.
#[derive(Debug)]
pub struct Mailbox {
    path: ActorPath,
    capacity: usize,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) admin_permits: Arc<Semaphore>,
    /// Fires when there is nobody any more to make room.
    pub(crate) vacated: Notify,
    incarnation: AtomicU64,
    handled: AtomicU64,
    lost: AtomicU64,
    shed: AtomicU64,
    suspended: AtomicBool,
    /// Whether its failures leave records.
    records: AtomicBool,
    /// What its newest incarnation is doing.
    pulse: ArcSwapOption<Pulse>,
    /// Messages that are not handled again.
    poison: ArcSwap<Vec<Arc<Parked>>>,
    unavailable: ArcSwap<Option<Unavailable>>,
}

/// What an actor says about itself when it is alive but cannot do its work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// Why, for an operator.
    pub reason: String,
    /// When trying again makes sense.
    pub retry_after: Duration,
}

/// One reading of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MailboxReading {
    /// Messages waiting or being handled.
    pub depth: usize,
    /// Messages it admits.
    pub capacity: usize,
    /// Messages handled since the path exists.
    pub handled: u64,
    /// Messages that died with an incarnation.
    pub lost: u64,
    /// Messages refused because the mailbox was full.
    pub shed: u64,
    /// The message in the handler, if any.
    pub handling: Option<String>,
    /// How long it has been there, in milliseconds.
    pub handling_ms: Option<u64>,
    /// Why the actor says that it cannot work, if it does.
    pub unavailable: Option<String>,
    /// Whether it waits for something it needs.
    pub suspended: bool,
}

impl Mailbox {
    pub(crate) fn new(path: ActorPath, capacity: usize) -> Self {
        Self {
            path,
            capacity,
            permits: Arc::new(Semaphore::new(capacity)),
            admin_permits: Arc::new(Semaphore::new(ADMIN_WAITING_MAX)),
            vacated: Notify::new(),
            incarnation: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            suspended: AtomicBool::new(false),
            records: AtomicBool::new(true),
            pulse: ArcSwapOption::empty(),
            poison: ArcSwap::default(),
            unavailable: ArcSwap::from_pointee(None),
        }
    }

    /// Whether its failures leave records.
    pub(crate) fn leaves_records(&self) -> bool {
        self.records.load(Relaxed)
    }

    /// Whether they shall from now on.
    pub(crate) fn leave_records(&self, records: bool) {
        self.records.store(records, Relaxed);
    }

    /// The actor's path.
    pub fn path(&self) -> &ActorPath {
        &self.path
    }

    /// The newest incarnation, 0 before the first.
    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Relaxed)
    }

    pub(crate) fn count_lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_shed(&self) {
        self.shed.fetch_add(1, Relaxed);
    }

    /// Takes over from the incarnation before: `pulse` is what is read from now on.
    pub(crate) fn attach(&self, incarnation: u64, pulse: Arc<Pulse>) {
        self.reset();
        self.incarnation.store(incarnation, Relaxed);
        self.pulse.store(Some(pulse));
    }

    pub(crate) fn count_handled(&self) {
        self.handled.fetch_add(1, Relaxed);
    }

    /// Forgets what the last incarnation said about itself.
    pub(crate) fn reset(&self) {
        self.suspended.store(false, Relaxed);
        self.unavailable.store(Arc::new(None));
    }

    /// What its newest incarnation is doing, in a runtime that is `late`; none before the first.
    pub(crate) fn pulse(&self, late: Duration) -> Option<Reading> {
        let waiting = if self.suspended.load(Relaxed) { 0 } else { self.depth() };
        let pulse = self.pulse.load();
        pulse.as_ref().map(|pulse| Reading { late, ..pulse.reading(waiting) })
    }

    /// Parks a message: it is refused from now on.
    pub(crate) fn refuse(&self, parked: &Arc<Parked>) {
        self.poison.rcu(|known| {
            let mut all: Vec<_> = known.iter().filter(|one| one.fingerprint != parked.fingerprint).cloned().collect();
            all.push(Arc::clone(parked));
            all
        });
    }

    /// Forgets that a message was parked.
    pub(crate) fn absolve(&self, fingerprint: Fingerprint) {
        self.poison.rcu(|known| {
            let (gone, left): (Vec<_>, Vec<_>) = known.iter().cloned().partition(|one| one.fingerprint == fingerprint);
            gone.iter().for_each(|one| one.end());
            left
        });
    }

    /// What is parked under `fingerprint`.
    pub(crate) fn parked(&self, fingerprint: Fingerprint) -> Option<Arc<Parked>> {
        self.poison.load().iter().find(|one| one.fingerprint == fingerprint).cloned()
    }

    /// Whether anything is parked.
    pub(crate) fn has_poison(&self) -> bool {
        !self.poison.load().is_empty()
    }

    /// Messages waiting or being handled.
    pub(crate) fn depth(&self) -> usize {
        self.capacity.saturating_sub(self.permits.available_permits())
    }

    /// Messages it admits.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn set_suspended(&self, suspended: bool) {
        self.suspended.store(suspended, Relaxed);
    }

    pub(crate) fn set_unavailable(&self, what: Option<Unavailable>) {
        self.unavailable.store(Arc::new(what));
    }

    /// Why the actor cannot do its work at the moment, when it has said so.
    pub fn unavailable(&self) -> Option<Unavailable> {
        (**self.unavailable.load()).clone()
    }

    /// Reads everything at once; never blocks and never asks the actor.
    pub fn read(&self) -> MailboxReading {
        let in_hand = self.pulse.load().as_ref().and_then(|pulse| pulse.in_hand());
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        MailboxReading {
            depth: self.depth(),
            capacity: self.capacity,
            handled: self.handled.load(Relaxed),
            lost: self.lost.load(Relaxed),
            shed: self.shed.load(Relaxed),
            handling_ms: in_hand.as_ref().map(|(_, since)| millis(*since)),
            handling: in_hand.map(|(label, _)| label.name.to_owned()),
            unavailable: self.unavailable.load().as_ref().as_ref().map(|u| u.reason.clone()),
            suspended: self.suspended.load(Relaxed),
        }
    }
}
