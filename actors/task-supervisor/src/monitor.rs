//! The worker that brings registered tasks up as its siblings, and looks whether they all are.

use crate::{
    registry::{Registered, TaskRegistry},
    task,
};
use protocol::task::Priority;
use std::{sync::Arc, time::Duration};
use supervision::{
    Actor, ActorPath, AdminCall, AdminError, AdminSpec, ChildSpec, Ctx, Failure, Message, OrderError, Reply, Role,
    core::Refusal,
};

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
    // The highest rank: it starts before every task and stops after them.
    ChildSpec::worker(&addr, move || Monitor { every, registry: Arc::clone(&registry) }).rank(i32::MAX)
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
                ctx.send_after(self.every, MonitorMsg::Look);
                ctx.spawn(async move { look(&registry).await });
            }
        }
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![AdminSpec::new("look", Role::Operate, "Brings up registered tasks that are not there.")]
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

/// Brings up what is registered and has no child yet: critical ones first. A child that is parked or was stopped by an
/// operator is there, and stays as it is.
async fn look(registry: &TaskRegistry) {
    let mut tasks = registry.all();
    tasks.sort_by_key(|task| std::cmp::Reverse(task::rank(&task.spec)));
    for task in tasks {
        let there = registry.tree.get().and_then(|tree| tree.node(&TaskRegistry::path(&task.spec.name)));
        if there.is_some() || task.is_over() {
            continue;
        }
        if let Err(refused) = bring(registry, &task).await {
            tracing::error!(task = refused.name, reason = refused.reason, "the task could not be started");
        }
    }
}

async fn bring(registry: &TaskRegistry, task: &Registered) -> Result<(), NotBrought> {
    let name = task.spec.name.clone();
    let Some(tree) = registry.tree.get() else {
        return Err(NotBrought { name, reason: "there is no tree to run in".to_owned() });
    };
    let _moving = registry.moving.lock().await;
    if !registry.holds(task) {
        return Err(NotBrought { name, reason: "it was unregistered meanwhile".to_owned() });
    }
    let spec = task::child(task, registry.ready.clone());
    match tree.start_child(&ActorPath::from(crate::PATH), spec).await {
        Ok(_) | Err(OrderError::Refused { refusal: Refusal::AlreadyStarted, .. }) => Ok(()),
        Err(error) => Err(NotBrought { name, reason: error.to_string() }),
    }
}

const _: () = assert!((Priority::Critical as i32) < 1_000, "the monitor outranks every task");
