//! What one process leaves to the next so that it can RESUME: the sessions, and the cache as it was after the last
//! event of each.
//!
//! Both belong together: a resumed session replays neither READY nor the guilds, only what came after the sequence
//! number it is resumed at. So a session is in a snapshot only if nobody is writing its part of the cache any more.
//!
//! What this process has taken and not begun is the next one's: the session is resumed below the first such event, and of
//! what Discord then sends again only these and what is new are handed over (`docs/adr/0013`).

mod file;
#[cfg(test)]
mod tests;

pub use file::FILE;

use crate::{
    cache::{
        saved::{self, SavedCache},
        shard_of,
    },
    handle::Gateway,
    keeper::SavedSession,
};
use chrono::{DateTime, TimeDelta, Utc};
use protocol::Secret;
use serde::{Deserialize, Serialize};
use std::{collections::HashSet, time::Duration};

/// The format of a [`Snapshot`]; another one is refused, the next process then IDENTIFYs.
pub const VERSION: u32 = 2;
/// Older ones are refused. Discord keeps a session without a connection "a few minutes" and does not say how many:
/// after five a RESUME would only be answered with an invalid session, and the cache would show what is long past.
pub const AGE_MAX: Duration = Duration::from_secs(300);
/// Clocks are set back by less than this between two processes.
const SKEW_MAX: TimeDelta = TimeDelta::seconds(5);
/// How long readers that the stop has cut off may take to let go of the cache.
const REST_LIMIT: Duration = Duration::from_millis(500);

/// Sessions and cache at one moment. Guilds are shared with the cache until it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    version: u32,
    cache_format: u32,
    taken_at: DateTime<Utc>,
    /// Tells tokens apart without holding one.
    token: u64,
    sessions: Vec<SavedSession>,
    cache: SavedCache,
    /// What it leaves out.
    #[serde(skip)]
    left: Unsaved,
}

/// What becomes of events that are not done if no snapshot is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unsaved {
    /// They had begun, and are not done again.
    pub cut_off: usize,
    /// They had not, and nobody is sent them again.
    pub lost: usize,
}

/// What was taken up of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// Sessions that will be resumed.
    pub sessions: usize,
    /// Guilds that are in the cache from the start.
    pub guilds: usize,
    /// Events that the process before had not begun and that Discord is asked for again.
    pub waiting: usize,
    /// Such events of shards that this process does not have: nobody asks for them.
    pub lost: usize,
    /// How old the snapshot was.
    pub age: Duration,
}

/// Why a snapshot is not used; an IDENTIFY follows.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The folder or the file cannot be read, written or removed.
    #[error("the gateway's snapshot: {0}")]
    Io(#[from] std::io::Error),
    /// It is no file of ours, cut short, or damaged.
    #[error("the gateway's snapshot is damaged: {0}")]
    Damaged(String),
    /// Another version of the bot wrote it.
    #[error("the gateway's snapshot has format {found}, this version reads {VERSION}")]
    Format {
        /// What it says of itself.
        found: u32,
    },
    /// The sessions in it are gone.
    #[error("the gateway's snapshot is {} s old; sessions are kept for {} s", age.as_secs(), AGE_MAX.as_secs())]
    TooOld {
        /// How old it is.
        age: Duration,
    },
    /// Its age cannot be known.
    #[error("the gateway's snapshot was taken later than now, at {0}: the clock was set back")]
    FromTheFuture(DateTime<Utc>),
    /// Its sessions belong to another bot, or to a token that was reset.
    #[error("the gateway's snapshot belongs to another token")]
    OtherToken,
    /// Its sessions are of other shards.
    #[error("the gateway's snapshot is of {was} shard(s) in all, now there are {is}")]
    OtherSharding {
        /// Shards in all, then.
        was: u32,
        /// Shards in all, now.
        is: u32,
    },
    /// A resumed session has the intents it was begun with.
    #[error("the gateway's sessions were begun with other intents")]
    OtherIntents,
    /// It is larger than any bot's should be.
    #[error("the gateway's snapshot takes {0} bytes, more than is written or read")]
    TooLarge(u64),
}

impl Gateway {
    /// What the next process needs to resume: call it once the gateway has stopped. Sessions that are still in use are
    /// left out, with their guilds. From now on no event of a session begins in this process any more.
    pub async fn snapshot(&self) -> Snapshot {
        let (mut turns, mut sessions, mut left) = (Vec::new(), Vec::new(), Unsaved::default());
        for (keeper, _) in &self.inner.shards {
            let Unsaved { cut_off, lost } = keeper.seal();
            left.cut_off += cut_off;
            left.lost += lost;
            // Whoever holds the turn may be writing the cache; while we hold it nobody is.
            match tokio::time::timeout(REST_LIMIT, keeper.rest()).await {
                Ok(turn) => {
                    if let Some((session, given_up)) = keeper.leave() {
                        sessions.push(session);
                        left.lost += given_up;
                    }
                    turns.push(turn);
                }
                Err(_elapsed) => {
                    let (shard, lost) = (keeper.shard().0, keeper.open());
                    left.lost += lost;
                    tracing::warn!(
                        shard.id = shard,
                        lost,
                        "its session is in use and not saved; {lost} event(s) with it"
                    );
                }
            }
        }
        let shards: HashSet<u32> = sessions.iter().map(|session| session.shard.0).collect();
        let total = self.inner.total;
        let cache = self.inner.cache.save(|guild| shards.contains(&shard_of(guild, total)));
        drop(turns);
        Snapshot {
            version: VERSION,
            cache_format: saved::FORMAT,
            taken_at: self.inner.shard.clock.now(),
            token: fingerprint(&self.inner.shard.token),
            sessions,
            cache,
            left,
        }
    }

    /// As [`Gateway::snapshot`] does, seals all sessions, without waiting for anybody: what it comes to if none of them is
    /// kept. It may be asked again.
    pub fn seal(&self) -> Unsaved {
        let mut all = Unsaved::default();
        for (keeper, _) in &self.inner.shards {
            let sealed = keeper.seal();
            all.cut_off += sealed.cut_off;
            all.lost += sealed.lost + keeper.open();
        }
        all
    }

    /// Takes up a snapshot, before the gateway starts. Shards without a session in it IDENTIFY.
    ///
    /// # Errors
    /// When none of it can be used; nothing has changed then.
    pub fn restore_snapshot(&self, snapshot: Snapshot) -> Result<Restored, SnapshotError> {
        let age = self.check(&snapshot)?;
        let (mut shards, mut waiting) = (HashSet::new(), 0);
        for (keeper, _) in &self.inner.shards {
            if let Some(session) = snapshot.sessions.iter().find(|session| keeper.take_up(session)) {
                shards.insert(keeper.shard().0);
                waiting += session.waiting.len();
            }
        }
        let lost = snapshot.waiting() - waiting;
        let total = self.inner.total;
        let guilds = match shards.is_empty() {
            true => 0,
            false => self.inner.cache.restore(snapshot.cache, |guild| shards.contains(&shard_of(guild, total))),
        };
        Ok(Restored { sessions: shards.len(), guilds, waiting, lost, age })
    }

    /// Whether its sessions are ours; its age.
    fn check(&self, snapshot: &Snapshot) -> Result<Duration, SnapshotError> {
        if snapshot.version != VERSION || snapshot.cache_format != saved::FORMAT {
            return Err(SnapshotError::Format { found: snapshot.version.max(snapshot.cache_format) });
        }
        if snapshot.token != fingerprint(&self.inner.shard.token) {
            return Err(SnapshotError::OtherToken);
        }
        let total = self.inner.total;
        if let Some(other) = snapshot.sessions.iter().find(|session| session.total != total) {
            return Err(SnapshotError::OtherSharding { was: other.total, is: total });
        }
        let intents = self.inner.shard.intents(self.inner.shard.sink.wants()).bits();
        if snapshot.sessions.iter().any(|session| session.intents != intents) {
            return Err(SnapshotError::OtherIntents);
        }
        let age = self.inner.shard.clock.now() - snapshot.taken_at;
        if age < -SKEW_MAX {
            return Err(SnapshotError::FromTheFuture(snapshot.taken_at));
        }
        let age = age.to_std().unwrap_or_default();
        if age > AGE_MAX {
            return Err(SnapshotError::TooOld { age });
        }
        Ok(age)
    }
}

impl Snapshot {
    /// Whether there is no session in it: nothing to write.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Events that have not begun: Discord is asked for them again.
    pub fn waiting(&self) -> usize {
        self.sessions.iter().map(|session| session.waiting.len()).sum()
    }

    /// Events that are in none of its sessions: those that had begun and were not done when it was taken, and those of
    /// sessions that are over or still in use, or too old.
    pub fn left_out(&self) -> Unsaved {
        self.left
    }

    /// Its sessions.
    pub fn sessions(&self) -> &[SavedSession] {
        &self.sessions
    }
}

/// FNV-1a of the token: 64 bits of more than 200 unknown ones tell two tokens apart and give nothing away.
fn fingerprint(token: &Secret) -> u64 {
    fnv(token.expose().as_bytes())
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
