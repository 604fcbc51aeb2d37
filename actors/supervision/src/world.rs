//! What all supervisors of one tree share: planes, paths, published views, who needs whom, the journal.

use crate::{
    admin::AdminSpec,
    core::{Time, state::Legacy},
    crash::Crashes,
    journal::{Journal, Observer},
    left::{LeftBehind, QUARANTINE_MAX},
    life::Signal,
    mailbox::Mailbox,
    path::ActorPath,
    planes::Planes,
    poison::Poisons,
    record::{Inheritance, Past, Recorder, Tape},
    rules::InForce,
    starter::Lever,
    supervisor,
    view::Published,
};
use arc_swap::ArcSwap;
use dashmap::{DashMap, DashSet};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::Instant;

/// What a tree as a whole may come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Incarnations that block their threads and cannot be ended: one more, and the tree gives up.
    pub quarantine_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { quarantine_max: QUARANTINE_MAX }
    }
}

pub(crate) struct World {
    pub(crate) planes: Planes,
    pub(crate) journal: Journal,
    pub(crate) crashes: Arc<Crashes>,
    pub(crate) poisons: Poisons,
    pub(crate) left_behind: LeftBehind,
    /// When the actors' runtime was given something to run that it has not run yet, in microseconds; 0: it keeps up.
    beat: Arc<AtomicU64>,
    pub(crate) dial: Dial,
    recorder: Option<Recorder>,
    /// What supervisors that have not begun in this process take over from an earlier one.
    carried: DashMap<ActorPath, Inheritance>,
    supervisors: DashMap<ActorPath, Office>,
    workers: DashMap<ActorPath, Arc<dyn Lever>>,
    messages: DashMap<ActorPath, Arc<[AdminSpec]>>,
    up: DashSet<String>,
    needed: DashSet<String>,
    legacies: DashMap<ActorPath, Legacy>,
    /// What is said from outside about everybody's rules.
    pub(crate) rules: InForce,
    /// Held while new rules are put in force, so that one set does not overtake another.
    pub(crate) amending: tokio::sync::Mutex<()>,
}

/// A supervisor's entry.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) handle: supervisor::Handle,
    pub(crate) view: Arc<ArcSwap<Published>>,
}

/// The tree's time: monotonic and tokio's, so that paused tests move it. It begins as far from zero as what an earlier
/// process left is old, so that a restart of then has a time too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dial {
    epoch: Instant,
    origin: Time,
}

impl Dial {
    pub(crate) fn now(self) -> Time {
        self.origin + self.epoch.elapsed()
    }

    /// Time since the tree began.
    pub(crate) fn age(self) -> Duration {
        self.epoch.elapsed()
    }

    /// When `at` is on tokio's clock; for a time before the tree began, its beginning.
    pub(crate) fn instant(self, at: Time) -> Instant {
        self.epoch + at.saturating_sub(self.origin)
    }
}

impl World {
    pub(crate) fn new(
        planes: Planes,
        observer: Arc<dyn Observer>,
        limits: Limits,
        record: Option<(Past, Recorder)>,
    ) -> Self {
        let (past, recorder) = record.map_or((None, None), |(past, recorder)| (Some(past), Some(recorder)));
        let (origin, earlier, carried) = past.map(Past::hand_over).unwrap_or_default();
        Self {
            poisons: Poisons::default(),
            left_behind: LeftBehind::new(limits.quarantine_max),
            beat: Arc::default(),
            planes,
            crashes: Arc::new(Crashes::new(Arc::clone(&observer))),
            journal: Journal::new(observer, earlier),
            dial: Dial { epoch: Instant::now(), origin },
            recorder,
            carried: carried.into_iter().collect(),
            supervisors: DashMap::new(),
            workers: DashMap::new(),
            messages: DashMap::new(),
            up: DashSet::new(),
            needed: DashSet::new(),
            legacies: DashMap::new(),
            rules: InForce::default(),
            amending: tokio::sync::Mutex::default(),
        }
    }

    /// The tree's time.
    pub(crate) fn now(&self) -> Time {
        self.dial.now()
    }

    /// What the supervisor at `path` takes over from an earlier process: its first life does, once.
    pub(crate) fn carried(&self, path: &ActorPath) -> Option<Inheritance> {
        self.carried.remove(path).map(|(_, carried)| carried)
    }

    /// Where a life of the supervisor at `path` is written down.
    pub(crate) fn tape(&self, path: &ActorPath, incarnation: u64) -> Option<Tape> {
        self.recorder.as_ref().map(|recorder| Tape::new(recorder.clone(), path.clone(), incarnation))
    }

    pub(crate) fn recorder(&self) -> Option<&Recorder> {
        self.recorder.as_ref()
    }

    /// For how long the actors' runtime has not run what it was given; zero while it keeps up.
    pub(crate) fn late(&self) -> Duration {
        match self.beat.load(Relaxed) {
            0 => Duration::ZERO,
            since => self.now().saturating_sub(Duration::from_micros(since)),
        }
    }

    /// Gives the actors' runtime something to run, unless it has not run the last thing yet.
    pub(crate) fn beat(&self) {
        let now = u64::try_from(self.now().as_micros()).unwrap_or(u64::MAX).max(1);
        if self.beat.compare_exchange(0, now, Relaxed, Relaxed).is_ok() {
            let beat = Arc::clone(&self.beat);
            self.planes.data.spawn(async move { beat.store(0, Relaxed) });
        }
    }

    pub(crate) fn open_office(&self, path: ActorPath, office: Office) {
        self.supervisors.insert(path, office);
    }

    pub(crate) fn close_office(&self, path: &ActorPath) {
        self.supervisors.remove(path);
    }

    pub(crate) fn office(&self, path: &ActorPath) -> Option<Office> {
        self.supervisors.get(path).map(|office| office.clone())
    }

    /// The supervisors that can be reached.
    pub(crate) fn offices(&self) -> BTreeSet<ActorPath> {
        self.supervisors.iter().map(|office| office.key().clone()).collect()
    }

    pub(crate) fn put_lever(&self, path: ActorPath, lever: Arc<dyn Lever>) {
        self.workers.insert(path, lever);
    }

    pub(crate) fn drop_lever(&self, path: &ActorPath) {
        self.workers.remove(path);
    }

    pub(crate) fn lever(&self, path: &ActorPath) -> Option<Arc<dyn Lever>> {
        self.workers.get(path).map(|lever| Arc::clone(&lever))
    }

    /// Tokio tasks that actors own: those of the workers, and two of each supervisor (its loop, the watcher of its end).
    pub(crate) fn tasks_owned(&self) -> usize {
        let workers: usize = self.workers.iter().map(|lever| lever.tasks()).sum();
        workers + 2 * self.supervisors.len()
    }

    pub(crate) fn put_messages(&self, path: ActorPath, specs: Vec<AdminSpec>) {
        self.messages.insert(path, specs.into());
    }

    pub(crate) fn drop_messages(&self, path: &ActorPath) {
        self.messages.remove(path);
    }

    pub(crate) fn messages(&self, path: &ActorPath) -> Option<Arc<[AdminSpec]>> {
        self.messages.get(path).map(|specs| Arc::clone(&specs))
    }

    /// The mailbox of the actor at `path`, as its supervisor published it.
    pub(crate) fn mailbox(&self, path: &ActorPath) -> Option<Arc<Mailbox>> {
        let view = self.office(&path.parent()?)?.view.load_full();
        view.rows.iter().find(|row| row.child.id() == path.id())?.mailbox.clone()
    }

    /// What the actor at `path` needs, as its supervisor published it; nothing when it is not there.
    pub(crate) fn needs_of(&self, path: &str) -> Vec<String> {
        let path = ActorPath::from(path);
        let needs = || {
            let view = self.office(&path.parent()?)?.view.load_full();
            Some(view.rows.iter().find(|row| row.child.id() == path.id())?.child.policy.needs.clone())
        };
        needs().unwrap_or_default()
    }

    /// Keeps what the next life of the supervisor at `path` has to know.
    pub(crate) fn leave(&self, path: ActorPath, legacy: Legacy) {
        self.legacies.insert(path, legacy);
    }

    /// Hands it over. The new supervisor's office is open by then: see [`World::ended_late`].
    pub(crate) fn inherit(&self, path: &ActorPath) -> Option<Legacy> {
        self.legacies.remove(path).map(|(_, legacy)| legacy)
    }

    /// The supervisor at `path` is forgotten, and what stood below it with it.
    pub(crate) fn drop_legacies(&self, path: &ActorPath) {
        self.legacies.retain(|of, _| !of.is_within(path));
    }

    /// An incarnation ended after its supervisor did: its path is free for the next life of that supervisor.
    pub(crate) fn ended_late(&self, supervisor: &ActorPath, message: supervisor::Message) {
        if let supervisor::Message::Child { id, incarnation, signal: Signal::Exited(_) } = &message {
            self.left_behind.remove(&supervisor.child(id), *incarnation);
        }
        if let Some(mut legacy) = self.legacies.get_mut(supervisor) {
            if let supervisor::Message::Child { id, incarnation, signal: Signal::Exited(_) } = &message {
                legacy.ended(id, *incarnation);
            }
            return;
        }
        if let Some(office) = self.office(supervisor) {
            office.handle.send(message);
        }
    }

    /// Notes that somebody needs `path`, so that its comings and goings are told.
    pub(crate) fn need(&self, path: &str) {
        self.needed.insert(path.to_owned());
    }

    pub(crate) fn is_up(&self, path: &str) -> bool {
        self.up.contains(path)
    }

    /// Notes whether `path` is there to be relied on, and tells every supervisor when that changed and matters.
    pub(crate) fn set_up(&self, path: &ActorPath, up: bool) {
        let text = path.as_str();
        let changed = if up { self.up.insert(text.to_owned()) } else { self.up.remove(text).is_some() };
        if changed && self.needed.contains(text) {
            for office in &self.supervisors {
                office.handle.dependency(text.to_owned(), up);
            }
        }
    }
}
