//! New rules for a supervisor that runs and for children that are there: adopted as they run. Who its children are and in
//! which order they stand stays as it is, so nobody is started, stopped or restarted for it.

use super::{
    Outcome, Refusal, Step, Time,
    check::{check, check_flags},
    explain::Rule,
    policy::{Flags, Policy, Strategy},
    respec::{self, Change, Plan, Wanted},
    state::{Child, Goal, Phase, State},
};

/// What the new rules come to, child by child in start order: *respec* or *keep*.
///
/// # Errors
/// What is wrong with them; or that the supervisor is on its way down.
pub fn plan(state: &State, flags: &Flags, children: &[Wanted]) -> Result<Plan, Refusal> {
    if matches!(state.phase, Phase::Stopping { .. } | Phase::Done) {
        return Err(Refusal::ShuttingDown);
    }
    let judged = check_flags(flags).and_then(|()| {
        if (state.flags.strategy == Strategy::Dynamic) != (flags.strategy == Strategy::Dynamic) {
            return Err("a supervisor does not become dynamic, nor stop being so, while it runs".to_owned());
        }
        children
            .iter()
            .try_for_each(|new| check(Some(flags), &new.policy).map_err(|said| format!("{}: {said}", new.policy.id)))
    });
    judged.map_err(|reason| Refusal::BadSpec { reason })?;
    let of = |child: &Child| {
        let new = children.iter().find(|new| new.policy.id == child.policy.id)?;
        (child.goal != Goal::Gone && standing(new.policy.clone(), child) != child.policy).then_some(Change::Respec)
    };
    let children = state.children.iter().map(|child| (child.id().to_owned(), of(child).unwrap_or(Change::Keep)));
    Ok(Plan { flags: *flags != state.flags, children: children.collect() })
}

/// Carries it out, or refuses it.
pub(super) fn amend(
    state: &mut State,
    flags: Flags,
    children: Vec<Wanted>,
    now: Time,
    step: &mut Step,
) -> Result<Outcome, Refusal> {
    let plan = plan(state, &flags, &children)?;
    if plan.flags {
        step.note_self(now, Rule::Respec, "adopts new rules of its own; its children are not touched".to_owned());
        state.flags = flags;
    }
    for mut new in children {
        let Some(at) = state.find(&new.policy.id) else { continue };
        new.policy = standing(new.policy, &state.children[at]);
        if plan.children.get(at).is_some_and(|(_, change)| *change == Change::Respec) {
            let child = state.children[at].clone();
            state.children[at] = respec::respec(child, new, Change::Respec, AMENDED, now, step);
        }
    }
    Ok(Outcome::Respecified { plan, down: Vec::new() })
}

/// `policy` for a child that stays where it stands.
fn standing(policy: Policy, child: &Child) -> Policy {
    Policy { rank: child.policy.rank, ..policy.bounded() }
}

/// What a decision answers that new rules made.
const AMENDED: &str = "new rules";
