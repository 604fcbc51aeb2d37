//! What can be read of a shard at any moment.

use crate::{
    keeper::Keeper,
    session::{Cause, Phase},
    stability::Stability,
};
use chrono::{DateTime, Utc};
use protocol::ShardId;
use serde::Serialize;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// One reading of a shard.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShardStatus {
    /// The shard.
    pub shard: ShardId,
    /// Of how many.
    pub total: u32,
    /// Where its session stands.
    pub state: Phase,
    /// When the session that is under way began (READY), if there is one.
    pub session_since: Option<DateTime<Utc>>,
    /// The last sequence number received.
    pub seq_received: Option<u64>,
    /// The last sequence number whose event has been handed over.
    pub seq_accepted: Option<u64>,
    /// From heartbeat to acknowledgement, in milliseconds.
    pub latency_ms: Option<f64>,
    /// The last disconnect.
    pub last_disconnect: Option<Disconnect>,
    /// Why it is parked, if it is.
    pub parked: Option<String>,
    /// Why it counts as unstable, if it does: ten or more connections lost within ten minutes. It may be online.
    pub unstable: Option<String>,
    /// Its heartbeat, for whoever watches over the process.
    #[serde(skip)]
    pub pulse: Heartbeat,
    /// Whether its sends wait for the limit of 120 a minute.
    pub throttled: bool,
    /// Whether it waits for a full sink.
    pub pushed_back: bool,
    /// What it has done since the process began.
    #[serde(flatten)]
    pub counts: Counts,
}

/// How a shard's heart beats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// Time between two beats, as HELLO told it.
    pub every: Option<Duration>,
    /// When Discord last answered one.
    pub answered: Option<Instant>,
}

/// A lost connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Disconnect {
    /// When.
    pub at: DateTime<Utc>,
    /// Why.
    pub cause: Cause,
    /// Discord's close code, if it gave one.
    pub code: Option<u16>,
    /// What the network, Discord or the queue of IDENTIFYs said, if anything.
    pub detail: Option<String>,
}

/// Counters of one shard since the process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Connections lost.
    pub disconnects: u64,
    /// Connections that could not be opened.
    pub dials_failed: u64,
    /// RESUMEs sent.
    pub resumes: u64,
    /// IDENTIFYs sent.
    pub identifies: u64,
    /// Dispatches handed to the sink.
    pub delivered: u64,
    /// Dispatches that nobody subscribes to, dropped undecoded.
    pub unwanted: u64,
    /// Dispatches that came again after a RESUME and were dropped.
    pub replayed: u64,
    /// Dispatches that the process before had taken and not begun, and that did not come again.
    pub lost: u64,
    /// Dispatches of a type that this version does not know.
    pub unknown: u64,
    /// Frames and dispatches that did not fit their type.
    pub malformed: u64,
    /// Times that a full sink made the reader wait.
    pub pushbacks: u64,
    /// Heartbeats that were sent for the shard because it could not run in time.
    pub stood_in: u64,
}

/// What the shard actor publishes when it changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    pub(crate) state: Option<Phase>,
    pub(crate) session_since: Option<DateTime<Utc>>,
    /// When the session that another process left began; it counts once RESUMED has come.
    pub(crate) restored_since: Option<DateTime<Utc>>,
    pub(crate) latency: Option<Duration>,
    pub(crate) pulse: Heartbeat,
    pub(crate) last_disconnect: Option<Disconnect>,
    pub(crate) parked: Option<String>,
    pub(crate) stability: Stability,
    pub(crate) unstable: Option<String>,
}

macro_rules! tally {
    ($($field:ident),+) => {
        /// The counters behind [`Counts`].
        #[derive(Debug, Default)]
        pub(crate) struct Tally {
            pub(crate) pushed_back: AtomicBool,
            pub(crate) throttled: AtomicBool,
            $(pub(crate) $field: AtomicU64),+
        }

        impl Tally {
            fn read(&self) -> Counts {
                Counts { $($field: self.$field.load(Relaxed)),+ }
            }
        }
    };
}

tally!(
    disconnects,
    dials_failed,
    resumes,
    identifies,
    delivered,
    unwanted,
    replayed,
    lost,
    unknown,
    malformed,
    pushbacks,
    stood_in
);

/// Adds one; returns what it was before.
pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Relaxed)
}

impl ShardStatus {
    pub(crate) fn read(keeper: &Keeper) -> Self {
        let published = keeper.published.load();
        let books = keeper.books();
        Self {
            shard: keeper.shard(),
            total: keeper.total(),
            state: published.state.unwrap_or(Phase::New),
            session_since: published.session_since,
            seq_received: books.as_ref().map(|books| books.received()),
            seq_accepted: books.as_ref().map(|books| books.accepted()),
            latency_ms: published.latency.map(|latency| latency.as_secs_f64() * 1e3),
            last_disconnect: published.last_disconnect.clone(),
            parked: published.parked.clone(),
            unstable: published.unstable.clone(),
            pulse: published.pulse,
            throttled: keeper.tally.throttled.load(Relaxed),
            pushed_back: keeper.tally.pushed_back.load(Relaxed),
            counts: keeper.tally.read(),
        }
    }
}
