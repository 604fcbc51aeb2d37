//! Why a reload changed nothing.

use crate::config::{Loaded, Problem, Problems, place_of_rule, place_of_task_rule};
use protocol::{
    method::MethodError,
    task::{RegisterError, TaskRule},
};
use serde_json::{Value, json};
use std::fmt::Display;
use supervision::{ActorPath, OrderError, core::Refusal};
use telemetry::logging::FilterError;

/// Why a reload was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is wrong, or speaks of what does not exist.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The rules that an actor would live by do not hold together.
    #[error("{}", placed("[supervision]", error, at.as_deref()))]
    Rules {
        /// Who refused, and why.
        error: OrderError,
        /// The key that it is about, where one can be told.
        at: Option<Box<Problem>>,
    },
    /// The rules that a task would live by contradict each other.
    #[error("{}", placed("[tasks]", error, at.as_deref()))]
    Task {
        /// Which task, and why.
        error: RegisterError,
        /// The key that it is about, where one can be told.
        at: Option<Box<Problem>>,
    },
    /// The log's filter cannot be read.
    #[error("telemetry.log: {0}")]
    Log(#[from] FilterError),
    /// The process is going down.
    #[error("the process is going down")]
    Ending,
}

fn placed(section: &str, error: &dyn Display, at: Option<&Problem>) -> String {
    at.map_or_else(|| format!("{section}: {error}"), ToString::to_string)
}

impl ReloadError {
    /// What the tree refused of `new`, at the key that it is about.
    pub(super) fn rules(error: OrderError, new: &Loaded) -> Self {
        let at = match &error {
            OrderError::Refused { path, refusal: Refusal::BadSpec { reason } } => rule_of_actor(path, reason, new),
            _ => None,
        };
        Self::Rules { error, at: at.map(Box::new) }
    }

    /// What the tasks refused of `new`, at the key that it is about.
    pub(super) fn task(error: RegisterError, new: &Loaded) -> Self {
        let at = match &error {
            RegisterError::Invalid { name, rule, reason } => rule_of_task(name, *rule, reason, new),
            _ => None,
        };
        Self::Task { error, at: at.map(Box::new) }
    }
}

/// The rule of the actor, or of its supervisor (which names the child that does not hold), or of another one that the
/// sentence names; of a task that has none of those, its own.
fn rule_of_actor(path: &str, reason: &str, new: &Loaded) -> Option<Problem> {
    let child = reason.split_once(": ").map(|(id, _)| ActorPath::from(path).child(id).to_string());
    let words = reason.split_whitespace().map(|word| word.trim_end_matches([',', ':']).to_owned());
    let mut about = child.clone().into_iter().chain([path.to_owned()]).chain(words);
    if let Some(name) = about.find(|name| new.config.supervision.contains_key(name)) {
        let (key, origin) = place_of_rule(&new.values, &name, reason);
        return Some(Problem::new(&origin, &key, format_args!("{path}: {reason}")));
    }
    let task = ActorPath::from(child.unwrap_or_else(|| path.to_owned()));
    let is_task = task.parent().is_some_and(|parent| parent.as_str() == task_supervisor::PATH);
    if is_task { rule_of_task(task.id(), TaskRule::Cooldown, reason, new) } else { None }
}

/// The rule of the task called `name`, where the configuration says anything of it.
fn rule_of_task(name: &str, rule: TaskRule, reason: &str, new: &Loaded) -> Option<Problem> {
    let said = new.config.task_rules.contains_key(name);
    let (key, origin) = said.then(|| place_of_task_rule(&new.values, name, rule))?;
    Some(Problem::new(&origin, &key, reason))
}

impl From<ReloadError> for MethodError {
    fn from(error: ReloadError) -> Self {
        let data: Value = match &error {
            ReloadError::Config(problems) => json!({ "error": "configuration", "problems": problems.list }),
            ReloadError::Rules { error: OrderError::Refused { path, refusal }, at } => {
                json!({ "error": "rules", "path": path, "refusal": refusal, "problem": at })
            }
            ReloadError::Rules { .. } => json!({ "error": "rules" }),
            ReloadError::Task { error: RegisterError::Invalid { name, reason, .. }, at } => {
                json!({ "error": "task", "task": name, "reason": reason, "problem": at })
            }
            ReloadError::Task { .. } => json!({ "error": "task" }),
            ReloadError::Log(_) => json!({ "error": "log" }),
            ReloadError::Ending => json!({ "error": "ending" }),
        };
        Self::Refused { message: error.to_string(), data: Some(data) }
    }
}
