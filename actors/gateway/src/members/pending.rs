//! Requests under way, and the chunks that have come for them.

use super::{ALL_EVERY, GuildMember, MEMBERS_MAX, Members};
use crate::scan::Header;
use dashmap::{DashMap, Entry};
use protocol::id::{GuildId, RoleId, UserId};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::guarded_sync;
use tokio::{sync::Notify, time::Instant};

/// Requests of one shard that may be under way.
const UNDER_WAY_MAX: usize = 16;
/// What one that is too many is told to wait.
const BUSY: Duration = Duration::from_secs(1);
/// Discord's word on how long to wait is kept within these bounds.
const RETRY: (f64, f64) = (0.001, 3600.0);

/// The requests of one shard; they outlive its connections, as the session does.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// By nonce.
    requests: DashMap<Box<str>, Collected>,
    under_way: AtomicUsize,
    nth: AtomicU64,
    /// When all members of a guild were last asked for.
    all: DashMap<GuildId, Instant>,
}

#[derive(Debug, Default)]
struct Collected {
    /// By index; Discord may send them in any order, and again after a RESUME.
    chunks: BTreeMap<u32, Vec<GuildMember>>,
    /// How many there will be.
    of: Option<u32>,
    kept: usize,
    full: bool,
    not_found: Vec<UserId>,
    limited: Option<Duration>,
    news: Arc<Notify>,
}

/// What a request was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Every chunk has come.
    Complete,
    /// It was too soon: ask again after this long.
    Limited(Duration),
}

/// One request; dropping it forgets it.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pending: &'a Pending,
    nonce: Box<str>,
    news: Arc<Notify>,
}

impl Pending {
    /// Begins a request; `all` members of a guild only once in [`ALL_EVERY`].
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn begin(&self, all: Option<GuildId>, now: Instant) -> Result<Request<'_>, Duration> {
        if self.under_way.fetch_add(1, Relaxed) >= UNDER_WAY_MAX {
            self.under_way.fetch_sub(1, Relaxed);
            return Err(BUSY);
        }
        let nonce = format!("m{:x}", self.nth.fetch_add(1, Relaxed)).into_boxed_str();
        let request = Request { pending: self, nonce, news: Arc::default() };
        if let Some(guild) = all {
            self.all.retain(|_, asked| now.saturating_duration_since(*asked) < ALL_EVERY);
            match self.all.entry(guild) {
                Entry::Occupied(asked) => return Err((*asked.get() + ALL_EVERY).saturating_duration_since(now)),
                Entry::Vacant(never) => drop(never.insert(now)),
            }
        }
        let collected = Collected { news: Arc::clone(&request.news), ..Collected::default() };
        self.requests.insert(request.nonce.clone(), collected);
        Ok(request)
    }

    /// Takes a dispatch, if it answers a request. Costs one load when none is under way.
    pub(crate) fn dispatch(&self, name: &str, header: &Header<'_>) {
        if self.under_way.load(Relaxed) == 0 || !matches!(name, "GUILD_MEMBERS_CHUNK" | "RATE_LIMITED") {
            return;
        }
        let taken = guarded_sync(|| match name {
            "RATE_LIMITED" => header.decode::<RateLimited>().map(|limited| self.limited(limited)),
            _ => header.decode::<Chunk>().map(|chunk| self.chunk(chunk)),
        });
        if !matches!(taken, Ok(Ok(()))) {
            tracing::debug!(event.r#type = name, "an answer about members could not be read");
        }
    }

    fn chunk(&self, chunk: Chunk) {
        let Some(mut collected) = chunk.nonce.and_then(|nonce| self.requests.get_mut(&nonce)) else { return };
        collected.of = Some(chunk.chunk_count);
        if collected.chunks.contains_key(&chunk.chunk_index) {
            return;
        }
        let room = MEMBERS_MAX - collected.kept;
        collected.full |= chunk.members.len() > room;
        let members: Vec<GuildMember> = chunk.members.into_iter().take(room).map(Into::into).collect();
        collected.kept += members.len();
        collected.not_found.extend(chunk.not_found.into_iter().take(super::FEW_MAX));
        collected.not_found.truncate(super::FEW_MAX);
        collected.chunks.insert(chunk.chunk_index, members);
        if collected.is_complete() {
            collected.news.notify_one();
        }
    }

    fn limited(&self, limited: RateLimited) {
        let Some(mut collected) = limited.meta.nonce.and_then(|nonce| self.requests.get_mut(&nonce)) else { return };
        let seconds = if limited.retry_after.is_finite() { limited.retry_after } else { RETRY.1 };
        collected.limited = Some(Duration::from_secs_f64(seconds.clamp(RETRY.0, RETRY.1)));
        collected.news.notify_one();
    }
}

impl Collected {
    fn is_complete(&self) -> bool {
        self.full || self.of.is_some_and(|of| usize::try_from(of).is_ok_and(|of| self.chunks.len() >= of))
    }
}

impl Request<'_> {
    /// What chunks are told apart by; 32 bytes at most, or Discord drops it.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The next news.
    pub(super) async fn told(&self) -> Told {
        loop {
            self.news.notified().await;
            let Some(mut collected) = self.pending.requests.get_mut(&self.nonce) else { continue };
            if collected.is_complete() {
                return Told::Complete;
            }
            if let Some(wait) = collected.limited.take() {
                return Told::Limited(wait);
            }
        }
    }

    /// What has come. `complete`: whether that is all.
    pub(super) fn members(self, complete: bool) -> Members {
        let Some(mut collected) = self.pending.requests.get_mut(&self.nonce) else { return Members::default() };
        let (chunks, full) = (std::mem::take(&mut collected.chunks), collected.full);
        let mut members = Vec::with_capacity(collected.kept);
        chunks.into_values().for_each(|chunk| members.extend(chunk));
        Members { members, not_found: std::mem::take(&mut collected.not_found), complete: complete && !full }
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.pending.requests.remove(&self.nonce);
        self.pending.under_way.fetch_sub(1, Relaxed);
    }
}

#[derive(Deserialize)]
struct Chunk {
    members: Vec<Member>,
    chunk_index: u32,
    chunk_count: u32,
    #[serde(default)]
    not_found: Vec<UserId>,
    nonce: Option<Box<str>>,
}

#[derive(Deserialize)]
struct Member {
    user: User,
    nick: Option<Box<str>>,
    #[serde(default)]
    roles: Box<[RoleId]>,
}

#[derive(Deserialize)]
struct User {
    id: UserId,
    username: Box<str>,
    #[serde(default)]
    bot: bool,
}

impl From<Member> for GuildMember {
    fn from(member: Member) -> Self {
        let User { id, username, bot } = member.user;
        Self { id, name: username, nick: member.nick, bot, roles: member.roles }
    }
}

#[derive(Deserialize)]
struct RateLimited {
    /// Seconds.
    retry_after: f64,
    meta: Meta,
}

#[derive(Deserialize)]
struct Meta {
    nonce: Option<Box<str>>,
}
