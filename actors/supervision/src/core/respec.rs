//! Live re-specification (OTP's `code_change`): a new list of children and new rules for a supervisor that runs.
//!
//! What the difference comes to is planned as data, by a pure function, and judged whole: a list that does not hold
//! changes nothing. Children that stay are not touched: they adopt their new rules as they run. Those that go are stopped
//! in reverse order, then those that come are started in order, as in any round.

use super::{
    Outcome, Refusal, Step, Ticket, Time, Timer, carried,
    check::{check, check_flags},
    children::Children,
    explain::Rule,
    holding,
    policy::{Flags, Policy, Shutdown, Strategy},
    probe,
    state::{Asked, Child, Goal, Life, Phase, Stage, State},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// What becomes of children that the new list does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Removed {
    /// They are kept as they are, behind the others, as in OTP.
    Keep,
    /// They are stopped in reverse order and forgotten.
    Stop,
}

/// A child of the new list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its rules.
    pub policy: Policy,
    /// What it needs and is missing at the moment.
    pub missing: Vec<String>,
    /// Whether it has to be restarted to be what is wanted, running though it may be.
    pub restart: bool,
}

/// What becomes of one child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing: its rules are the same, or it is kept although the new list does not name it.
    Keep,
    /// It adopts new rules as it runs, or as it is.
    Respec,
    /// It is stopped and started again under its new rules.
    Restart,
    /// It is new: it is started.
    Start,
    /// It is stopped, if it is there, and forgotten.
    Stop,
}

/// What a re-specification comes to, child by child: in the new order, those that go last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Whether the supervisor's own rules change.
    pub flags: bool,
    /// Each child.
    pub children: Vec<(String, Change)>,
}

impl Plan {
    /// The children that `change` is planned for, in order.
    pub fn of(&self, change: Change) -> impl Iterator<Item = &str> {
        self.children.iter().filter(move |(_, planned)| *planned == change).map(|(id, _)| id.as_str())
    }
}

/// What re-specifying `state` comes to. For a dynamic supervisor the list is one template, whose rules (all but the name
/// and the needs) every child adopts: who its children are is not the list's to say.
///
/// # Errors
/// What is wrong with the new list or the new rules; or that the supervisor does not run.
pub fn plan(state: &State, flags: &Flags, wanted: &[Wanted], removed: Removed) -> Result<Plan, Refusal> {
    match state.phase {
        Phase::Stopping { .. } | Phase::Done => return Err(Refusal::ShuttingDown),
        Phase::Idle | Phase::Starting => return Err(Refusal::NotReady),
        Phase::Running => {}
    }
    validate(state, flags, wanted).map_err(|reason| Refusal::BadSpec { reason })?;
    let mut children = Vec::new();
    if flags.strategy == Strategy::Dynamic {
        for child in state.children.iter() {
            let same = adopted(&wanted[0].policy, child.policy.clone()) == child.policy;
            children.push((child.id().to_owned(), if same { Change::Keep } else { Change::Respec }));
        }
        return Ok(Plan { flags: *flags != state.flags, children });
    }
    for new in wanted {
        let change = match state.child(&new.policy.id) {
            None => Change::Start,
            Some(child) if child.goal == Goal::Gone => {
                let reason = format!("{} is on its way out; add it when it has gone", child.id());
                return Err(Refusal::BadSpec { reason });
            }
            Some(child) if (new.restart || new.policy.kind != child.policy.kind) && child.is_alive() => Change::Restart,
            Some(child) if new.policy.clone().bounded() == child.policy => Change::Keep,
            Some(_) => Change::Respec,
        };
        children.push((new.policy.id.clone(), change));
    }
    let named: BTreeSet<&str> = wanted.iter().map(|new| new.policy.id.as_str()).collect();
    for child in state.children.iter().filter(|child| !named.contains(child.id())) {
        let change = if removed == Removed::Keep { Change::Keep } else { Change::Stop };
        children.push((child.id().to_owned(), change));
    }
    Ok(Plan { flags: *flags != state.flags, children })
}

fn validate(state: &State, flags: &Flags, wanted: &[Wanted]) -> Result<(), String> {
    check_flags(flags)?;
    let was_dynamic = state.flags.strategy == Strategy::Dynamic;
    if was_dynamic != (flags.strategy == Strategy::Dynamic) {
        return Err("a supervisor does not become dynamic, nor stop being so, while it runs".to_owned());
    }
    if was_dynamic && wanted.len() != 1 {
        return Err(format!("a dynamic supervisor takes exactly one template; {} were given", wanted.len()));
    }
    let mut names = BTreeSet::new();
    for new in wanted {
        let id = &new.policy.id;
        if !names.insert(id) {
            return Err(format!("two children are called {id:?}"));
        }
        check(Some(flags), &new.policy).map_err(|said| format!("{id}: {said}"))?;
    }
    // Children that stay without being named live under the new rules too.
    for child in state.children.iter().filter(|child| !was_dynamic && !names.contains(&child.policy.id)) {
        check(Some(flags), &child.policy)
            .map_err(|said| format!("{}, which the list leaves out: {said}", child.id()))?;
    }
    Ok(())
}

/// The rules of `template` for a child that keeps its own name, kind and needs.
pub(crate) fn adopted(template: &Policy, own: Policy) -> Policy {
    Policy { id: own.id, kind: own.kind, needs: own.needs, rank: own.rank, ..template.clone().bounded() }
}

/// Carries a re-specification out, or refuses it. The answer comes when those that go have gone and those that come are
/// up, or have failed.
pub(super) fn respecify(
    state: &mut State,
    ticket: Ticket,
    (flags, wanted, removed): (Flags, Vec<Wanted>, Removed),
    now: Time,
    step: &mut Step,
) -> Option<Result<Outcome, Refusal>> {
    let plan = match plan(state, &flags, &wanted, removed) {
        Ok(plan) => plan,
        Err(refusal) => return Some(Err(refusal)),
    };
    if plan.flags {
        step.note_self(now, Rule::Respec, "adopts new rules of its own; its children are not touched".to_owned());
    }
    state.flags = flags;
    if flags.strategy == Strategy::Dynamic {
        for (at, (_, change)) in plan.children.iter().enumerate() {
            if *change == Change::Respec {
                let child = &mut state.children[at];
                child.policy = adopted(&wanted[0].policy, child.policy.clone());
                limit_stop(child, now, step);
                step.note(child, now, Rule::Respec, "adopts its template's new rules").because(RESPEC);
            }
        }
        return Some(Ok(Outcome::Respecified { plan, down: Vec::new() }));
    }
    let mut wanted: BTreeMap<String, Wanted> = wanted.into_iter().map(|new| (new.policy.id.clone(), new)).collect();
    let mut old: BTreeMap<String, Child> =
        std::mem::take(&mut state.children).into_children().map(|child| (child.id().to_owned(), child)).collect();
    let mut children = Children::default();
    for (id, change) in &plan.children {
        let mut child = match (old.remove(id), wanted.remove(id)) {
            (Some(child), Some(new)) => respec(child, new, *change, RESPEC, now, step),
            (Some(child), None) => child,
            (None, Some(new)) => Child::new(new.policy, new.missing.into_iter().collect()),
            (None, None) => continue,
        };
        apply(&mut child, *change, state, now, step);
        children.insert(child);
    }
    state.children = children;
    for id in plan.of(Change::Start) {
        if let Some(at) = state.find(id)
            && carried::take_over(state, at, now, step)
        {
            state.children[at].told = None; // parked as before: the round goes on without it
        }
    }
    state.reloads.push((ticket, plan));
    None
}

/// What a decision answers that a re-specification made.
const RESPEC: &str = "a new list of children";

/// The child under its new rules. What it needs now and did not need before, or the other way round, it is told.
pub(super) fn respec(
    mut child: Child,
    new: Wanted,
    change: Change,
    because: &str,
    now: Time,
    step: &mut Step,
) -> Child {
    let missing: BTreeSet<String> = new.missing.into_iter().collect();
    let (watched, needed) = (child.policy.probe.is_some(), !child.policy.needs.is_empty());
    child.policy = new.policy.bounded();
    limit_stop(&mut child, now, step);
    if child.life == Life::Running && !watched {
        probe::watch(&mut child, now, step);
    }
    // One that is still starting is told in any case: it may have been made when something was missing.
    let told = match child.life {
        Life::Running => missing != child.missing,
        Life::Starting => needed || missing != child.missing,
        _ => false,
    };
    if told && change != Change::Restart {
        let id = child.id().to_owned();
        step.actions.push(if missing.is_empty() {
            super::Action::Resume { id }
        } else {
            super::Action::Suspend { id, missing: missing.iter().cloned().collect() }
        });
    }
    child.missing = missing;
    if child.life == Life::Held && child.missing.is_empty() {
        holding::release(&mut child, "nothing that it needs now is missing", now, step);
    }
    if change == Change::Respec {
        step.note(&child, now, Rule::Respec, "adopts new rules; it is not touched").because(because);
    }
    child
}

/// One that was asked to stop and had any time for it has as long as its new rules say.
fn limit_stop(child: &mut Child, now: Time, step: &mut Step) {
    let within = match child.policy.shutdown {
        Shutdown::Within(within) => within,
        Shutdown::Brutal => Duration::ZERO,
        Shutdown::Infinity => return,
    };
    if child.life == (Life::Stopping { stage: Stage::Asked }) && child.stop_by.is_none() {
        child.stop_by = Some(now + within);
        step.timer(child, Timer::Stop, within);
    }
}

/// Sets the child on the way to what is planned for it, as a member of a round.
fn apply(child: &mut Child, change: Change, state: &mut State, now: Time, step: &mut Step) {
    match change {
        Change::Keep | Change::Respec => {}
        Change::Restart => {
            child.goal = Goal::Again;
            child.in_round = true;
            child.asked = Asked::Restart;
            child.told.get_or_insert_with(|| RESPEC.to_owned());
            step.note(child, now, Rule::Respec, "cannot change as it runs: restarted").because(RESPEC);
        }
        Change::Start => {
            child.incarnation = state.recall(child.id());
            child.since = now;
            child.due = true;
            child.in_round = true;
            // Should it fail it stays down, its spec kept: a new list does not end what runs.
            child.asked = Asked::Restart;
            step.note(child, now, Rule::Respec, "new: it is started in its turn").because(RESPEC);
        }
        Change::Stop => {
            child.goal = Goal::Gone;
            child.due = false;
            child.half_open = false;
            child.in_round = true;
            step.refuse(&mut child.waiting, &Refusal::Stopping);
            child.told.get_or_insert_with(|| RESPEC.to_owned());
            step.note(child, now, Rule::Respec, "no longer wanted: stopped and forgotten").because(RESPEC);
        }
    }
}

/// The round is over: whoever ordered a re-specification is told what did not come up.
pub(super) fn settled(state: &mut State, step: &mut Step) {
    for (ticket, plan) in std::mem::take(&mut state.reloads) {
        let wanted = plan.of(Change::Start).chain(plan.of(Change::Restart));
        let up = |id: &&str| state.child(id).is_some_and(|child| child.life == Life::Running);
        let down = wanted.filter(|id| !up(id)).map(str::to_owned).collect();
        step.done(&mut vec![ticket], Outcome::Respecified { plan, down });
    }
}

/// The supervisor goes: nobody waits any longer.
pub(super) fn given_up(state: &mut State, step: &mut Step) {
    for (ticket, _) in std::mem::take(&mut state.reloads) {
        step.refuse(&mut vec![ticket], &Refusal::ShuttingDown);
    }
}
