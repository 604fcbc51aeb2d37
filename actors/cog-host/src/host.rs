//! The room's handle, and what its actors and lanes share.

use crate::{
    actors::{CogActor, CogMsg, DispatchActor},
    catalogue::{Catalogue, DefinitionError},
    cell::{CogCell, CogSettings, Phase},
    cog::Cog,
    config::CogHostConfig,
    context::Services,
    guard::Access,
    lanes::Lanes,
    limiter::ErrorLimiter,
    ports::Outbox,
    prefixes::Prefixes,
    sink::{Event, Sink},
};
use protocol::{EventKind, EventSink, KindSet, ports::Report};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};
use supervision::{Addr, Backoff, ChildSpec, Criticality, Flags, Intensity, Kind, Policy, Strategy};
use tokio::sync::watch;

/// The path of the room's supervisor.
pub const PATH: &str = "cog-host";
/// A cog's mailbox: reports of panics and an operator's wishes.
const COG_MAILBOX: usize = 64;
/// The dispatcher's name below [`PATH`].
pub const DISPATCH: &str = "dispatch";
/// Restarts of the dispatcher before the room gives up, and their window.
const DISPATCH_BUDGET: Intensity = Intensity::new(5, Duration::from_secs(60));
/// Problems that are remembered as reported; past it the memory begins anew.
const REPORTED_MAX: usize = 256;

pub(crate) struct Shared {
    pub(crate) config: CogHostConfig,
    pub(crate) services: Arc<Services>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) access: Arc<Access>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) cells: Vec<Arc<CogCell>>,
    /// The lanes of the dispatcher's incarnation; none while it is down.
    pub(crate) lanes: watch::Sender<Option<Arc<Lanes<Event>>>>,
    /// Whether the process ends: what has not begun is the next one's. There is no way back from it.
    pub(crate) hands_on: AtomicBool,
    pub(crate) limiter: Mutex<ErrorLimiter>,
    events: KindSet,
    reported: Mutex<HashSet<Vec<String>>>,
    /// Slash commands that Discord has, as far as is known.
    pub(crate) registered: AtomicUsize,
}

impl Shared {
    pub(crate) fn is_subscribed(&self, kind: EventKind) -> bool {
        self.events.contains(kind)
    }

    /// Reports a problem the first time it is seen.
    pub(crate) fn report_once(&self, report: Report) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.len() >= REPORTED_MAX {
            reported.clear();
        }
        let first = reported.insert(report.fingerprint.clone());
        drop(reported);
        if first {
            self.services.capture.capture(report);
        }
    }

    pub(crate) fn cell(&self, name: &str) -> Option<&Arc<CogCell>> {
        self.cells.iter().find(|cell| cell.cog.name == name)
    }
}

/// Cogs by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct CogCounts {
    /// Their commands run.
    pub loaded: usize,
    /// Switched off or missing a setting.
    pub skipped: usize,
    /// Not loaded, down or parked.
    pub failed: usize,
}

/// The room: hosts cogs, takes events, answers commands. Cloning is cheap.
#[derive(Clone)]
pub struct CogHost {
    pub(crate) shared: Arc<Shared>,
}

impl CogHost {
    /// Hosts `cogs`, with their sections of the configuration. Starts nothing: that is [`CogHost::child`].
    ///
    /// # Errors
    /// A declaration that Discord or help could not show, or a name that is taken.
    pub fn new(
        config: CogHostConfig,
        services: Arc<Services>,
        outbox: Arc<dyn Outbox>,
        access: Access,
        cogs: Vec<Cog>,
        settings: &BTreeMap<String, CogSettings>,
    ) -> Result<Self, DefinitionError> {
        let mut cells: Vec<Arc<CogCell>> = Vec::with_capacity(cogs.len());
        for cog in cogs {
            if cells.iter().any(|cell| cell.cog.name == cog.name) || cog.name == "dispatch" {
                return Err(DefinitionError::new(cog.name, cog.name, "another child of cog-host has that name"));
            }
            let addr = Addr::new(format!("{PATH}/{}", cog.name), COG_MAILBOX);
            let settings = settings.get(cog.name).cloned().unwrap_or_default();
            cells.push(Arc::new(CogCell::new(cog, addr, settings)));
        }
        cells.sort_by_key(|cell| std::cmp::Reverse(cell.cog.priority));
        let used: Vec<Arc<CogCell>> = cells.iter().filter(|cell| !cell.skipped()).map(Arc::clone).collect();
        let catalogue = Arc::new(Catalogue::new(&used, config.deadline(), access.sandbox)?);
        let events = catalogue.events();
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                services,
                outbox,
                access: Arc::new(access),
                catalogue,
                cells,
                lanes: watch::Sender::new(None),
                hands_on: AtomicBool::new(false),
                limiter: Mutex::default(),
                events,
                reported: Mutex::default(),
                registered: AtomicUsize::new(0),
            }),
        })
    }

    /// Guilds' prefixes.
    pub fn prefixes(&self) -> &Arc<Prefixes> {
        &self.shared.services.prefixes
    }

    /// The supervised room: one actor per cog that is not skipped, in order of priority, then the dispatcher, so that
    /// no event is taken before the cogs are loaded and none after they are unloaded.
    pub fn child(&self) -> ChildSpec {
        let mut children: Vec<ChildSpec> =
            self.shared.cells.iter().filter(|cell| !cell.skipped()).map(|cell| self.cog_child(cell)).collect();
        let shared = Arc::clone(&self.shared);
        let dispatch = Addr::new(format!("{PATH}/{DISPATCH}"), COG_MAILBOX);
        let dispatch = ChildSpec::worker(&dispatch, move || DispatchActor::new(Arc::clone(&shared)));
        children.push(dispatch.with(|declared| *declared = dispatch_policy()));
        let flags = Flags { intensity: DISPATCH_BUDGET, ..Flags::new(Strategy::OneForOne) };
        ChildSpec::supervisor(PATH, flags, children).with(|declared| *declared = policy())
    }

    fn cog_child(&self, cell: &Arc<CogCell>) -> ChildSpec {
        let (shared, made) = (Arc::clone(&self.shared), Arc::clone(cell));
        let make = move || CogActor::new(Arc::clone(&made), Arc::clone(&shared.services), shared.access.sandbox);
        let declared = cog_policy(cell.cog.name, !cell.cog.optional);
        ChildSpec::worker(&cell.addr, make).with(|policy| *policy = declared)
    }

    /// The process ends without a drain: from now on nothing begins, what has not begun is left to the next process, and what
    /// runs counts as cut off once it is ended. Slash commands that wait are told so, if the room has the time for it yet.
    /// There is no way back from it; never waits.
    pub fn hand_on(&self) {
        self.shared.hands_on.store(true, SeqCst);
        if let Some(lanes) = &*self.shared.lanes.borrow() {
            lanes.freeze();
        }
    }

    /// Where shards deliver events.
    pub fn sink(&self) -> Arc<dyn EventSink> {
        Arc::new(Sink(Arc::clone(&self.shared)))
    }

    /// Every command.
    pub fn catalogue(&self) -> &Arc<Catalogue> {
        &self.shared.catalogue
    }

    /// How many cogs are loaded, skipped, failed.
    pub fn counts(&self) -> CogCounts {
        let mut counts = CogCounts::default();
        for cell in &self.shared.cells {
            match &*cell.phase() {
                Phase::Skipped { .. } | Phase::Unloaded => counts.skipped += 1,
                Phase::Loaded { .. } if cell.state().is_ok() => counts.loaded += 1,
                Phase::Loaded { .. } | Phase::Down | Phase::Loading | Phase::Failed { .. } => counts.failed += 1,
            }
        }
        counts
    }

    /// Events that wait for their turn or are being served.
    pub fn at_work(&self) -> usize {
        let depth = self.shared.lanes.borrow().as_ref().map(|lanes| lanes.depth());
        depth.map_or(0, |(_, waiting, running)| waiting + running)
    }

    /// The address of a cog's actor.
    pub fn cog(&self, name: &str) -> Option<&Addr<CogMsg>> {
        self.shared.cell(name).map(|cell| &cell.addr)
    }

    /// The gauges of lanes and commands.
    pub fn collector(&self) -> Arc<dyn metering::Collector> {
        Arc::new(Gauges(Arc::clone(&self.shared)))
    }
}

/// The rules that the room is declared with: vital, so the process gives up when five restarts of it in ten minutes were not
/// enough.
pub fn policy() -> Policy {
    let budget = Some(Intensity::new(5, Duration::from_secs(600)));
    Policy { criticality: Criticality::Vital, required: true, budget, ..Policy::new(PATH, Kind::Supervisor) }
}

/// The rules that the dispatcher is declared with: its restarts count against the room's own budget.
pub fn dispatch_policy() -> Policy {
    Policy::new(DISPATCH, Kind::Worker)
}

/// The rules that the cog called `name` is declared with.
pub fn cog_policy(name: &str, required: bool) -> Policy {
    Policy {
        criticality: Criticality::Important,
        required,
        budget: Some(Intensity::new(3, Duration::from_secs(600))),
        backoff: Some(Backoff::doubling(Duration::from_millis(250), Duration::from_secs(30))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(300), Duration::from_secs(3600))),
        ..Policy::new(name, Kind::Worker)
    }
}

struct Gauges(Arc<Shared>);

impl metering::Collector for Gauges {
    fn name(&self) -> &'static str {
        "cog-host"
    }

    fn collect(&self, scrape: &metering::Scrape) {
        let depth = self.0.lanes.borrow().as_ref().map_or((0, 0, 0), |lanes| lanes.depth());
        metering::lanes::depth(scrape, depth.0, depth.1);
        metering::commands::registered(scrape, self.0.registered.load(Relaxed));
    }
}
