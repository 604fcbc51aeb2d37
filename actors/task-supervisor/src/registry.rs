//! What is registered. It outlives every actor: a restarted task supervisor brings the same tasks up again.

use crate::{
    admission::{self, rank},
    config::TaskRules,
    health::{Facts, Verdict, judge},
    monitor::MonitorMsg,
    rules::{Becomes, Rulebook, TaskChange},
    schedule::{Moment, Timetable},
    stats::{Stats, TaskFigures},
    surroundings::Surroundings,
    task::{self, TaskMsg},
    unowned::Unowned,
    way_down::WayDown,
};
use protocol::{
    BoxFuture,
    task::{RegisterError, Schedule, TaskSpec, Tasks},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use supervision::{ActorPath, Addr, Node, Status, Tree};
use tokio::{sync::watch, time::Instant};
use tracing::Instrument;

/// How long registering waits for the task to come up.
const REGISTER_DEADLINE: Duration = Duration::from_secs(10);
/// Tasks that may be registered at once.
pub(crate) const TASKS_MAX: usize = 1_000;
/// Tasks whose figures are remembered while they are not registered; those that left first are forgotten first.
const REMEMBERED_MAX: usize = 1_000;

/// Every registered task, its figures, and the way to the monitor that runs them.
pub struct TaskRegistry {
    held: Mutex<Held>,
    pub(crate) around: Arc<Surroundings>,
    pub(crate) monitor: Addr<MonitorMsg>,
    pub(crate) tree: OnceLock<Tree>,
    /// Held while a task is brought up or taken down, so that neither overtakes the other.
    pub(crate) moving: tokio::sync::Mutex<()>,
    pub(crate) unowned: Unowned,
    pub(crate) way_down: WayDown,
}

#[derive(Default)]
pub(crate) struct Held {
    tasks: BTreeMap<String, Registered>,
    /// Declarations that the rules switch off.
    off: BTreeMap<String, Arc<TaskSpec>>,
    book: Rulebook,
    /// By cog and name: what a task did before it was unregistered, and how often it has been registered.
    remembered: BTreeMap<(String, String), Remembered>,
    registrations: u64,
}

struct Remembered {
    generation: u64,
    stats: Arc<Stats>,
    judged: Arc<Mutex<Judged>>,
    /// The number of the registration, over all tasks.
    at: u64,
}

/// One registered task. Cog and name are its identity; registered anew it is the next generation of the same task.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) spec: Arc<TaskSpec>,
    /// The same without what the configuration says.
    pub(crate) declared: Arc<TaskSpec>,
    pub(crate) table: Arc<Timetable>,
    pub(crate) addr: Addr<TaskMsg>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) judged: Arc<Mutex<Judged>>,
    pub(crate) generation: u64,
    /// Its place among all registrations: of two of one rank the one registered first starts first.
    pub(crate) turn: u64,
}

/// The last judgement of a task.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) at: Option<Instant>,
    pub(crate) verdict: Option<Verdict>,
    /// The incarnation that was told that it is stalled.
    pub(crate) told: Option<u64>,
}

impl Registered {
    /// Whether it was to run once, and has.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.spec.schedule, Schedule::Once(_)) && self.stats.is_complete()
    }

    /// Whether it was to run once, has, and so has no actor any more; by new rules it may have more to do.
    pub(crate) fn is_finished(&self, node: Option<&Node>) -> bool {
        self.stats.is_complete() && !self.is_over() && node.is_some_and(|node| node.status == Status::Down)
    }

    /// How well it is now; `node` is what the tree says of it.
    pub(crate) fn verdict(&self, node: Option<&Node>, around: &Surroundings) -> Verdict {
        let budget = node.and_then(|node| node.budget);
        judge(&Facts {
            status: node.map(|node| node.status),
            reason: node.and_then(|node| node.reason.as_deref()),
            pulse: self.stats.pulse(),
            restarts: budget.map_or((0, self.spec.restart_window), |budget| (budget.used, budget.window)),
            period: self.table.period(around.clock.now()),
            timeout: self.spec.timeout,
            stall_periods: self.spec.stall_periods,
        })
    }
}

impl TaskRegistry {
    /// An empty registry with nothing around it but the machine's clock. `overrides` are `[tasks.NAME]`; `ready` tells when
    /// the bot is ready.
    pub fn new(overrides: BTreeMap<String, TaskRules>, ready: watch::Receiver<bool>) -> Arc<Self> {
        Self::within(Surroundings::new(overrides, ready))
    }

    /// An empty registry.
    pub fn within(around: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::new(Held { book: around.book.clone(), ..Held::default() }),
            around: Arc::new(around),
            monitor: Addr::new(format!("{}/monitor", crate::PATH), 64),
            tree: OnceLock::new(),
            moving: tokio::sync::Mutex::new(()),
            unowned: Unowned::default(),
            way_down: WayDown::default(),
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
        self.with(|held| held.tasks.values().cloned().collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<Registered> {
        self.with(|held| held.tasks.get(name).cloned())
    }

    /// What the tree says of the task called `name`.
    pub(crate) fn node(&self, name: &str) -> Option<Node> {
        self.tree.get()?.node(&Self::path(name))
    }

    /// The path of the task called `name`.
    pub fn path(name: &str) -> ActorPath {
        ActorPath::from(crate::PATH).child(name)
    }

    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Held) -> R) -> R {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn insert(&self, spec: TaskSpec) -> Result<Option<Registered>, RegisterError> {
        self.with(|held| held.enter(Arc::new(spec)))
    }

    /// The same registration as it is now: its rules may be new.
    pub(crate) fn now(&self, task: &Registered) -> Registered {
        self.get(&task.spec.name).filter(|now| now.turn == task.turn).unwrap_or_else(|| task.clone())
    }

    /// Whether this very registration stands, not another one of its name.
    pub(crate) fn holds(&self, task: &Registered) -> bool {
        self.with(|held| held.holds(task))
    }

    fn remove(&self, task: &Registered) {
        self.with(|held| {
            if held.holds(task) {
                held.tasks.remove(&task.spec.name);
            }
        });
    }

    /// Forgets tasks and takes their actors down, in stop order.
    async fn take_down(&self, wanted: impl Fn(&TaskSpec) -> bool) -> usize {
        let _moving = self.moving.lock().await;
        let mut tasks = self.all();
        tasks.retain(|task| wanted(&task.spec));
        self.with(|held| held.off.retain(|_, declared| !wanted(declared)));
        tasks.sort_by_key(|task| (rank(&task.spec), std::cmp::Reverse(task.turn)));
        for task in &tasks {
            let name = &task.spec.name;
            self.remove(task);
            if let Some(tree) = self.tree.get()
                && let Err(error) = tree.remove_child(&Self::path(name)).await
            {
                tracing::debug!(task = name, %error, "the task was not running when it was unregistered");
            }
        }
        tasks.len()
    }
}

impl Held {
    /// Takes a declaration in, with what the rules say about it; none: they switch it off.
    fn enter(&mut self, declared: Arc<TaskSpec>) -> Result<Option<Registered>, RegisterError> {
        if self.tasks.len() + self.off.len() >= TASKS_MAX {
            let reason = "1,000 tasks are registered already".to_owned();
            return Err(RegisterError::Invalid { name: declared.name.clone(), reason });
        }
        let Some(spec) = self.book.over(&declared) else {
            tracing::info!(task = declared.name, "the task is switched off by configuration");
            self.off.insert(declared.name.clone(), declared);
            return Ok(None);
        };
        let known = self.tasks.iter().map(|(name, task)| (name.clone(), Arc::clone(&task.spec))).collect();
        let table = Arc::new(admission::admit(&spec, &known)?);
        self.registrations += 1;
        let turn = self.registrations;
        let before = self.remembered.entry((spec.cog.clone(), spec.name.clone())).or_insert_with(|| Remembered {
            generation: 0,
            stats: Arc::default(),
            judged: Arc::default(),
            at: 0,
        });
        (before.generation, before.at) = (before.generation + 1, turn);
        before.stats.register(spec.run_at_start || matches!(spec.schedule, Schedule::Once(_)));
        let (stats, judged, generation) = (Arc::clone(&before.stats), Arc::clone(&before.judged), before.generation);
        let addr = task::addr(&spec.name);
        let task = Registered { spec: Arc::new(spec), declared, table, addr, stats, judged, generation, turn };
        self.tasks.insert(task.spec.name.clone(), task.clone());
        self.forget();
        Ok(Some(task))
    }

    /// Makes `new` the rules, and each task that `changes` names what it then is.
    pub(crate) fn adopt(&mut self, new: Rulebook, changes: &[TaskChange], now: Moment) -> Result<(), RegisterError> {
        self.book = new;
        for change in changes {
            let name = &change.task;
            match (change.change, self.tasks.get(name).cloned()) {
                (Becomes::Respec, Some(mut task)) => {
                    let Some(spec) = self.book.over(&task.declared) else { continue };
                    let invalid = |reason| RegisterError::Invalid { name: name.clone(), reason };
                    task.table = Arc::new(Timetable::read(&spec.schedule).map_err(invalid)?);
                    let before = std::mem::replace(&mut task.spec, Arc::new(spec));
                    if before.schedule != task.spec.schedule {
                        task.stats.reschedule(now); // another schedule counts from now
                    }
                    task.generation += 1;
                    let identity = (task.spec.cog.clone(), name.clone());
                    if let Some(before) = self.remembered.get_mut(&identity) {
                        before.generation = task.generation;
                    }
                    self.tasks.insert(name.clone(), task);
                }
                (Becomes::Stop, Some(task)) => {
                    self.tasks.remove(name);
                    self.off.insert(name.clone(), task.declared);
                }
                (Becomes::Start, None) => {
                    if let Some(declared) = self.off.remove(name) {
                        self.enter(declared)?;
                    }
                }
                (Becomes::Respec | Becomes::Stop, None) | (Becomes::Start, Some(_)) => {}
            }
        }
        Ok(())
    }

    /// Every declaration, switched off or not.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &Arc<TaskSpec>> {
        self.tasks.values().map(|task| &task.declared).chain(self.off.values())
    }

    pub(crate) fn task(&self, name: &str) -> Option<&Registered> {
        self.tasks.get(name)
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.declared().any(|declared| declared.name == name) || self.remembered.keys().any(|(_, known)| known == name)
    }

    fn holds(&self, task: &Registered) -> bool {
        self.tasks.get(&task.spec.name).is_some_and(|there| there.turn == task.turn)
    }

    /// Forgets the figures of those that left first, when too many have left.
    fn forget(&mut self) {
        let gone =
            |held: &Self, (cog, name): &(String, String)| held.tasks.get(name).is_none_or(|task| task.spec.cog != *cog);
        while self.remembered.len() > self.tasks.len() + REMEMBERED_MAX {
            let left = self.remembered.iter().filter(|(identity, _)| gone(self, identity));
            let Some(oldest) = left.min_by_key(|(_, kept)| kept.at).map(|(identity, _)| identity.clone()) else {
                return;
            };
            self.remembered.remove(&oldest);
        }
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

    fn unregister<'a>(&'a self, cog: &'a str, name: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move { self.take_down(|spec| spec.cog == cog && spec.name == name).await > 0 })
    }

    fn unregister_cog<'a>(&'a self, cog: &'a str) -> BoxFuture<'a, ()> {
        let span = tracing::info_span!("bot.cleanup_tasks", cog);
        let work = async move {
            let begun = Instant::now();
            let tasks = self.take_down(|spec| spec.cog == cog).await;
            if tasks > 0 {
                let duration_seconds = begun.elapsed().as_secs_f64();
                tracing::info!(
                    cog,
                    operation = "cleanup_tasks",
                    duration_seconds,
                    operations_completed = tasks,
                    "{tasks} task(s) of {cog} stopped and forgotten"
                );
            }
        };
        Box::pin(work.instrument(span))
    }
}
