//! The worker that brings registered tasks up as its siblings, looks how they are, and restarts what is stalled.

use crate::{
    health::{Health, Verdict},
    order,
    registry::{Judged, Registered, TaskRegistry},
    task::{self, TaskMsg},
    unowned::Work,
};
use protocol::{
    ports::{Report, ReportLevel},
    task::Priority,
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use supervision::{
    Actor, ActorPath, AdminCall, AdminError, AdminSpec, ChildSpec, Ctx, Failure, Kind, Message, Node, OrderError,
    Policy, Reply, Role, Status, Verb, core::Refusal,
};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

/// The monitor's name below [`crate::PATH`]; no task bears it.
pub const MONITOR: &str = "monitor";
/// A look at every task is never taken sooner after the last one than this.
const LOOK_LEAST: Duration = Duration::from_millis(100);

/// A task that could not be brought up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotBrought {
    pub(crate) name: String,
    pub(crate) reason: String,
}

pub(crate) enum MonitorMsg {
    /// Brings one task up.
    Bring { task: Registered, reply: Reply<Result<(), NotBrought>> },
    /// Looks at all of them.
    Look,
}

impl Message for MonitorMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Bring { .. } => "bring",
            Self::Look => "look",
        }
    }
}

pub(crate) fn child(every: Duration, registry: &Arc<TaskRegistry>) -> ChildSpec {
    let every = every.max(LOOK_LEAST);
    let addr = registry.monitor.clone();
    let registry = Arc::clone(registry);
    ChildSpec::worker(&addr, move || Monitor { every, registry: Arc::clone(&registry) })
        .with(|declared| *declared = policy())
}

/// The rules that the monitor is declared with: of the highest rank, it starts before every task and stops after them.
pub fn policy() -> Policy {
    Policy { rank: i32::MAX, ..Policy::new(MONITOR, Kind::Worker) }
}

struct Monitor {
    every: Duration,
    registry: Arc<TaskRegistry>,
}

impl Actor for Monitor {
    type Msg = MonitorMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        ctx.send_after(Duration::ZERO, MonitorMsg::Look);
        Ok(())
    }

    async fn handle(&mut self, message: MonitorMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let registry = Arc::clone(&self.registry);
        match message {
            MonitorMsg::Bring { task, reply } => ctx.spawn(async move { reply.send(bring(&registry, &task).await) }),
            MonitorMsg::Look => {
                let (every, me) = (self.every, ctx.me());
                ctx.spawn(async move {
                    look(&registry).await;
                    let (begun, wait) = (Instant::now(), next_look(&registry, every));
                    pause(&registry, wait).await;
                    if begun.elapsed() >= wait + every {
                        pause(&registry, every).await; // the process was stopped: what was due meanwhile goes first
                    }
                    me.send(MonitorMsg::Look).await.ok(); // the monitor is gone; its next incarnation looks first
                });
            }
        }
        Ok(())
    }

    async fn drain(&mut self, _: &Ctx<Self>) {
        self.registry.way_down.drain(self.registry.all().len());
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        self.registry.way_down.over();
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::new("look", Role::Operate, "Brings up registered tasks that are not there, and looks at all.")]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<serde_json::Value, AdminError> {
        if call.name != "look" {
            return Err(call.unknown(&Self::admin_messages()));
        }
        let registry = Arc::clone(&self.registry);
        let tasks = registry.all().len();
        ctx.spawn(async move { look(&registry).await });
        Ok(serde_json::json!({ "tasks": tasks }))
    }
}

/// One pass: bring up, judge, count. Each part does its work whatever became of the one before.
async fn look(registry: &Arc<TaskRegistry>) {
    let work = async {
        let begun = Instant::now();
        let brought = bring_all(registry).await;
        let judged = judge_all(registry).await;
        count(registry);
        tracing::debug!(
            operation = "monitor_tasks",
            duration_seconds = begun.elapsed().as_secs_f64(),
            operations_completed = brought + judged,
            "looked at the tasks"
        );
    };
    work.instrument(tracing::info_span!("bot.monitor_tasks")).await;
}

/// Waits on the control plane: a run that blocks its thread may hold up the timers of the data plane, and must not hold up
/// the look that finds it.
async fn pause(registry: &TaskRegistry, wait: Duration) {
    let sleep = tokio::time::sleep;
    match registry.tree.get() {
        Some(tree) => {
            let slept = tree.planes().control.spawn(async move { sleep(wait).await });
            AbortOnDropHandle::new(slept).await.ok(); // aborted: the runtime is going down
        }
        None => sleep(wait).await,
    }
}

/// Every pass, or when the health of some task is due.
fn next_look(registry: &TaskRegistry, every: Duration) -> Duration {
    let due = |task: &Registered| {
        let judged = task.judged.lock().unwrap_or_else(PoisonError::into_inner);
        judged.at.map_or(every, |at| task.spec.health_check.saturating_sub(at.elapsed()))
    };
    registry.all().iter().map(due).min().map_or(every, |due| due.clamp(LOOK_LEAST, every))
}

/// Brings up what is registered and has no child yet: critical ones first, and before each what it needs. A child that is parked or was stopped by an
/// operator is there, and stays as it is.
async fn bring_all(registry: &Arc<TaskRegistry>) -> usize {
    let mut brought = 0;
    let all = registry.all();
    let absent = |task: &Registered| registry.node(&task.spec.name).is_none() && !task.is_over();
    if !all.iter().any(absent) {
        return brought; // and whose turn it would be is nobody's question
    }
    for task in order::starts(all) {
        if !absent(&task) {
            continue;
        }
        brought += 1;
        let before = task.refused();
        if let Err(refused) = bring(registry, &task).await
            && before.as_ref() != Some(&refused.reason)
        // what is said once and shown by `status` is not said at each look
        {
            let error = refused.reason;
            tracing::error!(task = refused.name, operation = "start_task", error, "the task could not be started");
        }
    }
    brought
}

pub(crate) async fn bring(registry: &Arc<TaskRegistry>, task: &Registered) -> Result<(), NotBrought> {
    let name = task.spec.name.clone();
    let Some(tree) = registry.tree.get() else {
        return Err(NotBrought { name, reason: "there is no tree to run in".to_owned() });
    };
    let _moving = registry.moving.lock().await;
    if !registry.holds(task) {
        return Err(NotBrought { name, reason: "it was unregistered meanwhile".to_owned() });
    }
    if registry.node(&name).is_none() {
        task.stats.bring();
    }
    let spec = task::child(task, registry);
    let brought = match tree.start_child(&ActorPath::from(crate::PATH), spec).await {
        Ok(_) => Ok(()),
        // Parked: as an earlier process left it; it is there, and its restart rule has it.
        Err(OrderError::Refused { refusal: Refusal::AlreadyStarted | Refusal::Parked { .. }, .. }) => Ok(()),
        // It did not come up and is there all the same: its restart rule goes on with it.
        Err(OrderError::Refused { refusal: Refusal::StartFailed { .. }, .. }) if registry.node(&name).is_some() => {
            Ok(())
        }
        Err(OrderError::Refused { refusal: Refusal::BadSpec { reason }, .. }) => Err(NotBrought { name, reason }),
        Err(error) => Err(NotBrought { name, reason: error.to_string() }),
    };
    let refused = brought.as_ref().err().map(|refused| refused.reason.clone());
    task.judged.lock().unwrap_or_else(PoisonError::into_inner).refused = refused;
    brought
}

/// Judges every task whose health is due, and at once one that has been given up on: that is not to be heard of late.
async fn judge_all(registry: &Arc<TaskRegistry>) -> usize {
    let mut judged = 0;
    for task in registry.all() {
        let node = registry.node(&task.spec.name);
        if let Some(tree) = registry.tree.get() {
            task.note_lacking(node.as_ref(), tree);
        }
        let given_up = node.as_ref().is_some_and(|node| matches!(node.status, Status::Parked | Status::Quarantined));
        let due = |judged: &Judged| {
            let told = judged.verdict.as_ref().is_some_and(|verdict| verdict.health == Health::Parked);
            given_up && !told || judged.at.is_none_or(|at| at.elapsed() >= task.spec.health_check)
        };
        if !due(&task.judged.lock().unwrap_or_else(PoisonError::into_inner)) {
            continue;
        }
        judged += 1;
        let verdict = task.verdict(node.as_ref(), registry);
        let (before, told) = {
            let mut judged = task.judged.lock().unwrap_or_else(PoisonError::into_inner);
            judged.at = Some(Instant::now());
            (judged.verdict.replace(verdict.clone()), judged.told)
        };
        tell(registry, &task, before.map(|before| before.health), &verdict);
        if let (Health::Stalled, Some(node)) = (verdict.health, &node) {
            unstall(registry, &task, node, told, verdict.reason).await;
        }
    }
    judged
}

/// Restarts a task that is stalled: by its own word, so that its restart rule answers; by force when it did not hear it.
async fn unstall(registry: &TaskRegistry, task: &Registered, node: &Node, told: Option<u64>, reason: String) {
    let name = task.spec.name.as_str();
    if told == Some(node.incarnation) || task.addr.try_send(TaskMsg::Stalled(reason)).is_err() {
        let Some(tree) = registry.tree.get() else { return };
        task.stats.charge();
        if let Err(error) = tree.order(&node.path, Verb::Kill, Some(node.incarnation), false).await {
            let error = error.to_string();
            tracing::warn!(task = name, operation = "unstall", error, "the stalled task could not be killed");
        }
    }
    task.judged.lock().unwrap_or_else(PoisonError::into_inner).told = Some(node.incarnation);
}

/// Says that the health of a task has changed, once for each change.
fn tell(registry: &TaskRegistry, task: &Registered, before: Option<Health>, now: &Verdict) {
    let (health, reason) = (now.health, now.reason.as_str());
    if before.unwrap_or(Health::Healthy) == health {
        return;
    }
    let (name, was) = (task.spec.name.as_str(), before.map(Health::name));
    if health.is_unhealthy() {
        tracing::warn!(
            task = name,
            operation = "health",
            health = health.name(),
            was,
            reason,
            "{name} is {}: {reason}",
            health.name()
        );
    } else {
        tracing::info!(
            task = name,
            operation = "health",
            health = health.name(),
            was,
            reason,
            "{name} is {}",
            health.name()
        );
    }
    if health == Health::Parked {
        registry.around.capture.capture(Report {
            level: ReportLevel::Error,
            message: format!("the task {name} is given up on: {reason}"),
            fingerprint: vec!["task".to_owned(), "parked".to_owned(), name.to_owned()],
            tags: vec![("task", name.to_owned()), ("cog", task.spec.cog.clone())],
        });
    }
}

/// Counts the tokio tasks that nobody owns.
fn count(registry: &TaskRegistry) {
    let Some(tree) = registry.tree.get() else { return };
    let (alive, owned) = tree.work();
    let work = Work { alive, owned, unowned: alive.saturating_sub(owned) };
    if let Some(level) = registry.unowned.look(work) {
        let unowned = work.unowned;
        tracing::warn!(
            operation = "count_unowned",
            unowned,
            level,
            alive,
            "work that no actor owns has grown from {level} to {unowned} tokio tasks"
        );
    }
}

const _: () = assert!((Priority::Critical as i32) < 1_000, "the monitor outranks every task");
