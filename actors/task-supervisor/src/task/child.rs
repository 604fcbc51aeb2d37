//! A task as a child of the task supervisor: how it is made, restarted and stopped.

use super::TaskActor;
use crate::{
    admission::rank,
    registry::{Registered, TaskRegistry},
};
use protocol::task::TaskSpec;
use std::{sync::Arc, time::Duration};
use supervision::{Backoff, ChildSpec, Criticality, Intensity, Kind, Policy, Restart, Shutdown};

/// How long a task is given to end its run when it is stopped.
const STOP: Duration = Duration::from_secs(5);
/// The least first delay before a restart, whatever the cooldown says, and the longest that delays grow to.
const BACKOFF_MIN: Duration = Duration::from_secs(1);
const BACKOFF_MAX: Duration = Duration::from_secs(600);

pub(crate) fn child(task: &Registered, registry: &Arc<TaskRegistry>) -> ChildSpec {
    let declared = policy(&task.spec);
    let (task, registry) = (task.clone(), Arc::clone(registry));
    ChildSpec::worker(&task.addr.clone(), move || TaskActor::new(registry.now(&task), Arc::clone(&registry)))
        .with(|policy| *policy = declared)
}

/// The rules that the task is declared with as a child of the task supervisor.
pub(crate) fn policy(spec: &TaskSpec) -> Policy {
    let mut policy = Policy {
        restart: Restart::Transient,
        criticality: Criticality::Optional,
        required: false,
        shutdown: Shutdown::Within(STOP),
        needs: spec.needs.clone(),
        rank: rank(spec),
        ..Policy::new(spec.name.as_str(), Kind::Worker)
    };
    rule(spec, &mut policy);
    policy
}

/// How a task is restarted, as its declaration says.
pub(crate) fn rule(spec: &TaskSpec, policy: &mut Policy) {
    let window = spec.restart_window;
    policy.budget = Some(Intensity::new(spec.restart_limit, window));
    policy.backoff = Some(backoff(Intensity::new(spec.restart_limit, window), spec.cooldown));
    policy.cooldown = Some(spec.cooldown);
    policy.retry_parked = Some(Backoff::doubling(window / 4, window.saturating_mul(4)));
}

/// The delays between the restarts of a task that has this budget and this cooldown, unless somebody names them.
///
/// They double from the cooldown on: begun below it they would all be the cooldown, however long the failure lasts. They
/// grow no longer than lets as many restarts as are allowed fall into the window: a task that fails at each start shall use
/// its limit up, and not be restarted for ever.
pub fn backoff(budget: Intensity, cooldown: Duration) -> Backoff {
    let first = cooldown.max(BACKOFF_MIN);
    let longest = BACKOFF_MAX.min(budget.window / budget.restarts.saturating_add(1)).max(first);
    Backoff { reset_after: budget.window, ..Backoff::doubling(first, longest) }
}
