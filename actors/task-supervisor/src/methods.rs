//! The control channel's view of tasks.

use crate::{
    registry::TaskRegistry,
    stats::{LastRun, TaskFigures},
};
use protocol::method::{Asked, Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{ADMIN_DEADLINE, ActorPath, AdminError, Node, Role, Status, Tree};

/// Which task.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Its name.
    name: String,
}

/// `tasks.list`, `tasks.show`, `tasks.run`, `tasks.pause`, `tasks.resume`.
pub fn methods(registry: &Arc<TaskRegistry>) -> Vec<Method> {
    let list = Arc::clone(registry);
    let show = Arc::clone(registry);
    let mut methods = vec![
        Method::read("tasks.list", "Every registered task with its state and figures.", move |_: NoParams, _| {
            let rows: Vec<Value> = list.figures().iter().map(|(spec, _)| row(&list, &spec.name)).collect();
            async move { Ok(json!({ "tasks": rows })) }
        }),
        Method::read("tasks.show", "One task with its state and figures.", move |which: Which, _| {
            let known = show.figures().iter().any(|(spec, _)| spec.name == which.name);
            let answer = if known { Ok(row(&show, &which.name)) } else { Err(unknown(&show, &which.name)) };
            async move { answer }
        }),
    ];
    for (name, message, about) in [
        ("tasks.run", "run", "Runs a task now, once, besides its schedule."),
        ("tasks.pause", "pause", "Plans no more runs of a task until it is resumed."),
        ("tasks.resume", "resume", "Plans runs of a task again."),
    ] {
        let registry = Arc::clone(registry);
        let target = |which: &Which| TaskRegistry::path(&which.name);
        let check = move |which: Which, _| {
            let checked = check(&registry, &which.name, message);
            async move { checked }
        };
        methods.push(Method::write(name, Role::Operate, about, target, check, move |(tree, path), asked: Asked| {
            let (tree, path): (Tree, ActorPath) = (tree, path);
            async move { Ok(tree.tell(&path, message, Value::Null, ADMIN_DEADLINE, asked.if_incarnation).await?) }
        }));
    }
    methods
}

/// Whether the task is there, is up, and can do it; the actor itself decides when it is told.
fn check(
    registry: &TaskRegistry,
    name: &str,
    message: &'static str,
) -> Result<Checked<(Tree, ActorPath)>, MethodError> {
    let tree = registry.tree.get().ok_or_else(|| MethodError::refused("the tree is not up yet"))?;
    let found = registry.figures().into_iter().find(|(spec, _)| spec.name == name);
    let (_, figures) = found.ok_or_else(|| unknown(registry, name))?;
    let path = TaskRegistry::path(name);
    match tree.node(&path) {
        Some(node) if message == "run" && node.status == Status::Suspended => {
            return Err(MethodError::refused("it is suspended: what it needs is missing"));
        }
        Some(node) if matches!(node.status, Status::Running | Status::Suspended | Status::Starting) => {}
        node => {
            let state = node.map_or("gone", |node| node.status.name()).to_owned();
            return Err(AdminError::NotRunning { path: path.to_string(), state }.into());
        }
    }
    if message == "run" && figures.running {
        return Err(MethodError::refused("a run is under way"));
    }
    Ok(Checked::new((tree.clone(), path)).telling(json!({ "state": row(registry, name)["state"], "figures": figures })))
}

fn unknown(registry: &TaskRegistry, name: &str) -> MethodError {
    let known: Vec<String> = registry.figures().into_iter().map(|(spec, _)| spec.name.clone()).collect();
    MethodError::refused(format!("there is no task {name:?}; there are: {}", known.join(", ")))
}

fn row(registry: &TaskRegistry, name: &str) -> Value {
    let Some((spec, mut figures)) = registry.figures().into_iter().find(|(spec, _)| spec.name == name) else {
        return Value::Null;
    };
    let node = registry.tree.get().and_then(|tree| tree.node(&TaskRegistry::path(name)));
    let state = node.as_ref().map_or(Status::Waiting, |node| node.status);
    if state != Status::Running {
        figures.next_in_ms = None; // a time that nobody will keep
    }
    let reason = reason(node.as_ref(), &figures);
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    json!({
        "name": spec.name,
        "cog": spec.cog,
        "category": spec.category,
        "priority": spec.priority,
        "schedule": match spec.schedule {
            protocol::task::Schedule::Every(period) => json!({ "every_ms": millis(period) }),
            protocol::task::Schedule::Once(delay) => json!({ "once_after_ms": millis(delay) }),
        },
        "needs": spec.needs,
        "path": TaskRegistry::path(name),
        "state": state.name(),
        "reason": reason,
        "incarnation": node.as_ref().map_or(0, |node| node.incarnation),
        "restarts": node.as_ref().and_then(|node| node.budget).map(|budget| {
            json!({ "used": budget.used, "allowed": budget.allowed, "window_ms": millis(budget.window) })
        }),
        "figures": figures,
    })
}

/// Why it is not at work, in words; none while it is, or while its next run only waits for its time.
fn reason(node: Option<&Node>, figures: &TaskFigures) -> Option<String> {
    let Some(node) = node else { return Some("waits until the task supervisor brings it up".to_owned()) };
    if node.status == Status::Suspended {
        return Some(format!("waits for what it needs: {}", node.missing.join(", ")));
    }
    let own = match &figures.last {
        _ if figures.running || node.status != Status::Running => None,
        _ if figures.paused => Some("paused: no run is planned until it is resumed".to_owned()),
        _ if figures.waits.is_some() => figures.waits.clone(),
        Some(LastRun::Skipped { reason }) => Some(format!("had nothing to do the last time: {reason}")),
        _ => None,
    };
    own.or_else(|| node.reason.clone())
}
