//! One task as an actor.

use crate::{
    registry::Registered,
    schedule::{Past, next_due},
    stats::Stats,
};
use metering::tasks as meter;
use protocol::task::{Category, Run, RunOutcome, TaskSpec};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{
    Actor, ActorPath, Addr, AdminCall, AdminError, AdminSpec, Backoff, ChildSpec, Criticality, Ctx, Failure, Message,
    Restart, Role, Shutdown,
};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// How long a task is given to end its run when it is stopped.
const STOP: Duration = Duration::from_secs(5);

pub(crate) enum TaskMsg {
    /// The time of plan `n` has come.
    Due(u64),
    /// A run is over.
    Finished { took: Duration, outcome: Result<RunOutcome, String> },
}

impl Message for TaskMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Due(_) => "due",
            Self::Finished { .. } => "finished",
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
        last_began: None,
        plan: 0,
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
    last_began: Option<Duration>,
    plan: u64,
    /// The run under way: its token, and a channel that closes when it is over.
    run: Option<(CancellationToken, watch::Receiver<()>)>,
}

impl TaskActor {
    /// Plans the next run, if there is one and nobody has paused the task.
    fn plan(&mut self, ctx: &Ctx<Self>) {
        let now = self.up.elapsed();
        let jitter = self.spec.jitter.mul_f64(rand::random::<f64>());
        let past = Past { up: Duration::ZERO, last_began: self.last_began };
        let due = next_due(self.spec.schedule, self.spec.run_at_start, past, now, jitter);
        self.plan += 1;
        let Some(due) = due.filter(|_| !self.stats.is_paused()) else {
            self.stats.plan(None);
            return;
        };
        self.stats.plan(Some(self.up + due));
        let (plan, me, mut ready) = (self.plan, ctx.me(), self.ready.clone());
        let wait_until_ready = self.spec.wait_until_ready;
        let at = self.up + due;
        ctx.spawn(async move {
            tokio::time::sleep_until(at).await;
            if wait_until_ready && ready.wait_for(|ready| *ready).await.is_err() {
                return; // the process is ending
            }
            me.send(TaskMsg::Due(plan)).await.ok(); // the actor is gone, and this task with it
        });
    }

    fn begin(&mut self, ctx: &Ctx<Self>) {
        let number = self.stats.begin();
        self.last_began = Some(self.up.elapsed());
        let cancel = ctx.stopping().child_token();
        let (over, is_over) = watch::channel(());
        self.run = Some((cancel.clone(), is_over));
        let (spec, me) = (Arc::clone(&self.spec), ctx.me());
        ctx.spawn(async move {
            let began = Instant::now();
            let work = (spec.run)(Run { number, cancel });
            let outcome = match tokio::time::timeout(spec.timeout, work).await {
                Ok(outcome) => outcome.map_err(|error| error.0),
                Err(_) => Err(format!("the run took longer than {} ms and was cut off", spec.timeout.as_millis())),
            };
            drop(over);
            me.send(TaskMsg::Finished { took: began.elapsed(), outcome }).await.ok(); // the actor is gone
        });
    }

    fn finished(
        &mut self,
        took: Duration,
        outcome: Result<RunOutcome, String>,
        ctx: &Ctx<Self>,
    ) -> Result<(), Failure> {
        self.run = None;
        self.stats.end(took, &outcome);
        let label = match &outcome {
            Ok(RunOutcome::Done { .. }) => meter::TaskOutcome::Done,
            Ok(RunOutcome::Skipped { .. }) => meter::TaskOutcome::Skipped,
            Err(_) => meter::TaskOutcome::Failed,
        };
        meter::run(self.spec.name.as_str(), category(self.spec.category), label, took.as_secs_f64());
        match outcome {
            Ok(RunOutcome::Done { operations }) => {
                tracing::debug!(
                    task = self.spec.name,
                    operation = "run",
                    duration_seconds = took.as_secs_f64(),
                    operations_completed = operations,
                    "the task ran"
                );
            }
            Ok(RunOutcome::Skipped { reason }) => tracing::debug!(task = self.spec.name, reason, "nothing to do"),
            // The restart rule counts it, waits out the cooldown and, past the limit, parks the task.
            Err(error) => return Err(Failure::restart(error)),
        }
        self.plan(ctx);
        if self.stats.read().next_in_ms.is_none() && !self.stats.is_paused() {
            ctx.finish(); // a task that runs once has done so
        }
        Ok(())
    }
}

impl Actor for TaskActor {
    type Msg = TaskMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.up = Instant::now();
        self.stats.reset();
        self.plan(ctx);
        Ok(())
    }

    async fn handle(&mut self, message: TaskMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            TaskMsg::Due(plan) if plan == self.plan && self.run.is_none() => self.begin(ctx),
            TaskMsg::Due(_) => {} // an older plan, or an operator's run is under way
            TaskMsg::Finished { took, outcome } => return self.finished(took, outcome, ctx),
        }
        Ok(())
    }

    /// No new run; the one under way may end by itself.
    async fn drain(&mut self, _: &Ctx<Self>) {
        self.plan += 1;
        self.stats.plan(None);
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
            "run" => self.begin(ctx),
            "pause" => {
                self.stats.set_paused(true);
                self.plan += 1;
                self.stats.plan(None);
            }
            "resume" => {
                self.stats.set_paused(false);
                self.plan(ctx);
            }
            "status" => {}
            _ => return Err(call.unknown(&Self::admin_messages())),
        }
        Ok(json!({ "task": self.spec.name, "figures": self.stats.read() }))
    }
}
