//! One task as an actor.

mod child;

pub use child::backoff;
pub(crate) use child::{child, policy, rule};

use crate::{
    end::End,
    registry::{Registered, TaskRegistry},
    run::{self, Underway},
    schedule::{Next, Past},
};
use protocol::task::{Overlap, Schedule};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{Actor, Addr, AdminCall, AdminError, AdminSpec, Ctx, Failure, Message, RETRY_AFTER, Role};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a run is given to end when the next one takes its place.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// A task on a calendar looks at the clock this often while it waits: somebody may set it.
const CLOCK_LOOK: Duration = Duration::from_secs(30);
/// What a task says of itself while its run is due and the bot is not ready.
const NOT_READY: &str = "waits until the gateway is ready";

pub(crate) enum TaskMsg {
    /// The time of plan `n` has come.
    Due(u64),
    /// The time of plan `n` has come, but the bot is not ready.
    NotReady(u64),
    /// Run `n` was told to end, and has had time for it.
    CutOff(u64),
    /// A run is over.
    Finished(End),
    /// The monitor found it stalled.
    Stalled(String),
    /// It has new rules.
    Rules,
}

impl Message for TaskMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Due(_) => "due",
            Self::NotReady(_) => "not_ready",
            Self::CutOff(_) => "cut_off",
            Self::Finished(_) => "finished",
            Self::Stalled(_) => "stalled",
            Self::Rules => "rules",
        }
    }
}

pub(crate) fn addr(name: &str) -> Addr<TaskMsg> {
    Addr::new(TaskRegistry::path(name), 16)
}

struct TaskActor {
    task: Registered,
    registry: Arc<TaskRegistry>,
    plan: u64,
    /// Ends the waiting for the planned run.
    planned: Option<DropGuard>,
    /// No run begins any more.
    draining: bool,
    run: Option<Underway>,
}

impl TaskActor {
    fn new(task: Registered, registry: Arc<TaskRegistry>) -> Self {
        Self { task, registry, plan: 0, planned: None, draining: false, run: None }
    }

    fn is_once(&self) -> bool {
        matches!(self.task.spec.schedule, Schedule::Once(_))
    }

    /// What decides about the next run. What runs once and has failed is due again; what is complete is not.
    fn past(&self) -> Past {
        let stats = &self.task.stats;
        let dealt = stats.dealt().filter(|_| !self.is_once() || stats.is_complete());
        Past { first_up: stats.first_up().unwrap_or_else(|| self.registry.around.now()), dealt }
    }

    /// Plans the next run, if there is one and nobody has paused the task.
    fn plan(&mut self, ctx: &Ctx<Self>) {
        self.forget_plan(ctx);
        if self.task.stats.is_paused() || self.draining {
            return;
        }
        let task = self.task.clone();
        let around = Arc::clone(&self.registry.around);
        let jitter = task.spec.jitter.mul_f64(rand::random::<f64>());
        let (past, at_start) = (self.past(), task.spec.run_at_start);
        let next = move || task.table.next(at_start, past, around.now(), jitter);
        let Some(first) = next() else { return };
        self.task.stats.plan(Some(Instant::now() + first.wait));
        let (plan, me, mut ready) = (self.plan, ctx.me(), self.registry.around.ready.clone());
        let (looks, wait_until_ready) = (self.task.table.is_calendar(), self.task.spec.wait_until_ready);
        let waiting = async move {
            while let Some(Next { wait, .. }) = next().filter(|next| !next.wait.is_zero()) {
                tokio::time::sleep(if looks { wait.min(CLOCK_LOOK) } else { wait }).await;
            }
            if wait_until_ready && !*ready.borrow_and_update() {
                me.send(TaskMsg::NotReady(plan)).await.ok(); // as below
                if ready.wait_for(|ready| *ready).await.is_err() {
                    return; // the process is ending
                }
            }
            me.send(TaskMsg::Due(plan)).await.ok(); // the actor is gone, and this task with it
        };
        let until = CancellationToken::new();
        self.planned = Some(until.clone().drop_guard());
        ctx.spawn(async move {
            until.run_until_cancelled(waiting).await; // cancelled: another plan took its place
        });
    }

    /// Nothing is planned any more, and nothing waited for.
    fn forget_plan(&mut self, ctx: &Ctx<Self>) {
        self.plan += 1;
        self.planned = None;
        self.task.stats.plan(None);
        ctx.available();
    }

    /// A run is due: it begins, unless one is under way or something it requires is not there.
    fn due(&mut self, ctx: &Ctx<Self>) {
        let (task, around) = (&self.task, &self.registry.around);
        if let Some(next) = task.table.next(task.spec.run_at_start, self.past(), around.now(), Duration::ZERO)
            && next.missed > 0
        {
            task.stats.miss(next.missed);
            tracing::info!(task = task.spec.name, missed = next.missed, "runs were missed: this one stands for them");
        }
        let Some(run) = &mut self.run else { return self.begin(ctx) };
        match task.spec.overlap {
            Overlap::Skip => {
                task.stats.overlap(around.now());
                let reason = "the run before is still under way";
                tracing::debug!(task = task.spec.name, operation = "run", reason, "the run was skipped");
                self.plan(ctx);
            }
            Overlap::CancelOld if !run.superseded => {
                run.superseded = true;
                run.cancel.cancel();
                ctx.send_after(CANCEL_GRACE, TaskMsg::CutOff(run.number));
            }
            // It is planned again when the one under way is over.
            Overlap::CancelOld | Overlap::Queue => {}
        }
    }

    fn begin(&mut self, ctx: &Ctx<Self>) {
        ctx.available();
        let around = Arc::clone(&self.registry.around);
        let ready = *around.ready.borrow();
        let unmet = self.task.spec.requires.iter().find_map(|it| it.unmet(ready, around.cache.as_deref()));
        if let Some(reason) = unmet {
            run::skip(&self.task, &around, reason);
            return self.go_on(ctx);
        }
        let (underway, work) = run::begin(&self.task, &around, &ctx.stopping());
        self.run = Some(underway);
        let me = ctx.me();
        ctx.spawn(async move {
            let end = work.await;
            me.send(TaskMsg::Finished(end)).await.ok(); // the actor is gone
        });
        // A queued run is due when this one is over; the others are due while it is under way.
        if self.task.spec.overlap != Overlap::Queue && !self.is_once() {
            self.plan(ctx);
        }
    }

    fn finished(&mut self, end: &End, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let superseded = self.run.take().is_some_and(|run| run.superseded);
        if let Some(error) = end.error() {
            // The restart rule counts it, waits out the cooldown and, past the limit, parks the task.
            self.task.stats.charge();
            return Err(Failure::restart(error));
        }
        if superseded && !self.draining && !self.task.stats.is_paused() {
            self.begin(ctx);
        } else {
            self.go_on(ctx);
        }
        Ok(())
    }

    /// Takes its new rules on. A run under way ends under those that it began with.
    fn adopt(&mut self, ctx: &Ctx<Self>) {
        self.task = self.registry.now(&self.task);
        if self.run.is_none() || self.task.spec.overlap != Overlap::Queue {
            self.plan(ctx);
        }
    }

    /// Plans the next run; a task that runs once and has done so is finished.
    fn go_on(&mut self, ctx: &Ctx<Self>) {
        self.plan(ctx);
        let stats = &self.task.stats;
        if self.is_once() && stats.is_complete() && !stats.is_paused() && self.run.is_none() {
            ctx.finish();
        }
    }
}

impl Actor for TaskActor {
    type Msg = TaskMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let (spec, stats) = (&self.task.spec, &self.task.stats);
        if let Some(used) = stats.is_spent(spec.restart_limit, spec.restart_window) {
            return Err(Failure::fatal(format!(
                "its restart limit is used up, {used} failures counting those before it was registered anew"
            )));
        }
        if stats.come_up(self.registry.around.now()) {
            metering::tasks::restarted(spec.name.as_str());
        }
        self.plan(ctx);
        Ok(())
    }

    async fn handle(&mut self, message: TaskMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            TaskMsg::Due(plan) if plan == self.plan => {
                self.planned = None;
                self.due(ctx);
            }
            TaskMsg::NotReady(plan) if plan == self.plan && self.run.is_none() => {
                self.task.stats.wait(NOT_READY);
                ctx.unavailable(NOT_READY, RETRY_AFTER);
            }
            TaskMsg::CutOff(number) => {
                if let Some(run) = self.run.as_ref().filter(|run| run.number == number) {
                    run.cut.cancel();
                }
            }
            TaskMsg::Due(_) | TaskMsg::NotReady(_) => {} // an older plan, or an operator's run is under way
            TaskMsg::Finished(end) => return self.finished(&end, ctx),
            TaskMsg::Rules => self.adopt(ctx),
            TaskMsg::Stalled(reason) => {
                self.task.stats.charge();
                return Err(Failure::restart(format!("stalled: {reason}")));
            }
        }
        Ok(())
    }

    fn resumed(&mut self, _: &Ctx<Self>) {
        self.task.stats.excuse();
    }

    /// No new run; the one under way may end by itself.
    async fn drain(&mut self, ctx: &Ctx<Self>) {
        self.draining = true;
        self.task.stats.drain();
        self.forget_plan(ctx);
    }

    /// Waits for the run under way, which has been told to end; its deadline cuts it off.
    async fn stop(&mut self, _: &Ctx<Self>) {
        self.registry.way_down.stopping(&self.task.spec);
        if let Some(mut run) = self.run.take() {
            run.cancel.cancel();
            while run.over.changed().await.is_ok() {}
        }
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
                self.task.stats.set_paused(true);
                self.forget_plan(ctx);
            }
            "resume" => {
                self.task.stats.set_paused(false);
                if self.run.is_none() {
                    self.go_on(ctx); // else the end of the run plans the next one
                }
            }
            "status" => {}
            _ => return Err(call.unknown(&Self::admin_messages())),
        }
        Ok(json!({ "task": self.task.spec.name, "figures": self.task.stats.read() }))
    }
}
