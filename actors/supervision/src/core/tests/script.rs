//! A supervisor on a table: events by hand, time by hand.

use super::decide_twice;
use crate::{
    core::{
        Action, Decision, Event, Life, Order, Outcome, Refusal, Rule, State, Step, Time, Timer,
        policy::{Criticality, Flags, Kind, Policy, Strategy},
        state::Child,
    },
    exit::Exit,
};
use std::{collections::BTreeMap, time::Duration};

pub(super) const MS: fn(u64) -> Duration = Duration::from_millis;
pub(super) const S: fn(u64) -> Duration = Duration::from_secs;

pub(super) struct Script {
    pub(super) state: State,
    pub(super) now: Time,
    timers: BTreeMap<String, (Time, u64, Timer)>,
    pub(super) actions: Vec<Action>,
    pub(super) decisions: Vec<(String, Rule, String)>,
    /// The same with everything that they say.
    pub(super) explained: Vec<Decision>,
    tickets: u64,
}

/// A vital, required, permanent worker, as OTP has them.
pub(super) fn worker(id: &str) -> Policy {
    Policy::new(id, Kind::Worker)
}

/// A worker that the others can do without.
pub(super) fn optional(id: &str) -> Policy {
    let mut policy = worker(id);
    policy.criticality = Criticality::Important;
    policy.required = false;
    policy
}

pub(super) fn boom() -> Exit {
    Exit::Panic { message: "boom".into(), location: None }
}

impl Script {
    pub(super) fn new(flags: Flags, children: Vec<Policy>) -> Self {
        let state = State::new(flags, children, |_| true, 1);
        let (actions, decisions, explained) = (Vec::new(), Vec::new(), Vec::new());
        Self { state, now: S(100), timers: BTreeMap::new(), actions, decisions, explained, tickets: 0 }
    }

    /// A supervisor under `strategy`, allowing 100 restarts, begun.
    pub(super) fn begun(strategy: Strategy, children: Vec<Policy>) -> Self {
        let mut flags = Flags::new(strategy);
        flags.intensity.restarts = 100;
        let mut script = Self::new(flags, children);
        script.feed(Event::Begin);
        script
    }

    /// The same with all children up.
    pub(super) fn up(strategy: Strategy, children: Vec<Policy>) -> Self {
        let ids: Vec<String> = children.iter().map(|child| child.id.clone()).collect();
        let mut script = Self::begun(strategy, children);
        for id in ids {
            script.started(&id);
        }
        script.actions.clear();
        script.decisions.clear();
        script.explained.clear();
        script
    }

    pub(super) fn feed(&mut self, event: Event) {
        let Step { actions, decisions, .. } = decide_twice(&mut self.state, event, self.now);
        for action in &actions {
            if let Action::SetTimer { id, incarnation, timer, after } = action {
                // One timer per child: a new one replaces the one before it.
                self.timers.insert(id.clone(), (self.now + *after, *incarnation, *timer));
            }
        }
        self.actions.extend(actions);
        self.explained.extend(decisions.iter().cloned());
        self.decisions.extend(decisions.into_iter().map(|decision| (decision.id, decision.rule, decision.text)));
    }

    pub(super) fn child(&self, id: &str) -> &Child {
        self.state.child(id).unwrap_or_else(|| panic!("{id} is known"))
    }

    pub(super) fn life(&self, id: &str) -> Life {
        self.child(id).life.clone()
    }

    pub(super) fn started(&mut self, id: &str) {
        let incarnation = self.child(id).incarnation;
        self.timers.remove(id);
        self.feed(Event::Started { id: id.to_owned(), incarnation });
    }

    pub(super) fn exited(&mut self, id: &str, exit: Exit) {
        let incarnation = self.child(id).incarnation;
        self.timers.remove(id);
        self.feed(Event::Exited { id: id.to_owned(), incarnation, exit });
    }

    pub(super) fn order(&mut self, order: Order) -> u64 {
        self.tickets += 1;
        self.feed(Event::Order { ticket: self.tickets, order });
        self.tickets
    }

    pub(super) fn start_child(&mut self, policy: Policy) -> u64 {
        self.order(Order::StartChild { policy: Box::new(policy), missing: Vec::new() })
    }

    pub(super) fn terminate(&mut self, id: &str) -> u64 {
        self.order(Order::TerminateChild { id: id.to_owned() })
    }

    /// The last decision about `id` by `rule`.
    pub(super) fn last(&self, id: &str, rule: Rule) -> &Decision {
        let found = self.explained.iter().rev().find(|decision| decision.id == id && decision.rule == rule);
        found.unwrap_or_else(|| panic!("no {rule:?} of {id:?} in {:?}", self.decisions))
    }

    /// Lets time pass; timers fire when they are due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((id, (at, incarnation, timer))) =
            self.timers.iter().min_by_key(|(_, timer)| timer.0).map(|(id, timer)| (id.clone(), *timer))
        {
            if at > end {
                break;
            }
            self.now = self.now.max(at);
            self.timers.remove(&id);
            self.feed(Event::Elapsed { id, incarnation, timer });
        }
        self.now = end;
    }

    /// The answers so far to `ticket`.
    pub(super) fn answers(&self, ticket: u64) -> Vec<Result<Outcome, Refusal>> {
        self.actions
            .iter()
            .filter_map(|action| match action {
                Action::Answer { ticket: to, answer } if *to == ticket => Some(answer.clone()),
                _ => None,
            })
            .collect()
    }

    /// What was spawned since the last look, in order.
    pub(super) fn spawned(&mut self) -> Vec<String> {
        let spawned = self
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Spawn { id, .. } => Some(id.clone()),
                _ => None,
            })
            .collect();
        self.actions.retain(|action| !matches!(action, Action::Spawn { .. }));
        spawned
    }

    /// What the supervisor exited with, if it has.
    pub(super) fn exit(&self) -> Option<Exit> {
        self.actions.iter().find_map(|action| match action {
            Action::Exit { exit } => Some(exit.clone()),
            _ => None,
        })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.actions.contains(&Action::Ready)
    }
}
