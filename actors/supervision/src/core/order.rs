//! Who may start or stop next: in order up, in reverse order down.

use super::{
    Action, Outcome, Refusal, Step, Time, carried,
    children::Mark,
    ending,
    explain::Rule,
    policy::Strategy,
    respec,
    state::{Asked, Goal, Life, Phase, State},
    stopping,
};
use crate::exit::Exit;

/// The supervisor begins: every child is due, in one round.
pub(super) fn begin(state: &mut State, now: Time, step: &mut Step) {
    if state.phase != Phase::Idle {
        return;
    }
    state.phase = Phase::Starting;
    step.note_self(now, Rule::Start, format!("starts {} children", state.children.len()));
    let mut lost = None;
    for at in 0..state.children.len() {
        if carried::take_over(state, at, now, step) {
            continue; // parked as before: the round goes on without it
        }
        let child = &mut state.children[at];
        child.since = now;
        if child.life != Life::Quarantined {
            child.due = true;
            child.in_round = true;
            child.asked = Asked::Boot;
        } else if child.policy.required {
            lost = Some(child.id().to_owned());
        }
    }
    if let Some(id) = lost {
        let message = "its last incarnation has not ended yet".to_owned();
        let exit = Exit::StartFailed { child: Some(id), cause: Box::new(Exit::Error { message }) };
        step.note_self(now, Rule::RequiredFailed, exit.to_string());
        ending::shutdown(state, exit, None, now, step);
    }
}

/// Does whatever may be done next, until nothing more may.
pub(super) fn advance(state: &mut State, now: Time, step: &mut Step) {
    settle(state, step);
    stop_next(state, now, step);
    start_next(state, now, step);
    finish(state, now, step);
}

/// Children that shall go and are not there: nothing to stop.
fn settle(state: &mut State, step: &mut Step) {
    while let Some(at) = state.children.last(Mark::Gone) {
        let child = &mut state.children[at];
        match child.goal {
            Goal::Up => {}
            Goal::Down => {
                child.life = Life::Down;
                child.due = false;
            }
            Goal::Again => {
                child.life = Life::Down;
                child.goal = Goal::Up;
                child.due = true;
            }
            Goal::Gone => forget(state, at, step),
        }
    }
}

/// Stops, last first: a member of a round waits for the members after it, or for those that need it. Dynamic children, and all when time runs out,
/// stop at the same time.
fn stop_next(state: &mut State, now: Time, step: &mut Step) {
    while let Some(at) = state.children.last(Mark::AsideLeaving) {
        stopping::begin(state, at, now, step);
    }
    if stopping::together(state, now) {
        while let Some(at) = next_asked(state) {
            stopping::begin(state, at, now, step);
        }
    } else if let Some(at) = next_down(state)
        && !matches!(state.children[at].life, Life::Stopping { .. })
    {
        stopping::begin(state, at, now, step);
    }
}

/// Starts, first first: a member of a round waits until all that leave have left and the members before it are up.
fn start_next(state: &mut State, now: Time, step: &mut Step) {
    if state.is_stopping() {
        return;
    }
    while let Some(at) = state.children.first(Mark::AsideDue) {
        if comes_behind(state, at) {
            state.children[at].in_round = true;
        } else {
            start(state, at, now, step);
        }
    }
    if state.children.count(Mark::Unsettled) == 0
        && let Some(at) = next_up(state)
        && state.children[at].life == Life::Down
    {
        start(state, at, now, step);
    }
}

/// Whose turn to stop it is: the one that is stopping, as long as it is there.
fn next_down(state: &mut State) -> Option<usize> {
    if !state.flags.by_needs {
        return state.children.last(Mark::MemberLeaving);
    }
    // One that is free by now may stand behind the one whose turn it was.
    let one_stops = state.children.count(Mark::MemberLeaving) > state.children.count(Mark::MemberToAsk);
    if one_stops { None } else { next_asked(state) }
}

/// Whose turn to be asked it is, of those that nobody has asked.
fn next_asked(state: &mut State) -> Option<usize> {
    match state.flags.by_needs {
        true => state.children.last_unneeded(Mark::MemberToAsk, &state.under),
        false => state.children.last(Mark::MemberToAsk),
    }
}

/// Whose turn to start it is: the one that is starting, until it is up.
fn next_up(state: &mut State) -> Option<usize> {
    match state.flags.by_needs {
        false => state.children.first(Mark::Pending),
        true if state.children.count(Mark::Coming) > 0 => None,
        true => state.children.first_needed(Mark::Pending, &state.under),
    }
}

fn start(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    child.due = false;
    child.incarnation += 1;
    child.life = Life::Starting;
    child.since = now;
    child.last_start = Some(now);
    child.late = false;
    child.told = None;
    child.stop_by = None;
    child.look_at = None;
    child.look_left_out = false;
    child.stalled = None;
    child.stopped_for_stall = false;
    let (id, incarnation) = (child.id().to_owned(), child.incarnation);
    step.actions.push(Action::Spawn { id, incarnation, missing: child.missing() });
    step.timer(child, super::Timer::Start, child.policy.start_timeout);
}

/// Ends a round, the first start, or the supervisor.
fn finish(state: &mut State, now: Time, step: &mut Step) {
    if state.children.count(Mark::Pending) > 0 || state.children.count(Mark::Unsettled) > 0 {
        return;
    }
    match &state.phase {
        Phase::Stopping { exit, .. } => {
            let exit = exit.clone();
            if state.children.count(Mark::Alive) > 0 {
                return;
            }
            state.phase = Phase::Done;
            step.note_self(now, Rule::Down, format!("all children are down: {exit}"));
            step.actions.push(Action::Exit { exit });
        }
        phase => {
            let first = *phase == Phase::Starting;
            for at in state.children.all(Mark::Member) {
                let child = &mut state.children[at];
                child.in_round = false;
                if child.asked == Asked::Boot {
                    child.asked = Asked::Rule; // ordered down meanwhile: the boot that it could fail is over
                }
            }
            respec::settled(state, step);
            if first {
                state.phase = Phase::Running;
                step.actions.push(Action::Ready);
                step.note_self(now, Rule::Up, "came up".to_owned());
            }
        }
    }
}

/// Whether a child that is ordered up now has to take its turn in a round, as in OTP, where the order would wait for its end.
pub(super) fn joins_round(state: &mut State) -> bool {
    let ordered = matches!(state.flags.strategy, Strategy::OneForAll | Strategy::RestForOne);
    ordered && state.children.count(Mark::Member) > 0
}

/// Whether the child at `at`, which comes by a rule during a round, takes its turn in it: in a one_for_all round everybody does,
/// in a rest_for_one round whoever stands behind the first of it.
fn comes_behind(state: &mut State, at: usize) -> bool {
    let behind = state.flags.strategy != Strategy::RestForOne || state.children.first(Mark::Member) < Some(at);
    joins_round(state) && behind
}

/// Forgets the child at `at`, and leaves nobody waiting for it.
pub(super) fn forget(state: &mut State, at: usize, step: &mut Step) {
    let mut child = state.children.remove(at);
    step.refuse(&mut child.waiting, &Refusal::NotRunning);
    step.done(&mut child.parting, Outcome::Done { incarnation: child.incarnation });
    state.remember(&child);
    step.actions.push(Action::Forget { id: child.policy.id });
}
