//! `cog-host/<cog>`: owns a cog's state, its load and unload, and its crash budget.

use crate::{
    budget::{CRASH_WINDOW, CRASHES_MAX, CrashBudget},
    cell::{CogCell, Phase},
    cog::DeclaredTask,
    context::{CogCtx, Services},
    reply::Failure as Refusal,
};
use protocol::task::{RegisterError, TaskSpec};
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use supervision::{Actor, AdminCall, AdminError, AdminSpec, Ctx, Failure, Message, Overflow, Reply, Role};

/// How long a cog's load hook may take.
pub const LOAD_DEADLINE: Duration = Duration::from_secs(4);
/// How long its unload hook may take; with the tasks' end it fits into the 5 s that an actor has to stop.
pub const UNLOAD_DEADLINE: Duration = Duration::from_secs(2);
/// How long registering a cog's tasks may take before it is tried again, and stopping them before it is given up.
const REGISTER_DEADLINE: Duration = Duration::from_secs(2);
/// First and longest pause before registering tasks is tried again: the task supervisor starts after the cogs.
const REGISTER_AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What a cog's actor is told.
#[derive(Debug)]
pub enum CogMsg {
    /// One of its commands panicked.
    Panicked {
        /// The command.
        command: String,
        /// The panic's message.
        message: String,
    },
    /// Change what the cog does.
    Change(Change, Reply<Result<&'static str, String>>),
    /// Register its tasks; sent to itself.
    Register {
        /// How long to pause when that fails.
        pause: Duration,
    },
    /// Panic: asked for by `crash`.
    Crash,
}

/// What an operator may do with a cog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Load it.
    Load,
    /// Unload it; its commands are off.
    Unload,
    /// Unload and load.
    Reload,
    /// Load it, and load it again at a restart.
    Enable,
    /// Unload it, and leave it out at a restart.
    Disable,
}

impl Message for CogMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Panicked { .. } => "panicked",
            Self::Change(..) => "change",
            Self::Register { .. } => "register",
            Self::Crash => "crash",
        }
    }

    fn overflow(&self) -> Overflow {
        match self {
            Self::Panicked { .. } | Self::Register { .. } => Overflow::Shed,
            Self::Change(..) | Self::Crash => Overflow::Fail,
        }
    }
}

pub(crate) struct CogActor {
    cell: Arc<CogCell>,
    services: Arc<Services>,
    sandbox: bool,
    budget: CrashBudget,
    loaded: Option<CogCtx>,
}

impl CogActor {
    pub(crate) fn new(cell: Arc<CogCell>, services: Arc<Services>, sandbox: bool) -> Self {
        Self { cell, services, sandbox, budget: CrashBudget::default(), loaded: None }
    }

    async fn load(&mut self, ctx: &Ctx<Self>) -> Result<(), String> {
        if self.loaded.is_some() {
            return Ok(());
        }
        self.cell.set_phase(Phase::Loading);
        self.forget_tasks().await; // what an earlier incarnation left behind holds its state
        let state = (self.cell.cog.state)();
        let cog_ctx =
            CogCtx { services: Arc::clone(&self.services), cell: Arc::clone(&self.cell), state: Arc::clone(&state) };
        if let Some(hook) = &self.cell.cog.load {
            let done = tokio::time::timeout(LOAD_DEADLINE, hook(&cog_ctx)).await;
            let problem = match done {
                Ok(Ok(())) => None,
                Ok(Err(refusal)) => Some(said(&refusal)),
                Err(_) => Some(format!("loading took longer than {} s", LOAD_DEADLINE.as_secs())),
            };
            if let Some(reason) = problem {
                self.cell.set_phase(Phase::Failed { reason: reason.clone() });
                return Err(reason);
            }
        }
        self.loaded = Some(cog_ctx);
        self.cell.set_phase(Phase::Loaded { incarnation: ctx.incarnation(), state });
        if self.cell.cog.tasks.iter().any(|task| task.equip.is_some()) {
            ctx.me().try_send(CogMsg::Register { pause: REGISTER_AGAIN.0 }).ok(); // a full mailbox is one of reports
        }
        Ok(())
    }

    async fn unload(&mut self, after: Phase) {
        let Some(cog_ctx) = self.loaded.take() else {
            self.cell.set_phase(after);
            return;
        };
        self.cell.set_phase(after); // no new invocation while the hook runs
        let name = self.cell.cog.name;
        self.forget_tasks().await;
        if let Some(hook) = &self.cell.cog.unload {
            match tokio::time::timeout(UNLOAD_DEADLINE, hook(&cog_ctx)).await {
                Ok(Ok(())) => {}
                Ok(Err(refusal)) => tracing::warn!(cog = name, problem = said(&refusal), "unloading failed"),
                Err(_) => tracing::warn!(cog = name, "unloading took longer than {} s", UNLOAD_DEADLINE.as_secs()),
            }
        }
    }

    /// Stops its tasks: those of its manifest, and those that its hooks and commands have registered.
    async fn forget_tasks(&self) {
        let name = self.cell.cog.name;
        let gone = self.services.background.unregister_cog(name);
        if tokio::time::timeout(REGISTER_DEADLINE, gone).await.is_err() {
            tracing::warn!(cog = name, "its tasks could not be stopped in time");
        }
    }

    async fn change(&mut self, change: Change, ctx: &Ctx<Self>) -> Result<&'static str, String> {
        match change {
            Change::Load | Change::Reload if self.cell.disabled.load(Relaxed) => {
                return Err("it is disabled: enable it first".to_owned());
            }
            Change::Reload => {
                self.unload(Phase::Loading).await;
                self.load(ctx).await?;
            }
            Change::Load => self.load(ctx).await?,
            Change::Enable => {
                self.cell.disabled.store(false, Relaxed);
                self.load(ctx).await?;
            }
            Change::Unload => self.unload(Phase::Unloaded).await,
            Change::Disable => {
                self.cell.disabled.store(true, Relaxed);
                self.unload(Phase::Unloaded).await;
            }
        }
        Ok(self.cell.word())
    }

    async fn register(&mut self, pause: Duration, ctx: &Ctx<Self>) {
        let Some(cog_ctx) = &self.loaded else { return };
        let (name, background) = (self.cell.cog.name, &self.services.background);
        let equipped = |task: &DeclaredTask| task.equip.as_ref()?(cog_ctx, task.spec.clone());
        let specs: Vec<TaskSpec> = self.cell.cog.tasks.iter().filter_map(equipped).collect();
        let work = async {
            for spec in specs {
                let task = spec.name.clone();
                background.unregister(name, &task).await; // of an earlier try that was cut off
                match background.register(spec).await {
                    Ok(()) => {}
                    Err(RegisterError::Unavailable) => return false,
                    Err(error) => {
                        tracing::error!(cog = name, task, %error, "a task could not be registered, or not be started")
                    }
                }
            }
            true
        };
        if !tokio::time::timeout(REGISTER_DEADLINE, work).await.unwrap_or(false) {
            ctx.send_after(pause, CogMsg::Register { pause: (pause * 2).min(REGISTER_AGAIN.1) });
        }
    }

    fn status(&self) -> Value {
        json!({
            "state": self.cell.word(),
            "reason": self.cell.reason(),
            "invocations": self.cell.invocations.load(Relaxed),
            "panics": self.cell.panics.load(Relaxed),
            "crash_budget": { "used": self.budget.used(), "allowed": CRASHES_MAX, "window_s": CRASH_WINDOW.as_secs() },
        })
    }
}

impl Actor for CogActor {
    type Msg = CogMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        if self.cell.disabled.load(Relaxed) {
            self.cell.set_phase(Phase::Unloaded);
            return Ok(());
        }
        self.load(ctx).await.map_err(Failure::restart)
    }

    async fn handle(&mut self, message: CogMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            CogMsg::Panicked { command, message } => {
                if self.budget.crashed(tokio::time::Instant::now()) {
                    let window = CRASH_WINDOW.as_secs() / 60;
                    return Err(Failure::restart(format!(
                        "{CRASHES_MAX} panics within {window} min, the last in `{command}`: {message}"
                    )));
                }
            }
            CogMsg::Change(change, reply) => reply.send(self.change(change, ctx).await),
            CogMsg::Register { pause } => self.register(pause, ctx).await,
            #[expect(clippy::panic, reason = "an owner asked for a crash to see the restart")]
            CogMsg::Crash => panic!("crashed on request"),
        }
        Ok(())
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        self.unload(Phase::Down).await;
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("status", Role::Observe, "Whether it is loaded, its invocations, panics and crash budget"),
            AdminSpec::new("load", Role::Operate, "Loads it"),
            AdminSpec::new("unload", Role::Operate, "Unloads it: its commands are off until it is loaded"),
            AdminSpec::new("reload", Role::Operate, "Unloads it and loads it anew"),
            AdminSpec::new("enable", Role::Operate, "Loads it and keeps it loaded"),
            AdminSpec::new("disable", Role::Operate, "Unloads it and leaves it out at restarts of its actor"),
            AdminSpec::new("crash", Role::Admin, "Panics, to see the restart; only in the sandbox"),
        ]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        let change = match call.name.as_str() {
            "status" => return Ok(self.status()),
            "load" => Change::Load,
            "unload" => Change::Unload,
            "reload" => Change::Reload,
            "enable" => Change::Enable,
            "disable" => Change::Disable,
            "crash" if self.sandbox => {
                ctx.me().try_send(CogMsg::Crash).map_err(AdminError::refused)?;
                return Ok(json!({ "crashing": true }));
            }
            "crash" => return Err(AdminError::refused("crash works only in the sandbox")),
            _ => return Err(call.unknown(&Self::admin_messages())),
        };
        let state = self.change(change, ctx).await.map_err(AdminError::refused)?;
        Ok(json!({ "state": state }))
    }
}

/// A refusal as an operator reads it.
fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Refused(what) | Refusal::Unavailable { what, .. } => what.clone(),
        Refusal::Internal { message, .. } => message.clone(),
    }
}
