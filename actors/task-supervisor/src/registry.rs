//! What is registered. It outlives every actor: a restarted task supervisor brings the same tasks up again.

mod held;

use crate::{
    config::TaskRules,
    health::{Facts, LACKING, Verdict, judge},
    monitor::{MONITOR, MonitorMsg, NotBrought},
    order,
    schedule::Timetable,
    stats::{Stats, TaskFigures},
    surroundings::Surroundings,
    task::TaskMsg,
    unowned::Unowned,
    way_down::WayDown,
};
pub(crate) use held::Held;
use protocol::{
    BoxFuture,
    task::{RegisterError, Schedule, TaskRule, TaskSpec, Tasks},
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
    /// Why there is no task supervisor and will be none, if that is so.
    left_out: OnceLock<String>,
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
    /// Why it could not be started the last time, if it could not.
    pub(crate) refused: Option<String>,
    /// What it needs and nobody has stood at, and since when.
    pub(crate) lacks: Option<(String, Instant)>,
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

    /// Why it could not be started the last time, if it could not.
    pub(crate) fn refused(&self) -> Option<String> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).refused.clone()
    }

    /// Notes what it needs that stands nowhere, if that is so; what stands and is not up may come back by itself.
    pub(crate) fn note_lacking(&self, node: Option<&Node>, tree: &Tree) {
        let nowhere = |need: &&String| tree.node(&ActorPath::from(need.as_str())).is_none();
        let lacks = node.and_then(|node| node.missing.iter().find(nowhere));
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        judged.lacks = lacks.map(|lacks| match judged.lacks.take() {
            Some(known) if known.0 == *lacks => known,
            _ => (lacks.clone(), Instant::now()),
        });
    }

    /// What it needs that has stood nowhere for too long, and for how long.
    fn lacking(&self) -> Option<(String, Duration)> {
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let (path, since) = judged.lacks.as_ref()?;
        let long = since.elapsed() >= self.spec.health_check.saturating_mul(LACKING);
        long.then(|| (path.clone(), since.elapsed()))
    }

    /// How well it is now; `node` is what the tree says of it.
    pub(crate) fn verdict(&self, node: Option<&Node>, registry: &TaskRegistry) -> Verdict {
        let (budget, around) = (node.and_then(|node| node.budget), &registry.around);
        judge(&Facts {
            // What is held waits for what it needs, as what is suspended does.
            status: node.map(|node| if node.is_held() { Status::Suspended } else { node.status }),
            refused: self.refused(),
            lacking: self.lacking(),
            supervisor: registry.supervisor().filter(|_| !self.is_over()),
            left_out: registry.left_out.get().map(String::as_str),
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
            held: Mutex::new(Held::under(around.book.clone())),
            around: Arc::new(around),
            monitor: Addr::new(format!("{}/{MONITOR}", crate::PATH), 64),
            tree: OnceLock::new(),
            moving: tokio::sync::Mutex::new(()),
            unowned: Unowned::default(),
            way_down: WayDown::default(),
            left_out: OnceLock::new(),
        })
    }

    /// Gives it the tree that its tasks run in; once, before the tree is up.
    pub fn attach(&self, tree: Tree) {
        self.tree.set(tree).ok(); // attached once, by boot
    }

    /// Notes why the task supervisor will not be there for as long as the process lives, with what helps: no task comes up.
    pub fn leave_out(&self, why: &str) {
        self.left_out.set(why.to_owned()).ok(); // said once, by boot
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

    /// Tasks that are not there because the configuration contradicts their declaration, or because they were refused when
    /// they were to be started: the path, and why.
    pub fn refused(&self) -> Vec<(ActorPath, String)> {
        let absent = |task: &Registered| self.node(&task.spec.name).is_none();
        let refused = |task: Registered| Some((Self::path(&task.spec.name), task.refused()?));
        let rejected = self.with(|held| {
            let told = |(name, (_, reason)): (&String, &(Arc<TaskSpec>, String))| {
                (Self::path(name), format!("its rules in the configuration do not hold: {reason}"))
            };
            held.rejected.iter().map(told).collect::<Vec<_>>()
        });
        self.all().into_iter().filter(absent).filter_map(refused).chain(rejected).collect()
    }

    /// What the task supervisor is doing; none while there is none.
    fn supervisor(&self) -> Option<Status> {
        Some(self.tree.get()?.node(&ActorPath::from(crate::PATH))?.status)
    }

    /// The path of the task called `name`.
    pub fn path(name: &str) -> ActorPath {
        ActorPath::from(crate::PATH).child(name)
    }

    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut Held) -> R) -> R {
        change(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why it would wait for ever, if it needs what is not there and could not be.
    fn needs_nobody(&self, spec: &TaskSpec) -> Option<String> {
        let actors = self.around.actors.as_ref()?;
        let stands = |need: &str| self.tree.get().is_some_and(|tree| tree.node(&ActorPath::from(need)).is_some());
        let task = |need: &str| crate::named(need).is_some_and(|name| name == spec.name || self.knows(name));
        let unknown = |need: &&String| !stands(need) && !task(need) && !actors.may_stand(need);
        let need = spec.needs.iter().find(unknown)?;
        let there = self.tree.get().into_iter().flat_map(Tree::nodes).map(|node| node.path.to_string());
        let tasks = self.all().into_iter().map(|task| Self::path(&task.spec.name).to_string());
        let near = supervision::nearest(need, there.chain(tasks).chain(actors.paths()));
        let meant = near.map_or_else(String::new, |near| format!("; was {near} meant?"));
        Some(format!(
            "it needs {need:?}, and there is no such actor, nor does any cog declare one{meant} Name an actor's path, or \
             register or declare the task first that it needs"
        ))
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
        self.with(|held| {
            held.off.retain(|_, declared| !wanted(declared));
            held.rejected.retain(|_, (declared, _)| !wanted(declared));
        });
        let tasks = order::starts(tasks);
        for task in tasks.iter().rev() {
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

impl Tasks for TaskRegistry {
    /// Before the task supervisor is up a task is only noted; it is started when its turn comes.
    fn register(&self, spec: TaskSpec) -> BoxFuture<'_, Result<(), RegisterError>> {
        Box::pin(async move {
            if let Some(reason) = self.needs_nobody(&spec) {
                return Err(RegisterError::Invalid { name: spec.name, rule: TaskRule::Needs, reason });
            }
            let Some(task) = self.insert(spec)? else { return Ok(()) };
            if !self.monitor.is_running() {
                return Ok(());
            }
            let bring = |reply| MonitorMsg::Bring { task: task.clone(), reply };
            let started = self.monitor.call(REGISTER_DEADLINE, bring).await;
            match started {
                Ok(Ok(())) => Ok(()),
                // It stays registered, and is told of, until it is unregistered or what is in its way has been mended.
                Ok(Err(NotBrought { name, reason })) => {
                    Err(RegisterError::Invalid { name, rule: TaskRule::Outside, reason })
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
