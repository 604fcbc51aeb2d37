//! The simulation's own books: who stands where, who is there, who was restarted when. They are kept from what goes into
//! the core and what comes out of it, never read from what the core remembers, so that both can be wrong by themselves.

use crate::core::{
    Action, Event, Life, Order, Rule, State, Step, Time,
    policy::{Intensity, Policy, Strategy},
    state::Child,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// So little time is left to a shutdown that its children may be stopped at the same time.
const RUSH: Duration = Duration::from_millis(250);

/// A higher rank stands earlier; of the same rank, who came first.
type Place = (Reverse<i32>, u64);

#[derive(Debug, Default)]
pub(super) struct Tally {
    places: BTreeMap<String, Place>,
    arrivals: u64,
    /// Who is there and was not left behind, and whether it was asked to stop.
    there: BTreeMap<String, bool>,
    /// When a shutdown need not keep its order any more.
    hasty: Option<Time>,
    /// The first children that nobody ordered about, until the supervisor is up; and the last of them that began.
    first: BTreeSet<String>,
    begun: Option<Place>,
    /// Restarts under a budget that has stood since: of a child with one of its own, or (no name) of the others.
    restarts: BTreeMap<String, (Intensity, Vec<Time>)>,
    pub(super) seen: Seen,
}

/// How often there was something to judge.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// Stops in a shutdown while an elder sibling was there: the order could have been another.
    pub(super) stops_in_turn: usize,
    /// Of those, stops that the ranks and not the arrivals decided.
    pub(super) stops_by_rank: usize,
    /// Stops of one whose turn it was by need and not by place, while the other was there.
    pub(super) stops_by_need: usize,
    /// Starts in their turn while the supervisor came up.
    pub(super) starts_in_turn: usize,
    /// Restarts that a budget had room for, and those that took its last room.
    pub(super) restarts: usize,
    pub(super) last_restarts: usize,
    /// Failures while something needed was gone.
    pub(super) held: usize,
}

impl Seen {
    pub(super) fn add(&mut self, other: Self) {
        self.stops_in_turn += other.stops_in_turn;
        self.stops_by_rank += other.stops_by_rank;
        self.stops_by_need += other.stops_by_need;
        self.starts_in_turn += other.starts_in_turn;
        self.restarts += other.restarts;
        self.last_restarts += other.last_restarts;
        self.held += other.held;
    }
}

impl Tally {
    pub(super) fn new(children: &[Policy]) -> Self {
        let mut tally = Self::default();
        for policy in children {
            tally.arrives(&policy.id, policy.rank);
            tally.first.insert(policy.id.clone());
        }
        tally
    }

    /// Books one step: what happened, and what `state`, which has decided `step`, makes of it.
    /// `gone` is what children may need and is not there.
    pub(super) fn book(&mut self, (event, gone): (&Event, &BTreeSet<String>), state: &State, step: &Step, now: Time) {
        match event {
            Event::Exited { id, .. } => {
                self.there.remove(id);
            }
            Event::Shutdown { within: Some(within), .. } => self.hurries(now + *within - RUSH.min(*within / 4)),
            Event::KillAll { .. } => self.hurries(now),
            Event::Order { ticket, order } => {
                let refused =
                    |action: &Action| matches!(action, Action::Answer { ticket: to, answer: Err(_) } if to == ticket);
                self.ordered(order, state, step.actions.iter().any(refused));
            }
            _ => {}
        }
        for action in &step.actions {
            match action {
                Action::Spawn { id, .. } => self.starts(id, state),
                // One that is stuck is of no use to its elders: it is stopped when that is found, whoever's turn it is.
                Action::Blame { id, .. } => {
                    self.there.remove(id);
                }
                Action::AskStop { id, .. } => self.stops(id, state, now),
                Action::Kill { id, by } if by == "brutal" => self.stops(id, state, now),
                Action::LeaveBehind { id, .. } => {
                    self.there.remove(id);
                }
                Action::Ready => self.first.clear(),
                _ => {}
            }
        }
        self.places.retain(|id, _| state.child(id).is_some());
        self.budgets(state, step);
        self.needs(gone, state, step);
    }

    /// Nobody is restarted by rule while something it needs is gone, nor held when nothing is.
    fn needs(&mut self, gone: &BTreeSet<String>, state: &State, step: &Step) {
        let lacks = |child: &Child| child.policy.needs.iter().any(|need| gone.contains(need));
        for decision in &step.decisions {
            let restarts = matches!(decision.rule, Rule::Restart | Rule::Backoff | Rule::Cooldown);
            let lacking = state.child(&decision.id).filter(|child| lacks(child));
            assert!(!restarts || lacking.is_none(), "restarted while something it needs is gone: {decision:?}");
            self.seen.held += usize::from(decision.rule == Rule::Suspended && decision.cause.is_some());
        }
        let held = |child: &&Child| child.life == Life::Held && !lacks(child);
        let in_vain = if state.is_stopping() { None } else { state.children.iter().find(held) };
        assert!(in_vain.is_none(), "held for nothing: {in_vain:?}");
    }

    fn hurries(&mut self, from: Time) {
        self.hasty = Some(self.hasty.map_or(from, |before| before.min(from)));
    }

    fn arrives(&mut self, id: &str, rank: i32) {
        self.arrivals += 1;
        self.places.insert(id.to_owned(), (Reverse(rank), self.arrivals));
    }

    fn ordered(&mut self, order: &Order, state: &State, refused: bool) {
        self.first.remove(order.id());
        match order {
            Order::StartChild { policy, .. } if !self.places.contains_key(&policy.id) && !refused => {
                self.arrives(&policy.id, policy.rank);
            }
            // As the list has them; who is not on it, and stays or has yet to go, stands behind as before.
            Order::Respecify { children, .. } if !refused && state.flags.strategy != Strategy::Dynamic => {
                let mut others: Vec<(Place, String)> =
                    std::mem::take(&mut self.places).into_iter().map(|(id, place)| (place, id)).collect();
                others.sort();
                others.retain(|(_, id)| children.iter().all(|new| new.policy.id != *id));
                for new in children {
                    self.arrives(&new.policy.id, new.policy.rank);
                }
                for ((Reverse(rank), _), id) in others {
                    self.arrives(&id, rank);
                }
            }
            _ => {}
        }
    }

    /// The first children begin in order.
    fn starts(&mut self, id: &str, state: &State) {
        self.there.insert(id.to_owned(), false);
        if self.first.remove(id) {
            let place = self.places.get(id).copied();
            if state.flags.by_needs {
                let yet: Vec<&String> = self.places.keys().filter(|other| waits(state, other)).collect();
                let lacking = yet.iter().find(|other| needs(state, id, other));
                assert!(lacking.is_none(), "{id} begins before {lacking:?}, which it needs");
                // The first that has not begun lets nobody pass but what it needs.
                let first = yet.iter().min_by_key(|other| self.places.get(**other));
                let passed =
                    first.filter(|first| self.places.get(**first) < place.as_ref() && !needs(state, first, id));
                assert!(passed.is_none(), "{id} begins before its turn, which is {passed:?}'s: {:?}", self.places);
                self.seen.starts_in_turn += usize::from(self.begun.is_some());
                self.begun = self.begun.max(place);
                return;
            }
            assert!(self.begun < place, "{id} begins before its turn: {:?}", self.places);
            self.seen.starts_in_turn += usize::from(self.begun.is_some());
            self.begun = place;
        }
    }

    /// In a shutdown nobody is asked to stop while one that started later is there.
    fn stops(&mut self, id: &str, state: &State, now: Time) {
        let Some(asked) = self.there.get_mut(id) else { return };
        let again = std::mem::replace(asked, true);
        let hasty = self.hasty.is_some_and(|from| from <= now);
        if again || !state.is_stopping() || hasty || state.flags.strategy == Strategy::Dynamic {
            return;
        }
        let own = self.places[id];
        let of = |other: &String| self.places.get(other).copied();
        if state.flags.by_needs {
            return self.stops_by_needs(id, state);
        }
        let later = self.there.keys().find(|other| of(other) > Some(own));
        assert!(later.is_none(), "{id} is asked to stop while {later:?} is there: {:?}", self.places);
        let elder = || self.there.keys().filter(|other| *other != id).filter_map(of);
        self.seen.stops_in_turn += usize::from(elder().next().is_some());
        self.seen.stops_by_rank += usize::from(elder().any(|(_, arrival)| arrival > own.1));
    }

    /// Where siblings stop by need: nobody is asked while one is there that needs it, and of those that nobody needs who is
    /// there, none that started later is left unasked.
    fn stops_by_needs(&mut self, id: &str, state: &State) {
        let needing = |of: &str| self.there.keys().find(|other| needs(state, other, of));
        let in_need = needing(id);
        assert!(in_need.is_none(), "{id} is asked to stop while {in_need:?} is there, which needs it");
        let later = || self.there.keys().filter(|other| self.places.get(*other) > self.places.get(id));
        let passed = later().find(|other| needing(other).is_none());
        assert!(passed.is_none(), "{id} is asked to stop before {passed:?}: {:?}", self.places);
        self.seen.stops_in_turn += usize::from(self.there.len() > 1);
        self.seen.stops_by_need += usize::from(later().next().is_some());
    }

    /// Never more restarts within a budget's window than it allows.
    fn budgets(&mut self, state: &State, step: &Step) {
        self.restarts.retain(|id, (under, _)| match id.as_str() {
            "" => *under == state.flags.intensity,
            id => state.child(id).is_some_and(|child| child.policy.budget == Some(*under)),
        });
        for decision in &step.decisions {
            let id = decision.id.as_str();
            let charged = match decision.rule {
                Rule::Restart | Rule::Backoff | Rule::Cooldown => true,
                Rule::Operator => decision.text == "ordered to restart",
                Rule::Parked => {
                    self.restarts.remove(id); // once it is up again its budget begins anew
                    false
                }
                _ => false,
            };
            let Some(child) = state.child(id).filter(|_| charged) else { continue };
            let (of, under) = child.policy.budget.map_or(("", state.flags.intensity), |own| (id, own));
            let (_, times) = self.restarts.entry(of.to_owned()).or_insert((under, Vec::new()));
            times.push(decision.at);
            times.retain(|at| decision.at - *at <= under.window);
            let (count, most) = (times.len(), under.restarts as usize);
            assert!(count <= most, "{id}: {count} restarts within {:?}, {most} are allowed", under.window);
            self.seen.restarts += 1;
            self.seen.last_restarts += usize::from(count == most);
        }
    }
}

/// Whether `one` needs `other`, directly or over siblings: each of them is asked in turn what it needs.
fn needs(state: &State, one: &str, other: &str) -> bool {
    let direct = |id: &str| state.child(id).map(|child| child.policy.needs.clone()).unwrap_or_default();
    let mut all: BTreeSet<String> = direct(one).into_iter().collect();
    loop {
        let more: BTreeSet<String> = all.iter().flat_map(|id| direct(id)).chain(all.iter().cloned()).collect();
        if more == all {
            return one != other && all.contains(other);
        }
        all = more;
    }
}

/// Whether the child called `id` has yet to take its turn to start.
fn waits(state: &State, id: &str) -> bool {
    state.child(id).is_some_and(|child| child.in_round && child.due)
}
