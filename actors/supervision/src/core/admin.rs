//! What may be asked of a supervisor: OTP's calls with OTP's refusals, and an operator's orders.

use super::{
    Action, Outcome, Refusal, Step, Ticket, Time, amend, carried,
    check::check,
    event::{Event, Order, Timer},
    explain::Rule,
    order,
    policy::{Policy, Restart, Strategy},
    respec,
    state::{Asked, Child, Goal, Life, Phase, Stage, State},
    stopping,
};

/// Carries out or refuses `order`. The answer to one that starts or stops a child comes when that has happened.
pub(super) fn order(state: &mut State, ticket: Ticket, order: Order, now: Time, step: &mut Step) {
    let answer = match (&state.phase, order) {
        (Phase::Stopping { .. } | Phase::Done, _) => Some(Err(Refusal::ShuttingDown)),
        (_, Order::Amend { flags, children }) => Some(amend::amend(state, flags, children, now, step)),
        (Phase::Idle, _) => Some(Err(Refusal::NotReady)),
        (_, order) if drains(state, &order) => Some(Err(Refusal::ShuttingDown)),
        (_, Order::Respecify { flags, children, removed }) => {
            respec::respecify(state, ticket, (flags, children, removed), now, step)
        }
        (_, Order::StartChild { policy, missing }) => start_child(state, ticket, *policy, missing, now, step),
        (_, order) => match state.find(order.id()) {
            None => Some(Err(Refusal::NotFound)),
            Some(at) => about_child(state, at, ticket, &order, now, step),
        },
    };
    if let Some(answer) = answer {
        step.actions.push(Action::Answer { ticket, answer });
    }
}

/// Whether `order` would start something that drains.
fn drains(state: &State, order: &Order) -> bool {
    match order {
        Order::StartChild { .. } => state.draining,
        Order::Respecify { .. } => state.draining || state.children.iter().any(|child| child.draining),
        Order::RestartChild { id } | Order::Cycle { id, .. } => state.child(id).is_some_and(|child| child.draining),
        Order::TerminateChild { .. }
        | Order::DeleteChild { .. }
        | Order::RemoveChild { .. }
        | Order::Kill { .. }
        | Order::Amend { .. } => false,
    }
}

/// What `order` would be answered now: decided by the rules themselves, on a copy of `state`, and nothing is done. An order
/// that would be begun is a [`Outcome::WouldBe`], however it would end.
///
/// # Errors
/// What the order would be refused for.
pub fn rehearse(state: &State, order: Order, now: Time) -> Result<Outcome, Refusal> {
    if let Order::Respecify { flags, children, removed } = &order {
        if drains(state, &order) {
            return Err(Refusal::ShuttingDown);
        }
        return respec::plan(state, flags, children, *removed).map(|plan| Outcome::Planned { plan });
    }
    if let Order::Amend { flags, children } = &order {
        return amend::plan(state, flags, children).map(|plan| Outcome::Planned { plan });
    }
    let incarnation = state.child(order.id()).map_or(0, |child| child.incarnation);
    let step = super::decide(&mut state.clone(), Event::Order { ticket: REHEARSAL, order }, now);
    let refused = step.actions.into_iter().find_map(|action| match action {
        Action::Answer { ticket: REHEARSAL, answer } => answer.err(),
        _ => None,
    });
    refused.map_or(Ok(Outcome::WouldBe { incarnation }), Err)
}

/// Nobody's ticket: they are counted from 1.
const REHEARSAL: Ticket = 0;
/// What a decision answers that was ordered through the tree.
const ORDERED: &str = "an operator's order";
/// What a decision answers that the owner of a dynamic child asked for.
const OWNER: &str = "its owner's order";

type Answer = Option<Result<Outcome, Refusal>>;

fn start_child(
    state: &mut State,
    ticket: Ticket,
    policy: Policy,
    missing: Vec<String>,
    now: Time,
    step: &mut Step,
) -> Answer {
    if let Err(said) = check(Some(&state.flags), &policy) {
        return Some(Err(Refusal::BadSpec { reason: said.reason }));
    }
    if let Some(at) = state.find(&policy.id) {
        let there = &state.children[at];
        return Some(Err(if there.is_alive() { Refusal::AlreadyStarted } else { Refusal::AlreadyPresent }));
    }
    let mut child = Child::new(policy, missing.into_iter().collect());
    child.incarnation = state.recall(child.id());
    child.due = true;
    child.asked = Asked::Start;
    child.waiting.push(ticket);
    child.since = now;
    let stays_parked = carried::is_parked(state, &child);
    let text = if stays_parked { "added" } else { "added and started" };
    step.note(&child, now, Rule::Operator, text).because(OWNER);
    child.in_round = order::joins_round(state);
    let id = child.id().to_owned();
    state.children.insert(child);
    if let Some(at) = state.find(&id)
        && carried::take_over(state, at, now, step)
        && let Life::Parked { reason, .. } = &state.children[at].life
    {
        let refusal = Refusal::Parked { reason: reason.clone() };
        step.refuse(&mut state.children[at].waiting, &refusal);
    }
    None
}

fn about_child(state: &mut State, at: usize, ticket: Ticket, order: &Order, now: Time, step: &mut Step) -> Answer {
    match order {
        Order::StartChild { .. } | Order::Respecify { .. } | Order::Amend { .. } => None, // handled before
        Order::TerminateChild { .. } => terminate(state, at, ticket, Goal::Down, now, step),
        Order::RemoveChild { .. } => terminate(state, at, ticket, Goal::Gone, now, step),
        Order::RestartChild { .. } => revive(state, at, ticket, now, step),
        Order::DeleteChild { .. } => Some(delete(state, at, step)),
        Order::Cycle { force, .. } => cycle(state, at, ticket, *force, now, step),
        Order::Kill { .. } => kill(state, at, now, step),
    }
}

/// Down, and `goal` says whether its spec is kept. Whoever waits for it to come up is told that it will not.
fn terminate(state: &mut State, at: usize, ticket: Ticket, goal: Goal, now: Time, step: &mut Step) -> Answer {
    let rounds = matches!(state.flags.strategy, Strategy::OneForAll | Strategy::RestForOne);
    let child = &mut state.children[at];
    let incarnation = child.incarnation;
    if child.life == Life::Quarantined {
        return Some(Err(Refusal::Quarantined));
    }
    if child.policy.restart == Restart::Temporary || child.goal == Goal::Gone || goal == Goal::Gone {
        child.goal = Goal::Gone;
    } else {
        child.goal = Goal::Down;
    }
    child.due = false;
    child.half_open = false;
    step.refuse(&mut child.waiting, &Refusal::Stopping);
    let text = match child.goal {
        Goal::Gone => "ordered down and forgotten",
        _ if rounds => "ordered down; stays down until it is ordered up or a sibling's failure restarts them all",
        _ => "ordered down; stays down until it is ordered up",
    };
    let why = if goal == Goal::Gone { OWNER } else { ORDERED };
    step.note(&state.children[at], now, Rule::Operator, text).because(why);
    let child = &mut state.children[at];
    if child.is_alive() {
        child.told.get_or_insert_with(|| why.to_owned());
        child.parting.push(ticket);
        return None;
    }
    child.life = Life::Down;
    child.since = now;
    Some(Ok(Outcome::Done { incarnation }))
}

/// An operator's start: whoever says that it shall be up again has looked at why it was not, so it asks no budget and no
/// cooldown. For a parked child it is the try while parked, made now: once it is up its budget begins anew.
fn revive(state: &mut State, at: usize, ticket: Ticket, now: Time, step: &mut Step) -> Answer {
    match &state.children[at].life {
        Life::Running | Life::Starting => return Some(Err(Refusal::Running)),
        Life::Stopping { .. } => return Some(Err(Refusal::Stopping)),
        Life::Quarantined => return Some(Err(Refusal::Quarantined)),
        Life::Waiting { .. } => return Some(Err(Refusal::Restarting)),
        Life::Down if state.children[at].due => return Some(Err(Refusal::Restarting)),
        Life::Down | Life::Held | Life::Parked { .. } => {}
    }
    raise(state, at, ticket, Asked::Restart);
    step.note(&state.children[at], now, Rule::Operator, "ordered up").because(ORDERED);
    None
}

/// Makes a child that is not there due.
fn raise(state: &mut State, at: usize, ticket: Ticket, asked: Asked) {
    let joins = order::joins_round(state);
    let child = &mut state.children[at];
    let was = std::mem::replace(&mut child.life, Life::Down);
    child.goal = Goal::Up;
    child.due = true;
    child.in_round = joins;
    child.asked = asked;
    child.failures = 0;
    child.half_open = matches!(was, Life::Parked { .. }) || was == Life::Held && child.half_open;
    child.held = was == Life::Held;
    child.half_open_tries = 0;
    child.waiting.push(ticket);
}

fn delete(state: &mut State, at: usize, step: &mut Step) -> Result<Outcome, Refusal> {
    let child = &state.children[at];
    let incarnation = child.incarnation;
    match &child.life {
        Life::Running | Life::Starting | Life::Stopping { .. } => return Err(Refusal::Running),
        Life::Waiting { .. } | Life::Held => return Err(Refusal::Restarting),
        Life::Down if child.due => return Err(Refusal::Restarting),
        Life::Quarantined => return Err(Refusal::Quarantined),
        Life::Down | Life::Parked { .. } => {}
    }
    order::forget(state, at, step);
    Ok(Outcome::Done { incarnation })
}

/// An operator's restart: it obeys budget and cooldown like any other, unless forced, whether the child runs, is down or
/// was parked. Force goes over the budget once and leaves it as it is.
fn cycle(state: &mut State, at: usize, ticket: Ticket, force: bool, now: Time, step: &mut Step) -> Answer {
    let child = &state.children[at];
    match &child.life {
        Life::Running if child.goal == Goal::Again => return Some(Err(Refusal::Restarting)),
        Life::Running if child.goal != Goal::Up => return Some(Err(Refusal::Stopping)),
        Life::Running | Life::Held | Life::Parked { .. } => {}
        Life::Starting => return Some(Err(Refusal::Restarting)),
        Life::Stopping { .. } => return Some(Err(Refusal::Stopping)),
        Life::Quarantined => return Some(Err(Refusal::Quarantined)),
        Life::Waiting { .. } if force => {}
        Life::Waiting { .. } => return Some(Err(Refusal::Restarting)),
        Life::Down if child.due => return Some(Err(Refusal::Restarting)),
        Life::Down => {}
    }
    let parked = matches!(child.life, Life::Parked { .. });
    let budget = state.budget(at, now);
    if !force {
        if budget.used >= budget.allowed {
            return Some(Err(Refusal::Budget { used: budget.used, allowed: budget.allowed, parked }));
        }
        if let (Some(cooldown), Some(start)) = (child.policy.cooldown, child.last_start) {
            let remaining = (start + cooldown).saturating_sub(now);
            if !remaining.is_zero() {
                return Some(Err(Refusal::Cooldown { remaining }));
            }
        }
        state.charge(at, now);
    }
    let budget = state.budget(at, now);
    state.children[at].restarts_total += 1;
    if matches!(state.children[at].life, Life::Down | Life::Held | Life::Parked { .. }) {
        raise(state, at, ticket, Asked::Cycle);
    } else {
        let child = &mut state.children[at];
        child.goal = Goal::Again;
        child.told.get_or_insert_with(|| ORDERED.to_owned());
        child.waiting.push(ticket);
    }
    let text = if force { "ordered to restart, by force" } else { "ordered to restart" };
    step.note(&state.children[at], now, Rule::Operator, text).because(ORDERED).budget = Some(budget);
    None
}

/// An operator's kill: an abnormal exit like any other. The answer is that the order was given.
fn kill(state: &mut State, at: usize, now: Time, step: &mut Step) -> Answer {
    let child = &mut state.children[at];
    let incarnation = child.incarnation;
    match child.life {
        // Its goal stays: the restart rule answers, or the stop that takes too long is cut short.
        Life::Running | Life::Stopping { stage: Stage::Asked } => stopping::kill(state, at, "operator", now, step),
        Life::Starting => {
            step.actions.push(Action::Kill { id: child.id().to_owned(), by: "operator".to_owned() });
            step.timer(child, Timer::Abort, stopping::KILL_GRACE);
        }
        Life::Stopping { .. } => return Some(Err(Refusal::Stopping)),
        Life::Quarantined => return Some(Err(Refusal::Quarantined)),
        Life::Waiting { .. } | Life::Held | Life::Down | Life::Parked { .. } => {
            return Some(Err(Refusal::NotRunning));
        }
    }
    state.children[at].told.get_or_insert_with(|| ORDERED.to_owned());
    step.note(&state.children[at], now, Rule::Operator, "killed by order").because(ORDERED);
    Some(Ok(Outcome::Done { incarnation }))
}
