//! Whose turn it is where children go by what they need of each other: one that needs a sibling, directly or over other
//! siblings, stops before it and starts after it. Of those that are free to, their places decide.

use super::{Children, Mark, Place, Slot};
use std::collections::BTreeSet;

impl Children {
    /// The last that bears `mark` and that no other one of them needs. `under` is what stands before a child's name in its
    /// path. In a circle, which nobody lets come about, the last.
    pub(in crate::core) fn last_unneeded(&mut self, mark: Mark, under: &str) -> Option<usize> {
        self.refresh();
        let marked = &self.marked[mark as usize];
        let free = marked.iter().rev().find(|place| !self.is_needed(place, marked, under));
        self.position(free.or(marked.last())?)
    }

    /// The one to start first of those that bear `mark`: the order up is the reverse of the order down, so what is needed
    /// counts as much as whoever needs it. The first by its place, or else the first of what that one needs, and so on.
    pub(in crate::core) fn first_needed(&mut self, mark: Mark, under: &str) -> Option<usize> {
        self.refresh();
        let marked = &self.marked[mark as usize];
        let (mut first, mut passed) = (*marked.first()?, BTreeSet::new());
        while passed.insert(first) {
            let needed = self.reach(&first, |slot| self.needed_by(slot, under));
            let Some(next) = needed.intersection(marked).find(|place| !passed.contains(*place)) else { break };
            first = *next;
        }
        self.position(&first)
    }

    /// Whether another one of `marked` needs the child at `from`, directly or over others. The first that is found is enough:
    /// of thousands that need one child one is looked at, and only those without the mark are followed.
    fn is_needed(&self, from: &Place, marked: &BTreeSet<Place>, under: &str) -> bool {
        let (mut seen, mut open) = (BTreeSet::from([*from]), vec![*from]);
        while let Some(slot) = open.pop().and_then(|place| self.position(&place)).map(|at| &*self.slots[at]) {
            for place in self.needed.get(&format!("{under}{}", slot.child.id())).into_iter().flatten() {
                if seen.insert(*place) {
                    if marked.contains(place) {
                        return true;
                    }
                    open.push(*place);
                }
            }
        }
        false
    }

    /// Where `next` comes to, taken again and again from the child at `from`; without that one itself.
    fn reach(&self, from: &Place, next: impl Fn(&Slot) -> Vec<Place>) -> BTreeSet<Place> {
        let (mut seen, mut open) = (BTreeSet::from([*from]), vec![*from]);
        while let Some(slot) = open.pop().and_then(|place| self.position(&place)).map(|at| &*self.slots[at]) {
            open.extend(next(slot).into_iter().filter(|place| seen.insert(*place)));
        }
        seen.remove(from);
        seen
    }

    fn needed_by(&self, slot: &Slot, under: &str) -> Vec<Place> {
        let sibling = |need: &String| self.places.get(need.strip_prefix(under)?).copied();
        slot.needs.iter().filter_map(sibling).collect()
    }

    /// Enters who needs what now, for the child at `at`.
    pub(super) fn enter_needs(&mut self, at: usize) {
        let slot = &mut self.slots[at];
        if slot.needs == slot.child.policy.needs {
            return;
        }
        let (place, now) = (slot.place, slot.child.policy.needs.clone());
        let before = std::mem::replace(&mut slot.needs, now.clone());
        self.strike_needs(place, &before);
        for need in now {
            self.needed.entry(need).or_default().insert(place);
        }
    }

    /// The child at `place` needs none of `needs` any more.
    pub(super) fn strike_needs(&mut self, place: Place, needs: &[String]) {
        for need in needs {
            if let Some(needing) = self.needed.get_mut(need) {
                needing.remove(&place);
                if needing.is_empty() {
                    self.needed.remove(need);
                }
            }
        }
    }
}
