//! In which order tasks start; they stop in the reverse.

use crate::{admission::rank, registry::Registered};
use std::{cmp::Reverse, collections::BTreeSet};

/// Puts tasks in start order: one that needs another, directly or over others, after it; else by rank, and of equals those
/// that were registered first. It is how the task supervisor's children stand ([`supervision::Flags::by_needs`]), told of
/// tasks that are not its children yet or one by one no more.
pub(crate) fn starts(mut tasks: Vec<Registered>) -> Vec<Registered> {
    tasks.sort_by_key(|task| (Reverse(rank(&task.spec)), task.turn));
    let mut ordered = Vec::with_capacity(tasks.len());
    while !tasks.is_empty() {
        let (mut at, mut passed) = (0, BTreeSet::new());
        while passed.insert(at) {
            let needed = needed_by(&tasks, at);
            let Some(next) = needed.into_iter().find(|other| !passed.contains(other)) else { break };
            at = next;
        }
        ordered.push(tasks.remove(at));
    }
    ordered
}

/// Which of `tasks` the one at `at` needs, directly or over others.
fn needed_by(tasks: &[Registered], at: usize) -> BTreeSet<usize> {
    let (mut seen, mut open) = (BTreeSet::from([at]), vec![at]);
    while let Some(next) = open.pop() {
        for need in tasks[next].spec.needs.iter().filter_map(|need| crate::named(need)) {
            let needed = tasks.iter().position(|task| task.spec.name == need);
            open.extend(needed.filter(|needed| seen.insert(*needed)));
        }
    }
    seen.remove(&at);
    seen
}
