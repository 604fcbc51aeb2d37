//! One task as an actor.

use crate::{
    registry::Registered,
    schedule::{Past, next_due},
    stats::Stats,
};
use metering::tasks as meter;
use protocol::task::{Category, Run, RunOutcome, Schedule, TaskSpec};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{
    Actor, ActorPath, Addr, AdminCall, AdminError, AdminSpec, Backoff, ChildSpec, Criticality, Ctx, Failure, Message,
    RETRY_AFTER, Restart, Role, Shutdown,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long a task is given to end its run when it is stopped.
const STOP: Duration = Duration::from_secs(5);
/// What a task says of itself while its run is due and the bot is not ready.
const NOT_READY: &str = "waits until the gateway is ready";

pub(crate) enum TaskMsg {
    /// The time of plan `n` has come.
    Due(u64),
    /// The time of plan `n` has come, but the bot is not ready.
    NotReady(u64),
    /// A run is over.
    Finished(Result<RunOutcome, String>),
}

impl Message for TaskMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Due(_) => "due",
            Self::NotReady(_) => "not_ready",
            Self::Finished(_) => "finished",
        }
    }
}

/// A task's place among its siblings: priority first; among equals gateway work stops last, then scheduled, then system
/// work, and what a command began stops first.
pub(crate) fn rank(spec: &TaskSpec) -> i32 {
    let category = match spec.category {
        Category::Command => 0,
        Category::System => 1,
        Category::Scheduled => 2,
        Category::Gateway => 3,
    };
    (spec.priority as i32) * 10 + category
}

fn category(category: Category) -> &'static str {
    match category {
        Category::Command => "command",
        Category::System => "system",
        Category::Scheduled => "scheduled",
        Category::Gateway => "gateway",
    }
}

pub(crate) fn child(task: &Registered, ready: watch::Receiver<bool>) -> ChildSpec {
    let addr = Addr::new(crate::TaskRegistry::path(&task.spec.name), 16);
    let Registered { spec, stats } = task.clone();
    let rules = Arc::clone(&spec);
    ChildSpec::worker(&addr, move || TaskActor {
        spec: Arc::clone(&spec),
        stats: Arc::clone(&stats),
        ready: ready.clone(),
        up: Instant::now(),
        plan: 0,
        draining: false,
        run: None,
    })
    .restart(Restart::Transient)
    .criticality(Criticality::Optional)
    .budget(rules.restart_limit, rules.restart_window)
    .cooldown(rules.cooldown)
    .retry_parked(Backoff::doubling(rules.restart_window / 4, rules.restart_window * 4))
    .shutdown(Shutdown::Within(STOP))
    .needs(rules.needs.iter().map(String::as_str))
    .rank(rank(&rules))
}

struct TaskActor {
    spec: Arc<TaskSpec>,
    stats: Arc<Stats>,
    ready: watch::Receiver<bool>,
    up: Instant,
    plan: u64,
    /// No run begins any more.
    draining: bool,
    /// The run under way: its token, and a channel that closes when it is over.
    run: Option<(CancellationToken, watch::Receiver<()>)>,
}

/// Keeps the figures of one run, however it ends: also when it panics, or is dropped with its actor.
struct Account {
    spec: Arc<TaskSpec>,
    stats: Arc<Stats>,
    began: Instant,
    open: bool,
}

impl Account {
    fn close(&mut self, outcome: &Result<RunOutcome, String>) {
        self.open = false;
        let took = self.began.elapsed();
        self.stats.end(took, outcome);
        let label = match outcome {
            Ok(RunOutcome::Done { .. }) => meter::TaskOutcome::Done,
            Ok(RunOutcome::Skipped { .. }) => meter::TaskOutcome::Skipped,
            Err(_) => meter::TaskOutcome::Failed,
        };
        meter::run(self.spec.name.as_str(), category(self.spec.category), label, took.as_secs_f64());
        if let Ok(RunOutcome::Done { operations }) = outcome {
            tracing::debug!(
                task = self.spec.name,
                operation = "run",
                duration_seconds = took.as_secs_f64(),
                operations_completed = operations,
                "the task ran"
            );
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if self.open {
            let how = if std::thread::panicking() { "the run panicked" } else { "its actor ended during the run" };
            self.close(&Err(how.to_owned()));
        }
    }
}

impl TaskActor {
    /// Plans the next run, if there is one and nobody has paused the task.
    fn plan(&mut self, ctx: &Ctx<Self>) {
        let jitter = self.spec.jitter.mul_f64(rand::random::<f64>());
        // Monotonic times since the first moment that matters: the last run may have begun in an earlier incarnation.
        let (last, over) = (self.stats.last_began(), matches!(self.spec.schedule, Schedule::Once(_)));
        // What runs once and has failed is due again; what is complete is not.
        let last = last.filter(|_| !over || self.stats.is_complete());
        let epoch = last.map_or(self.up, |last| last.min(self.up));
        let past = Past { up: self.up - epoch, last_began: last.map(|last| last - epoch) };
        let due = next_due(self.spec.schedule, self.spec.run_at_start, past, epoch.elapsed(), jitter);
        self.forget_plan(ctx);
        let Some(due) = due.filter(|_| !self.stats.is_paused() && !self.draining) else {
            return;
        };
        let at = epoch + due;
        self.stats.plan(Some(at));
        let (plan, me, mut ready) = (self.plan, ctx.me(), self.ready.clone());
        let wait_until_ready = self.spec.wait_until_ready;
        ctx.spawn(async move {
            tokio::time::sleep_until(at).await;
            if wait_until_ready && !*ready.borrow_and_update() {
                me.send(TaskMsg::NotReady(plan)).await.ok(); // as below
                if ready.wait_for(|ready| *ready).await.is_err() {
                    return; // the process is ending
                }
            }
            me.send(TaskMsg::Due(plan)).await.ok(); // the actor is gone, and this task with it
        });
    }

    /// Nothing is planned any more, and nothing waited for.
    fn forget_plan(&mut self, ctx: &Ctx<Self>) {
        self.plan += 1;
        self.stats.plan(None);
        ctx.available();
    }

    fn begin(&mut self, ctx: &Ctx<Self>) {
        ctx.available();
        let number = self.stats.begin();
        let cancel = ctx.stopping().child_token();
        let (over, is_over) = watch::channel(());
        self.run = Some((cancel.clone(), is_over));
        let (spec, me) = (Arc::clone(&self.spec), ctx.me());
        let stats = Arc::clone(&self.stats);
        let mut account = Account { spec: Arc::clone(&spec), stats, began: Instant::now(), open: true };
        ctx.spawn(async move {
            let _ends = cancel.clone().drop_guard(); // what the run began elsewhere is told to end with it
            let work = (spec.run)(Run { number, cancel });
            let outcome = match tokio::time::timeout(spec.timeout, work).await {
                Ok(outcome) => outcome.map_err(|error| error.0),
                Err(_) => Err(format!("the run took longer than {} ms and was cut off", spec.timeout.as_millis())),
            };
            account.close(&outcome);
            drop(over);
            me.send(TaskMsg::Finished(outcome)).await.ok(); // the actor is gone
        });
    }

    fn finished(&mut self, outcome: Result<RunOutcome, String>, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.run = None;
        match outcome {
            Ok(RunOutcome::Done { .. }) => {}
            Ok(RunOutcome::Skipped { reason }) => tracing::debug!(task = self.spec.name, reason, "nothing to do"),
            // The restart rule counts it, waits out the cooldown and, past the limit, parks the task.
            Err(error) => return Err(Failure::restart(error)),
        }
        self.go_on(ctx);
        Ok(())
    }

    /// Plans the next run; a task that runs once and has done so is finished.
    fn go_on(&mut self, ctx: &Ctx<Self>) {
        self.plan(ctx);
        let once = matches!(self.spec.schedule, Schedule::Once(_));
        if once && self.stats.is_complete() && !self.stats.is_paused() && self.run.is_none() {
            ctx.finish();
        }
    }
}

impl Actor for TaskActor {
    type Msg = TaskMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.up = Instant::now();
        self.stats.reopen(); // what has run once is only started again by an operator, who wants it run
        self.plan(ctx);
        Ok(())
    }

    async fn handle(&mut self, message: TaskMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            TaskMsg::Due(plan) if plan == self.plan && self.run.is_none() => self.begin(ctx),
            TaskMsg::NotReady(plan) if plan == self.plan && self.run.is_none() => {
                self.stats.wait(NOT_READY);
                ctx.unavailable(NOT_READY, RETRY_AFTER);
            }
            TaskMsg::Due(_) | TaskMsg::NotReady(_) => {} // an older plan, or an operator's run is under way
            TaskMsg::Finished(outcome) => return self.finished(outcome, ctx),
        }
        Ok(())
    }

    /// No new run; the one under way may end by itself.
    async fn drain(&mut self, ctx: &Ctx<Self>) {
        self.draining = true;
        self.forget_plan(ctx);
    }

    /// Waits for the run under way, which has been told to end; its deadline cuts it off.
    async fn stop(&mut self, _: &Ctx<Self>) {
        if let Some((cancel, mut over)) = self.run.take() {
            cancel.cancel();
            while over.changed().await.is_ok() {}
        }
    }

    fn suspended(&mut self, missing: &[ActorPath], _: &Ctx<Self>) {
        tracing::info!(task = self.spec.name, ?missing, "the task is suspended: what it needs is missing");
    }

    fn resumed(&mut self, _: &Ctx<Self>) {
        tracing::info!(task = self.spec.name, "the task is resumed");
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("run", Role::Operate, "Runs it now, once, besides its schedule."),
            AdminSpec::new("pause", Role::Operate, "Plans no more runs until it is resumed."),
            AdminSpec::new("resume", Role::Operate, "Plans runs again."),
            AdminSpec::new("status", Role::Observe, "Its figures."),
        ]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "run" if self.run.is_some() => return Err(AdminError::refused("a run is under way")),
            "run" if ctx.me().mailbox().read().suspended => {
                return Err(AdminError::refused("it is suspended: what it needs is missing"));
            }
            "run" if self.draining => return Err(AdminError::refused("it is drained: the bot is shutting down")),
            "run" => self.begin(ctx),
            "pause" => {
                self.stats.set_paused(true);
                self.forget_plan(ctx);
            }
            "resume" => {
                self.stats.set_paused(false);
                if self.run.is_none() {
                    self.go_on(ctx); // else the end of the run plans the next one
                }
            }
            "status" => {}
            _ => return Err(call.unknown(&Self::admin_messages())),
        }
        Ok(json!({ "task": self.spec.name, "figures": self.stats.read() }))
    }
}
