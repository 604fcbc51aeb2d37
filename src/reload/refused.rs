//! Why a reload changed nothing.

use super::Live;
use crate::{
    config::{Loaded, Problem, Problems, place_of_rule, place_of_task_rule},
    rules::{Ruling, Seen, Witness, task_of},
};
use protocol::{
    method::MethodError,
    task::{RegisterError, TaskRule},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Display, sync::Arc};
use supervision::{
    ActorPath, OrderError, Rules,
    core::{PolicyRule, Refusal},
};
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
    /// What the tree refused of `new`, at the key that it is about: found by asking once more, and looking on.
    pub(super) async fn rules(error: OrderError, new: &Loaded, live: &Live) -> Self {
        let OrderError::Refused { path, refusal: Refusal::BadSpec { reason } } = &error else {
            return Self::Rules { error, at: None };
        };
        let witness = Witness::of(Ruling::of(&new.config, &live.tasks));
        // What it answers is what is known; who was at odds may have gone meanwhile, and then no key is told.
        live.tree.set_rules(Arc::clone(&witness) as Arc<dyn Rules>, true).await.ok();
        let at = blamed(&ActorPath::from(path.as_str()), reason, &witness.seen(), new);
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

/// Where the configuration says what the supervisor or the actor at `path` has refused for `reason`.
fn blamed(path: &ActorPath, reason: &str, seen: &BTreeMap<ActorPath, Seen>, new: &Loaded) -> Option<Problem> {
    let contradicts = |(at, seen): (&ActorPath, &Seen)| {
        let (said, by_task) = seen.contradiction.clone()?;
        let told = at == path && said.reason == reason
            || at.parent().as_ref() == Some(path) && reason == format!("{}: {said}", at.id());
        told.then(|| (at.clone(), said.rule, by_task))
    };
    if let Some((at, rule, by_task)) = seen.iter().find_map(contradicts) {
        let place = place_of_rule(&new.values, at.as_str(), rule).filter(|_| !by_task);
        return match place {
            Some((key, origin)) => Some(Problem::new(&origin, &key, format_args!("{path}: {reason}"))),
            None => rule_of_task(task_of(&at)?, TaskRule::Cooldown, reason, new),
        };
    }
    // Then it is a circle of needs: of the actor's own, or of one's on the way round.
    let needs_of = |of: &str| seen.get(&ActorPath::from(of)).map(|seen| seen.needs.clone()).unwrap_or_default();
    let leads_back = |of: &ActorPath| supervision::circle(of, &needs_of(of.as_str()), needs_of).is_err();
    let ruled = new.config.supervision.keys().map(|name| ActorPath::from(name.as_str())).filter(leads_back);
    let own = Some(path.clone()).filter(leads_back);
    own.into_iter().chain(ruled).find_map(|at| {
        let (key, origin) = place_of_rule(&new.values, at.as_str(), PolicyRule::Needs)?;
        Some(Problem::new(&origin, &key, format_args!("{path}: {reason}")))
    })
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
