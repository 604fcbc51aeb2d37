//! A supervisor's children in start order, and which of them something has to be done about.
//!
//! With ten thousand children nothing may look at all of them for each event. So each child is found by its name, and
//! the questions that every step asks ("who stops next?", "is a round under way?") are answered by sets that are brought
//! up to date for the children that were touched, and for no others.

mod needs;

use super::child::{Child, Goal, Life};
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    ops::{Index, IndexMut},
};

/// Where a child stands among its siblings: a higher rank first, then who came first. It never changes.
pub(crate) type Place = (Reverse<i32>, u64);

/// Something that is true of a child and decides about what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// An incarnation of it exists.
    Alive,
    /// It is up or coming up: not asked to stop yet.
    Unasked,
    /// It takes part in the round under way.
    Member,
    /// A member that shall go and is still there.
    MemberLeaving,
    /// A member that shall go and has not been asked to.
    MemberToAsk,
    /// One that is no member, shall go, and has not been asked to.
    AsideLeaving,
    /// A member that the others have to wait for before anything starts.
    Unsettled,
    /// A member that is coming up, or waits for its turn to.
    Pending,
    /// A member that is coming up.
    Coming,
    /// One that is no member and may start at once.
    AsideDue,
    /// It shall go, or go and come again, and is not there: only its state has to follow.
    Gone,
}

impl Mark {
    const ALL: [Self; 11] = [
        Self::Alive,
        Self::Unasked,
        Self::Member,
        Self::MemberLeaving,
        Self::MemberToAsk,
        Self::AsideLeaving,
        Self::Unsettled,
        Self::Pending,
        Self::Coming,
        Self::AsideDue,
        Self::Gone,
    ];

    fn holds(self, child: &Child) -> bool {
        let leaving = child.is_alive() && child.goal != Goal::Up;
        let stopping = matches!(child.life, Life::Stopping { .. });
        match self {
            Self::Alive => child.is_alive(),
            Self::Unasked => matches!(child.life, Life::Starting | Life::Running),
            Self::Member => child.in_round,
            Self::MemberLeaving => child.in_round && leaving,
            Self::MemberToAsk => child.in_round && leaving && !stopping,
            Self::AsideLeaving => !child.in_round && leaving && !stopping,
            Self::Unsettled => child.in_round && (leaving || stopping || matches!(child.life, Life::Waiting { .. })),
            Self::Pending => child.in_round && (child.due || child.life == Life::Starting),
            Self::Coming => child.in_round && child.life == Life::Starting,
            Self::AsideDue => !child.in_round && child.due && child.goal == Goal::Up && child.life == Life::Down,
            Self::Gone if child.is_alive() || child.life == Life::Quarantined => false,
            Self::Gone => match child.goal {
                Goal::Up => false,
                Goal::Down => child.due || child.life != Life::Down,
                Goal::Again | Goal::Gone => true,
            },
        }
    }
}

#[derive(Debug, Clone)]
struct Slot {
    place: Place,
    child: Child,
    /// What it is entered as needing.
    needs: Vec<String>,
    /// Which marks it is entered under, by bit.
    marks: u16,
    touched: bool,
}

/// The children, in start order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "Vec<Child>")]
#[expect(clippy::vec_box, reason = "inserting among thousands moves pointers, not children")]
pub struct Children {
    slots: Vec<Box<Slot>>,
    places: HashMap<String, Place>,
    arrivals: u64,
    /// Who needs a path, as entered.
    needed: HashMap<String, BTreeSet<Place>>,
    marked: [BTreeSet<Place>; Mark::ALL.len()],
    /// Changed since the sets were last brought up to date.
    touched: Vec<Place>,
    /// Changed since [`Children::take_changed`].
    changed: BTreeSet<Place>,
}

impl Children {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// All of them, in start order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Child> {
        self.slots.iter().map(|slot| &slot.child)
    }

    /// The position of the one called `id`.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.position(self.places.get(id)?)
    }

    /// Where the one at `at` stands among its siblings: they are ordered by it.
    pub(crate) fn place(&self, at: usize) -> Place {
        self.slots[at].place
    }

    /// Takes `child` in behind those of its rank.
    pub(super) fn insert(&mut self, child: Child) {
        let place = (Reverse(child.policy.rank), self.arrivals);
        self.arrivals += 1;
        self.places.insert(child.id().to_owned(), place);
        let at = self.slots.partition_point(|slot| slot.place < place);
        self.slots.insert(at, Box::new(Slot { place, child, needs: Vec::new(), marks: 0, touched: true }));
        self.touched.push(place);
    }

    /// Takes the one at `at` out.
    pub(super) fn remove(&mut self, at: usize) -> Child {
        let slot = self.slots.remove(at);
        self.places.remove(slot.child.id());
        for set in &mut self.marked {
            set.remove(&slot.place);
        }
        self.changed.remove(&slot.place);
        self.strike_needs(slot.place, &slot.needs);
        slot.child
    }

    /// All of them, in start order.
    pub(super) fn into_children(self) -> impl Iterator<Item = Child> {
        self.slots.into_iter().map(|slot| slot.child)
    }

    /// How many bear `mark`.
    pub(super) fn count(&mut self, mark: Mark) -> usize {
        self.refresh();
        self.marked[mark as usize].len()
    }

    /// The first that bears `mark`.
    pub(super) fn first(&mut self, mark: Mark) -> Option<usize> {
        self.refresh();
        self.position(self.marked[mark as usize].first()?)
    }

    /// The last that bears `mark`.
    pub(super) fn last(&mut self, mark: Mark) -> Option<usize> {
        self.refresh();
        self.position(self.marked[mark as usize].last()?)
    }

    /// All that bear `mark`, in start order.
    pub(super) fn all(&mut self, mark: Mark) -> Vec<usize> {
        self.refresh();
        self.marked[mark as usize].iter().filter_map(|place| self.position(place)).collect()
    }

    /// The positions of those that changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> Vec<usize> {
        self.refresh();
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|place| self.position(place)).collect()
    }

    fn position(&self, place: &Place) -> Option<usize> {
        self.slots.binary_search_by_key(place, |slot| slot.place).ok()
    }

    /// Enters the touched ones under what is true of them now.
    fn refresh(&mut self) {
        while let Some(place) = self.touched.pop() {
            let Some(at) = self.position(&place) else { continue };
            self.enter_needs(at);
            let slot = &mut self.slots[at];
            slot.touched = false;
            self.changed.insert(place);
            for mark in Mark::ALL {
                let (bit, holds) = (1 << mark as usize, mark.holds(&slot.child));
                if holds != (slot.marks & bit != 0) {
                    slot.marks ^= bit;
                    let set = &mut self.marked[mark as usize];
                    if holds {
                        set.insert(place)
                    } else {
                        set.remove(&place)
                    };
                }
            }
        }
    }

    /// Whether the sets say what a look at every child says.
    #[cfg(test)]
    pub(super) fn are_marked_right(&mut self) -> bool {
        Mark::ALL.into_iter().all(|mark| {
            let marked = self.all(mark);
            marked == (0..self.len()).filter(|at| mark.holds(&self[*at])).collect::<Vec<_>>()
        })
    }
}

impl Index<usize> for Children {
    type Output = Child;

    fn index(&self, at: usize) -> &Child {
        &self.slots[at].child
    }
}

impl IndexMut<usize> for Children {
    /// Whoever may change a child has touched it.
    fn index_mut(&mut self, at: usize) -> &mut Child {
        let slot = &mut self.slots[at];
        if !std::mem::replace(&mut slot.touched, true) {
            self.touched.push(slot.place);
        }
        &mut slot.child
    }
}

impl PartialEq for Children {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl FromIterator<Child> for Children {
    fn from_iter<I: IntoIterator<Item = Child>>(children: I) -> Self {
        let mut all = Self::default();
        for child in children {
            all.insert(child);
        }
        all
    }
}

impl From<Vec<Child>> for Children {
    fn from(children: Vec<Child>) -> Self {
        children.into_iter().collect()
    }
}

impl Serialize for Children {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
