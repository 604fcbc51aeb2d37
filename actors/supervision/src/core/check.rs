//! Whether rules hold together, of a supervisor and of a child under it: judged before anybody lives by them.

use super::{
    explain::seconds,
    policy::{AutoShutdown, Flags, Policy, Restart, Strategy},
};
use crate::path::{ActorPath, ROOT};
use std::time::Duration;

/// Whether the rules of a supervisor hold together.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn check_flags(flags: &Flags) -> Result<(), String> {
    if flags.intensity.window.is_zero() {
        return Err("the window of its intensity is zero".to_owned());
    }
    Ok(())
}

/// Whether the rules of a child hold together, also under the `flags` of its supervisor where they are known.
///
/// # Errors
/// What is wrong, as a sentence.
pub fn check(flags: Option<&Flags>, policy: &Policy) -> Result<(), String> {
    let zero = Duration::ZERO;
    if policy.id.is_empty() || policy.id.contains(['/', '#', ' ']) {
        return Err(format!("{:?} is no name: it must not be empty or hold a slash, a space or #", policy.id));
    }
    if policy.budget.is_some_and(|budget| budget.window == zero) {
        return Err("the window of its budget is zero".to_owned());
    }
    if policy.start_timeout == zero {
        return Err("its start timeout is zero".to_owned());
    }
    if policy.probe.is_some_and(|probe| probe.every == zero || probe.stall == zero) {
        return Err("the period or the stall limit of its probe is zero".to_owned());
    }
    if policy.probe.is_some_and(|probe| probe.stall < probe.every) {
        return Err("the stall limit of its probe is less than its period: it would never be seen in time".to_owned());
    }
    if policy.poison.is_some_and(|poison| poison.deaths == 0 || poison.window == zero) {
        return Err("its poison rule's deaths or window is zero".to_owned());
    }
    for (whose, backoff) in [("its backoff", policy.backoff), ("its tries while parked", policy.retry_parked)] {
        let Some(backoff) = backoff else { continue };
        if backoff.max < backoff.min {
            let (max, min) = (seconds(backoff.max), seconds(backoff.min));
            return Err(format!("{whose}: the longest delay of {max} is less than the first, which is {min}"));
        }
        if !backoff.factor.is_finite() || !backoff.jitter.is_finite() {
            return Err(format!("{whose}: the factor or the jitter is no number"));
        }
    }
    never_spent(policy)?;
    if policy.needs.iter().any(|need| ActorPath::from(need.as_str()).is_root()) {
        return Err(format!("it needs {ROOT}, below which everything stands: name the actor that it needs"));
    }
    if policy.significant && policy.restart == Restart::Permanent {
        return Err("a permanent child cannot be significant: it never ends".to_owned());
    }
    if policy.significant && flags.is_some_and(|flags| flags.auto_shutdown == AutoShutdown::Never) {
        return Err("significant children need a supervisor with auto_shutdown".to_owned());
    }
    if policy.significant && flags.is_some_and(|flags| flags.strategy == Strategy::Dynamic) {
        return Err("dynamic supervisors have no significant children".to_owned());
    }
    Ok(())
}

/// A child that fails at each start shall spend its budget some day: with restarts so far apart that one has left the
/// window before the last is counted, it would be restarted for ever.
fn never_spent(policy: &Policy) -> Result<(), String> {
    let Some(budget) = policy.budget else { return Ok(()) };
    let apart = policy.cooldown.unwrap_or_default().max(policy.backoff.map_or(Duration::ZERO, |backoff| backoff.min));
    if apart.saturating_mul(budget.restarts) <= budget.window {
        return Ok(());
    }
    let (apart, window) = (seconds(apart), seconds(budget.window));
    let restarts = budget.restarts;
    Err(format!(
        "{restarts} restarts, each {apart} after the last, do not fit into {window}: its budget would never be spent"
    ))
}
