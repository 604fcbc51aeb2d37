//! Which declarations make sense.

use crate::{
    monitor::MONITOR,
    schedule::{LONGEST, Timetable},
    task,
};
use protocol::task::{Category, RegisterError, Schedule, TaskRule, TaskSpec};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use supervision::core::{self, PolicyRule};

/// A task's place among its siblings: priority first; among equals gateway work stops last, then scheduled, then system
/// work, and what a command began stops first. A higher rank starts earlier and stops later; one that needs another stops
/// before it all the same.
pub(crate) fn rank(spec: &TaskSpec) -> i32 {
    let category = match spec.category {
        Category::Command => 0,
        Category::System => 1,
        Category::Scheduled => 2,
        Category::Gateway => 3,
    };
    (spec.priority as i32) * 10 + category
}

/// Reads the schedule of `spec`, or says in one sentence why the declaration makes no sense. `known` are the tasks that are
/// registered already.
pub(crate) fn admit(spec: &TaskSpec, known: &BTreeMap<String, Arc<TaskSpec>>) -> Result<Timetable, RegisterError> {
    let invalid = |rule, reason: String| RegisterError::Invalid { name: spec.name.clone(), rule, reason };
    if spec.name.is_empty() || spec.name == MONITOR || spec.name.contains(['/', '#', ' ']) {
        let reason = "that is no name for a task: it must not be empty, \"monitor\" or hold / # or a space";
        return Err(invalid(TaskRule::Identity, reason.to_owned()));
    }
    if spec.cog.is_empty() {
        return Err(invalid(TaskRule::Identity, "it names no cog".to_owned()));
    }
    if known.contains_key(&spec.name) {
        return Err(RegisterError::Duplicate(spec.name.clone()));
    }
    let table = Timetable::read(&spec.schedule).map_err(|reason| invalid(TaskRule::Schedule, reason))?;
    if let Some((rule, reason)) = contradiction(spec) {
        return Err(invalid(rule, reason));
    }
    // As its supervisor will.
    core::check(None, &task::policy(spec)).map_err(|said| {
        let rule = match said.rule {
            PolicyRule::Needs => TaskRule::Needs,
            PolicyRule::Name => TaskRule::Identity,
            _ => TaskRule::Limit, // all else that a declaration gives is how it is restarted, and its cooldown fits
        };
        invalid(rule, said.reason)
    })?;
    needs(spec, known).map_err(|reason| invalid(TaskRule::Needs, reason))?;
    Ok(table)
}

fn contradiction(spec: &TaskSpec) -> Option<(TaskRule, String)> {
    let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
    let times = [
        (TaskRule::Jitter, spec.jitter),
        (TaskRule::Timeout, spec.timeout),
        (TaskRule::Window, spec.restart_window),
        (TaskRule::Cooldown, spec.cooldown),
        (TaskRule::Health, spec.health_check),
    ];
    let pace = match spec.schedule {
        Schedule::Every(period) => Some(period),
        Schedule::Once(_) | Schedule::Cron { .. } | Schedule::Daily { .. } => None,
    };
    Some(if spec.timeout.is_zero() {
        (TaskRule::Timeout, "its runs have no time at all".to_owned())
    } else if spec.restart_window.is_zero() {
        (TaskRule::Window, "the window of its restart limit is zero".to_owned())
    } else if spec.health_check.is_zero() {
        (TaskRule::Health, "the time between two looks at its health is zero".to_owned())
    } else if spec.stall_periods == 0 {
        (TaskRule::Stall, "its stall limit is zero periods: it would be stalled at once".to_owned())
    } else if let Some((rule, _)) = times.iter().find(|(_, time)| *time > LONGEST) {
        (*rule, "one of its times is longer than ten years".to_owned())
    } else if spec.timeout > spec.restart_window {
        let (timeout, window) = (seconds(spec.timeout), seconds(spec.restart_window));
        let reason = format!(
            "its timeout of {timeout} is longer than the window of its restart limit, {window}: hanging runs would \
             never use it up"
        );
        (TaskRule::Timeout, reason)
    } else if spec.cooldown.saturating_mul(spec.restart_limit) > spec.restart_window {
        let reason = format!(
            "{} restarts with a cooldown of {} do not fit into {}: its restart limit would never be reached",
            spec.restart_limit,
            seconds(spec.cooldown),
            seconds(spec.restart_window)
        );
        (TaskRule::Cooldown, reason)
    } else if pace.is_some_and(|period| spec.jitter > period) {
        (TaskRule::Jitter, "its jitter is longer than its period".to_owned())
    } else {
        return None;
    })
}

/// A task may need others, in no circle. What is registered goes in no circle by itself: a new one can only lead back to the
/// task that is being registered.
fn needs(spec: &TaskSpec, known: &BTreeMap<String, Arc<TaskSpec>>) -> Result<(), String> {
    let task = |need: &String| crate::named(need).map(str::to_owned);
    let direct: Vec<String> = spec.needs.iter().filter_map(task).collect();
    let (mut seen, mut open) = (BTreeSet::new(), direct);
    while let Some(name) = open.pop() {
        if name == spec.name {
            return Err("its needs go in a circle and lead back to it".to_owned());
        }
        if let Some(needed) = known.get(&name).filter(|_| seen.insert(name.clone())) {
            open.extend(needed.needs.iter().filter_map(task));
        }
    }
    Ok(())
}
