//! The kernel's methods on the control channel: the tree, its decisions, and orders to actors.

mod crashes;
mod poison;

use crate::wire;
use chrono::Utc;
use protocol::method::{Asked, Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{
    ADMIN_DEADLINE, ActorPath, AdminError, AdminSpec, Node, OrderError, Role, Status, Tree, Verb,
    core::{Outcome, policy::Kind},
};
use tokio::sync::{broadcast, mpsc};

/// Decisions that one answer holds at most.
const DECISIONS_MAX: usize = 1_000;
/// Decisions that wait for a slow subscriber.
const STREAM_MAX: usize = 256;
/// The longest that `actor.send` waits for its actor.
const SEND_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct AtPath {
    /// The actor, e.g. `gateway/shard-0`.
    path: String,
    /// How many decisions at most.
    #[serde(default)]
    limit: Option<usize>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Since {
    /// Only decisions after this number.
    #[serde(default)]
    after: u64,
    /// How many at most.
    #[serde(default)]
    limit: Option<usize>,
    /// Only decisions about this actor and what stands below it.
    #[serde(default)]
    path: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Send {
    /// The actor.
    path: String,
    /// The message's name.
    message: String,
    /// Its argument.
    #[serde(default)]
    params: Value,
    /// How long to wait for the answer, in milliseconds (5,000 unless given, 60,000 at most).
    #[serde(default)]
    deadline_ms: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Operate {
    /// The actor.
    path: String,
    /// For `restart`: budget and cooldown are overridden. For `stop control`: yes, really.
    #[serde(default)]
    force: bool,
}

/// `tree.get`, `tree.explain`, `tree.crash`, `poison.list`, `poison.show`, `poison.release`, `poison.drop`, `tree.log`, `events.recent`, `events.subscribe`, `actor.messages`, `actor.send`,
/// `actor.restart`, `actor.stop`, `actor.start`, `actor.kill`.
pub fn methods(tree: &Tree) -> Vec<Method> {
    let mut methods = vec![get(tree.clone()), log(tree.clone()), explain(tree.clone()), recent(tree.clone())];
    methods.extend([subscribe(tree.clone()), messages(tree.clone()), send(tree.clone())]);
    let orders: [Order; 4] = [
        ("actor.restart", "Stops an actor and starts it again, within its budget unless forced.", |force| {
            Verb::Restart { force }
        }),
        ("actor.stop", "Stops an actor; it stays down until it is started.", |_| Verb::Stop),
        ("actor.start", "Starts an actor that is down or parked.", |_| Verb::Start),
        ("actor.kill", "Kills an actor's incarnation; its restart rule answers.", |_| Verb::Kill),
    ];
    methods.extend(crashes::methods(tree));
    methods.extend(poison::methods(tree));
    methods.extend(orders.map(|(name, about, verb)| order(tree.clone(), name, about, verb)));
    methods
}

/// A method's name, what it does, and its verb, which may be forced.
type Order = (&'static str, &'static str, fn(bool) -> Verb);

fn get(tree: Tree) -> Method {
    Method::read("tree.get", "Every actor: path, state, incarnation, budget, mailbox.", move |_: NoParams, _| {
        let shown = wire::tree(&tree.nodes(), Utc::now());
        async move { Ok(shown) }
    })
}

fn log(tree: Tree) -> Method {
    Method::read("tree.log", "Writes the tree into the log.", move |_: NoParams, _| {
        crate::treelog::write(&tree, "asked for");
        async move { Ok(json!({ "logged": true })) }
    })
}

fn explain(tree: Tree) -> Method {
    Method::read("tree.explain", "Why an actor is where it is: its decisions, oldest first.", move |at: AtPath, _| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(at.path);
            let entries = tree.explain(&path, at.limit.unwrap_or(100).min(DECISIONS_MAX));
            let node = tree.node(&path);
            if node.is_none() && entries.is_empty() {
                return Err(unknown(&tree, &path).into());
            }
            Ok(json!({
                "path": path,
                "state": node.as_ref().map_or("gone", |node| node.status.name()),
                "node": node.as_ref().map(wire::node),
                "crashes": tree.crashes(&path).iter().map(|crash| wire::crash(crash, false)).collect::<Vec<_>>(),
                "decisions": entries.iter().map(|entry| wire::decision(entry)).collect::<Vec<_>>(),
            }))
        }
    })
}

fn recent(tree: Tree) -> Method {
    Method::read("events.recent", "The last decisions of every supervisor, oldest first.", move |since: Since, _| {
        let within = since.path.map(ActorPath::from);
        let known = heard_of(&tree, within.as_ref());
        let limit = since.limit.unwrap_or(50).min(DECISIONS_MAX);
        let mut entries = tree.decisions(since.after, usize::MAX);
        entries.retain(|entry| within.as_ref().is_none_or(|path| entry.path.is_within(path)));
        let entries = entries.split_off(entries.len().saturating_sub(limit));
        let shown: Vec<Value> = entries.iter().map(|entry| wire::decision(entry)).collect();
        async move { known.map(|()| json!({ "events": shown })) }
    })
}

/// Refuses a path that is not in the tree and of which no decision tells.
fn heard_of(tree: &Tree, path: Option<&ActorPath>) -> Result<(), MethodError> {
    let Some(path) = path.filter(|path| tree.node(path).is_none()) else { return Ok(()) };
    let gone = tree.decisions(0, usize::MAX).iter().any(|entry| entry.path.is_within(path));
    if gone { Ok(()) } else { Err(unknown(tree, path).into()) }
}

fn unknown(tree: &Tree, path: &ActorPath) -> AdminError {
    AdminError::UnknownPath { path: path.to_string(), suggestion: tree.nearest(path) }
}

fn subscribe(tree: Tree) -> Method {
    Method::stream("events.subscribe", "Decisions as they are made.", move |since: Since, _| {
        let within = since.path.map(ActorPath::from);
        let known = heard_of(&tree, within.as_ref());
        let mut entries = tree.subscribe();
        let (send, items) = mpsc::channel(STREAM_MAX);
        tokio::spawn(async move {
            loop {
                let next = tokio::select! {
                    next = entries.recv() => next,
                    () = send.closed() => return, // nobody listens any more, and nothing may ever happen again
                };
                let item = match next {
                    Ok(entry) if within.as_ref().is_none_or(|path| entry.path.is_within(path)) => {
                        wire::decision(&entry)
                    }
                    Ok(_) => continue,
                    Err(broadcast::error::RecvError::Lagged(lost)) => json!({ "lost": lost }),
                    Err(broadcast::error::RecvError::Closed) => return,
                };
                if send.send(item).await.is_err() {
                    return; // nobody listens any more
                }
            }
        });
        async move { known.map(|()| items) }
    })
}

fn messages(tree: Tree) -> Method {
    Method::read("actor.messages", "What an actor can be told: names, roles, schemas.", move |at: AtPath, _| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(at.path);
            let node = tree.node(&path).ok_or_else(|| unknown(&tree, &path))?;
            let specs = tree.messages(&path);
            let mut answer = json!({ "path": path, "messages": specs.as_deref().unwrap_or_default() });
            if let Some(note) = takes_none(&node) {
                answer["note"] = note.into();
            }
            Ok(answer)
        }
    })
}

/// Why an actor takes no messages, and what acts on it: a supervisor runs nobody's code but its children's.
fn takes_none(node: &Node) -> Option<String> {
    let path = &node.path;
    match node.kind {
        Kind::Worker => None,
        Kind::Supervisor if path.is_root() => Some(
            "root is a supervisor and takes no messages itself: `shutdown` stops it; `messages` and `tell` are for the \
             actors below it, which `tree` shows"
                .to_owned(),
        ),
        Kind::Supervisor => Some(format!(
            "{path} is a supervisor and takes no messages itself: restart, stop, start and kill act on it; `messages` \
             and `tell` are for the actors below it, which `tree` shows"
        )),
    }
}

fn send(tree: Tree) -> Method {
    let about = "Sends an admin message through an actor's mailbox and waits for its answer.";
    let target = |send: &Send| ActorPath::from(send.path.as_str());
    let checking = tree.clone();
    let check = move |send: Send, asked: Asked| {
        let checked = could_tell(&checking, send, asked.peer.role);
        async move { checked }
    };
    Method::write("actor.send", Role::Observe, about, target, check, move |send: Send, asked: Asked| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(send.path);
            let deadline = send.deadline_ms.map_or(ADMIN_DEADLINE, Duration::from_millis).min(SEND_MAX);
            let answer = tree.tell(&path, &send.message, send.params, deadline, asked.if_incarnation).await?;
            Ok(json!({ "path": path, "answer": answer }))
        }
    })
}

/// Whether an actor is there and understands the message; what the argument holds is for the actor to judge.
fn could_tell(tree: &Tree, send: Send, role: Role) -> Result<Checked<Send>, MethodError> {
    let path = ActorPath::from(send.path.as_str());
    let node = tree.node(&path).ok_or_else(|| unknown(tree, &path))?;
    if let Some(why) = takes_none(&node) {
        return Err(AdminError::Refused { reason: why }.into());
    }
    let specs = tree.messages(&path).unwrap_or_default();
    let Some(spec) = specs.iter().find(|spec: &&AdminSpec| spec.name == send.message) else {
        let known = specs.iter().map(|spec| spec.name.to_owned()).collect();
        return Err(AdminError::UnknownMessage { name: send.message, known }.into());
    };
    if role < spec.role {
        return Err(MethodError::refused(format!("{:?} needs the role {}; you have {role}", send.message, spec.role)));
    }
    if !matches!(node.status, Status::Running | Status::Suspended | Status::Starting) {
        let state = node.status.name().to_owned();
        return Err(AdminError::NotRunning { path: send.path, state }.into());
    }
    spec.admit(send.params.clone())?;
    let would = json!({ "message": send.message, "state": node.status.name() });
    Ok(Checked::new(send).telling(would))
}

/// Tells an actor something as an operator does who may do everything.
///
/// # Errors
/// What [`Tree::tell`] refuses, and what a supervisor says to any message.
pub(crate) async fn tell(tree: &Tree, path: &ActorPath, message: &str, params: Value) -> Result<Value, AdminError> {
    if let Some(reason) = tree.node(path).as_ref().and_then(takes_none) {
        return Err(AdminError::Refused { reason });
    }
    tree.tell(path, message, params, ADMIN_DEADLINE, None).await
}

fn order(tree: Tree, name: &'static str, about: &'static str, verb: fn(bool) -> Verb) -> Method {
    let target = |asked: &Operate| ActorPath::from(asked.path.as_str());
    let checking = tree.clone();
    let check = move |operate: Operate, asked: Asked| {
        let tree = checking.clone();
        async move {
            let order = Ordered { path: operate.path.into(), verb: verb(operate.force), force: operate.force };
            let would = order.carry_out(&tree, asked.if_incarnation, true).await?;
            Ok(Checked::new(order).telling(json!({ "done": would })))
        }
    };
    Method::write(name, Role::Admin, about, target, check, move |order: Ordered, asked: Asked| {
        let tree = tree.clone();
        async move {
            let done = order.carry_out(&tree, asked.if_incarnation, false).await?;
            Ok(json!({ "path": order.path, "dry_run": false, "done": done }))
        }
    })
}

/// An operator's order to an actor, wherever it was given: over the channel, or on the prompt of `try`.
pub(crate) struct Ordered {
    /// The actor.
    pub(crate) path: ActorPath,
    /// What is to happen to it.
    pub(crate) verb: Verb,
    /// Whether the operator insists.
    pub(crate) force: bool,
}

impl Ordered {
    /// Carries it out, or with `dry_run` only finds out whether it could be.
    ///
    /// # Errors
    /// What the tree refuses; and stopping the control channel, unless forced.
    pub(crate) async fn carry_out(
        &self,
        tree: &Tree,
        if_incarnation: Option<u64>,
        dry_run: bool,
    ) -> Result<Outcome, AdminError> {
        if self.verb == Verb::Stop && self.path.as_str() == control::PATH && !self.force {
            return Err(AdminError::refused(
                "stopping control locks every operator out until the process ends; use --force if you mean it",
            ));
        }
        tree.order(&self.path, self.verb, if_incarnation, dry_run).await.map_err(refused)
    }
}

/// The same refusal with the same detail, whichever method met it.
fn refused(error: OrderError) -> AdminError {
    match error {
        OrderError::UnknownPath { path, suggestion } => AdminError::UnknownPath { path, suggestion },
        OrderError::StaleIncarnation { path, wanted, actual } => AdminError::StaleIncarnation { path, wanted, actual },
        other => AdminError::refused(other),
    }
}

/// Holds the incarnation that a mutation means against the one that is there.
pub fn incarnations(tree: &Tree) -> control::Incarnations {
    let tree = tree.clone();
    Arc::new(move |path, wanted| {
        let actual = tree.node(path).ok_or_else(|| unknown(&tree, path))?.incarnation;
        let stale = || AdminError::StaleIncarnation { path: path.to_string(), wanted, actual };
        if wanted == actual { Ok(()) } else { Err(stale()) }
    })
}

/// What the tree offers to cogs: reading it, telling actors.
pub type SharedTree = Arc<std::sync::OnceLock<Tree>>;
