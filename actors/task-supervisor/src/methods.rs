//! The control channel's view of tasks.

use crate::registry::{Registered, TaskRegistry};
use protocol::method::{Asked, Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use supervision::{ADMIN_DEADLINE, ActorPath, AdminError, OrderError, Role, Status, Tree, Verb};

/// Which task.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Its name.
    name: String,
}

/// Which task, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Restart {
    /// Its name.
    name: String,
    /// Restart limit and cooldown are overridden.
    #[serde(default)]
    force: bool,
}

/// `tasks.list`, `tasks.show`, `tasks.run`, `tasks.pause`, `tasks.resume`, `tasks.restart`.
pub fn methods(registry: &Arc<TaskRegistry>) -> Vec<Method> {
    let list = Arc::clone(registry);
    let show = Arc::clone(registry);
    let mut methods = vec![
        Method::read(
            "tasks.list",
            "Every registered task with its state, health and figures.",
            move |_: NoParams, _| {
                let rows: Vec<Value> = list.all().iter().map(|task| list.row(task)).collect();
                let answer = json!({ "tasks": rows, "statistics": list.statistics(), "work": list.work() });
                async move { Ok(answer) }
            },
        ),
        Method::read("tasks.show", "One task with its rules, figures and last runs.", move |which: Which, _| {
            let answer = find(&show, &which.name).map(|task| show.full_row(&task));
            async move { answer }
        }),
        restart(registry),
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

/// Forced it overrides limit and cooldown, as `actor.restart` does, and takes the same role. The check rehearses the order: limit and cooldown refuse it there already, and nothing has changed.
fn restart(registry: &Arc<TaskRegistry>) -> Method {
    let about = "Stops a task and starts it again, within its restart limit and cooldown unless forced.";
    let registry = Arc::clone(registry);
    let target = |which: &Restart| TaskRegistry::path(&which.name);
    let check = move |which: Restart, asked: Asked| {
        let found = find(&registry, &which.name).and_then(|task| Ok((task, tree(&registry)?)));
        let registry = Arc::clone(&registry);
        async move {
            let (task, tree) = found?;
            if which.force && asked.peer.role < Role::Admin {
                let (needed, role) = (Role::Admin, asked.peer.role);
                let text =
                    format!("tasks.restart with force takes the role {needed}, you have {role}: leave force out");
                return Err(MethodError::refused(text));
            }
            let (path, verb) = (TaskRegistry::path(&which.name), Verb::Restart { force: which.force });
            tree.order(&path, verb, asked.if_incarnation, true).await.map_err(refused)?;
            let would = json!({ "force": which.force, "state": registry.row(&task)["state"] });
            Ok(Checked::new((tree, path, verb)).telling(would))
        }
    };
    Method::write("tasks.restart", Role::Operate, about, target, check, |(tree, path, verb), asked: Asked| {
        let (tree, path, verb): (Tree, ActorPath, Verb) = (tree, path, verb);
        async move {
            let done = tree.order(&path, verb, asked.if_incarnation, false).await.map_err(refused)?;
            let mut answer = serde_json::to_value(done).map_err(MethodError::refused)?;
            answer["path"] = json!(path);
            Ok(answer)
        }
    })
}

/// An order's refusal, with the detail that other orders give.
fn refused(error: OrderError) -> MethodError {
    match error {
        OrderError::StaleIncarnation { path, wanted, actual } => {
            AdminError::StaleIncarnation { path, wanted, actual }.into()
        }
        other => MethodError::refused(other),
    }
}

fn tree(registry: &TaskRegistry) -> Result<Tree, MethodError> {
    registry.tree.get().cloned().ok_or_else(|| MethodError::refused("the tree is not up yet"))
}

/// Whether the task is there, is up, and can do it; the actor itself decides when it is told.
fn check(
    registry: &TaskRegistry,
    name: &str,
    message: &'static str,
) -> Result<Checked<(Tree, ActorPath)>, MethodError> {
    let tree = tree(registry)?;
    let task = find(registry, name)?;
    let figures = task.stats.read();
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
    Ok(Checked::new((tree, path)).telling(json!({ "state": registry.row(&task)["state"], "figures": figures })))
}

fn find(registry: &TaskRegistry, name: &str) -> Result<Registered, MethodError> {
    registry.get(name).ok_or_else(|| {
        let known: Vec<String> = registry.all().into_iter().map(|task| task.spec.name.clone()).collect();
        MethodError::refused(format!("there is no task {name:?}; there are: {}", known.join(", ")))
    })
}
