//! The supervisor's own end: all of its children go, in order while there is time.

use super::{
    Action, Step, Time,
    event::{Refusal, Timer},
    explain::Rule,
    respec,
    state::{FOREVER, Goal, Life, Phase, Stage, State},
    stopping::{grace, kill, share},
};
use crate::exit::Exit;
use std::time::Duration;

/// When this much of a total deadline is left (or a quarter, where that is less), order is given up to keep it.
const RUSH: Duration = Duration::from_millis(250);

/// The supervisor shall end with `exit`. Asked again, it only gets less time.
pub(super) fn shutdown(state: &mut State, exit: Exit, within: Option<Duration>, now: Time, step: &mut Step) {
    let within = within.map(|within| within.min(FOREVER));
    let wanted = within.map(|within| now + within);
    let hasty = within.map(|within| now + within - RUSH.min(within / 4));
    match &mut state.phase {
        Phase::Done => return,
        Phase::Stopping { by, rush, .. } => {
            if wanted.is_none() || by.is_some() && *by <= wanted {
                return;
            }
            (*by, *rush) = (wanted, hasty);
            return hurry(state, now, step);
        }
        Phase::Idle | Phase::Starting | Phase::Running => {}
    }
    let text = format!("shuts down its children in reverse order: {exit}");
    step.note_self(now, Rule::Shutdown, text);
    let why = match &exit {
        Exit::Shutdown { info: None } => "its supervisor shuts down".to_owned(),
        exit => format!("its supervisor shuts down: {exit}"),
    };
    state.phase = Phase::Stopping { exit, by: wanted, rush: hasty };
    give_up_all(state, &why, step);
    if wanted.is_some() {
        hurry(state, now, step); // those that were on their way down already, with all the time they liked
    }
}

/// The supervisor is killed by `by`: so are its children, all at once and unasked, and then it ends.
pub(super) fn kill_all(state: &mut State, by: &str, now: Time, step: &mut Step) {
    let exit = Exit::Killed { by: by.to_owned() };
    let why = format!("its supervisor was {exit}");
    match &mut state.phase {
        Phase::Done => return,
        Phase::Stopping { exit: planned, by, rush } => (*planned, *by, *rush) = (exit, Some(now), Some(now)),
        Phase::Idle | Phase::Starting | Phase::Running => {
            step.note_self(now, Rule::Shutdown, format!("{exit}: its children are killed too"));
            state.phase = Phase::Stopping { exit, by: Some(now), rush: Some(now) };
            give_up_all(state, &why, step);
        }
    }
    for at in 0..state.children.len() {
        match state.children[at].life {
            Life::Starting | Life::Running | Life::Stopping { stage: Stage::Asked } => {
                kill(state, at, by, now, step);
                step.note(&state.children[at], now, Rule::Killed, "killed with its supervisor").because(&why);
            }
            Life::Stopping { .. }
            | Life::Down
            | Life::Waiting { .. }
            | Life::Held
            | Life::Parked { .. }
            | Life::Quarantined => {}
        }
    }
    hurry(state, now, step);
}

/// No child shall be up any more.
fn give_up_all(state: &mut State, why: &str, step: &mut Step) {
    respec::given_up(state, step);
    for at in 0..state.children.len() {
        let child = &mut state.children[at];
        step.refuse(&mut child.waiting, &Refusal::ShuttingDown);
        child.in_round = true;
        child.due = false;
        child.told.get_or_insert_with(|| why.to_owned());
        if child.goal != Goal::Gone {
            child.goal = Goal::Down;
        }
    }
}

/// Less time than before: children that were asked already are asked again with what is left, and those that are being
/// killed have no longer than the others.
fn hurry(state: &mut State, now: Time, step: &mut Step) {
    let (share, grace) = (share(state, now).unwrap_or_default(), grace(state, now));
    for at in 0..state.children.len() {
        let Life::Stopping { stage } = state.children[at].life else { continue };
        let polite = share * 3 / 5;
        match stage {
            Stage::Asked if state.children[at].stop_by.is_some_and(|by| by <= now + polite) => {}
            Stage::Asked => {
                let child = &mut state.children[at];
                child.stop_by = Some(now + polite);
                step.actions.push(Action::AskStop { id: child.id().to_owned(), within: Some(polite) });
                let child = &state.children[at];
                step.note(child, now, Rule::Stop, "asked to hurry").reason = child.told.clone();
                step.timer(child, Timer::Stop, polite);
            }
            Stage::Killed => step.timer(&state.children[at], Timer::Killed, grace),
            Stage::Aborted => step.timer(&state.children[at], Timer::Aborted, grace),
        }
    }
}

/// More incarnations than `max` hold a thread and cannot be ended: it can only get worse. `left` names them.
pub(super) fn overrun(state: &mut State, left: &[String], max: usize, now: Time, step: &mut Step) {
    if state.is_stopping() {
        return;
    }
    let text = format!(
        "gives up: {} incarnations block their threads and cannot be ended, at most {max} may: {}",
        left.len(),
        left.join(", ")
    );
    state.charge_own(now); // as above
    step.note_self(now, Rule::Overrun, text.clone()).budget = Some(state.own_budget(now));
    shutdown(state, Exit::shutdown_because(text), None, now, step);
}
