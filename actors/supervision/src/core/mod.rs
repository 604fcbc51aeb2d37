//! The pure core: what a supervisor does about what happens to its children.
//!
//! `decide(state, event, now)` changes the state and returns actions and explanations. It knows no clock, no runtime and
//! no actor: the same events at the same times give the same answers, which is what makes a journal replayable.
//!
//! - [`event`] what can happen and what can be done;
//! - [`state`] what a supervisor remembers, of each child and of all;
//! - [`exits`] a child came up or ended, [`restarting`] what follows a failure: budget, delay, strategy;
//! - [`holding`] nobody is restarted while something it needs is missing;
//! - [`giving_up`] parking, escalation, the end with significant children;
//! - [`order`] who may start or stop next;
//! - [`stopping`] the ladder from a polite request to quarantine, [`ending`] the supervisor's own end;
//! - [`poison`] which message is not given to a third incarnation;
//! - [`probe`] who makes no progress, and what is done about it;
//! - [`admin`] what an operator or a caller may ask for, [`mod@check`] which rules hold together;
//! - [`respec`] a new list of children while it runs, [`amend`] new rules for those that are there;
//! - [`carried`] what outlives the process;
//! - [`explain`] why.

mod admin;
pub mod amend;
mod backoff;
pub mod carried;
mod check;
mod child;
mod children;
mod ending;
pub mod event;
mod exits;
pub mod explain;
mod giving_up;
mod holding;
mod order;
pub mod poison;
pub mod policy;
pub mod probe;
pub mod respec;
mod restarting;
pub mod state;
mod stopping;

#[cfg(test)]
mod tests;

pub use admin::rehearse;
pub use check::{Contradiction, PolicyRule, check, check_flags};
pub(crate) use children::Place;
pub use event::{Action, Event, Order, Outcome, Refusal, Ticket, Timer};
pub use explain::{Budget, Decision, Rule};
pub use respec::{Change, Plan, Removed, Wanted};
pub use state::{Life, State};

use std::time::Duration;

/// Which rules these are: counted up whenever the same events lead to other decisions, or to others in words. A journal says
/// by which its decisions were made, so that a replay by later ones is not taken for a fault.
pub const REVISION: u32 = 3;

/// Monotonic time since the tree began.
pub type Time = Duration;

/// Whether `value` need not be written down.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What holds unless it is switched off.
fn yes() -> bool {
    true
}

/// Whether `switch` need not be written down.
fn is_yes(switch: &bool) -> bool {
    *switch
}

/// What one decision came to.
#[derive(Debug, Default)]
pub struct Step {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// Why, one record per rule that fired.
    pub decisions: Vec<Decision>,
}

/// Decides what follows from `event` at `now`.
pub fn decide(state: &mut State, event: Event, now: Time) -> Step {
    let mut step = Step::default();
    match event {
        Event::Begin => order::begin(state, now, &mut step),
        Event::Started { id, incarnation } => exits::started(state, &id, incarnation, now, &mut step),
        Event::Exited { id, incarnation, exit } => exits::exited(state, &id, incarnation, exit, now, &mut step),
        Event::Elapsed { id, incarnation, timer } => elapsed(state, &id, incarnation, timer, now, &mut step),
        Event::Dependency { path, up } => dependency(state, &path, up, now, &mut step),
        Event::Drain { id } => stopping::drain(state, id.as_deref(), &mut step),
        Event::Probed { id, incarnation, finding } => probe::probed(state, &id, incarnation, &finding, now, &mut step),
        Event::InHand { id, incarnation, fingerprint, name } => {
            poison::in_hand(state, &id, incarnation, (fingerprint, &name), now, &mut step);
        }
        Event::Pardoned { id, fingerprint, forget } => {
            poison::pardoned(state, &id, fingerprint, forget, now, &mut step);
        }
        Event::Overrun { left, max } => ending::overrun(state, &left, max, now, &mut step),
        Event::Shutdown { exit, within } => ending::shutdown(state, exit, within, now, &mut step),
        Event::KillAll { by } => ending::kill_all(state, &by, now, &mut step),
        Event::Order { ticket, order } => admin::order(state, ticket, order, now, &mut step),
    }
    order::advance(state, now, &mut step);
    // Children without a budget of their own share their supervisor's.
    let shared = Budget::of(&state.restarts, state.flags.intensity, now);
    for decision in step.decisions.iter_mut().filter(|decision| !decision.id.is_empty()) {
        decision.standing.get_or_insert(shared);
    }
    step
}

/// A timer fired. One that belongs to an earlier state of the child means nothing.
fn elapsed(state: &mut State, id: &str, incarnation: u64, timer: Timer, now: Time, step: &mut Step) {
    let Some(at) = state.find(id).filter(|at| state.children[*at].incarnation == incarnation) else { return };
    match (timer, &state.children[at].life) {
        (Timer::Start, Life::Starting) => {
            let child = &mut state.children[at];
            let limit = explain::seconds(child.policy.start_timeout);
            step.note(child, now, Rule::StartTimeout, "did not come up in time: killed")
                .because(format!("its start took longer than {limit}"));
            child.late = true;
            step.actions.push(Action::Kill { id: id.to_owned(), by: "start timeout".to_owned() });
            step.timer(child, Timer::Abort, stopping::KILL_GRACE);
        }
        (Timer::Abort, Life::Starting) => {
            step.actions.push(Action::Abort { id: id.to_owned() });
            step.timer(&state.children[at], Timer::Aborted, stopping::KILL_GRACE);
        }
        (Timer::Aborted, Life::Starting) => stopping::leave_behind(state, at, now, step),
        (Timer::Delay, Life::Waiting { until, .. }) if *until <= now => {
            holding::start_or_hold(&mut state.children[at], now, step);
        }
        (Timer::HalfOpen, Life::Parked { retry_at: Some(retry_at), .. }) if *retry_at <= now => {
            let child = &mut state.children[at];
            child.due = true;
            child.half_open = true;
            let decision = step.note(child, now, Rule::HalfOpen, "parked long enough: one try");
            if let Life::Parked { reason, .. } = std::mem::replace(&mut child.life, Life::Down) {
                decision.because(reason);
            }
        }
        (Timer::Probe, Life::Running) => probe::look(state, at, now, step),
        (Timer::Stop | Timer::Killed | Timer::Aborted, Life::Stopping { .. }) => {
            stopping::climb(state, at, timer, now, step);
        }
        _ => {}
    }
}

/// Something that children need came or went. On the way down it goes because it must: nobody is suspended any more.
fn dependency(state: &mut State, path: &str, up: bool, now: Time, step: &mut Step) {
    if state.is_stopping() {
        return;
    }
    let concerned = |at: &usize| state.children[*at].policy.needs.iter().any(|need| need == path);
    for at in (0..state.children.len()).filter(concerned).collect::<Vec<_>>() {
        let child = &mut state.children[at];
        let changed = if up { child.missing.remove(path) } else { child.missing.insert(path.to_owned()) };
        if changed && child.life == Life::Held && child.missing.is_empty() {
            holding::release(child, &format!("{path} is back"), now, step);
            continue;
        }
        if !changed || !matches!(child.life, Life::Starting | Life::Running) {
            continue; // what is not there is neither suspended nor resumed; it starts as what is missing then says
        }
        let (id, missing) = (child.id().to_owned(), child.missing());
        let (rule, text) = match (up, missing.is_empty()) {
            (false, _) => (Rule::Suspended, format!("needs {path}, which is gone: suspended, not restarted")),
            (true, false) => (Rule::Suspended, format!("{path} is back; still needs {}", missing.join(", "))),
            (true, true) => (Rule::Resumed, format!("{path} is back: resumed")),
        };
        if child.life == Life::Running {
            let resume = missing.is_empty();
            step.actions.push(if resume { Action::Resume { id } } else { Action::Suspend { id, missing } });
        }
        let reason = format!("{path} is {}", if up { "back" } else { "gone" });
        let decision = step.note(&state.children[at], now, rule, &text);
        decision.because(reason);
        if rule == Rule::Suspended {
            decision.rejected.push("restart: nothing is wrong with it".to_owned());
        }
    }
}
