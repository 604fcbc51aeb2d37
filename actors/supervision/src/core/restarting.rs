//! A failure that the restart rule answers: the budget, the delay, and who goes down and up again with the child.

use super::{
    Step, Time, backoff,
    explain::{Rule, seconds},
    giving_up, holding,
    policy::{Restart, Strategy},
    state::{Asked, Child, Goal, Life, State},
};
use crate::exit::Exit;
use std::time::Duration;

/// A failure that the restart rule answers: hold while something it needs is missing, else charge the budget, then restart, park or give up.
pub(super) fn failed_by_rule(state: &mut State, at: usize, exit: Exit, now: Time, step: &mut Step) {
    if state.is_stopping() {
        state.children[at].goal = Goal::Down;
        return;
    }
    if state.children[at].draining {
        let child = &mut state.children[at];
        child.goal = Goal::Down;
        child.half_open = false;
        step.note(child, now, Rule::Ended, "failed while it drained: stays down").cause = Some(exit);
        return;
    }
    if exit.is_fatal() {
        if state.children[at].is_vital() {
            state.charge(at, now); // it ends the process: what the next one must know
        }
        let text = "says that a restart cannot help";
        let decision = step.note(&state.children[at], now, Rule::Fatal, text);
        decision.cause = Some(exit.clone());
        decision.rejected.push("restart: it would end in the same way".to_owned());
        return giving_up::give_up_on(state, at, (text, exit), false, now, step);
    }
    let half_open = state.children[at].half_open;
    if !state.children[at].missing.is_empty() {
        holding::hold(state, at, exit, now, step);
        if !half_open {
            take_along(state, at, now, step); // they do not wait for it: what it needs may be one of them
            state.children[at].in_round = false;
        }
        return;
    }
    if half_open || !state.charge(at, now) {
        let budget = state.budget(at, now);
        if state.children[at].policy.budget.is_none() && !half_open {
            let text = format!(
                "{} failed once more than {} times in {}: reached_max_restart_intensity",
                state.children[at].id(),
                budget.allowed,
                seconds(budget.window)
            );
            return giving_up::escalate(state, text, Some(exit), budget, now, step);
        }
        let reason = if half_open {
            "its try while parked failed".to_owned()
        } else {
            format!("budget spent, {} restarts in {}", budget.allowed, seconds(budget.window))
        };
        return giving_up::give_up_on(state, at, (&reason, exit), true, now, step);
    }
    restart(state, at, exit, now, step);
}

/// A start that was ordered failed. Whoever ordered it knows, so nothing is charged and no sibling is touched; and an order
/// that failed makes nothing worse: a parked child stays parked, with its next try, one that lacks what it needs waits for
/// that, one that waited and need not any more is started by its rule, any other stays down.
pub(super) fn failed_by_order(state: &mut State, at: usize, exit: Exit, now: Time, step: &mut Step) {
    let held = std::mem::take(&mut state.children[at].held);
    let child = &state.children[at];
    let comes_again = child.policy.restart != Restart::Temporary && !child.draining && !state.is_stopping();
    let retry = !exit.is_fatal();
    if comes_again && retry && !child.missing.is_empty() {
        return holding::hold(state, at, exit, now, step);
    }
    if comes_again && retry && held {
        let child = &mut state.children[at];
        (child.goal, child.in_round) = (Goal::Up, false);
        holding::release(child, "did not start, and what it needs came back meanwhile", now, step);
        if let Some(decision) = step.decisions.last_mut() {
            decision.cause = Some(exit);
        }
        return;
    }
    if comes_again && child.half_open && !child.is_vital() {
        return giving_up::give_up_on(state, at, ("the try that was ordered failed", exit), retry, now, step);
    }
    let child = &mut state.children[at];
    child.goal = Goal::Down;
    child.half_open = false;
    step.note(child, now, Rule::Ended, "did not start: stays down").cause = Some(exit);
}

fn restart(state: &mut State, at: usize, cause: Exit, now: Time, step: &mut Step) {
    let budget = state.budget(at, now);
    let mut seed = state.seed;
    let child = &mut state.children[at];
    child.failures = child.failures.saturating_add(1);
    child.restarts_total += 1;
    let grown = child.policy.backoff.map_or(Duration::ZERO, |rule| backoff::delay(&rule, child.failures, &mut seed));
    let cooldown = cooldown_left(child, now);
    let wait = grown.max(cooldown);
    child.goal = Goal::Up;
    if wait.is_zero() {
        child.due = true;
    } else {
        let why = if grown >= cooldown { "backoff" } else { "cooldown" };
        child.life = Life::Waiting { until: now + wait, why: why.to_owned() };
    }
    state.seed = seed;
    let child = &state.children[at];
    let (rule, text) = match &child.life {
        Life::Waiting { why, .. } if why == "cooldown" => {
            (Rule::Cooldown, format!("restarts in {}, when its cooldown has passed", seconds(wait)))
        }
        Life::Waiting { .. } => (Rule::Backoff, format!("restarts in {} (failure {})", seconds(wait), child.failures)),
        _ => (Rule::Restart, "restarts at once".to_owned()),
    };
    let decision = step.note(child, now, rule, &text);
    decision.cause = Some(cause);
    decision.budget = Some(budget);
    decision.rejected.push(format!("park or give up: {} of {} used", budget.used, budget.allowed));
    if !wait.is_zero() {
        let why = if rule == Rule::Cooldown { "its cooldown has not passed" } else { "a failure needs time to pass" };
        decision.rejected.push(format!("restart at once: {why}"));
    }
    if !wait.is_zero() {
        step.timer(child, super::Timer::Delay, wait);
    }
    take_along(state, at, now, step);
}

/// What is left of the least time between two starts of `child`.
pub(super) fn cooldown_left(child: &Child, now: Time) -> Duration {
    match (child.policy.cooldown, child.last_start) {
        (Some(cooldown), Some(start)) => (start + cooldown).saturating_sub(now),
        _ => Duration::ZERO,
    }
}

/// The strategy's part: who goes down and up again with the child at `at`.
pub(super) fn take_along(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let from = match state.flags.strategy {
        Strategy::OneForOne | Strategy::Dynamic => {
            // The first start goes on without a child that is not required.
            state.children[at].in_round &= state.children[at].policy.required;
            return;
        }
        Strategy::OneForAll => 0,
        Strategy::RestForOne => at + 1,
    };
    state.children[at].in_round = true;
    let failed = state.children[at].id().to_owned();
    let why = match &state.children[at].last_exit {
        Some(exit) => format!("{failed}: {exit}"),
        None => format!("{failed} failed"),
    };
    for sibling in from..state.children.len() {
        let child = &mut state.children[sibling];
        let ordered_down = child.is_alive() && matches!(child.goal, Goal::Down | Goal::Gone);
        if sibling == at
            || ordered_down
            || child.draining
            || matches!(child.life, Life::Held | Life::Parked { .. } | Life::Quarantined)
        {
            continue;
        }
        child.in_round = true;
        if child.asked != Asked::Boot {
            child.asked = Asked::Rule; // a start that was asked for and is interrupted goes on by rule
        }
        match (child.is_alive(), child.policy.restart) {
            (true, restart) => {
                child.goal = if restart == Restart::Temporary { Goal::Gone } else { Goal::Again };
                child.told.get_or_insert_with(|| why.clone());
            }
            (false, Restart::Temporary) => continue,
            (false, Restart::Permanent | Restart::Transient) => {
                child.life = Life::Down;
                child.goal = Goal::Up;
                child.due = true;
            }
        }
        let text = format!("{failed} failed and the strategy is {}", state.flags.strategy.name());
        step.note(&state.children[sibling], now, Rule::Strategy, &text).because(&why);
    }
}
