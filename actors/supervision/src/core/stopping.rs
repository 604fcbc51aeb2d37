//! The ladder: ask, kill, abort, leave behind; and the supervisor's own end.

use super::{
    Action, Step, Time,
    event::{Refusal, Timer},
    explain::Rule,
    policy::{Shutdown, Strategy},
    state::{Goal, Life, Phase, Stage, State},
};
use crate::exit::Exit;
use std::time::Duration;

/// How long a kill may take before the task is aborted, and an abort before the incarnation is left behind.
/// Both act at the next await point: only code that blocks its thread needs longer.
pub(super) const KILL_GRACE: Duration = Duration::from_millis(500);

/// Begins to stop the child at `at`.
pub(super) fn begin(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let share = share(state, now);
    let child = &mut state.children[at];
    let id = child.id().to_owned();
    child.since = now;
    child.due = false;
    if child.policy.shutdown == Shutdown::Brutal {
        child.life = Life::Stopping { stage: Stage::Killed };
        step.actions.push(Action::Kill { id, by: "brutal".to_owned() });
        let grace = share.map_or(KILL_GRACE, |share| (share / 2).min(KILL_GRACE));
        return step.timer(&state.children[at], Timer::Killed, grace);
    }
    let own = match child.policy.shutdown {
        Shutdown::Within(within) => Some(within),
        Shutdown::Brutal | Shutdown::Infinity => None,
    };
    // Under a total deadline three fifths of a step are for asking, the rest for the ladder.
    let polite = match (own, share.map(|share| share * 3 / 5)) {
        (Some(own), Some(share)) => Some(own.min(share)),
        (own, share) => own.or(share),
    };
    child.life = Life::Stopping { stage: Stage::Asked };
    child.stop_by = polite.map(|polite| now + polite);
    step.actions.push(Action::AskStop { id, within: polite });
    let text = match polite {
        Some(polite) => format!("asked to stop within {}", super::exits::seconds(polite)),
        None => "asked to stop".to_owned(),
    };
    let child = &state.children[at];
    step.note(child, now, Rule::Stop, &text);
    if let Some(polite) = polite {
        step.timer(child, Timer::Stop, polite);
    }
}

/// What one more stop may take of the supervisor's total: an equal share of what is left, so that unused time is passed
/// on. Dynamic children stop at the same time and share nothing.
fn share(state: &State, now: Time) -> Option<Duration> {
    let Phase::Stopping { by: Some(by), .. } = &state.phase else { return None };
    let left = by.saturating_sub(now);
    let steps = state.children.iter().filter(|child| matches!(child.life, Life::Starting | Life::Running)).count();
    let steps = if state.flags.strategy == Strategy::Dynamic { 1 } else { steps.max(1) };
    Some(left / u32::try_from(steps).unwrap_or(u32::MAX))
}

/// A rung of the ladder has taken its time: the next one.
pub(super) fn climb(state: &mut State, at: usize, timer: Timer, now: Time, step: &mut Step) {
    let share = share(state, now);
    let grace = share.map_or(KILL_GRACE, |share| (share / 3).clamp(Duration::from_millis(20), KILL_GRACE));
    let child = &mut state.children[at];
    let Life::Stopping { stage } = child.life else { return };
    let id = child.id().to_owned();
    match (timer, stage) {
        (Timer::Stop, Stage::Asked) => {
            if child.stop_by.is_some_and(|by| by > now) {
                return; // an older, longer deadline's timer
            }
            child.life = Life::Stopping { stage: Stage::Killed };
            step.actions.push(Action::Kill { id, by: "stop deadline".to_owned() });
            let child = &state.children[at];
            step.note(child, now, Rule::StopDeadline, "did not stop in time: killed");
            step.timer(child, Timer::Killed, grace);
        }
        (Timer::Killed, Stage::Killed) => {
            child.life = Life::Stopping { stage: Stage::Aborted };
            step.actions.push(Action::Abort { id });
            let child = &state.children[at];
            step.note(child, now, Rule::KillDeadline, "did not die in time: its task is aborted");
            step.timer(child, Timer::Aborted, grace);
        }
        (Timer::Aborted, Stage::Aborted) => {
            child.life = Life::Quarantined;
            child.in_round = false;
            for ticket in child.waiting.drain(..) {
                step.actions.push(Action::Answer { ticket, answer: Err(Refusal::Quarantined) });
            }
            let text = "blocks its thread and cannot be ended: left behind, not started again";
            step.note(&state.children[at], now, Rule::Quarantine, text);
        }
        _ => {}
    }
}

/// The supervisor shall end with `exit`. Asked again, it only gets less time.
pub(super) fn shutdown(state: &mut State, exit: Exit, within: Option<Duration>, now: Time, step: &mut Step) {
    let wanted = within.map(|within| now + within);
    match &mut state.phase {
        Phase::Done => return,
        Phase::Stopping { by, .. } => {
            let Some(wanted) = wanted else { return };
            if by.is_some_and(|by| by <= wanted) {
                return;
            }
            *by = Some(wanted);
            return hurry(state, now, step);
        }
        Phase::Idle | Phase::Starting | Phase::Running => {}
    }
    let text = format!("shuts down its children in reverse order: {exit}");
    step.note_self(now, Rule::Shutdown, text);
    state.phase = Phase::Stopping { exit, by: wanted };
    for child in &mut state.children {
        for ticket in child.waiting.drain(..) {
            step.actions.push(Action::Answer { ticket, answer: Err(Refusal::ShuttingDown) });
        }
        child.in_round = true;
        child.due = false;
        child.goal = Goal::Down;
    }
}

/// Less time than before: children that were asked already are asked again with what is left.
fn hurry(state: &mut State, now: Time, step: &mut Step) {
    let share = share(state, now);
    for at in 0..state.children.len() {
        let child = &mut state.children[at];
        if (child.life != Life::Stopping { stage: Stage::Asked }) {
            continue;
        }
        let polite = share.unwrap_or_default() * 3 / 5;
        if child.stop_by.is_some_and(|by| by <= now + polite) {
            continue;
        }
        child.stop_by = Some(now + polite);
        step.actions.push(Action::AskStop { id: child.id().to_owned(), within: Some(polite) });
        let child = &state.children[at];
        step.note(child, now, Rule::Stop, "asked to hurry");
        step.timer(child, Timer::Stop, polite);
    }
}
