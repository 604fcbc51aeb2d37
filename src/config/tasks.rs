//! `[tasks.NAME]`: whether each built-in task could live by its rules. Judged by what the cogs declare, before anything
//! starts, and so alike for `check`, for boot and for `reload`, which then asks those that are registered besides.

use super::{
    key::Key,
    problem::Problem,
    sections::Config,
    values::{Origin, Values},
};
use crate::rules::rulebook;
use protocol::task::{RegisterError, TaskRule, TaskSpec};
use task_supervisor::TaskRules;

/// The tasks of built-in cogs, those that are registered while they run among them.
pub(super) fn declared() -> Vec<TaskSpec> {
    cogs::builtin().iter().flat_map(|cog| cog.declared_tasks().cloned().collect::<Vec<_>>()).collect()
}

/// Their names.
pub(crate) fn declared_tasks() -> impl Iterator<Item = String> {
    declared().into_iter().map(|task| task.name)
}

/// Judges the rules of every built-in task whose cog is not switched off. What is wrong goes to `problems`.
pub(super) fn check(config: &Config, values: &Values, problems: &mut Vec<Problem>) {
    for error in rulebook(config).judge(declared().iter().filter(|task| on(config, task))) {
        let RegisterError::Invalid { name, rule, reason } = error else { continue };
        // What has been refused already, e.g. for a zero, would only be refused again.
        if !is_refused(problems, &name) {
            let (key, origin) = place(values, &name, rule);
            problems.push(Problem::new(&origin, &key, reason));
        }
    }
}

/// Whether the configuration switches a task off, or the built-in cog that declares it.
pub(super) fn is_off(config: &Config, name: &str) -> bool {
    let cog = |task: &TaskSpec| task.name == name && !on(config, task);
    config.task_rules.get(name).is_some_and(|rules| rules.enabled == Some(false)) || declared().iter().any(cog)
}

/// Whether the cog of a built-in task is not switched off.
fn on(config: &Config, task: &TaskSpec) -> bool {
    config.cogs.get(&task.cog).is_none_or(|cog| cog.enabled != Some(false))
}

/// Whether something that is said of the task called `name` is among `problems`.
pub(super) fn is_refused(problems: &[Problem], name: &str) -> bool {
    problems.iter().any(|problem| of(&problem.key, name))
}

/// Which key of the task called `name` a refusal of its `rule` is about, and where it stands.
pub(crate) fn place(values: &Values, name: &str, rule: TaskRule) -> (Key, Origin) {
    let about = TaskRules::keys(rule).iter().map(|rule| Key::of(["tasks", name, rule]));
    let key = about.chain(values.iter().map(|(key, _)| key).filter(|key| of(key, name)).cloned());
    let key = key.into_iter().find(|key| values.get(key).is_some()).unwrap_or_else(|| Key::of(["tasks", name]));
    let origin = values.get(&key).map_or(Origin::Default, |setting| setting.origin.clone());
    (key, origin)
}

fn of(key: &Key, name: &str) -> bool {
    matches!(key.parts(), [section, of, _] if section == "tasks" && of == name)
}
