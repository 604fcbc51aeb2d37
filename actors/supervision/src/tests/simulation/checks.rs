//! What must hold, whatever happens.

use super::{
    scenario::{Group, Happening, Scenario},
    stage::Stage,
};
use crate::{ActorPath, Entry, Kind, Restart, Status, Strategy, Tree, core::Rule};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// Timers fire at the millisecond after; each level of the tree adds one.
pub(super) const SLACK: Duration = Duration::from_millis(50);
/// Turns that a change may take from an actor to its supervisor's view.
const TURNS: usize = 500;

/// The view tells who is alive.
pub(super) async fn view(tree: &Tree, stage: &Stage) -> Result<(), String> {
    tokio::time::sleep(Duration::from_millis(1)).await; // everything that was going to happen now has happened
    let mut wrong = None;
    for _ in 0..TURNS {
        wrong = tree.nodes().into_iter().filter(|node| node.kind == Kind::Worker).find_map(|node| {
            let alive = stage.alive(node.path.as_str());
            let fits = match node.status {
                Status::Running | Status::Suspended => alive == Some(node.incarnation),
                Status::Down | Status::Waiting | Status::Parked => alive.is_none(),
                Status::Starting | Status::Stopping | Status::Quarantined => true,
            };
            (!fits).then(|| format!("{} is said to be {:?}, and alive is {alive:?}", node.path, node.status))
        });
        if wrong.is_none() {
            return Ok(());
        }
        tokio::task::yield_now().await; // at this very moment something ends
    }
    Err(wrong.unwrap_or_default())
}

/// Everything that can be told from what was seen and what was decided. Returns how many stops the ranks decided.
pub(super) fn all(
    scenario: &Scenario,
    stage: &Stage,
    decisions: &[Arc<Entry>],
    drained: Option<Instant>,
) -> Result<usize, String> {
    if let Some(trouble) = stage.trouble() {
        return Err(trouble);
    }
    let left = stage.all_alive();
    if !left.is_empty() {
        return Err(format!("still alive after the end: {left:?}"));
    }
    every_exit_has_its_decision(stage, decisions)?;
    budgets_hold(scenario, decisions)?;
    nothing_starts_late(stage, decisions, drained)?;
    stops_in_reverse(scenario, (&ActorPath::root(), &scenario.root), decisions)
}

/// The exit of each incarnation is the cause of a decision about it; or of its supervisor's to give up.
fn every_exit_has_its_decision(stage: &Stage, decisions: &[Arc<Entry>]) -> Result<(), String> {
    let answered: BTreeSet<(&str, u64)> = decisions
        .iter()
        .filter(|entry| entry.decision.cause.is_some())
        .map(|entry| (entry.path.as_str(), entry.decision.incarnation))
        .collect();
    let gave_up: BTreeSet<&str> = decisions
        .iter()
        .filter(|entry| entry.decision.rule == Rule::Escalate && entry.decision.cause.is_some())
        .map(|entry| entry.path.as_str())
        .collect();
    for seen in stage.seen().iter().filter(|seen| !seen.entered) {
        let supervisor = ActorPath::from(seen.path.as_str()).parent().unwrap_or_else(ActorPath::root);
        let told = answered.contains(&(seen.path.as_str(), seen.incarnation)) || gave_up.contains(supervisor.as_str());
        if !told {
            let about = decisions.iter().filter(|entry| entry.path.as_str() == seen.path);
            let about: Vec<_> = about.map(|entry| (entry.decision.incarnation, entry.decision.text.as_str())).collect();
            return Err(format!("{}#{} ended and no decision says how: {about:?}", seen.path, seen.incarnation));
        }
    }
    Ok(())
}

/// What restarts count against.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Purse {
    /// The child's own budget.
    Own(ActorPath),
    /// The intensity of the supervisor, which its children without a budget share.
    Shared(ActorPath),
}

/// No more restarts within a budget's window than it allows, counted anew for each budget.
fn budgets_hold(scenario: &Scenario, decisions: &[Arc<Entry>]) -> Result<(), String> {
    let mut restarts: BTreeMap<Purse, VecDeque<Duration>> = BTreeMap::new();
    // Who is parked, and of those whom a start or a try may bring up.
    let (mut parked, mut tried): (BTreeSet<ActorPath>, BTreeSet<ActorPath>) = Default::default();
    for entry in decisions {
        let (path, decision) = (&entry.path, &entry.decision);
        let cycled = decision.rule == Rule::Operator && decision.text.starts_with("ordered to restart");
        let by_force = cycled && decision.text.ends_with("by force");
        match decision.rule {
            // A new life of a supervisor begins anew, with all below it.
            Rule::Start => {
                restarts.retain(|purse, _| match purse {
                    Purse::Own(of) => of == path || !of.is_within(path),
                    Purse::Shared(of) => !of.is_within(path),
                });
                parked.retain(|of| of == path || !of.is_within(path));
                tried.retain(|of| of == path || !of.is_within(path));
            }
            Rule::Parked => {
                tried.remove(path);
                parked.insert(path.clone());
            }
            Rule::HalfOpen | Rule::Operator if parked.remove(path) && !cycled => {
                tried.insert(path.clone());
            }
            // Only what was parked has its whole budget again, and only when it is up.
            Rule::Up if tried.remove(path) => {
                restarts.remove(&Purse::Own(path.clone()));
            }
            // It was forgotten, and is another one.
            Rule::Operator if decision.text.starts_with("added") => {
                restarts.remove(&Purse::Own(path.clone()));
            }
            _ => {}
        }
        let counts = matches!(decision.rule, Rule::Restart | Rule::Backoff | Rule::Cooldown) || cycled && !by_force;
        let (true, Some(budget), Some(supervisor)) = (counts, decision.budget, path.parent()) else { continue };
        if budget.used > budget.allowed {
            return Err(format!("{path} restarts over its budget: {decision:?}"));
        }
        let own = scenario.root.has_own_budget(&ActorPath::root(), path);
        let purse = if own { Purse::Own(path.clone()) } else { Purse::Shared(supervisor) };
        let spent = restarts.entry(purse.clone()).or_default();
        spent.push_back(decision.at);
        while spent.front().is_some_and(|at| decision.at - *at > budget.window) {
            spent.pop_front();
        }
        if spent.len() > budget.allowed as usize {
            let (times, window) = (spent.len(), budget.window);
            return Err(format!("{purse:?} has spent {times} restarts within {window:?}: {decision:?}"));
        }
    }
    Ok(())
}

/// Nothing begins below a supervisor that is on its way down, nor anything at all after a drain.
fn nothing_starts_late(stage: &Stage, decisions: &[Arc<Entry>], drained: Option<Instant>) -> Result<(), String> {
    let late = Duration::from_millis(1);
    for seen in stage.seen().iter().filter(|seen| seen.entered) {
        let at = seen.at - stage.begun;
        if drained.is_some_and(|drained| seen.at > drained + late) {
            return Err(format!("{}#{} begins at {at:?}, after the drain", seen.path, seen.incarnation));
        }
        let supervisor = ActorPath::from(seen.path.as_str()).parent().unwrap_or_else(ActorPath::root);
        // The last word of its supervisor until then: did it begin, or begin to end?
        let before = decisions.iter().rev().find(|entry| match entry.decision.rule {
            Rule::Shutdown => entry.path == supervisor && entry.decision.at + late < at,
            Rule::Start => entry.path == supervisor && entry.decision.at <= at + late,
            _ => false,
        });
        if before.is_some_and(|entry| entry.decision.rule == Rule::Shutdown) {
            return Err(format!("{}#{} begins at {at:?} below a supervisor that ends", seen.path, seen.incarnation));
        }
    }
    Ok(())
}

/// Where a child stands among its siblings: a higher rank earlier, then who came first.
type Place = (Reverse<i32>, usize);

/// Of siblings that stop by need: none that was asked before `id` is needed by it, and none that stands before it, unless
/// somebody needed `id` and held it back.
fn by_needs(
    group: &Group,
    at: &ActorPath,
    places: &BTreeMap<String, Place>,
    (asked, gone, id): (&BTreeSet<String>, &BTreeSet<String>, &str),
) -> Result<(), String> {
    let needs = |of: &str| -> Vec<String> {
        let planned = group.children.iter().find(|plan| plan.id == of);
        let outside = match planned {
            Some(plan) => plan.needs.clone(),
            None => (of == "new2").then(|| "w0".to_owned()),
        };
        let sibling = planned.and_then(|plan| plan.sibling.clone());
        outside.filter(|_| at.is_root()).into_iter().chain(sibling).filter(|need| need != of).collect()
    };
    // A sibling that is forgotten leads nowhere, what it needed is forgotten with it; a temporary one is whenever it ends.
    let temporary = |id: &str| group.children.iter().any(|plan| plan.id == id && plan.restart == Restart::Temporary);
    let leads = |from: &str, to: &str, surely: bool| {
        let mut ways = needs(from);
        while let Some(next) = ways.pop() {
            if next == to {
                return true;
            }
            if !surely || !gone.contains(&next) && !temporary(&next) {
                ways.extend(needs(&next));
            }
        }
        false
    };
    if let Some(first) = asked.iter().find(|first| leads(id, first, true)) {
        return Err(format!("{at}: {id} is asked to stop after {first}, which it needs"));
    }
    let held_back = places.keys().any(|other| leads(other, id, false));
    let passed = asked.iter().find(|first| places.get(*first) < places.get(id));
    match passed {
        Some(first) if !held_back => Err(format!("{at}: {id} is asked to stop after an elder sibling, {first}")),
        _ => Ok(()),
    }
}

/// A supervisor on its way down asks its children last first, by rank and then by when they came, also those that were
/// added while it ran. Returns how many were asked after one that its rank alone makes later.
fn stops_in_reverse(
    scenario: &Scenario,
    (at, group): (&ActorPath, &Group),
    decisions: &[Arc<Entry>],
) -> Result<usize, String> {
    let added = scenario.happenings.iter().filter_map(|(_, happening)| match happening {
        Happening::Start(plan, _) => Some((plan.id.as_str(), plan.rank)),
        _ => None,
    });
    let added: BTreeMap<&str, i32> = added.collect();
    let first = || group.children.iter().map(|plan| (plan.id.clone(), plan.rank)).enumerate();
    let (mut places, mut ending, mut last): (BTreeMap<String, Place>, bool, Option<Place>) = Default::default();
    let (mut by_rank, mut asked, mut gone) = (0, BTreeSet::new(), BTreeSet::new());
    for (n, entry) in decisions.iter().enumerate() {
        let rule = entry.decision.rule;
        if entry.path == *at {
            match rule {
                Rule::Shutdown => (ending, last, asked) = (true, None, BTreeSet::new()),
                Rule::Start => {
                    // Another life of it has the children that it was made with.
                    places = first().map(|(n, (id, rank))| (id, (Reverse(rank), n))).collect();
                    (ending, gone) = (false, BTreeSet::new());
                }
                Rule::Down => ending = false,
                _ => {}
            }
        }
        if entry.path.parent().as_ref() != Some(at) {
            continue;
        }
        let id = entry.path.id();
        if rule == Rule::Operator && entry.decision.text.starts_with("added") {
            let rank = added.get(id).ok_or(format!("{} was added, and nobody did", entry.path))?;
            places.insert(id.to_owned(), (Reverse(*rank), group.children.len() + n));
        }
        if entry.decision.text.ends_with("forgotten") {
            gone.insert(id.to_owned());
        } else if rule == Rule::Operator {
            gone.remove(id);
        }
        if !ending || rule != Rule::Stop || entry.decision.text == "asked to hurry" {
            continue;
        }
        let place = *places.get(id).ok_or(format!("{} stops, and was never there", entry.path))?;
        if group.flags.by_needs {
            by_needs(group, at, &places, (&asked, &gone, id))?;
        } else if last.is_some_and(|last| place > last) {
            return Err(format!("{} is asked to stop after an elder sibling: {:?}", entry.path, entry.decision));
        }
        asked.insert(id.to_owned());
        by_rank += usize::from(last.is_some_and(|last| place.1 > last.1));
        last = Some(place);
    }
    if group.flags.strategy != Strategy::Dynamic {
        for plan in &group.children {
            if let Some(below) = &plan.group {
                by_rank += stops_in_reverse(scenario, (&at.child(&plan.id), below), decisions)?;
            }
        }
    }
    Ok(by_rank)
}
