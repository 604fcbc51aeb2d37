//! Whether rules hold together, of a supervisor and of a child under it: judged before anybody lives by them.

use super::{
    explain::seconds,
    policy::{AutoShutdown, Flags, Policy, Restart, Strategy},
};
use crate::path::{ActorPath, ROOT};
use std::{fmt, time::Duration};

/// Which rule of a child a contradiction is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyRule {
    /// Its name.
    Name,
    /// Its restart budget, with what keeps restarts apart.
    Budget,
    /// How long its start may take.
    StartTimeout,
    /// How it is watched for progress.
    Probe,
    /// When a message counts as poison.
    Poison,
    /// The delays before restarts.
    Backoff,
    /// The delays of its tries while parked.
    RetryParked,
    /// What it needs.
    Needs,
    /// That its end counts for its supervisor's, beside when it is restarted.
    Significant,
}

/// Rules of a child that do not hold together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Which rule it is about.
    pub rule: PolicyRule,
    /// What is wrong, as a sentence.
    pub reason: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

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
/// Which rule is at odds, and what is wrong.
pub fn check(flags: Option<&Flags>, policy: &Policy) -> Result<(), Contradiction> {
    let wrong = |rule, reason: String| Err(Contradiction { rule, reason });
    let zero = Duration::ZERO;
    if policy.id.is_empty() || policy.id.contains(['/', '#', ' ']) {
        let reason = format!("{:?} is no name: it must not be empty or hold a slash, a space or #", policy.id);
        return wrong(PolicyRule::Name, reason);
    }
    if policy.budget.is_some_and(|budget| budget.window == zero) {
        return wrong(PolicyRule::Budget, "the window of its budget is zero".to_owned());
    }
    if policy.start_timeout == zero {
        return wrong(PolicyRule::StartTimeout, "its start timeout is zero".to_owned());
    }
    if policy.probe.is_some_and(|probe| probe.every == zero || probe.stall == zero) {
        return wrong(PolicyRule::Probe, "the period or the stall limit of its probe is zero".to_owned());
    }
    if policy.probe.is_some_and(|probe| probe.stall < probe.every) {
        let reason = "the stall limit of its probe is less than its period: it would never be seen in time";
        return wrong(PolicyRule::Probe, reason.to_owned());
    }
    if policy.poison.is_some_and(|poison| poison.deaths == 0 || poison.window == zero) {
        return wrong(PolicyRule::Poison, "its poison rule's deaths or window is zero".to_owned());
    }
    for (rule, whose, backoff) in [
        (PolicyRule::Backoff, "its backoff", policy.backoff),
        (PolicyRule::RetryParked, "its tries while parked", policy.retry_parked),
    ] {
        let Some(backoff) = backoff else { continue };
        if backoff.max < backoff.min {
            let (max, min) = (seconds(backoff.max), seconds(backoff.min));
            return wrong(rule, format!("{whose}: the longest delay of {max} is less than the first, which is {min}"));
        }
        if !backoff.factor.is_finite() || !backoff.jitter.is_finite() {
            return wrong(rule, format!("{whose}: the factor or the jitter is no number"));
        }
    }
    if let Err(reason) = never_spent(policy) {
        return wrong(PolicyRule::Budget, reason);
    }
    if policy.needs.iter().any(|need| ActorPath::from(need.as_str()).is_root()) {
        let reason = format!("it needs {ROOT}, below which everything stands: name the actor that it needs");
        return wrong(PolicyRule::Needs, reason);
    }
    if policy.significant && policy.restart == Restart::Permanent {
        return wrong(PolicyRule::Significant, "a permanent child cannot be significant: it never ends".to_owned());
    }
    if policy.significant && flags.is_some_and(|flags| flags.auto_shutdown == AutoShutdown::Never) {
        let reason = "significant children need a supervisor with auto_shutdown";
        return wrong(PolicyRule::Significant, reason.to_owned());
    }
    if policy.significant && flags.is_some_and(|flags| flags.strategy == Strategy::Dynamic) {
        return wrong(PolicyRule::Significant, "dynamic supervisors have no significant children".to_owned());
    }
    Ok(())
}

/// A child that fails at each start shall spend its budget some day: with restarts so far apart that one has left the
/// window before the last is counted, it would be restarted for ever. Nothing is said of a budget that children share: they
/// spend it together. Nor of what stalls in each of its lives: it comes back once in a stall limit at most, and each time a
/// warning says so.
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
