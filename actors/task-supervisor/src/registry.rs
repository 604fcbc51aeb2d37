//! What is registered. It outlives every actor: a restarted task supervisor brings the same tasks up again.

use crate::{config::TaskRules, monitor::MonitorMsg, stats::Stats, stats::TaskFigures};
use protocol::{
    BoxFuture,
    task::{RegisterError, Schedule, TaskSpec, Tasks},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use supervision::{ActorPath, Addr, Tree};
use tokio::sync::watch;

/// How long registering waits for the task to come up.
const REGISTER_DEADLINE: Duration = Duration::from_secs(10);
/// No time of a task may be longer: sums and multiples of it must not overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Tasks that may be registered at once.
pub(crate) const TASKS_MAX: usize = 1_000;

/// Every registered task, its figures, and the way to the monitor that runs them.
pub struct TaskRegistry {
    tasks: Mutex<BTreeMap<String, Registered>>,
    overrides: BTreeMap<String, TaskRules>,
    pub(crate) monitor: Addr<MonitorMsg>,
    pub(crate) tree: OnceLock<Tree>,
    pub(crate) ready: watch::Receiver<bool>,
    /// Held while a task is brought up or taken down, so that neither overtakes the other.
    pub(crate) moving: tokio::sync::Mutex<()>,
}

/// One registered task.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) spec: Arc<TaskSpec>,
    pub(crate) stats: Arc<Stats>,
}

impl Registered {
    /// Whether it was to run once, and has.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.spec.schedule, Schedule::Once(_)) && self.stats.is_complete()
    }
}

impl TaskRegistry {
    /// An empty registry. `overrides` are `[tasks.NAME]`; `ready` tells when the bot is ready.
    pub fn new(overrides: BTreeMap<String, TaskRules>, ready: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            tasks: Mutex::new(BTreeMap::new()),
            overrides,
            monitor: Addr::new(format!("{}/monitor", crate::PATH), 64),
            tree: OnceLock::new(),
            ready,
            moving: tokio::sync::Mutex::new(()),
        })
    }

    /// Gives it the tree that its tasks run in; once, before the tree is up.
    pub fn attach(&self, tree: Tree) {
        self.tree.set(tree).ok(); // attached once, by boot
    }

    /// Every registered task with its figures, by name.
    pub fn figures(&self) -> Vec<(Arc<TaskSpec>, TaskFigures)> {
        self.all().into_iter().map(|task| (task.spec, task.stats.read())).collect()
    }

    pub(crate) fn all(&self) -> Vec<Registered> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The path of the task called `name`.
    pub fn path(name: &str) -> ActorPath {
        ActorPath::from(crate::PATH).child(name)
    }

    fn insert(&self, spec: TaskSpec) -> Result<Option<Registered>, RegisterError> {
        let Some(spec) = self.overridden(spec) else { return Ok(None) };
        let invalid = |reason: &str| RegisterError::Invalid { name: spec.name.clone(), reason: reason.to_owned() };
        if matches!(spec.schedule, Schedule::Every(period) if period.is_zero()) {
            return Err(invalid("its period is zero"));
        }
        if spec.timeout.is_zero() {
            return Err(invalid("its runs have no time at all"));
        }
        if spec.restart_window.is_zero() {
            return Err(invalid("the window of its restart limit is zero"));
        }
        let (Schedule::Every(wait) | Schedule::Once(wait)) = spec.schedule;
        let times = [wait, spec.jitter, spec.timeout, spec.restart_window, spec.cooldown];
        if times.iter().any(|time| *time > LONGEST) {
            return Err(invalid("one of its times is longer than ten years"));
        }
        if spec.name.is_empty() || spec.name == "monitor" || spec.name.contains(['/', '#', ' ']) {
            return Err(invalid(
                "that is no name for a task: it must not be empty, \"monitor\" or hold / # or a space",
            ));
        }
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.contains_key(&spec.name) {
            return Err(RegisterError::Duplicate(spec.name));
        }
        if tasks.len() == TASKS_MAX {
            return Err(invalid("1,000 tasks are registered already"));
        }
        let name = spec.name.clone();
        let task = Registered { spec: Arc::new(spec), stats: Arc::default() };
        tasks.insert(name, task.clone());
        Ok(Some(task))
    }

    /// Whether this very task is registered, not another one of its name.
    pub(crate) fn holds(&self, task: &Registered) -> bool {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.get(&task.spec.name).is_some_and(|there| Arc::ptr_eq(&there.stats, &task.stats))
    }

    fn remove(&self, task: &Registered) {
        if self.holds(task) {
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).remove(&task.spec.name);
        }
    }

    /// The declaration with the configuration's say; none when it is switched off.
    fn overridden(&self, mut spec: TaskSpec) -> Option<TaskSpec> {
        let Some(said) = self.overrides.get(&spec.name) else { return Some(spec) };
        if said.enabled == Some(false) {
            tracing::info!(task = spec.name, "the task is switched off by configuration");
            return None;
        }
        if let (Some(every), Schedule::Every(_)) = (said.every_s, spec.schedule) {
            spec.schedule = Schedule::Every(Duration::from_secs(every));
        }
        spec.timeout = said.timeout_s.map_or(spec.timeout, Duration::from_secs);
        spec.restart_limit = said.restarts.unwrap_or(spec.restart_limit);
        spec.restart_window = said.window_s.map_or(spec.restart_window, Duration::from_secs);
        spec.cooldown = said.cooldown_s.map_or(spec.cooldown, Duration::from_secs);
        Some(spec)
    }
}

impl Tasks for TaskRegistry {
    /// Before the task supervisor is up a task is only noted; it is started when its turn comes.
    fn register(&self, spec: TaskSpec) -> BoxFuture<'_, Result<(), RegisterError>> {
        Box::pin(async move {
            let Some(task) = self.insert(spec)? else { return Ok(()) };
            if !self.monitor.is_running() {
                return Ok(());
            }
            let bring = |reply| MonitorMsg::Bring { task: task.clone(), reply };
            let started = self.monitor.call(REGISTER_DEADLINE, bring).await;
            match started {
                Ok(Ok(())) => Ok(()),
                Ok(Err(refused)) => {
                    self.remove(&task);
                    Err(RegisterError::Invalid { name: refused.name, reason: refused.reason })
                }
                // The monitor went down meanwhile: its next incarnation brings up what is noted.
                Err(_) => Ok(()),
            }
        })
    }

    fn unregister_cog<'a>(&'a self, cog: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let _moving = self.moving.lock().await;
            for task in self.all().into_iter().filter(|task| task.spec.cog == cog) {
                let name = &task.spec.name;
                self.remove(&task);
                if let Some(tree) = self.tree.get()
                    && let Err(error) = tree.remove_child(&Self::path(name)).await
                {
                    tracing::debug!(task = name, %error, "the task was not running when its cog was unloaded");
                }
            }
        })
    }
}
