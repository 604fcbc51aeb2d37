//! A task as a child of the task supervisor: how it is made, restarted and stopped.

use super::TaskActor;
use crate::{
    admission::rank,
    config::TaskRules,
    registry::{Registered, TaskRegistry},
};
use protocol::task::{RunOutcome, Schedule, TaskSpec};
use std::{sync::Arc, time::Duration};
use supervision::{Backoff, ChildSpec, Criticality, Intensity, Kind, Policy, Restart, Shutdown};

/// How long a task is given to end its run when it is stopped.
const STOP: Duration = Duration::from_secs(5);
/// First delay before a restart; it doubles up to [`BACKOFF_MAX`]. The cooldown holds besides.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(600);

pub(crate) fn child(task: &Registered, registry: &Arc<TaskRegistry>) -> ChildSpec {
    let rules = Arc::clone(&task.spec);
    let (task, registry) = (task.clone(), Arc::clone(registry));
    ChildSpec::worker(&task.addr.clone(), move || TaskActor::new(registry.now(&task), Arc::clone(&registry)))
        .restart(Restart::Transient)
        .criticality(Criticality::Optional)
        .with(|policy| rule(&rules, policy))
        .shutdown(Shutdown::Within(STOP))
        .needs(rules.needs.iter().map(String::as_str))
        .rank(rank(&rules))
}

/// How a task is restarted, as its declaration says.
pub(crate) fn rule(spec: &TaskSpec, policy: &mut Policy) {
    let window = spec.restart_window;
    policy.budget = Some(Intensity::new(spec.restart_limit, window));
    policy.backoff = Some(Backoff { reset_after: window, ..Backoff::doubling(BACKOFF_MIN, BACKOFF_MAX) });
    policy.cooldown = Some(spec.cooldown);
    policy.retry_parked = Some(Backoff::doubling(window / 4, window.saturating_mul(4)));
}

/// The restart rules of a task that was declared with none of its own, as `[tasks.NAME]` leaves them; `zone` is the one
/// where none is said.
pub fn policy(rules: Option<&TaskRules>, zone: &str) -> Policy {
    let done = |_| async { Ok(RunOutcome::Done { operations: 0 }) };
    let mut spec = TaskSpec::new("any", "any", Schedule::Every(Duration::from_secs(3_600)), done);
    if let Some(rules) = rules {
        rules.apply(&mut spec, zone);
    }
    let mut policy = Policy::new("any", Kind::Worker);
    rule(&spec, &mut policy);
    policy
}
