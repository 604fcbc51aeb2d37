//! Members of guilds, as many as fit: bounded over all guilds, the ones that nobody asks about make room first.
//!
//! Who is not here is *not known*, which says nothing about the guild. Who is here is as the last event told, so it is
//! kept only while events come: a guild's members go when it is left, told of anew, or its session was lost.

mod read;
mod row;
mod table;
#[cfg(test)]
mod tests;

pub(super) use read::{Chunk, Listed, MemberList};

use chrono::{DateTime, Utc};
use protocol::{
    cache::CachedMember,
    id::{GuildId, RoleId, UserId},
};
use std::{
    fmt,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use table::Table;

/// What an event tells of a member. What is `None` it does not tell.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub name: &'a str,
    /// Whether it is a bot.
    pub bot: bool,
    /// The nickname; `Some(None)`: there is none.
    pub nick: Option<Option<&'a str>>,
    /// The roles.
    pub roles: &'a [RoleId],
    /// When it joined; kept to the second.
    pub joined_at: Option<DateTime<Utc>>,
    /// The end of its timeout; `Some(None)`: it is under none.
    pub timeout_until: Option<Option<DateTime<Utc>>>,
    /// Whether it has yet to pass membership screening.
    pub pending: Option<bool>,
    /// Discord's member flags, the lower 16.
    pub flags: Option<u16>,
}

/// Members of all guilds. One lock, held for one member at a time and never across an await.
pub struct Members {
    table: RwLock<Table>,
}

impl Members {
    /// Room for `max` members, at least one, of all guilds together.
    pub fn new(max: usize) -> Self {
        Self { table: RwLock::new(Table::new(max)) }
    }

    /// A member, if it is known.
    pub fn get(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        let table = self.read();
        table.get(table.guild(guild)?, user)
    }

    /// How many are known, over all guilds.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many had to make room for others, ever.
    pub fn evicted(&self) -> u64 {
        self.read().evicted()
    }

    /// Keeps no more than `max` from now on, at least one. Where more are known, those that nobody has asked about lately go
    /// now, and the memory that they took goes back to the allocator: the one step here that takes as long as there are members.
    pub fn bound(&self, max: usize) {
        self.write().bound(max);
    }

    /// Takes what is told of a member: it is known from now on.
    pub fn put(&self, guild: GuildId, told: &Told<'_>) {
        let mut table = self.write();
        let block = table.guild_or_new(guild);
        table.put(block, told);
    }

    /// Takes what is told in passing of a member, unless it is known: events of its own are not older.
    pub fn learn(&self, guild: GuildId, told: &Told<'_>) {
        let known = {
            let table = self.read();
            table.guild(guild).is_some_and(|block| table.touch(block, told.user))
        };
        if !known {
            self.put(guild, told);
        }
    }

    /// It has left, or is not known any more.
    pub fn remove(&self, guild: GuildId, user: UserId) {
        let mut table = self.write();
        if let Some(block) = table.guild(guild) {
            table.remove(block, user);
        }
    }

    /// Takes a deleted role from whoever had it.
    pub fn forget_role(&self, guild: GuildId, role: RoleId) {
        let mut table = self.write();
        if let Some(block) = table.guild(guild) {
            table.forget_role(block, role);
        }
    }

    /// Forgets all members of a guild, in one step however many there are.
    pub fn forget(&self, guild: GuildId) {
        self.write().forget(guild);
    }

    /// Forgets the members of the guilds that `which` says.
    pub fn forget_where(&self, which: impl Fn(GuildId) -> bool) {
        let mut table = self.write();
        let guilds: Vec<GuildId> = table.guilds().filter(|guild| which(*guild)).collect();
        guilds.into_iter().for_each(|guild| table.forget(guild));
    }

    /// A list of members to put in place of all that are known of a guild. Until it is [published](Listing::publish)
    /// nobody sees it; if it never is, it is forgotten.
    pub fn listing(&self) -> Listing<'_> {
        Listing { members: self, block: self.write().begin(), published: false }
    }

    // A panic elsewhere while the lock was held leaves single members unfindable at worst.
    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// See [`Members::listing`].
pub struct Listing<'a> {
    members: &'a Members,
    block: u32,
    published: bool,
}

impl Listing<'_> {
    /// Adds a member.
    pub fn push(&mut self, told: &Told<'_>) {
        self.members.write().put(self.block, told);
    }

    /// These are the guild's members now.
    pub fn publish(mut self, guild: GuildId) {
        self.published = true;
        self.members.write().publish(guild, self.block);
    }
}

impl Drop for Listing<'_> {
    fn drop(&mut self) {
        if !self.published {
            self.members.write().end(self.block);
        }
    }
}
