//! Who may start or stop next: in order up, in reverse order down.

use super::{
    Action, Step, Time,
    explain::Rule,
    policy::Strategy,
    state::{Asked, Goal, Life, Phase, State},
    stopping,
};

/// The supervisor begins: every child is due, in one round.
pub(super) fn begin(state: &mut State, now: Time, step: &mut Step) {
    if state.phase != Phase::Idle {
        return;
    }
    state.phase = Phase::Starting;
    for child in &mut state.children {
        child.due = true;
        child.in_round = true;
        child.asked = Asked::Boot;
        child.since = now;
    }
    step.note_self(now, Rule::Start, format!("starts {} children", state.children.len()));
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
    for at in (0..state.children.len()).rev() {
        let child = &mut state.children[at];
        if child.is_alive() || child.life == Life::Quarantined {
            continue;
        }
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

/// Stops, last first: a member of a round waits for the members after it. Dynamic children stop at the same time.
fn stop_next(state: &mut State, now: Time, step: &mut Step) {
    let ordered = state.flags.strategy != Strategy::Dynamic;
    let mut later_alive = false;
    for at in (0..state.children.len()).rev() {
        let child = &state.children[at];
        let leaving = child.is_alive() && child.goal != Goal::Up;
        if !leaving {
            continue;
        }
        let blocked = ordered && child.in_round && later_alive;
        if !blocked && !matches!(child.life, Life::Stopping { .. }) {
            stopping::begin(state, at, now, step);
        }
        later_alive |= state.children[at].in_round;
    }
}

/// Starts, first first: a member of a round waits until all that leave have left and the members before it are up.
fn start_next(state: &mut State, now: Time, step: &mut Step) {
    if state.is_stopping() {
        return;
    }
    let unsettled = state.children.iter().any(|child| {
        child.in_round && matches!(child.life, Life::Stopping { .. } | Life::Waiting { .. })
            || child.in_round && child.is_alive() && child.goal != Goal::Up
    });
    let mut earlier_pending = false;
    for at in 0..state.children.len() {
        let child = &mut state.children[at];
        let member = child.in_round;
        if child.due
            && child.goal == Goal::Up
            && child.life == Life::Down
            && !(member && (unsettled || earlier_pending))
        {
            child.due = false;
            child.incarnation += 1;
            child.life = Life::Starting;
            child.since = now;
            child.last_start = Some(now);
            child.late = false;
            let (id, incarnation) = (child.id().to_owned(), child.incarnation);
            step.actions.push(Action::Spawn { id, incarnation, missing: child.missing() });
            step.timer(child, super::Timer::Start, child.policy.start_timeout);
        }
        let child = &state.children[at];
        earlier_pending |= member && (child.due || child.life == Life::Starting);
    }
}

/// Ends a round, the first start, or the supervisor.
fn finish(state: &mut State, now: Time, step: &mut Step) {
    let busy = state.children.iter().any(|child| {
        child.in_round
            && (child.due
                || child.goal != Goal::Up && child.is_alive()
                || matches!(child.life, Life::Starting | Life::Stopping { .. } | Life::Waiting { .. }))
    });
    if busy {
        return;
    }
    match &state.phase {
        Phase::Stopping { exit, .. } => {
            if state.children.iter().any(super::state::Child::is_alive) {
                return;
            }
            let exit = exit.clone();
            state.phase = Phase::Done;
            step.note_self(now, Rule::Down, format!("all children are down: {exit}"));
            step.actions.push(Action::Exit { exit });
        }
        phase => {
            let first = *phase == Phase::Starting;
            for child in &mut state.children {
                child.in_round = false;
            }
            if first {
                state.phase = Phase::Running;
                step.actions.push(Action::Ready);
                step.note_self(now, Rule::Up, "is up".to_owned());
            }
        }
    }
}

/// Forgets the child at `at`.
pub(super) fn forget(state: &mut State, at: usize, step: &mut Step) {
    let child = state.children.remove(at);
    state.remember(&child);
    step.actions.push(Action::Forget { id: child.policy.id });
}
