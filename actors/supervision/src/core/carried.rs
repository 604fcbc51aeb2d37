//! What outlives the process: budgets, failures in a row, who was parked. A value that is handed to a supervisor before it
//! begins, like everything else it decides by.

use super::{
    Step, Time,
    event::Timer,
    explain::{Budget, Rule, seconds},
    policy::Backoff,
    state::{Asked, Child, FOREVER, Life, State},
};
use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Restarts of one child that outlive the process, the newest ones. A larger budget begins the next process with this
/// many used.
pub const RESTARTS_KEPT: usize = 256;

/// A child that said that a restart cannot help is tried once in the next process, if it is tried while parked at all, but
/// only when it has been left alone this long: each try may cost a login, and a process that is restarted in a loop would
/// spend them all.
pub const FATAL_AGAIN: Duration = Duration::from_secs(300);

/// What is known of one child from before: times are [`Time`] in the core, and milliseconds of the wall clock in a record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Carried<T = Time> {
    /// Restarts that counted against its own budget, oldest first.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub restarts: Vec<T>,
    /// Restarts ever.
    pub total: u64,
    /// Failures in a row, for the backoff.
    pub failures: u32,
    /// Tries while parked, for the delay of the next one.
    pub tries: u32,
    /// When its state last changed.
    pub since: T,
    /// Why it was parked, if it was.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parking<T>>,
}

fn none<T>() -> Option<T> {
    None
}

/// How a child is parked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parking<T = Time> {
    /// Why.
    pub reason: String,
    /// When it gets one more try; none: when an operator starts it.
    pub retry_at: Option<T>,
    /// How it last ended.
    pub exit: Option<Exit>,
}

impl Carried {
    /// What of `child` outlives the process.
    pub fn of(child: &Child) -> Self {
        let parked = match &child.life {
            Life::Parked { reason, retry_at } => {
                Some(Parking { reason: reason.clone(), retry_at: *retry_at, exit: child.last_exit.clone() })
            }
            Life::Starting | Life::Down | Life::Held | Life::Waiting { .. } if child.half_open => Some(Parking {
                reason: "its try while parked was under way".to_owned(),
                retry_at: Some(child.since),
                exit: child.last_exit.clone(),
            }),
            _ => None,
        };
        let old = child.restarts.len().saturating_sub(RESTARTS_KEPT);
        Self {
            restarts: child.restarts.iter().skip(old).copied().collect(),
            total: child.restarts_total,
            failures: child.failures,
            tries: child.half_open_tries,
            since: child.since,
            parked,
        }
    }
}

impl<T> Carried<T> {
    /// Whether nothing is worth carrying.
    pub fn is_plain(&self) -> bool {
        self.restarts.is_empty() && self.total == 0 && self.failures == 0 && self.tries == 0 && self.parked.is_none()
    }

    /// The same with other times.
    pub fn map<U>(self, time: impl Fn(T) -> U) -> Carried<U> {
        Carried {
            restarts: self.restarts.into_iter().map(&time).collect(),
            total: self.total,
            failures: self.failures,
            tries: self.tries,
            parked: self.parked.map(|parked| Parking {
                reason: parked.reason,
                retry_at: parked.retry_at.map(&time),
                exit: parked.exit,
            }),
            since: time(self.since),
        }
    }
}

/// Whether `child`, which has not begun yet, is one that stays parked as an earlier process left it.
pub(super) fn is_parked(state: &State, child: &Child) -> bool {
    let parked = state.carried.get(child.id()).is_some_and(|carried| carried.parked.is_some());
    parked && child.policy.carry && !child.is_vital()
}

/// The child at `at` goes on where an earlier process left it, if that left anything. True when it stays parked: it is
/// not to be started now, and its one try, when that is due, is a matter of its restart rule and of no boot.
pub(super) fn take_over(state: &mut State, at: usize, now: Time, step: &mut Step) -> bool {
    let Some(carried) = state.carried.remove(&state.children[at].policy.id) else { return false };
    let child = &mut state.children[at];
    let quiet = now.saturating_sub(carried.since);
    let recent = |rule: Option<Backoff>| rule.is_none_or(|rule| quiet < rule.reset_after);
    child.restarts_total = carried.total; // a number to look at, by which nothing is decided
    if !child.policy.carry {
        return false;
    }
    child.failures = if recent(child.policy.backoff) { carried.failures } else { 0 };
    child.half_open_tries = if recent(child.policy.retry_parked) { carried.tries } else { 0 };
    if let Some(own) = child.policy.budget {
        let counts = |at: &Time| now.saturating_sub(*at) <= own.window;
        child.restarts = carried.restarts.into_iter().filter(counts).map(|at| at.min(now)).collect();
        let most = own.restarts as usize;
        child.restarts.drain(..child.restarts.len().saturating_sub(most));
    }
    let budget = child.policy.budget.map(|own| Budget::of(&child.restarts, own, now));
    if child.life == Life::Quarantined {
        return false;
    }
    match carried.parked {
        Some(parked) if !child.is_vital() => stay_parked(state, at, parked, quiet, now, step),
        _ => {
            if let Some(budget) = budget.filter(|budget| budget.used > 0) {
                let text = format!("takes over {} restarts from the process before", budget.used);
                let decision = step.note(&state.children[at], now, Rule::Carried, &text);
                decision.budget = Some(budget);
                decision
                    .rejected
                    .push("a fresh budget: a crash loop must not gain one by ending the process".to_owned());
            }
            return false;
        }
    }
    true
}

fn stay_parked(state: &mut State, at: usize, parked: Parking, quiet: Duration, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    let fatal = parked.exit.as_ref().is_some_and(Exit::is_fatal);
    // However wrong a clock was: never later than its rule would have it now.
    let longest = |rule: Backoff| rule.max.min(FOREVER).mul_f64(1.0 + rule.jitter.clamp(0.0, 1.0));
    // Without a rule for tries an operator alone brings it back, whatever it had when it was parked.
    let retry_at = child.policy.retry_parked.and_then(|rule| match fatal {
        true => (quiet >= FATAL_AGAIN).then_some(now),
        false => parked.retry_at.map(|at| at.clamp(now, now + longest(rule))),
    });
    child.due = false;
    child.in_round = false;
    child.asked = Asked::Rule;
    child.since = now.saturating_sub(quiet);
    child.last_exit.clone_from(&parked.exit);
    child.life = Life::Parked { reason: parked.reason.clone(), retry_at };
    let next = match retry_at {
        Some(at) if at > now => format!("one try in {}", seconds(at - now)),
        Some(_) => "one try now".to_owned(),
        None => "until an operator starts it".to_owned(),
    };
    let child = &state.children[at];
    let decision = step.note(child, now, Rule::Carried, &format!("still parked from the process before, {next}"));
    decision.cause = parked.exit;
    decision.budget = child.policy.budget.map(|own| Budget::of(&child.restarts, own, now));
    decision.rejected.push("start: the process that parked it did not stop in order".to_owned());
    decision.because(parked.reason);
    if let Some(retry_at) = retry_at {
        step.timer(child, Timer::HalfOpen, retry_at - now);
    }
}
