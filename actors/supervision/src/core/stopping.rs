//! The ladder: ask, kill, abort, leave behind; and a drain, after which nothing of it starts.

use super::{
    Action, Step, Time,
    children::Mark,
    ending,
    event::{Refusal, Timer},
    exits,
    explain::{Rule, seconds},
    giving_up,
    policy::{Shutdown, Strategy},
    state::{Asked, Goal, Life, Phase, Stage, State},
};
use crate::exit::Exit;
use std::time::Duration;

/// How long a kill may take before the task is aborted, and an abort before the incarnation is left behind.
/// Both act at the next await point: only code that blocks its thread needs longer.
pub(super) const KILL_GRACE: Duration = Duration::from_millis(500);
/// The least that a kill or an abort is given while the supervisor has time left.
const KILL_LEAST: Duration = Duration::from_millis(20);
/// The same when it never had any, being killed itself: a busy machine must not make a child that dies look like one
/// that cannot.
const KILL_LATE: Duration = Duration::from_millis(100);

/// Begins to stop the child at `at`.
pub(super) fn begin(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let (share, grace) = (share(state, now), grace(state, now));
    let child = &mut state.children[at];
    let id = child.id().to_owned();
    child.since = now;
    child.due = false;
    if child.policy.shutdown == Shutdown::Brutal {
        child.life = Life::Stopping { stage: Stage::Killed };
        step.actions.push(Action::Kill { id, by: "brutal".to_owned() });
        let child = &state.children[at];
        step.note(child, now, Rule::Stop, "killed without being asked, as its shutdown is brutal").reason =
            child.told.clone();
        return step.timer(child, Timer::Killed, grace);
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
        Some(polite) => format!("asked to stop within {}", seconds(polite)),
        None => "asked to stop".to_owned(),
    };
    let child = &state.children[at];
    step.note(child, now, Rule::Stop, &text).reason = child.told.clone();
    if let Some(polite) = polite {
        step.timer(child, Timer::Stop, polite);
    }
}

/// Kills the child at `at` without asking, or instead of asking any longer.
pub(super) fn kill(state: &mut State, at: usize, by: &str, now: Time, step: &mut Step) {
    let grace = grace(state, now);
    let child = &mut state.children[at];
    child.life = Life::Stopping { stage: Stage::Killed };
    step.actions.push(Action::Kill { id: child.id().to_owned(), by: by.to_owned() });
    step.timer(child, Timer::Killed, grace);
}

/// What one more stop may take of the supervisor's total: half of what is left, or an equal share where that is more. An
/// equal share alone, taken again at each level of a tree, leaves a grandchild a hundredth of the total, although most
/// of its elders need next to nothing. Unused time is passed on; children that stop at the same time share nothing.
pub(super) fn share(state: &mut State, now: Time) -> Option<Duration> {
    let Phase::Stopping { by: Some(by), .. } = &state.phase else { return None };
    let left = by.saturating_sub(now);
    let steps = if together(state, now) { 1 } else { state.children.count(Mark::Unasked).max(1) };
    Some((left / u32::try_from(steps).unwrap_or(u32::MAX)).max(left / 2))
}

/// What a kill or an abort may take.
pub(super) fn grace(state: &mut State, now: Time) -> Duration {
    match (share(state, now), &state.phase) {
        (None, _) => KILL_GRACE,
        (_, Phase::Stopping { by, rush, .. }) if by == rush => KILL_LATE,
        (Some(share), _) => (share / 3).clamp(KILL_LEAST, KILL_GRACE),
    }
}

/// Whether all stop at the same time: dynamic children, and any when there is no time for one after the other.
pub(super) fn together(state: &State, now: Time) -> bool {
    let rushed = matches!(state.phase, Phase::Stopping { rush: Some(rush), .. } if rush <= now);
    state.flags.strategy == Strategy::Dynamic || rushed
}

/// A rung of the ladder has taken its time: the next one.
pub(super) fn climb(state: &mut State, at: usize, timer: Timer, now: Time, step: &mut Step) {
    let grace = grace(state, now);
    let Life::Stopping { stage } = state.children[at].life else { return };
    match (timer, stage) {
        (Timer::Stop, Stage::Asked) => {
            if state.children[at].stop_by.is_some_and(|by| by > now) {
                return; // an older, longer deadline's timer
            }
            kill(state, at, "stop deadline", now, step);
            let child = &state.children[at];
            step.note(child, now, Rule::StopDeadline, "did not stop in time: killed").reason = child.told.clone();
        }
        (Timer::Killed, Stage::Killed) => {
            let child = &mut state.children[at];
            child.life = Life::Stopping { stage: Stage::Aborted };
            step.actions.push(Action::Abort { id: child.id().to_owned() });
            let child = &state.children[at];
            let text = "did not die in time: its task is aborted";
            step.note(child, now, Rule::KillDeadline, text).reason = child.told.clone();
            step.timer(child, Timer::Aborted, grace);
        }
        (Timer::Aborted, Stage::Aborted) => leave_behind(state, at, now, step),
        _ => {}
    }
}

/// Neither kill nor abort had an effect: the incarnation may live on, so the child is not started again until it ends
/// after all and an operator says so. Without a vital child, or a required one at boot, the supervisor gives up. One
/// whose incarnations may overlap is started again by its restart rule.
pub(super) fn leave_behind(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    step.actions.push(Action::LeaveBehind { id: child.id().to_owned(), incarnation: child.incarnation });
    let wanted = matches!(child.goal, Goal::Up | Goal::Again);
    let stalled = std::mem::take(&mut child.stopped_for_stall);
    child.stalled = None;
    exits::recover(child, now); // its rules count until here: whatever it does from now on is nobody's time up
    let cause = if stalled { Exit::Stalled } else { Exit::Aborted };
    if wanted && child.policy.overlap_ok && !state.is_stopping() {
        return start_beside(state, at, cause, now, step);
    }
    let child = &mut state.children[at];
    let boot = std::mem::replace(&mut child.asked, Asked::Rule) == Asked::Boot && child.policy.required;
    child.life = Life::Quarantined;
    child.since = now;
    child.in_round = false;
    child.due = false;
    child.half_open = false;
    if child.goal != Goal::Gone {
        child.goal = Goal::Down;
    }
    step.refuse(&mut child.waiting, &Refusal::Quarantined);
    step.refuse(&mut child.parting, &Refusal::Quarantined);
    let text = "blocks its thread and cannot be ended: left behind, not started again";
    let child = &state.children[at];
    let decision = step.note(child, now, Rule::Quarantine, text);
    decision.reason.clone_from(&child.told);
    decision.cause = stalled.then_some(cause);
    decision.rejected.push("start a next incarnation: two of one path might live at once".to_owned());
    if !wanted || state.is_stopping() {
        return;
    }
    let (id, vital) = (child.id().to_owned(), child.is_vital());
    if boot {
        ending::shutdown(state, Exit::StartFailed { child: Some(id), cause: Box::new(Exit::Aborted) }, None, now, step);
    } else if vital {
        state.charge(at, now); // it ends the process: what the next one must know
        let budget = state.budget(at, now);
        let text = format!("{id} is vital and lost: it could not be ended");
        giving_up::escalate(state, text, None, budget, now, step);
    }
}

/// The child called `id`, or every one, starts no more: what is not there stays away, and what was to come again stays
/// down once it is.
pub(super) fn drain(state: &mut State, id: Option<&str>, step: &mut Step) {
    state.draining |= id.is_none();
    for at in 0..state.children.len() {
        let child = &mut state.children[at];
        if id.is_some_and(|id| id != child.id()) || std::mem::replace(&mut child.draining, true) {
            continue;
        }
        let comes = !child.is_alive() && child.life != Life::Quarantined || child.goal == Goal::Again;
        if comes && child.goal != Goal::Gone {
            child.goal = Goal::Down;
            child.due = false;
            child.half_open = false;
            step.refuse(&mut child.waiting, &Refusal::ShuttingDown);
        }
    }
}

/// The incarnation may live on, and another one takes its path all the same.
fn start_beside(state: &mut State, at: usize, cause: Exit, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    let starting = child.life == Life::Starting;
    child.late = false;
    child.since = now;
    child.last_exit = Some(cause.clone());
    let text = "blocks its thread and cannot be ended: left behind, another takes its path";
    step.note(child, now, Rule::Quarantine, text).reason = child.told.clone();
    if child.goal == Goal::Again {
        child.life = Life::Down;
        child.goal = Goal::Up;
        child.due = true;
        return;
    }
    child.life = Life::Down;
    if starting {
        exits::did_not_start(state, at, cause, now, step);
    } else {
        exits::ended(state, at, cause, now, step);
    }
}
