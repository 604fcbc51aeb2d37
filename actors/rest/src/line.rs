//! Whose turn it is: by priority, at most so many a second, one at a time per lane. Pure.

use crate::send::Priority;
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};
use tokio::time::Instant;

/// The span over which the global budget counts.
const SECOND: Duration = Duration::from_secs(1);
/// Requests that may wait at once; more are refused.
pub(crate) const WAITING_MAX: usize = 10_000;

/// Lanes kept before those that have opened again are swept out.
const LANES_SWEEP: usize = 1_024;

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(Priority, u64);

/// Requests that wait, and what they wait for.
pub(crate) struct Line<K> {
    per_second: usize,
    sent: VecDeque<Instant>,
    /// Those that need a share of the budget.
    waiting: BTreeMap<Ticket, K>,
    /// Those that need none.
    exempt: BTreeMap<Ticket, K>,
    lanes: HashMap<K, Lane>,
    next: u64,
}

/// A lane that cannot be entered; one that can is not kept.
enum Lane {
    Busy,
    ClosedUntil(Instant),
}

impl<K: Clone + Eq + Hash> Line<K> {
    /// A line that lets `per_second` requests pass in any second, besides exempt ones.
    pub(crate) fn new(per_second: usize) -> Self {
        Self {
            per_second: per_second.max(1),
            sent: VecDeque::new(),
            waiting: BTreeMap::new(),
            exempt: BTreeMap::new(),
            lanes: HashMap::new(),
            next: 0,
        }
    }

    /// Joins the line; none when it is full.
    pub(crate) fn join(&mut self, priority: Priority, key: K, exempt: bool) -> Option<Ticket> {
        if self.waiting.len() + self.exempt.len() >= WAITING_MAX {
            return None;
        }
        self.next += 1;
        let ticket = Ticket(priority, self.next);
        let line = if exempt { &mut self.exempt } else { &mut self.waiting };
        line.insert(ticket, key);
        Some(ticket)
    }

    /// The least time that whoever is ahead of `ticket` will take of the budget.
    pub(crate) fn least_wait(&self, ticket: Ticket) -> Duration {
        if !self.waiting.contains_key(&ticket) {
            return Duration::ZERO;
        }
        let full_seconds = self.waiting.range(..ticket).count() / self.per_second;
        SECOND.saturating_mul(u32::try_from(full_seconds).unwrap_or(u32::MAX))
    }

    /// Gives turns to whoever may go now, best first, and says when time alone will bring the next.
    pub(crate) fn turns(&mut self, now: Instant) -> (Vec<Ticket>, Option<Instant>) {
        while self.sent.front().is_some_and(|&at| now.saturating_duration_since(at) >= SECOND) {
            self.sent.pop_front();
        }
        let mut wake: Option<Instant> = None;
        let mut granted = Vec::new();
        for (&ticket, key) in &self.exempt {
            if enter(&mut self.lanes, key, now, &mut wake) {
                granted.push(ticket);
            }
        }
        for (&ticket, key) in &self.waiting {
            if self.sent.len() >= self.per_second {
                let refill = self.sent.front().map(|&oldest| oldest + SECOND);
                wake = [wake, refill].into_iter().flatten().min();
                break;
            }
            if enter(&mut self.lanes, key, now, &mut wake) {
                self.sent.push_back(now);
                granted.push(ticket);
            }
        }
        for ticket in &granted {
            self.exempt.remove(ticket);
            self.waiting.remove(ticket);
        }
        if self.lanes.len() > LANES_SWEEP {
            self.lanes.retain(|_, lane| !matches!(lane, Lane::ClosedUntil(until) if *until <= now));
        }
        (granted, wake)
    }

    /// Leaves the line, or the lane when the turn had come; the lane stays closed until `closed_until`.
    pub(crate) fn leave(&mut self, ticket: Ticket, key: &K, closed_until: Option<Instant>) {
        if self.waiting.remove(&ticket).or_else(|| self.exempt.remove(&ticket)).is_some() {
            return;
        }
        match closed_until {
            Some(until) => {
                self.lanes.insert(key.clone(), Lane::ClosedUntil(until));
            }
            None => {
                self.lanes.remove(key);
            }
        }
    }

    /// How many wait with `priority`.
    pub(crate) fn waiting_at(&self, priority: Priority) -> usize {
        let range = Ticket(priority, 0)..=Ticket(priority, u64::MAX);
        self.waiting.range(range.clone()).count() + self.exempt.range(range).count()
    }
}

/// Takes the lane when it is free; notes when it will open otherwise.
fn enter<K: Clone + Eq + Hash>(
    lanes: &mut HashMap<K, Lane>,
    key: &K,
    now: Instant,
    wake: &mut Option<Instant>,
) -> bool {
    match lanes.get(key) {
        Some(Lane::Busy) => return false,
        Some(&Lane::ClosedUntil(until)) if until > now => {
            *wake = Some(wake.map_or(until, |at| at.min(until)));
            return false;
        }
        _ => {}
    }
    lanes.insert(key.clone(), Lane::Busy);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng, rngs::StdRng};

    #[test]
    fn the_urgent_overtake_and_equals_keep_their_order() {
        let now = Instant::now();
        let mut line = Line::new(50);
        let first = line.join(Priority::Normal, "a", false).unwrap();
        assert_eq!(line.turns(now).0, [first]);
        let late = line.join(Priority::Background, "a", false).unwrap();
        let second = line.join(Priority::Normal, "a", false).unwrap();
        let third = line.join(Priority::Normal, "a", false).unwrap();
        let urgent = line.join(Priority::Moderation, "a", false).unwrap();
        let mut order = Vec::new();
        let mut last = first;
        for _ in 0..4 {
            line.leave(last, &"a", None);
            let (granted, _) = line.turns(now);
            assert_eq!(granted.len(), 1, "a lane is for one at a time");
            last = granted[0];
            order.push(last);
        }
        assert_eq!(order, [urgent, second, third, late]);
    }

    #[test]
    fn exempt_requests_pass_an_exhausted_budget() {
        let now = Instant::now();
        let mut line = Line::new(1);
        line.join(Priority::Normal, 1, false).unwrap();
        let held = line.join(Priority::Moderation, 2, false).unwrap();
        let exempt = line.join(Priority::Interaction, 3, true).unwrap();
        let (granted, wake) = line.turns(now);
        assert_eq!(granted, [exempt, held], "moderation takes the only budget");
        assert_eq!(wake, Some(now + SECOND));
        assert_eq!(line.waiting.len(), 1);
    }

    #[test]
    fn a_closed_lane_opens_by_itself() {
        let now = Instant::now();
        let mut line = Line::new(50);
        let first = line.join(Priority::Normal, 1, true).unwrap();
        line.turns(now);
        let until = now + Duration::from_secs(2);
        line.leave(first, &1, Some(until));
        let second = line.join(Priority::Normal, 1, true).unwrap();
        assert_eq!(line.turns(now), (vec![], Some(until)));
        assert_eq!(line.turns(until).0, [second]);
    }

    #[test]
    fn no_second_ever_holds_more_than_the_budget_and_lanes_do_not_pile_up() {
        let seed: u64 = rand::random();
        println!("seed {seed}");
        let mut dice = StdRng::seed_from_u64(seed);
        let start = Instant::now();
        let mut line = Line::new(50);
        let (mut keys, mut running, mut sent) = (HashMap::new(), Vec::new(), Vec::new());
        for tick in 0..20_000_u64 {
            let now = start + Duration::from_millis(tick);
            if dice.random_bool(0.2) {
                let key = dice.random_range(0..2_000_u32);
                let ticket = line.join(Priority::Normal, key, false).unwrap();
                keys.insert(ticket, key);
            }
            for ticket in line.turns(now).0 {
                sent.push(now);
                running.push(ticket);
            }
            if dice.random_bool(0.5) && !running.is_empty() {
                let ticket = running.swap_remove(0);
                line.leave(ticket, &keys[&ticket], None);
            }
        }
        for (at, &first) in sent.iter().enumerate() {
            let within = sent[at..].iter().take_while(|&&other| other - first < SECOND).count();
            assert!(within <= 50, "{within} in one second, seed {seed}");
        }
        assert!(sent.len() > 900, "only {} went out, seed {seed}", sent.len());
        assert!(line.lanes.len() <= running.len() + line.waiting.len(), "lanes leak, seed {seed}");
    }
}
