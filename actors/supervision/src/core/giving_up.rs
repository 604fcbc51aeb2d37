//! Giving up: on one child, and on all of them.

use super::{
    Refusal, Step, Time, backoff, ending,
    explain::{Budget, Rule, seconds},
    policy::AutoShutdown,
    state::{Child, Goal, Life, Phase, State},
};
use crate::exit::Exit;

/// The child is beyond help, `why` says by which rule: the tree goes on without it, or not at all.
pub(super) fn give_up_on(
    state: &mut State,
    at: usize,
    (why, cause): (&str, Exit),
    retry: bool,
    now: Time,
    step: &mut Step,
) {
    let id = state.children[at].id().to_owned();
    let budget = state.budget(at, now);
    if state.children[at].is_vital() {
        return escalate(state, format!("{id} is vital and lost: {why}"), Some(cause), budget, now, step);
    }
    let mut seed = state.seed;
    let child = &mut state.children[at];
    child.in_round = false;
    child.goal = Goal::Up;
    child.due = false;
    child.half_open = false;
    child.half_open_tries += 1;
    let wait = child.policy.retry_parked.filter(|_| retry).map(|rule| {
        let wait = backoff::delay(&rule, child.half_open_tries, &mut seed);
        (wait, now + wait)
    });
    child.life = Life::Parked { reason: format!("{why}: {cause}"), retry_at: wait.map(|(_, at)| at) };
    child.since = now;
    step.refuse(&mut child.waiting, &Refusal::NotRunning);
    state.seed = seed;
    let next = match wait {
        Some((wait, _)) => format!("one try in {}", seconds(wait)),
        None => "until an operator starts it".to_owned(),
    };
    let child = &state.children[at];
    let decision = step.note(child, now, Rule::Parked, &format!("parked, {next}: {why}"));
    decision.cause = Some(cause);
    decision.budget = Some(budget);
    decision.rejected.push("restart: not before".to_owned() + if wait.is_some() { " the try" } else { " then" });
    decision.rejected.push("give up: the tree can do without it".to_owned());
    if let Some((wait, _)) = wait {
        step.timer(child, super::Timer::HalfOpen, wait);
    }
}

/// The supervisor gives up: its children are stopped in reverse order and it exits `shutdown`, as in OTP.
/// `budget` is the one that was consulted; whoever asks how the supervisor ended is told the `cause` too.
pub(super) fn escalate(
    state: &mut State,
    mut text: String,
    cause: Option<Exit>,
    budget: Budget,
    now: Time,
    step: &mut Step,
) {
    let decision = step.note_self(now, Rule::Escalate, format!("gives up: {text}"));
    if let Some(cause) = &cause {
        text.push_str(&format!(": {cause}"));
    }
    (decision.cause, decision.budget) = (cause, Some(budget));
    decision
        .rejected
        .push("go on without it: it is vital, or its failures count against the supervisor's own intensity".to_owned());
    if budget.used >= budget.allowed {
        let Budget { used, allowed, window } = budget;
        decision.rejected.push(format!("restart: {used} of {allowed} within {} used", seconds(window)));
    }
    let exit = match &state.phase {
        Phase::Starting => Exit::StartFailed { child: None, cause: Box::new(Exit::shutdown_because(text)) },
        _ => Exit::shutdown_because(text),
    };
    ending::shutdown(state, exit, None, now, step);
}

/// A significant child ended: the supervisor may end with it.
pub(super) fn auto_shutdown(state: &mut State, now: Time, step: &mut Step) {
    // One that is being restarted has not ended.
    let there =
        |child: &Child| child.is_alive() || child.due || matches!(child.life, Life::Waiting { .. } | Life::Held);
    let left = state.children.iter().any(|child| child.policy.significant && there(child));
    let due = match state.flags.auto_shutdown {
        AutoShutdown::Never => false,
        AutoShutdown::AnySignificant => true,
        AutoShutdown::AllSignificant => !left,
    };
    if due {
        step.note_self(now, Rule::AutoShutdown, "a significant child ended: the supervisor ends with it".to_owned());
        ending::shutdown(state, Exit::shutdown(), None, now, step);
    }
}
