//! An actor that does as it is told, and a log of everything it did.

use crate::{
    Actor, ActorPath, Addr, AdminCall, AdminError, AdminSpec, ChildSpec, Ctx, Exit, Failure, Flags, Message,
    NoObserver, Planes, Reply, Role, Status, Strategy, Tree,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// What happened, in order: `+a#1` came up, `-a#1` stopped politely, `~a#1` was dropped.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(super) fn push(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    /// What happened so far; forgets it.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Debug)]
pub(super) enum Say {
    Panic,
    Fail,
    Fatal,
    Finish,
    /// Fails by [`Ctx::fail`], from inside a handler that returns `Ok`.
    FailByCtx,
    Sleep(Duration),
    Block(Duration),
    PanicInTask,
    Unavailable,
    Available,
    Note(String),
    Ask(Reply<u64>),
}

impl Message for Say {
    fn name(&self) -> &'static str {
        "say"
    }
}

/// What the admin message `wanted` takes. Unknown keys would pass its reader: the kernel is to refuse them.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Wanted {
    guild: u64,
    #[serde(default)]
    limit: Option<u64>,
}

/// How a probe behaves in each incarnation.
#[derive(Clone, Default)]
pub(super) struct Plan {
    /// `start` fails in these incarnations.
    pub(super) fail_start: Vec<u64>,
    /// `start` takes this long.
    pub(super) start_takes: Duration,
    /// `stop` takes this long.
    pub(super) stop_takes: Duration,
    /// `start` takes a permit from here first.
    pub(super) gate: Option<Arc<tokio::sync::Semaphore>>,
    /// Dropping the state takes this long (it blocks).
    pub(super) drop_takes: Duration,
}

pub(super) struct Probe {
    log: Log,
    name: String,
    plan: Plan,
}

impl Drop for Probe {
    fn drop(&mut self) {
        block(self.plan.drop_takes);
        self.log.push(format!("~{}", self.name));
    }
}

impl Actor for Probe {
    type Msg = Say;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.name = format!("{}#{}", ctx.path().id(), ctx.incarnation());
        if let Some(gate) = &self.plan.gate {
            gate.acquire().await.unwrap().forget();
        }
        if !self.plan.start_takes.is_zero() {
            tokio::time::sleep(self.plan.start_takes).await;
        }
        if self.plan.fail_start.contains(&ctx.incarnation()) {
            return Err(Failure::restart("told to fail"));
        }
        self.log.push(format!("+{}", self.name));
        Ok(())
    }

    async fn handle(&mut self, say: Say, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match say {
            Say::Panic => panic!("told to panic"),
            Say::Fail => return Err(Failure::restart("told to fail")),
            Say::Fatal => return Err(Failure::fatal("told to be fatal")),
            Say::Finish => ctx.finish(),
            Say::FailByCtx => ctx.fail(Failure::restart("told to fail")),
            Say::Sleep(time) => tokio::time::sleep(time).await,
            Say::Block(time) => block(time),
            Say::PanicInTask => ctx.spawn(async { panic!("told to panic in a task") }),
            Say::Unavailable => ctx.unavailable("told to", Duration::from_secs(1)),
            Say::Available => ctx.available(),
            Say::Note(what) => self.log.push(what),
            Say::Ask(reply) => reply.send(ctx.incarnation()),
        }
        Ok(())
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        tokio::time::sleep(self.plan.stop_takes).await;
        self.log.push(format!("-{}", self.name));
    }

    fn suspended(&mut self, missing: &[ActorPath], _: &Ctx<Self>) {
        self.log.push(format!("{} suspended by {missing:?}", self.name));
    }

    fn resumed(&mut self, _: &Ctx<Self>) {
        self.log.push(format!("{} resumed", self.name));
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::with::<Value>("echo", Role::Observe, "Answers what it was sent."),
            AdminSpec::new("bare", Role::Observe, "Answers what it was sent; takes nothing."),
            AdminSpec::with::<Wanted>("wanted", Role::Observe, "Answers the guild and the limit it was sent."),
        ]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        if call.name == "wanted" {
            let Wanted { guild, limit } = call.params()?;
            return Ok(serde_json::json!([guild, limit]));
        }
        Ok(call.params)
    }
}

/// A probe's spec and address. Its log entries bear the last segment of `path`.
pub(super) fn probe(path: &str, log: &Log, plan: Plan) -> (Addr<Say>, ChildSpec) {
    let addr = Addr::new(path, 8);
    let (log, name) = (log.clone(), path.to_owned());
    let spec = ChildSpec::worker(&addr, move || Probe { log: log.clone(), name: name.clone(), plan: plan.clone() });
    (addr, spec)
}

pub(super) async fn tree(flags: Flags, children: Vec<ChildSpec>) -> Tree {
    crate::install_panic_hook();
    Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.expect("the root is made")
}

/// A one_for_one tree that is up.
pub(super) async fn up(children: Vec<ChildSpec>) -> Tree {
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 3;
    let tree = tree(flags, children).await;
    tree.started().await.expect("every child starts");
    tree
}

/// Waits, a virtual hour at most, until `holds`.
pub(super) async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..3_600_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("never came true: {what}");
}

pub(super) async fn until_incarnation(tree: &Tree, path: &str, incarnation: u64) {
    let path = ActorPath::from(path);
    until(&format!("{path}#{incarnation} runs"), || {
        tree.node(&path).is_some_and(|node| node.incarnation == incarnation && node.status == Status::Running)
    })
    .await;
}

pub(super) fn last_exit(tree: &Tree, path: &str) -> Option<Exit> {
    tree.node(&path.into()).and_then(|node| node.last_exit)
}

/// Blocks the thread, as code does that no runtime can interrupt.
#[expect(clippy::disallowed_methods, reason = "a blocked thread is what is being tested")]
fn block(time: Duration) {
    std::thread::sleep(time);
}
