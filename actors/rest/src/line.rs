//! Whose turn it is: by priority, at most so many a second, as far as its bucket has room, and in order where order
//! matters. Pure.

use crate::{
    buckets::{Buckets, Ready, Share, Told},
    call::LaneKey,
    send::Priority,
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

/// The span over which the global budget counts.
const SECOND: Duration = Duration::from_secs(1);
/// Requests that may wait at once; more are refused.
pub(crate) const WAITING_MAX: usize = 10_000;

/// A place in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Ticket(Priority, u64);

/// What a request in the line waits for.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) priority: Priority,
    /// Requests with the same order go one after another.
    pub(crate) order: Option<Arc<str>>,
    /// The route whose bucket it needs.
    pub(crate) route: LaneKey,
    /// Outside the global budget.
    pub(crate) exempt: bool,
    pub(crate) deadline: Instant,
}

/// What became of a ticket.
pub(crate) enum Outcome {
    /// It goes now.
    Go(Share),
    /// Its bucket opens only so much later, beyond its deadline.
    TooLate(Duration),
}

/// Requests that wait, and what they wait for.
pub(crate) struct Line {
    per_second: usize,
    sent: VecDeque<Instant>,
    waiting: HashMap<Ticket, Place>,
    /// Those whose order lets them go: without need of the budget, then with.
    exempt: BTreeSet<Ticket>,
    budgeted: BTreeSet<Ticket>,
    orders: HashMap<Arc<str>, Order>,
    /// How many wait, by priority.
    counts: [usize; 4],
    buckets: Buckets,
    next: u64,
}

/// Requests of which one goes at a time.
#[derive(Default)]
struct Order {
    holder: Option<Ticket>,
    /// The first of those behind, when nobody holds it: it may go.
    offered: Option<Ticket>,
    behind: BTreeSet<Ticket>,
}

impl Line {
    /// A line that lets `per_second` requests pass in any second, besides exempt ones.
    pub(crate) fn new(per_second: usize) -> Self {
        Self {
            per_second: per_second.max(1),
            sent: VecDeque::new(),
            waiting: HashMap::new(),
            exempt: BTreeSet::new(),
            budgeted: BTreeSet::new(),
            orders: HashMap::new(),
            counts: [0; 4],
            buckets: Buckets::default(),
            next: 0,
        }
    }

    /// Goes at once, without waiting in the line, if budget, bucket and order allow it; for the others that is as if it had
    /// joined and left again.
    pub(crate) fn go_at_once(&mut self, now: Instant, place: &Place) -> Option<(Ticket, Share)> {
        if place.order.as_ref().is_some_and(|order| self.orders.contains_key(order)) {
            return None;
        }
        let Look::Outcome(Outcome::Go(share)) =
            look(&mut self.buckets, &mut self.sent, self.per_second, place, now, &mut None)
        else {
            return None;
        };
        self.next += 1;
        let ticket = Ticket(place.priority, self.next);
        if let Some(order) = &place.order {
            self.orders.insert(Arc::clone(order), Order { holder: Some(ticket), ..Order::default() });
        }
        Some((ticket, share))
    }

    /// Joins the line; none when it is full.
    pub(crate) fn join(&mut self, place: Place) -> Option<Ticket> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        self.next += 1;
        let ticket = Ticket(place.priority, self.next);
        self.wait(ticket, place);
        Some(ticket)
    }

    /// Joins again with a ticket whose turn had come: ahead of all that came later, its order still held.
    pub(crate) fn rejoin(&mut self, ticket: Ticket, place: Place) {
        self.wait(ticket, place);
    }

    /// The least time that whoever is ahead of the last of `priority` will take of the budget.
    pub(crate) fn least_wait(&self, place: &Place) -> Duration {
        if place.exempt {
            return Duration::ZERO;
        }
        let ahead: usize = self.counts[..=place.priority as usize].iter().sum();
        let full_seconds = ahead.saturating_sub(1) / self.per_second;
        SECOND.saturating_mul(u32::try_from(full_seconds).unwrap_or(u32::MAX))
    }

    /// Gives turns to whoever may go now, best first, and says when time alone will bring the next.
    pub(crate) fn turns(&mut self, now: Instant) -> (Vec<(Ticket, Outcome)>, Option<Instant>) {
        let mut done = Vec::new();
        loop {
            let (mut wake, mut closed) = (None, None);
            let before = done.len();
            let able = self.exempt.iter().chain(&self.budgeted);
            for (&ticket, place) in able.filter_map(|ticket| Some((ticket, self.waiting.get(ticket)?))) {
                match look(&mut self.buckets, &mut self.sent, self.per_second, place, now, &mut closed) {
                    Look::Outcome(outcome) => done.push((ticket, outcome)),
                    Look::NoBudget(refill) => {
                        earlier(&mut wake, refill);
                        break;
                    }
                    Look::At(at) => earlier(&mut wake, at),
                    Look::OnceAnswered => {}
                }
            }
            let departs: Vec<_> =
                done[before..].iter().map(|(ticket, outcome)| (*ticket, matches!(outcome, Outcome::Go(_)))).collect();
            let refused = departs.iter().any(|(_, goes)| !goes);
            for (ticket, goes) in departs {
                self.depart(ticket, goes);
            }
            if !refused {
                return (done, wake);
            }
        }
    }

    /// The same for `ticket` alone, who has just joined: for the others nothing has changed by that.
    pub(crate) fn turn_of(&mut self, now: Instant, ticket: Ticket) -> (Option<Outcome>, Option<Instant>) {
        let able = self.exempt.contains(&ticket) || self.budgeted.contains(&ticket);
        let Some(place) = self.waiting.get(&ticket).filter(|_| able) else { return (None, None) };
        let mut wake = None;
        let outcome = match look(&mut self.buckets, &mut self.sent, self.per_second, place, now, &mut None) {
            Look::Outcome(outcome) => Some(outcome),
            Look::NoBudget(at) | Look::At(at) => {
                wake = Some(at);
                None
            }
            Look::OnceAnswered => None,
        };
        if let Some(outcome) = &outcome {
            self.depart(ticket, matches!(outcome, Outcome::Go(_)));
        }
        (outcome, wake)
    }

    /// Takes the answer to a request whose turn had come.
    pub(crate) fn settle(&mut self, now: Instant, route: &LaneKey, share: &Share, told: Told) {
        self.buckets.settle(now, route, share, told);
    }

    /// Takes back the turn of a request that was not sent; its part of the budget is lost.
    pub(crate) fn unused(&mut self, share: &Share) {
        self.buckets.unused(share);
    }

    /// The same with its part of the budget, for a request that will not come again. Thousands of them would else use it up
    /// for a minute, and nothing would be sent.
    pub(crate) fn given_back(&mut self, share: &Share) {
        self.unused(share);
        let taken = share.budget.and_then(|at| self.sent.iter().rposition(|&taken| taken == at));
        if let Some(taken) = taken {
            self.sent.remove(taken);
        }
    }

    /// Leaves the line, and hands its order on.
    pub(crate) fn leave(&mut self, ticket: Ticket, order: Option<&str>) {
        if self.waiting.contains_key(&ticket) {
            self.depart(ticket, false);
        }
        let Some(order) = order else { return };
        if let Some(held) = self.orders.get_mut(order)
            && held.holder == Some(ticket)
        {
            held.holder = None;
            self.offer(order);
        }
    }

    /// How many wait with `priority`.
    pub(crate) fn waiting_at(&self, priority: Priority) -> usize {
        self.counts[priority as usize]
    }

    /// Routes and buckets that are remembered.
    pub(crate) fn kept(&self) -> (usize, usize) {
        self.buckets.kept()
    }

    fn wait(&mut self, ticket: Ticket, place: Place) {
        self.counts[ticket.0 as usize] += 1;
        let (order, exempt) = (place.order.clone(), place.exempt);
        self.waiting.insert(ticket, place);
        match order {
            Some(order) if self.orders.get(&order).is_none_or(|held| held.holder != Some(ticket)) => {
                self.orders.entry(order.clone()).or_default().behind.insert(ticket);
                self.offer(&order);
            }
            _ => {
                if exempt { &mut self.exempt } else { &mut self.budgeted }.insert(ticket);
            }
        }
    }

    /// Takes a ticket out of those that wait; one that `goes` holds its order from now on.
    fn depart(&mut self, ticket: Ticket, goes: bool) {
        let Some(place) = self.waiting.remove(&ticket) else { return };
        self.counts[ticket.0 as usize] -= 1;
        self.exempt.remove(&ticket);
        self.budgeted.remove(&ticket);
        let Some(order) = place.order else { return };
        if let Some(held) = self.orders.get_mut(&order) {
            held.behind.remove(&ticket);
            held.offered = held.offered.filter(|&offered| offered != ticket);
            if goes {
                held.holder = Some(ticket);
            }
        }
        self.offer(&order);
    }

    /// Lets the first of an order that nobody holds take part; forgets an order that nobody needs.
    fn offer(&mut self, order: &str) {
        let Some(held) = self.orders.get_mut(order) else { return };
        if held.holder.is_some() {
            return;
        }
        let (first, offered) = (held.behind.first().copied(), held.offered);
        if first == offered {
            if first.is_none() {
                self.orders.remove(order);
            }
            return;
        }
        held.offered = first;
        if let Some(offered) = offered {
            self.exempt.remove(&offered);
            self.budgeted.remove(&offered);
        }
        if let Some(first) = first {
            let exempt = self.waiting.get(&first).is_some_and(|place| place.exempt);
            if exempt { &mut self.exempt } else { &mut self.budgeted }.insert(first);
        } else {
            self.orders.remove(order);
        }
    }
}

/// What a look at one place found.
enum Look {
    Outcome(Outcome),
    NoBudget(Instant),
    At(Instant),
    OnceAnswered,
}

/// Looks whether `place` may go. `closed` is the last route that was found closed: thousands may wait for one bucket.
fn look<'a>(
    buckets: &mut Buckets,
    sent: &mut VecDeque<Instant>,
    per_second: usize,
    place: &'a Place,
    now: Instant,
    closed: &mut Option<(&'a LaneKey, Ready)>,
) -> Look {
    if !place.exempt
        && let Some(refill) = refill(sent, per_second, now)
    {
        return Look::NoBudget(refill);
    }
    let ready = match closed {
        Some((route, ready)) if **route == place.route => *ready,
        _ => buckets.ready(now, &place.route),
    };
    if ready != Ready::Now {
        *closed = Some((&place.route, ready));
    }
    match ready {
        Ready::OnceAnswered => Look::OnceAnswered,
        Ready::At(at) if at > place.deadline => Look::Outcome(Outcome::TooLate(at - now)),
        Ready::At(at) => Look::At(at),
        Ready::Now => {
            let mut share = buckets.take(now, &place.route);
            if !place.exempt {
                sent.push_back(now);
                share.budget = Some(now);
            }
            Look::Outcome(Outcome::Go(share))
        }
    }
}

/// When the budget has room again; none when it has room now.
fn refill(sent: &mut VecDeque<Instant>, per_second: usize, now: Instant) -> Option<Instant> {
    while sent.front().is_some_and(|&at| now.saturating_duration_since(at) >= SECOND) {
        sent.pop_front();
    }
    sent.front().filter(|_| sent.len() >= per_second).map(|&oldest| oldest + SECOND)
}

fn earlier(wake: &mut Option<Instant>, at: Instant) {
    *wake = Some(wake.map_or(at, |wake| wake.min(at)));
}

#[cfg(test)]
mod tests;
