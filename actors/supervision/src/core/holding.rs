//! A failure while something that the child needs is missing: it is not restarted, and nothing is charged for it, until
//! that is back. To try before would spend its budget on what is not its fault, and park it for longer than the outage lasts.

use super::{
    Step, Time,
    event::{Refusal, Timer},
    explain::{Rule, seconds},
    restarting::cooldown_left,
    state::{Child, Goal, Life, State},
};
use crate::exit::Exit;

/// The child at `at` failed with `cause`, and something it needs is missing: it waits for that.
pub(super) fn hold(state: &mut State, at: usize, cause: Exit, now: Time, step: &mut Step) {
    let budget = state.budget(at, now);
    let child = &mut state.children[at];
    child.goal = Goal::Up;
    child.due = false;
    child.in_round = false;
    child.life = Life::Held;
    step.refuse(&mut child.waiting, &Refusal::NotRunning);
    let missing = child.missing().join(", ");
    let text =
        format!("failed while it needs {missing}, which is gone: is started when that is back, no restart is spent");
    let decision = step.note(child, now, Rule::Suspended, &text);
    decision.cause = Some(cause);
    decision.reason = Some(format!("{missing} is gone"));
    decision.budget = Some(budget);
    decision.rejected.push(format!("restart: without {missing} it has nothing to do"));
}

/// The delay of a restart is over: the child is due, unless something it needs went missing meanwhile.
pub(super) fn start_or_hold(child: &mut Child, now: Time, step: &mut Step) {
    if child.missing.is_empty() {
        child.life = Life::Down;
        child.due = true;
        return;
    }
    child.life = Life::Held;
    child.in_round = false;
    let missing = child.missing().join(", ");
    let text = format!("its delay is over and it needs {missing}, which is gone: is started when that is back");
    step.note(child, now, Rule::Suspended, &text).because(format!("{missing} is gone"));
}

/// Everything that `child`, which is held, needs is there: it is started, as soon as its cooldown allows.
pub(super) fn release(child: &mut Child, why: &str, now: Time, step: &mut Step) {
    child.restarts_total += 1;
    let wait = cooldown_left(child, now);
    if wait.is_zero() {
        child.life = Life::Down;
        child.due = true;
        step.note(child, now, Rule::Resumed, &format!("{why}: starts")).because(why);
        return;
    }
    child.life = Life::Waiting { until: now + wait, why: "cooldown".to_owned() };
    let text = format!("{why}: starts in {}, when its cooldown has passed", seconds(wait));
    step.note(child, now, Rule::Resumed, &text).because(why);
    step.timer(child, Timer::Delay, wait);
}
