//! Every interleaving, breadth first: what is found wrong is found by the shortest way there.

mod beyond;
mod duo;
mod otp;

use rand::{SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{
    collections::{HashSet, VecDeque, hash_map::DefaultHasher},
    fmt::Debug,
    hash::{Hash, Hasher},
};

/// Something that can be in states and go on from each by some moves.
trait Subject: Clone {
    type Move: Copy + Debug;

    /// What can happen next.
    fn moves(&self) -> Vec<Self::Move>;

    /// Lets it happen.
    fn take(&mut self, next: Self::Move) -> Result<(), String>;

    /// What later moves depend on, hashed: two states with the same are visited once.
    fn essence(&self) -> u64;

    /// What must hold in a state, seen once for each.
    fn check(&mut self) -> Result<(), String>;
}

/// How far an exploration came.
#[derive(Debug, Clone, Copy, Default)]
struct Explored {
    states: usize,
    transitions: usize,
    /// Moves from the beginning.
    depth: usize,
    /// Explorations that saw every state there is.
    complete: usize,
    runs: usize,
}

impl Explored {
    fn add(&mut self, other: Self) {
        self.states += other.states;
        self.transitions += other.transitions;
        self.depth = self.depth.max(other.depth);
        self.complete += other.complete;
        self.runs += other.runs;
    }
}

/// The shortest way to something wrong.
#[derive(Debug)]
struct Violation<M> {
    what: String,
    way: Vec<M>,
}

struct Node<S> {
    subject: S,
    /// Its place among all nodes.
    at: usize,
    depth: usize,
}

/// Visits every state that can be reached from `start`, the nearest first, `states_max` at most.
fn explore<S: Subject>(start: S, states_max: usize) -> Result<Explored, Violation<S::Move>> {
    let mut seen = HashSet::from([start.essence()]);
    // How each node was come to: the one before it, and the move.
    let mut came: Vec<Option<(usize, S::Move)>> = vec![None];
    let mut waiting = VecDeque::from([Node { subject: start, at: 0, depth: 0 }]);
    let mut explored = Explored { complete: 1, runs: 1, ..Explored::default() };
    while let Some(node) = waiting.pop_front() {
        explored.depth = explored.depth.max(node.depth);
        for next in node.subject.moves() {
            let mut subject = node.subject.clone();
            explored.transitions += 1;
            let fresh = subject.take(next).and_then(|()| {
                let fresh = seen.insert(subject.essence());
                if fresh { subject.check().map(|()| true) } else { Ok(false) }
            });
            match fresh {
                Ok(false) => {}
                Ok(true) if came.len() >= states_max => explored.complete = 0,
                Ok(true) => {
                    came.push(Some((node.at, next)));
                    waiting.push_back(Node { subject, at: came.len() - 1, depth: node.depth + 1 });
                }
                Err(what) => return Err(Violation { what, way: way(&came, node.at, next) }),
            }
        }
    }
    explored.states = came.len();
    Ok(explored)
}

/// One long way at random, from a printed seed: deeper than a breadth-first search comes.
fn wander<S: Subject>(start: S, seed: u64, moves_max: usize) -> Result<usize, Violation<S::Move>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut subject, mut way) = (start, Vec::new());
    while way.len() < moves_max
        && let Some(next) = subject.moves().choose(&mut rng).copied()
    {
        way.push(next);
        if let Err(what) = subject.take(next).and_then(|()| subject.check()) {
            return Err(Violation { what, way });
        }
    }
    Ok(way.len())
}

fn way<M: Copy>(came: &[Option<(usize, M)>], from: usize, last: M) -> Vec<M> {
    let mut way = vec![last];
    let mut at = from;
    while let Some((before, by)) = came[at] {
        way.push(by);
        at = before;
    }
    way.reverse();
    way
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
