//! What OTP does not have (backoff, cooldown, parking, needs, quarantine, drain, an operator's orders), with all of it on:
//! no model to compare with, but invariants that hold in every state, and from each of which a shutdown ends.

use super::{Explored, Subject, Violation, explore, hash, wander};
use crate::tests::full_tier;
use crate::{
    core::{
        self, Action, Event, Life, Order, State, Time, Timer,
        policy::{Backoff, Criticality, Flags, Intensity, Kind, Policy, Shutdown, Strategy},
    },
    exit::Exit,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

const S: fn(u64) -> Duration = Duration::from_secs;
const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Copy)]
enum Move {
    CameUp(usize),
    Ended(usize, How),
    /// Time passes until the next timer is due.
    TimerDue,
    Order(usize, Verb),
    Need(bool),
    Drain,
    Shutdown,
    ShutdownWithin,
    KillAll,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Normal,
    Error,
    Fatal,
    Killed,
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Terminate,
    Restart,
    Delete,
    Remove,
    Cycle,
    Force,
    Kill,
}

#[derive(Clone)]
struct World {
    core: State,
    now: Time,
    timers: BTreeMap<String, (Time, u64, Timer)>,
    /// Which incarnation of a path is there, also one that was left behind.
    alive: BTreeMap<String, u64>,
    newest: BTreeMap<String, u64>,
    /// Orders that wait for their answer.
    open: BTreeSet<u64>,
    tickets: u64,
    /// Nobody ends it: it has time to get into trouble.
    endless: bool,
    over: bool,
    exited: bool,
}

fn steady(every: Duration) -> Backoff {
    Backoff { min: every, max: every, factor: 1.0, jitter: 0.0, reset_after: S(60) }
}

/// Three children, each with something of its own. With `by_needs` the first needs the last, which then stops after it.
fn begun(strategy: Strategy, by_needs: bool, count: usize) -> Result<World, String> {
    let rules = |n: usize| {
        let mut rules = Policy::new(NAMES[n], Kind::Worker);
        rules.criticality = if n == 2 { Criticality::Vital } else { Criticality::Important };
        rules.required = n == 2;
        rules.shutdown = [Shutdown::Within(S(1)), Shutdown::Brutal, Shutdown::Infinity][n];
        rules.budget = (n != 1).then(|| Intensity::new(1, S(10)));
        rules.backoff = (n != 2).then(|| steady(S(1)));
        rules.cooldown = (n == 1).then(|| S(3));
        rules.retry_parked = (n == 0).then(|| steady(S(5)));
        rules.needs = match n {
            0 if by_needs => vec!["c".into()],
            1 => vec!["db".into()],
            _ => Vec::new(),
        };
        rules.start_timeout = S(2);
        rules
    };
    let mut flags = Flags::new(strategy);
    flags.intensity = Intensity::new(2, S(10));
    flags.by_needs = by_needs;
    let mut world = World {
        core: State::new(flags, (0..count).map(rules).collect(), |_| true, 1),
        now: S(100),
        timers: BTreeMap::new(),
        alive: BTreeMap::new(),
        newest: BTreeMap::new(),
        open: BTreeSet::new(),
        tickets: 0,
        endless: false,
        over: false,
        exited: false,
    };
    world.feed(Event::Begin)?;
    Ok(world)
}

impl Subject for World {
    type Move = Move;

    fn moves(&self) -> Vec<Move> {
        if self.exited {
            return Vec::new();
        }
        let mut moves = Vec::new();
        for (n, name) in NAMES.iter().enumerate() {
            if self.alive.contains_key(*name) {
                match self.core.child(name).map(|child| &child.life) {
                    Some(Life::Starting) => moves.extend([Move::CameUp(n), Move::Ended(n, How::Error)]),
                    Some(Life::Running) => {
                        moves.extend([How::Normal, How::Error, How::Fatal].map(|how| Move::Ended(n, how)));
                    }
                    _ => moves.push(Move::Ended(n, How::Killed)),
                }
            }
            if self.core.child(name).is_some() && !self.core.is_stopping() {
                let verbs =
                    [Verb::Terminate, Verb::Restart, Verb::Delete, Verb::Remove, Verb::Cycle, Verb::Force, Verb::Kill];
                moves.extend(verbs.map(|verb| Move::Order(n, verb)));
            }
        }
        if !self.timers.is_empty() {
            moves.push(Move::TimerDue);
        }
        moves.extend([Move::Need(true), Move::Need(false)]);
        if !self.endless {
            moves.extend([Move::Shutdown, Move::ShutdownWithin, Move::KillAll]);
        }
        if !self.core.draining && !self.endless {
            moves.push(Move::Drain);
        }
        moves
    }

    fn take(&mut self, next: Move) -> Result<(), String> {
        let event = match next {
            Move::CameUp(n) => Event::Started { id: NAMES[n].into(), incarnation: self.alive[NAMES[n]] },
            Move::Ended(n, how) => {
                let exit = match how {
                    How::Normal => Exit::Normal,
                    How::Error => Exit::Error { message: "boom".into() },
                    How::Fatal => Exit::Fatal { message: "no".into() },
                    How::Killed => Exit::Killed { by: "somebody".into() },
                };
                Event::Exited { id: NAMES[n].into(), incarnation: self.alive[NAMES[n]], exit }
            }
            Move::TimerDue => {
                let (id, (at, incarnation, timer)) = self
                    .timers
                    .iter()
                    .min_by_key(|(_, timer)| timer.0)
                    .map(|(id, timer)| (id.clone(), *timer))
                    .unwrap();
                self.now = self.now.max(at);
                self.timers.remove(&id);
                Event::Elapsed { id, incarnation, timer }
            }
            Move::Order(n, verb) => {
                let id = NAMES[n].to_owned();
                self.tickets += 1;
                self.open.insert(self.tickets);
                let order = match verb {
                    Verb::Terminate => Order::TerminateChild { id },
                    Verb::Restart => Order::RestartChild { id },
                    Verb::Delete => Order::DeleteChild { id },
                    Verb::Remove => Order::RemoveChild { id },
                    Verb::Cycle => Order::Cycle { id, force: false },
                    Verb::Force => Order::Cycle { id, force: true },
                    Verb::Kill => Order::Kill { id },
                };
                Event::Order { ticket: self.tickets, order }
            }
            Move::Need(up) => Event::Dependency { path: "db".into(), up },
            Move::Drain => Event::Drain { id: None },
            Move::Shutdown => Event::Shutdown { exit: Exit::shutdown(), within: None },
            Move::ShutdownWithin => Event::Shutdown { exit: Exit::shutdown(), within: Some(S(4)) },
            Move::KillAll => Event::KillAll { by: "operator".into() },
        };
        self.feed(event)
    }

    /// Times as they look from now, and no further back than they matter.
    fn essence(&self) -> u64 {
        let ago = |at: Option<Time>, most: Duration| at.map(|at| self.now.saturating_sub(at).min(most));
        let ahead = |at: Time| at.saturating_sub(self.now);
        let fresh = |all: &std::collections::VecDeque<Time>| {
            let ages = all.iter().map(|at| self.now.saturating_sub(*at));
            ages.filter(|age| *age <= S(10)).collect::<Vec<_>>()
        };
        let mut text = format!("{:?} {:?} {}", fresh(&self.core.restarts), self.core.is_stopping(), self.core.draining);
        if let core::state::Phase::Stopping { by, .. } = &self.core.phase {
            text += &format!("{:?}", by.map(ahead));
        }
        for child in self.core.children.iter() {
            let life = match &child.life {
                Life::Waiting { until, .. } => format!("waits {:?}", ahead(*until)),
                Life::Parked { retry_at, .. } => format!("parked {:?}", retry_at.map(ahead)),
                life => format!("{life:?}"),
            };
            let marks = (child.goal, child.due, child.in_round, child.asked, (child.half_open, child.held), child.late);
            let times = (ago(child.last_start, S(3)), ago(child.up_since, S(60)), child.stop_by.map(ahead));
            let waits = (child.waiting.is_empty(), child.parting.is_empty(), child.draining, &child.missing);
            text += &format!("|{} {life} {marks:?} {times:?} {waits:?} {:?}", child.id(), fresh(&child.restarts));
        }
        let timers = self.timers.iter().map(|(id, (at, _, timer))| (id, ahead(*at), format!("{timer:?}")));
        let alive: Vec<_> = self.alive.keys().collect();
        hash((text, timers.collect::<Vec<_>>(), alive))
    }

    fn check(&mut self) -> Result<(), String> {
        if !self.core.children.are_marked_right() {
            return Err("the sets do not say what the children say".into());
        }
        for child in self.core.children.iter() {
            let timed = self.timers.contains_key(child.id());
            if !super::super::goes_on(child, timed) {
                return Err(format!("nothing will ever happen to {}, which is {:?}", child.id(), child.life));
            }
            if child.policy.budget.is_some_and(|budget| child.restarts.len() > budget.restarts as usize) {
                return Err(format!("{} is over its budget", child.id()));
            }
        }
        self.clone().ends()
    }
}

impl World {
    /// Asked to, and with children that obey, it ends.
    fn ends(mut self) -> Result<(), String> {
        if !self.exited {
            self.feed(Event::Shutdown { exit: Exit::shutdown(), within: None })?;
        }
        for _ in 0..3 * NAMES.len() {
            let asked = |id: &&String| matches!(self.core.child(id), Some(child) if matches!(child.life, Life::Stopping { .. }));
            let Some(id) = self.alive.keys().find(asked).cloned() else { break };
            let incarnation = self.alive[&id];
            self.feed(Event::Exited { id, incarnation, exit: Exit::shutdown() })?;
        }
        if self.exited { Ok(()) } else { Err(format!("a shutdown would not end: {:#?}", self.core)) }
    }

    fn feed(&mut self, event: Event) -> Result<(), String> {
        match &event {
            Event::Exited { id, .. } => {
                self.alive.remove(id);
                self.timers.remove(id);
            }
            Event::Started { id, .. } => {
                self.timers.remove(id);
            }
            Event::Shutdown { .. } | Event::KillAll { .. } | Event::Drain { .. } => self.over = true,
            _ => {}
        }
        for action in core::decide(&mut self.core, event, self.now).actions {
            match action {
                Action::Spawn { id, .. } if self.over => return Err(format!("{id} starts, and it is over")),
                Action::Spawn { id, incarnation, .. } => {
                    if self.alive.insert(id.clone(), incarnation).is_some() {
                        return Err(format!("two incarnations of {id}"));
                    }
                    if self.newest.insert(id.clone(), incarnation) >= Some(incarnation) {
                        return Err(format!("{id}#{incarnation} was there before"));
                    }
                }
                Action::AskStop { id, .. } if id == "c" && self.stops_too_early() => {
                    return Err("c is asked to stop while a is there, which needs it".into());
                }
                Action::SetTimer { id, incarnation, timer, after } => {
                    self.timers.insert(id, (self.now + after, incarnation, timer));
                }
                Action::Forget { id } => {
                    self.timers.remove(&id);
                }
                Action::Answer { ticket, .. } if !self.open.remove(&ticket) => {
                    return Err(format!("order {ticket} is answered twice"));
                }
                Action::Exit { .. } if std::mem::replace(&mut self.exited, true) => return Err("it exits twice".into()),
                Action::Exit { .. } if !self.open.is_empty() => return Err(format!("unanswered: {:?}", self.open)),
                _ => {}
            }
        }
        self.over |= self.core.is_stopping();
        Ok(())
    }

    /// Whether this is not the time to ask what `a` needs to stop: all stop in order, and `a` is there.
    fn stops_too_early(&self) -> bool {
        let in_order = matches!(self.core.phase, core::state::Phase::Stopping { by: None, .. });
        let there = self.alive.contains_key("a") && self.core.child("a").is_some_and(|a| a.life != Life::Quarantined);
        self.core.flags.by_needs && self.core.flags.strategy != Strategy::Dynamic && in_order && there
    }
}

const STRATEGIES: [Strategy; 4] = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic];

#[test]
fn with_everything_on_the_invariants_hold_in_every_state_that_was_explored() {
    let (begun_at, mut total) = (Instant::now(), Explored::default());
    for strategy in STRATEGIES {
        for (count, by_needs) in [(1, false), (2, false), (3, false), (3, true)] {
            let start = begun(strategy, by_needs, count).expect("it begins");
            match explore(start, if full_tier() { 1_500 } else { 150 }) {
                Ok(explored) => total.add(explored),
                Err(Violation { what, way }) => panic!("{strategy:?} {count} {by_needs}\n{way:#?}\n{what}"),
            }
        }
    }
    println!("beyond OTP: {total:?} in {:.1} s", begun_at.elapsed().as_secs_f64());
}

#[test]
fn with_everything_on_the_invariants_hold_on_long_ways_at_random() {
    let walks = if full_tier() { 3_000 } else { 300 };
    let first: u64 = rand::random();
    println!("seeds {first}..+{walks}");
    let mut moves = 0;
    for seed in (0..walks).map(|n| first.wrapping_add(n)) {
        let strategy = STRATEGIES[usize::try_from(seed % 4).unwrap()];
        let mut world = begun(strategy, seed / 16 % 2 == 1, NAMES.len()).expect("it begins");
        world.endless = seed / 4 % 4 != 0;
        match wander(world, seed, 100) {
            Ok(taken) => moves += taken,
            Err(Violation { what, way }) => panic!("seed {seed} {strategy:?}\n{way:#?}\n{what}"),
        }
    }
    println!("beyond OTP: {walks} ways, {moves} moves");
}
