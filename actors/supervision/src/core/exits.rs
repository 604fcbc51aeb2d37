//! A child came up or ended: what its restart type says to that.

use super::{
    Action, Outcome, Refusal, Step, Time,
    carried::Carried,
    ending,
    explain::Rule,
    giving_up, order,
    policy::{Backoff, Restart, Strategy},
    restarting,
    state::{Asked, Child, Goal, Life, State},
};
use crate::exit::Exit;

/// A child's `start` returned.
pub(super) fn started(state: &mut State, id: &str, incarnation: u64, now: Time, step: &mut Step) {
    let Some(at) = state.find(id) else { return };
    let child = &mut state.children[at];
    if child.incarnation != incarnation || child.life != Life::Starting {
        return; // asked to stop meanwhile, or an older life
    }
    child.life = Life::Running;
    child.since = now;
    child.up_since = Some(now);
    let asked = std::mem::replace(&mut child.asked, Asked::Rule);
    child.held = false;
    if std::mem::take(&mut child.half_open) && asked != Asked::Cycle {
        child.restarts.clear();
    }
    step.done(&mut child.waiting, Outcome::Done { incarnation });
    if !child.missing.is_empty() {
        step.actions.push(Action::Suspend { id: id.to_owned(), missing: child.missing() });
    } else if !child.policy.needs.is_empty() {
        step.actions.push(Action::Resume { id: id.to_owned() });
    }
    step.note(&state.children[at], now, Rule::Up, "came up");
    super::probe::watch(&mut state.children[at], now, step);
}

/// An incarnation is gone.
pub(super) fn exited(state: &mut State, id: &str, incarnation: u64, exit: Exit, now: Time, step: &mut Step) {
    let Some(at) = state.find(id).filter(|at| state.children[*at].incarnation == incarnation) else { return };
    let child = &mut state.children[at];
    let was = std::mem::replace(&mut child.life, Life::Down);
    child.since = now;
    child.stalled = None;
    recover(child, now);
    // However it went down in the end: that it stalled is the cause.
    let exit = if std::mem::take(&mut child.stopped_for_stall) { Exit::Stalled } else { exit };
    match was {
        // Told to go, whether its turn to be asked had come or not: how it went is no failure.
        Life::Starting | Life::Running | Life::Stopping { .. } if child.goal != Goal::Up => {
            child.last_exit = Some(exit);
            went_down(state, at, now, step);
        }
        Life::Starting => {
            let cause =
                if std::mem::take(&mut child.late) { Exit::Killed { by: "start timeout".to_owned() } } else { exit };
            match cause {
                Exit::Ignored { .. } => is_not_needed(state, at, cause, now, step),
                cause => did_not_start(state, at, cause, now, step),
            }
        }
        Life::Running | Life::Stopping { .. } => ended(state, at, exit, now, step),
        Life::Quarantined => {
            child.last_exit = Some(exit.clone());
            child.due = child.goal == Goal::Up && !child.draining; // left behind by an earlier life of this supervisor
            let text = if child.due {
                "what an earlier life of its supervisor left behind has ended: it starts"
            } else {
                "its thread came back and it ended: its path is free, and only an operator starts it again"
            };
            step.note(&state.children[at], now, Rule::Down, text).cause = Some(exit);
        }
        Life::Down | Life::Waiting { .. } | Life::Held | Life::Parked { .. } => child.life = was,
    }
}

/// Time spent up, not time spent starting, is what makes the delays begin anew.
pub(super) fn recover(child: &mut Child, now: Time) {
    let Some(up) = child.up_since.take() else { return };
    let healthy = |rule: Option<Backoff>| rule.is_some_and(|rule| now.saturating_sub(up) >= rule.reset_after);
    if healthy(child.policy.backoff) {
        child.failures = 0;
    }
    if healthy(child.policy.retry_parked) {
        child.half_open_tries = 0;
    }
}

/// A child that was told to go is gone.
fn went_down(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    let (cause, told) = (child.last_exit.clone(), child.told.take());
    let incarnation = child.incarnation;
    step.done(&mut child.parting, Outcome::Done { incarnation });
    if child.goal == Goal::Again {
        child.goal = Goal::Up;
        child.due = true;
    } else {
        step.refuse(&mut child.waiting, &Refusal::NotRunning);
    }
    let decision = step.note(&state.children[at], now, Rule::Down, "is down");
    (decision.cause, decision.reason) = (cause, told);
    let child = &state.children[at];
    if child.goal == Goal::Gone || (child.goal == Goal::Down && child.policy.restart == Restart::Temporary) {
        order::forget(state, at, step);
    }
}

/// It said in its start that it is not needed: it is down without having failed, and whoever asked for it is told so.
fn is_not_needed(state: &mut State, at: usize, cause: Exit, now: Time, step: &mut Step) {
    let dynamic = state.flags.strategy == Strategy::Dynamic;
    let child = &mut state.children[at];
    child.last_exit = Some(cause.clone());
    child.asked = Asked::Rule;
    child.goal = Goal::Down;
    child.half_open = false;
    let incarnation = child.incarnation;
    step.done(&mut child.waiting, Outcome::Ignored { incarnation });
    let forgotten = dynamic || child.policy.restart == Restart::Temporary;
    let text = if forgotten { "is not needed: forgotten" } else { "is not needed: stays down until it is ordered up" };
    step.note(&state.children[at], now, Rule::Ignored, text).cause = Some(cause);
    if forgotten {
        order::forget(state, at, step);
    }
}

/// A start failed: it belongs to whoever asked for it.
pub(super) fn did_not_start(state: &mut State, at: usize, cause: Exit, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    let cause = match cause {
        failed @ Exit::StartFailed { .. } => failed,
        cause => Exit::StartFailed { child: None, cause: Box::new(cause) },
    };
    child.last_exit = Some(cause.clone());
    step.refuse(&mut child.waiting, &Refusal::StartFailed { exit: cause.clone() });
    let (required, temporary) = (child.policy.required, child.policy.restart == Restart::Temporary);
    match std::mem::replace(&mut child.asked, Asked::Rule) {
        Asked::Boot if required => {
            let text = "is required and did not start: the start fails, what runs is stopped in reverse order";
            let child = child.id().to_owned();
            step.note(&state.children[at], now, Rule::RequiredFailed, text).cause = Some(cause.clone());
            let exit = Exit::StartFailed { child: Some(child), cause: Box::new(cause) };
            ending::shutdown(state, exit, None, now, step);
        }
        Asked::Restart | Asked::Cycle => restarting::failed_by_order(state, at, cause, now, step),
        asked if temporary || asked == Asked::Start && required => {
            step.note(child, now, Rule::Ended, "did not start: forgotten").cause = Some(cause);
            // Its budget is not: a crash loop must not gain a fresh one by a boot that fails in between.
            let carried = Carried::of(&state.children[at]);
            if !carried.is_plain() {
                state.carried.insert(state.children[at].id().to_owned(), carried);
            }
            order::forget(state, at, step);
        }
        Asked::Boot => {
            child.in_round = false; // the others need not wait for one that is not required
            restarting::failed_by_rule(state, at, cause, now, step);
        }
        // One that is not required stays: whoever asked for it knows, and its restart rule goes on trying.
        Asked::Start | Asked::Rule => restarting::failed_by_rule(state, at, cause, now, step),
    }
}

/// A running child ended by itself, or was killed.
pub(super) fn ended(state: &mut State, at: usize, exit: Exit, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    child.last_exit = Some(exit.clone());
    let again = match child.policy.restart {
        Restart::Permanent => true,
        Restart::Transient => exit.is_abnormal(),
        Restart::Temporary => false,
    };
    if again {
        return restarting::failed_by_rule(state, at, exit, now, step);
    }
    child.goal = Goal::Down;
    let significant = child.policy.significant;
    let temporary = child.policy.restart == Restart::Temporary;
    step.refuse(&mut child.waiting, &Refusal::NotRunning);
    let text = if temporary { "ended; temporary: forgotten" } else { "ended normally; transient: stays down" };
    let decision = step.note(&state.children[at], now, Rule::Ended, text);
    decision.cause = Some(exit);
    decision
        .rejected
        .push(format!("restart: it is {}", if temporary { "temporary" } else { "transient and ended normally" }));
    if temporary {
        order::forget(state, at, step);
    }
    if significant && !state.is_stopping() {
        giving_up::auto_shutdown(state, now, step);
    }
}
