//! The table behind [`super::Members`]: rows of one size in chunks that never move, an index over them, and a clock's hand
//! that makes room. Every step is bounded, so that no event waits for another's tidying up.
//!
//! A guild's members belong to a *block*. To forget a guild is to end its block: its rows are found no more, and the
//! places they take are swept up a few at a time by those who need one.

mod bound;

use super::{
    Told,
    row::{Roles, Row},
};
use hashbrown::HashTable;
use protocol::{
    cache::CachedMember,
    id::{GuildId, RoleId, UserId},
};
use std::collections::HashMap;

/// Rows allocated at once: 16 KB.
const CHUNK: usize = 256;
/// The index is cut in so many, so that growing one moves few entries.
const SEGMENTS: usize = 256;
/// Rows that the hand passes because they were used; the next one goes all the same.
const PASSED_MAX: usize = 64;
/// Roles that one member may have: Discord's limit for a guild.
const ROLES_MAX: usize = 250;
/// Roles that one block may list, deleted ones included.
const LISTED_MAX: usize = 4096;
/// Places looked at for rows of ended blocks whenever one is needed.
const SWEPT: usize = 4;

/// Members of guilds.
pub(super) struct Table {
    max: usize,
    /// Each but the last has [`CHUNK`] places.
    chunks: Vec<Vec<Option<Row>>>,
    free: Vec<u32>,
    index: Vec<HashTable<u32>>,
    blocks: Vec<Block>,
    free_blocks: Vec<u32>,
    guilds: HashMap<GuildId, u32>,
    hand: usize,
    broom: usize,
    /// Rows of ended blocks.
    ended: usize,
    evicted: u64,
    seed: u64,
}

/// The members of one guild from one telling of it to the next.
#[derive(Default)]
struct Block {
    rows: usize,
    ended: bool,
    /// Roles that members have, in the order in which they were met; none where one was deleted.
    roles: Vec<Option<RoleId>>,
}

impl Table {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max: max.clamp(1, u32::MAX as usize),
            chunks: Vec::new(),
            free: Vec::new(),
            index: (0..SEGMENTS).map(|_| HashTable::new()).collect(),
            blocks: Vec::new(),
            free_blocks: Vec::new(),
            guilds: HashMap::new(),
            hand: 0,
            broom: 0,
            ended: 0,
            evicted: 0,
            seed: rand::random(),
        }
    }

    /// Members that can be found, of all guilds.
    pub(super) fn len(&self) -> usize {
        self.places() - self.free.len() - self.ended
    }

    /// Members that had to make room, ever.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn guild(&self, guild: GuildId) -> Option<u32> {
        self.guilds.get(&guild).copied()
    }

    pub(super) fn guilds(&self) -> impl Iterator<Item = GuildId> {
        self.guilds.keys().copied()
    }

    /// The guild's block, a new one if it has none.
    pub(super) fn guild_or_new(&mut self, guild: GuildId) -> u32 {
        self.guild(guild).unwrap_or_else(|| {
            let block = self.begin();
            self.guilds.insert(guild, block);
            block
        })
    }

    /// A block of no guild yet.
    pub(super) fn begin(&mut self) -> u32 {
        self.free_blocks.pop().unwrap_or_else(|| {
            self.blocks.push(Block::default());
            as_place(self.blocks.len() - 1)
        })
    }

    /// Makes `block` the guild's, in place of the one it had.
    pub(super) fn publish(&mut self, guild: GuildId, block: u32) {
        if let Some(before) = self.guilds.insert(guild, block) {
            self.end(before);
        }
    }

    /// Forgets a guild's members.
    pub(super) fn forget(&mut self, guild: GuildId) {
        if let Some(block) = self.guilds.remove(&guild) {
            self.end(block);
        }
    }

    /// Ends a block that is no guild's any more.
    pub(super) fn end(&mut self, block: u32) {
        let ended = &mut self.blocks[block as usize];
        ended.ended = true;
        ended.roles = Vec::new();
        self.ended += ended.rows;
        self.give_back(block);
    }

    fn give_back(&mut self, block: u32) {
        let ended = &mut self.blocks[block as usize];
        if ended.ended && ended.rows == 0 {
            *ended = Block::default();
            self.free_blocks.push(block);
        }
    }

    pub(super) fn get(&self, block: u32, user: UserId) -> Option<CachedMember> {
        let row = self.row(self.find(block, user)?)?;
        row.touch();
        Some(row.read(&self.blocks[block as usize].roles))
    }

    /// Whether it is known; if so, it was of use.
    pub(super) fn touch(&self, block: u32, user: UserId) -> bool {
        let row = self.find(block, user).and_then(|place| self.row(place));
        row.inspect(|row| row.touch()).is_some()
    }

    /// Adds a member or takes what is told of a known one. One that cannot be kept is not known afterwards.
    pub(super) fn put(&mut self, block: u32, told: &Told<'_>) {
        let (known, roles) = (self.find(block, told.user), self.roles(block, told.roles));
        let Some(roles) = roles else { return self.remove(block, told.user) };
        let Some(place) = known else { return self.add(block, told, roles) };
        if !self.row_mut(place).as_mut().is_some_and(|row| row.update(told, roles)) {
            self.remove(block, told.user);
        }
    }

    fn add(&mut self, block: u32, told: &Told<'_>, roles: Roles) {
        let Some(row) = Row::new(block, told, roles) else { return };
        let place = self.room();
        let hash = hash(self.seed, block, told.user);
        *self.row_mut(place) = Some(row);
        self.blocks[block as usize].rows += 1;
        let (seed, chunks) = (self.seed, &self.chunks);
        let again = |place: &u32| row_in(chunks, *place).map_or(0, |row| self::hash(seed, row.block, row.user));
        self.index[segment(hash)].insert_unique(hash, place, again);
    }

    pub(super) fn remove(&mut self, block: u32, user: UserId) {
        if let Some(place) = self.find(block, user) {
            self.empty(place);
            self.free.push(place);
        }
    }

    /// A deleted role is nobody's: Discord tells of no member for it.
    pub(super) fn forget_role(&mut self, block: u32, role: RoleId) {
        let roles = &mut self.blocks[block as usize].roles;
        if let Some(held) = roles.iter_mut().find(|held| **held == Some(role)) {
            *held = None;
        }
    }

    /// The places of `roles` in the block's list. None when they are more than a guild can have, or the list is full.
    fn roles(&mut self, block: u32, roles: &[RoleId]) -> Option<Roles> {
        let known = &mut self.blocks[block as usize].roles;
        let mut places = [0; ROLES_MAX];
        let places = places.get_mut(..roles.len())?;
        for (place, role) in places.iter_mut().zip(roles) {
            let at = known.iter().position(|known| *known == Some(*role)).unwrap_or(known.len());
            if at == LISTED_MAX {
                return None;
            }
            if at == known.len() {
                known.push(Some(*role));
            }
            *place = u16::try_from(at + 1).ok()?;
        }
        Some(Roles::of(places))
    }

    /// A free place; if there is none left, one is made free.
    fn room(&mut self) -> u32 {
        self.sweep();
        if let Some(place) = self.free.pop() {
            return place;
        }
        let places = self.places();
        if places < self.max {
            if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.chunks.push(Vec::with_capacity(CHUNK.min(self.max - places)));
            }
            if let Some(chunk) = self.chunks.last_mut() {
                chunk.push(None);
            }
            return as_place(places);
        }
        self.evict()
    }

    /// Takes a few rows of ended blocks out, if there are any.
    fn sweep(&mut self) {
        for _ in 0..SWEPT {
            if self.ended == 0 {
                return;
            }
            let place = as_place(self.broom);
            self.broom = (self.broom + 1) % self.places().max(1);
            if self.has_ended(place) {
                self.empty(place);
                self.free.push(place);
            }
        }
    }

    /// Takes out the next row that nobody has used since the hand was there last ("second chance").
    fn evict(&mut self) -> u32 {
        let mut passed = 0;
        loop {
            let place = as_place(self.hand);
            self.hand = (self.hand + 1) % self.places().max(1);
            let used = !self.has_ended(place) && self.row_mut(place).as_mut().is_some_and(Row::was_used);
            if !used || passed >= PASSED_MAX {
                self.evicted += u64::from(!self.has_ended(place));
                self.empty(place);
                return place;
            }
            passed += 1;
        }
    }

    fn has_ended(&self, place: u32) -> bool {
        self.row(place).is_some_and(|row| self.blocks[row.block as usize].ended)
    }

    /// Takes the row out of a place.
    fn empty(&mut self, place: u32) {
        let Some(row) = self.row_mut(place).take() else { return };
        let hash = hash(self.seed, row.block, row.user);
        if let Ok(entry) = self.index[segment(hash)].find_entry(hash, |other| *other == place) {
            entry.remove();
        }
        let block = &mut self.blocks[row.block as usize];
        block.rows -= 1;
        if block.ended {
            self.ended -= 1;
            self.give_back(row.block);
        }
    }

    fn find(&self, block: u32, user: UserId) -> Option<u32> {
        let hash = hash(self.seed, block, user);
        let is = |place: &u32| self.row(*place).is_some_and(|row| row.is(block, user));
        self.index[segment(hash)].find(hash, is).copied()
    }

    fn places(&self) -> usize {
        self.chunks.last().map_or(0, |last| (self.chunks.len() - 1) * CHUNK + last.len())
    }

    fn row(&self, place: u32) -> Option<&Row> {
        row_in(&self.chunks, place)
    }

    fn row_mut(&mut self, place: u32) -> &mut Option<Row> {
        &mut self.chunks[place as usize / CHUNK][place as usize % CHUNK]
    }
}

fn row_in(chunks: &[Vec<Option<Row>>], place: u32) -> Option<&Row> {
    chunks[place as usize / CHUNK][place as usize % CHUNK].as_ref()
}

fn as_place(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX) // the bound is below that
}

/// Ids are times and counters: their bits are mixed (the finalizer of splitmix64).
fn hash(seed: u64, block: u32, user: UserId) -> u64 {
    let mut mixed = user.get() ^ seed ^ u64::from(block).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// By other bits than a segment uses.
fn segment(hash: u64) -> usize {
    (hash >> 40) as usize % SEGMENTS
}

#[cfg(test)]
impl Table {
    pub(super) fn bound_now(&self) -> usize {
        self.max
    }

    /// Panics where the parts do not agree.
    pub(super) fn check(&self) {
        let mut rows = vec![0; self.blocks.len()];
        let (mut taken, mut ended) = (0, 0);
        for place in 0..self.places() {
            let Some(row) = self.row(as_place(place)) else { continue };
            rows[row.block as usize] += 1;
            (taken, ended) = (taken + 1, ended + usize::from(self.has_ended(as_place(place))));
            assert_eq!(self.find(row.block, row.user), Some(as_place(place)), "a row is found where it is");
        }
        assert_eq!(ended, self.ended);
        assert_eq!(taken + self.free.len(), self.places(), "a place is taken or free");
        assert_eq!(taken, self.index.iter().map(HashTable::len).sum::<usize>());
        assert!(self.places() <= self.max);
        assert!(rows.iter().zip(&self.blocks).all(|(rows, block)| *rows == block.rows));
        let alive = self.guilds.len() + self.free_blocks.len();
        let waiting = self.blocks.iter().filter(|block| block.ended).count();
        assert_eq!(alive + waiting, self.blocks.len(), "a block is a guild's, ended or free");
    }
}
