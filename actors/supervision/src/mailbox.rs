//! The untyped half of an address: what outlives incarnations and can be read without asking the actor.

use crate::{admin::ADMIN_WAITING_MAX, path::ActorPath};
use arc_swap::ArcSwap;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
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
    epoch: Instant,
    incarnation: AtomicU64,
    handled: AtomicU64,
    lost: AtomicU64,
    shed: AtomicU64,
    suspended: AtomicBool,
    busy_since: AtomicU64,
    handling: ArcSwap<&'static str>,
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
            epoch: Instant::now(),
            incarnation: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            shed: AtomicU64::new(0),
            suspended: AtomicBool::new(false),
            busy_since: AtomicU64::new(0),
            handling: ArcSwap::from_pointee(""),
            unavailable: ArcSwap::from_pointee(None),
        }
    }

    /// The actor's path.
    pub fn path(&self) -> &ActorPath {
        &self.path
    }

    /// The newest incarnation, 0 before the first.
    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Relaxed)
    }

    pub(crate) fn set_incarnation(&self, incarnation: u64) {
        self.incarnation.store(incarnation, Relaxed);
    }

    pub(crate) fn count_lost(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_shed(&self) {
        self.shed.fetch_add(1, Relaxed);
    }

    pub(crate) fn begin(&self, name: &'static str) {
        if **self.handling.load() != name {
            self.handling.store(Arc::new(name));
        }
        let micros = u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.busy_since.store(micros.max(1), Relaxed);
    }

    pub(crate) fn end(&self) {
        self.busy_since.store(0, Relaxed);
        self.handled.fetch_add(1, Relaxed);
    }

    /// Forgets what the last incarnation was doing.
    pub(crate) fn reset(&self) {
        self.busy_since.store(0, Relaxed);
        self.suspended.store(false, Relaxed);
        self.unavailable.store(Arc::new(None));
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
        let since = self.busy_since.load(Relaxed);
        let busy = (since > 0).then(|| self.epoch.elapsed().saturating_sub(Duration::from_micros(since)));
        MailboxReading {
            depth: self.capacity.saturating_sub(self.permits.available_permits()),
            capacity: self.capacity,
            handled: self.handled.load(Relaxed),
            lost: self.lost.load(Relaxed),
            shed: self.shed.load(Relaxed),
            handling: busy.map(|_| (**self.handling.load()).to_owned()),
            handling_ms: busy.map(|busy| u64::try_from(busy.as_millis()).unwrap_or(u64::MAX)),
            unavailable: self.unavailable.load().as_ref().as_ref().map(|u| u.reason.clone()),
            suspended: self.suspended.load(Relaxed),
        }
    }
}
