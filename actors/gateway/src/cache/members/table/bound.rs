//! A new bound: what is more than it allows goes, and the rows that stay move together so that whole chunks are given back.

use super::{CHUNK, Row, Table, as_place, hash, segment};

impl Table {
    /// Keeps `max` members at most from now on, at least one.
    pub(in super::super) fn bound(&mut self, max: usize) {
        self.max = max.clamp(1, u32::MAX as usize);
        if self.places() <= self.max {
            return;
        }
        self.drop_rows();
        self.move_together();
        self.chunks.truncate(self.max.div_ceil(CHUNK));
        let last = self.max - (self.chunks.len() - 1) * CHUNK;
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.truncate(last);
        }
        self.chunks.shrink_to_fit();
        let (seed, chunks) = (self.seed, &self.chunks);
        for segment in &mut self.index {
            segment
                .shrink_to_fit(|place| super::row_in(chunks, *place).map_or(0, |row| hash(seed, row.block, row.user)));
        }
        (self.hand, self.broom) = (0, 0);
    }

    /// Rows of ended blocks go first, then those that nobody has used lately, then any, until the rest fits.
    fn drop_rows(&mut self) {
        let places = self.places();
        for goes in [Self::is_over, Self::is_unused, Self::is_there] {
            for place in 0..places {
                let taken = places - self.free.len();
                let place = as_place(place);
                if (taken > self.max || self.has_ended(place)) && goes(self, place) {
                    self.evicted += u64::from(!self.has_ended(place));
                    self.empty(place);
                    self.free.push(place);
                }
            }
        }
    }

    fn is_over(&mut self, place: u32) -> bool {
        self.has_ended(place)
    }

    fn is_unused(&mut self, place: u32) -> bool {
        self.row_mut(place).as_mut().is_some_and(|row| !row.was_used())
    }

    fn is_there(&mut self, place: u32) -> bool {
        self.row(place).is_some()
    }

    /// Rows beyond the bound move into the free places below it.
    fn move_together(&mut self) {
        let max = self.max;
        let mut below: Vec<u32> = self.free.drain(..).filter(|place| (*place as usize) < max).collect();
        for place in (max..self.places()).map(as_place) {
            let Some(row) = self.row_mut(place).take() else { continue };
            let Some(to) = below.pop() else { continue }; // there is one for each: no more rows than places are left
            self.settle(&row, place, to);
            *self.row_mut(to) = Some(row);
        }
        self.free = below;
        self.free.shrink_to_fit();
    }

    /// The index finds `row` at `to` from now on.
    fn settle(&mut self, row: &Row, from: u32, to: u32) {
        let hash = hash(self.seed, row.block, row.user);
        if let Some(entry) = self.index[segment(hash)].find_mut(hash, |place| *place == from) {
            *entry = to;
        }
    }
}
