//! The kernel's methods on the control channel: the tree, its decisions, and orders to actors.

use crate::wire;
use chrono::Utc;
use protocol::method::{Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{ADMIN_DEADLINE, ActorPath, AdminError, AdminSpec, OrderError, Role, Tree, Verb};
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
    /// Only if this incarnation is still there.
    #[serde(default)]
    if_incarnation: Option<u64>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Operate {
    /// The actor.
    path: String,
    /// For `restart`: budget and cooldown are overridden. For `stop control`: yes, really.
    #[serde(default)]
    force: bool,
    /// Only if this incarnation is still there.
    #[serde(default)]
    if_incarnation: Option<u64>,
    /// Only check, change nothing.
    #[serde(default)]
    dry_run: bool,
}

/// `tree.get`, `tree.explain`, `tree.log`, `events.recent`, `events.subscribe`, `actor.messages`, `actor.send`,
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
                let suggestion = tree.nearest(&path);
                return Err(AdminError::UnknownPath { path: path.to_string(), suggestion }.into());
            }
            Ok(json!({
                "path": path,
                "state": node.as_ref().map_or("gone", |node| node.status.name()),
                "node": node.as_ref().map(wire::node),
                "decisions": entries.iter().map(|entry| wire::decision(entry)).collect::<Vec<_>>(),
            }))
        }
    })
}

fn recent(tree: Tree) -> Method {
    Method::read("events.recent", "The last decisions of every supervisor, oldest first.", move |since: Since, _| {
        let within = since.path.map(ActorPath::from);
        let limit = since.limit.unwrap_or(50).min(DECISIONS_MAX);
        let mut entries = tree.decisions(since.after, usize::MAX);
        entries.retain(|entry| within.as_ref().is_none_or(|path| entry.path.is_within(path)));
        let entries = entries.split_off(entries.len().saturating_sub(limit));
        let shown: Vec<Value> = entries.iter().map(|entry| wire::decision(entry)).collect();
        async move { Ok(json!({ "events": shown })) }
    })
}

fn subscribe(tree: Tree) -> Method {
    Method::stream("events.subscribe", "Decisions as they are made.", move |since: Since, _| {
        let within = since.path.map(ActorPath::from);
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
        async move { Ok(items) }
    })
}

fn messages(tree: Tree) -> Method {
    Method::read("actor.messages", "What an actor can be told: names, roles, schemas.", move |at: AtPath, _| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(at.path);
            match tree.messages(&path) {
                Some(specs) => Ok(json!({ "path": path, "messages": specs })),
                None => {
                    let suggestion = tree.nearest(&path);
                    Err(AdminError::UnknownPath { path: path.to_string(), suggestion }.into())
                }
            }
        }
    })
}

fn send(tree: Tree) -> Method {
    let about = "Sends an admin message through an actor's mailbox and waits for its answer.";
    Method::write("actor.send", Role::Observe, about, move |send: Send, peer| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(send.path);
            let specs = tree.messages(&path).unwrap_or_default();
            let needed = specs.iter().find(|spec: &&AdminSpec| spec.name == send.message).map(|spec| spec.role);
            if let Some(role) = needed.filter(|role| peer.role < *role) {
                return Err(MethodError::refused(format!(
                    "{:?} needs the role {role}; you have {}",
                    send.message, peer.role
                )));
            }
            let deadline = send.deadline_ms.map_or(ADMIN_DEADLINE, Duration::from_millis).min(SEND_MAX);
            let answer = tree.tell(&path, &send.message, send.params, deadline, send.if_incarnation).await?;
            Ok(json!({ "path": path, "answer": answer }))
        }
    })
}

fn order(tree: Tree, name: &'static str, about: &'static str, verb: fn(bool) -> Verb) -> Method {
    Method::write(name, Role::Admin, about, move |asked: Operate, _| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(asked.path);
            let verb = verb(asked.force);
            if verb == Verb::Stop && path.as_str() == control::PATH && !asked.force {
                return Err(MethodError::refused(
                    "stopping control locks every operator out until the process ends; use --force if you mean it",
                ));
            }
            let done = tree.order(&path, verb, asked.if_incarnation, asked.dry_run).await;
            let outcome = done.map_err(refused)?;
            Ok(json!({ "path": path, "dry_run": asked.dry_run, "done": outcome }))
        }
    })
}

fn refused(error: OrderError) -> MethodError {
    MethodError::refused(error)
}

/// What the tree offers to cogs: reading it, telling actors.
pub type SharedTree = Arc<std::sync::OnceLock<Tree>>;
