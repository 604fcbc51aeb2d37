//! Work that no actor owns: counted, and warned about when it grows. Libraries have some, for their connections; what only
//! ever grows is a leak.

use serde::Serialize;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Looks that have to agree before growth is believed: a burst of requests is none.
const LOOKS: usize = 3;
/// Growth by less than this is never worth a word.
const GROWTH_MIN: usize = 100;

/// Tokio tasks of the process, of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Tokio tasks that are alive.
    pub alive: usize,
    /// Of which actors and the tree own.
    pub owned: usize,
    /// Of which nobody owns that the tree knows of.
    pub unowned: usize,
}

/// Watches unowned work grow.
#[derive(Debug, Default)]
pub(crate) struct Unowned {
    inner: Mutex<Growth>,
}

#[derive(Debug, Default)]
struct Growth {
    last: Option<Work>,
    looks: VecDeque<usize>,
    /// What is taken for normal: the level of the last warning, or of the first looks.
    level: Option<usize>,
}

impl Unowned {
    /// What was counted last.
    pub(crate) fn last(&self) -> Option<Work> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).last
    }

    /// Takes a look. The level it grew from, when it has grown enough to be told.
    pub(crate) fn look(&self, work: Work) -> Option<usize> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).look(work)
    }
}

impl Growth {
    /// The least of the last looks counts. It is told once when it has doubled, and by [`GROWTH_MIN`] at least.
    fn look(&mut self, work: Work) -> Option<usize> {
        self.last = Some(work);
        if self.looks.len() == LOOKS {
            self.looks.pop_front();
        }
        self.looks.push_back(work.unowned);
        let steady = self.looks.iter().copied().min().filter(|_| self.looks.len() == LOOKS)?;
        let level = *self.level.get_or_insert(steady);
        let told = steady >= level.saturating_mul(2).max(level + GROWTH_MIN);
        self.level = Some(if told { steady } else { level.min(steady) });
        told.then_some(level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(counts: &[usize]) -> Vec<Option<usize>> {
        let mut growth = Growth::default();
        let work = |unowned| Work { alive: unowned + 5, owned: 5, unowned };
        counts.iter().map(|count| growth.look(work(*count))).collect()
    }

    #[test]
    fn growth_is_told_once_for_each_doubling_and_a_burst_is_none() {
        assert_eq!(told(&[10, 10, 10, 500, 10, 10]), [None; 6], "a burst");
        assert_eq!(told(&[10, 10, 10, 90, 90, 90]), [None; 6], "less than a hundred");
        let leak = told(&[10, 10, 10, 120, 130, 140, 150, 150, 150, 400, 400, 400]);
        assert_eq!(leak.iter().flatten().copied().collect::<Vec<_>>(), [10, 120]);
        assert_eq!(leak[5], Some(10), "when three looks agree");
    }

    #[test]
    fn what_shrinks_is_the_new_normal() {
        let counts = [1_000, 1_000, 1_000, 10, 10, 10, 10, 200, 200, 200];
        assert_eq!(told(&counts).iter().flatten().copied().collect::<Vec<_>>(), [10]);
    }
}
