//! Is it up, is it well, and what is wrong: one answer for the control channel and the probes.

mod complaint;
mod look;
mod probes;

use crate::{
    VERSION,
    admin::SharedTree,
    flags::Flags,
    notify::{Notifier, Word},
    record,
    wire::{millis, stamp},
};
use chrono::{DateTime, Utc};
use cog_host::CogHost;
use complaint::LeftOut;
use database::Db;
use gateway::Gateway;
use protocol::method::{Method, NoParams};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use supervision::{Node, Recorder};
use task_supervisor::TaskRegistry;
use telemetry::Memory;

/// How long boot's phases took; what the process knows about itself. Read by anyone, from snapshots.
pub struct Status {
    pub(crate) flags: Arc<Flags>,
    pub(crate) tree: SharedTree,
    pub(crate) gateway: Arc<OnceLock<Gateway>>,
    pub(crate) cogs: OnceLock<CogHost>,
    /// Filled when its phase of boot is over.
    pub(crate) db: OnceLock<Db>,
    pub(crate) tasks: OnceLock<Arc<TaskRegistry>>,
    pub(crate) memory: OnceLock<Arc<Memory>>,
    pub(crate) began: Instant,
    /// When the process began, by the wall clock.
    pub(crate) began_at: DateTime<Utc>,
    phases: Mutex<Vec<(&'static str, Duration)>>,
    /// The phase of boot that is under way.
    phase: Mutex<Option<(&'static str, Instant)>>,
    /// When it was ready for the first time.
    ready: OnceLock<(Instant, DateTime<Utc>)>,
    /// How the process before ended.
    before: OnceLock<Option<Value>>,
    notifier: Arc<Notifier>,
    lost: Mutex<u64>,
    unwritten: Mutex<u64>,
    token_refused: AtomicBool,
    /// What boot waits for, as one sentence.
    waits_for: Mutex<Option<String>>,
    /// Actors that boot had to leave out.
    pub(crate) left_out: LeftOut,
}

impl Status {
    /// A process that has just begun.
    pub fn new(
        flags: Arc<Flags>,
        tree: SharedTree,
        gateway: Arc<OnceLock<Gateway>>,
        notifier: Arc<Notifier>,
    ) -> Arc<Self> {
        let began = Instant::now();
        Arc::new(Self {
            flags,
            tree,
            gateway,
            cogs: OnceLock::new(),
            db: OnceLock::new(),
            tasks: OnceLock::new(),
            memory: OnceLock::new(),
            began,
            began_at: Utc::now(),
            phases: Mutex::default(),
            phase: Mutex::new(Some(("configuration", began))),
            ready: OnceLock::new(),
            before: OnceLock::new(),
            notifier,
            lost: Mutex::default(),
            unwritten: Mutex::default(),
            token_refused: AtomicBool::new(false),
            waits_for: Mutex::default(),
            left_out: LeftOut::default(),
        })
    }

    /// Notes whether Discord refuses the token.
    pub(crate) fn token_refused(&self, refused: bool) {
        self.token_refused.store(refused, Relaxed);
    }

    /// Notes what boot waits for, as one sentence; none: it goes on.
    pub(crate) fn waits_for(&self, sentence: Option<String>) {
        *self.waits_for.lock().unwrap_or_else(PoisonError::into_inner) = sentence;
    }

    /// A phase of boot begins: whoever looks sees where boot stands.
    pub(crate) fn phase_begins(&self, name: &'static str) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = Some((name, Instant::now()));
        self.notifier.status(&format!("booting: {name}"));
    }

    /// Notes how long a phase of boot took.
    pub(crate) fn phase_ended(&self, name: &'static str, took: Duration) {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).push((name, took));
    }

    /// Every phase of boot is over.
    pub(crate) fn booted(&self) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.notifier.status(&self.line());
    }

    /// The phase of boot that is under way and for how long, until boot is over.
    pub(crate) fn phase_under_way(&self) -> Option<(&'static str, Duration)> {
        let phase = *self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        phase.map(|(name, since)| (name, since.elapsed()))
    }

    /// The first READY, once: its time is kept and the service manager told.
    pub(crate) fn first_ready(&self) {
        if self.ready.set((Instant::now(), Utc::now())).is_ok() {
            self.notifier.tell(&[Word::Ready]);
            self.notifier.status(&self.line());
        }
    }

    /// How long ago it was ready for the first time.
    pub(crate) fn ready_since(&self) -> Option<Duration> {
        self.ready.get().map(|(since, _)| since.elapsed())
    }

    /// How long it took to be ready for the first time.
    pub(crate) fn ready_after(&self) -> Option<Duration> {
        self.ready.get().map(|(at, _)| at.duration_since(self.began))
    }

    /// Keeps and logs how the process before ended.
    pub(crate) fn before(&self, last: Option<Value>) {
        if let Some(last) = &last {
            let told = record::sentence(last);
            if last["clean"] == true {
                tracing::info!("{told}");
            } else {
                tracing::warn!(last_alive_at = last["last_alive_at"].as_str(), "{told}");
            }
        }
        self.before.set(last).ok(); // told once, by boot
    }

    /// The phases so far.
    pub fn phases(&self) -> Vec<(&'static str, Duration)> {
        self.phases.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn recorder(&self) -> Option<&Recorder> {
        self.tree.get()?.recorder()
    }

    fn nodes(&self) -> Vec<Node> {
        self.tree.get().map(supervision::Tree::nodes).unwrap_or_default()
    }

    /// `status.get`
    pub fn json(&self) -> Value {
        let nodes = self.nodes();
        let mut states: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &nodes {
            *states.entry(node.status.name()).or_default() += 1;
        }
        let (ready, degraded) = self.look();
        json!({
            "ready": ready,
            "degraded": degraded,
            "flags": self.flags.read(),
            "version": VERSION,
            "pid": std::process::id(),
            "uptime_ms": millis(self.began.elapsed()),
            "started_at": stamp(self.began_at),
            "ready_at": self.ready.get().map(|(_, at)| stamp(*at)),
            "ready_after_ms": self.ready_after().map(millis),
            "phase": self.phase_under_way().map(|(name, since)| json!({ "phase": name, "since_ms": millis(since) })),
            "actors": states,
            "shards": self.gateway.get().map(|_| self.shards()),
            "cache": self.gateway.get().map(Gateway::counts),
            "guilds": self.gateway.get().map(|gateway| gateway.counts().guilds),
            "identify": self.gateway.get().map(Gateway::budget),
            "cogs": self.cogs.get().map(CogHost::counts),
            "tasks": self.tasks.get().map(|tasks| tasks.statistics()),
            "work": self.tasks.get().and_then(|tasks| tasks.work()),
            "boot": self.phases().iter().map(|(name, took)| json!({ "phase": name, "took_ms": millis(*took) }))
                .collect::<Vec<_>>(),
        })
    }

    /// `status.get`, `status.last_shutdown`
    pub fn methods(self: &Arc<Self>) -> Vec<Method> {
        let (status, last) = (Arc::clone(self), Arc::clone(self));
        let about = "How the process before this one ended: its end report, or when it was last alive; null: unknown.";
        vec![
            Method::read("status.get", "Whether the bot is up and well, and what is not.", move |_: NoParams, _| {
                let shown = status.json();
                async move { Ok(shown) }
            }),
            Method::read("status.last_shutdown", about, move |_: NoParams, _| {
                let shown = last.before.get().cloned().flatten();
                async move { Ok(shown) }
            }),
        ]
    }
}
