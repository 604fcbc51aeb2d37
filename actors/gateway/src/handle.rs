//! What the rest of the bot holds of the gateway: snapshots and orders.

use crate::{
    cache::Cache,
    identify::{self, Budget},
    keeper::{Keeper, SavedSession},
    presence::Presence,
    session::Phase,
    shard::{self, ORDER_LIMIT, ShardMsg},
    status::ShardStatus,
};
use futures_util::future::join_all;
use metering::{
    Collector, Scrape,
    gateway::{CacheSizes, ShardReading},
};
use protocol::{
    ShardId,
    cache::{CacheCounts, CacheView},
    method::{Checked, Method, MethodError, NoParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use supervision::{ActorPath, Addr, CallError, Role};

/// The part of all members that are kept however short memory is: one in so many.
const FLOOR: usize = 16;

/// The gateway. Clones are the same gateway; reading it never asks an actor.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) shards: Vec<(Arc<Keeper>, Addr<ShardMsg>)>,
    /// Shards in all, over every process.
    pub(crate) total: u32,
    pub(crate) shard: Arc<shard::Shared>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) presence: Presence,
    pub(crate) identify: Arc<identify::Shared>,
    /// Members that are kept when memory is not short.
    pub(crate) members_max: usize,
    /// Whether memory is short.
    pub(crate) short: AtomicBool,
}

impl Gateway {
    /// One reading of each shard, in their order.
    pub fn statuses(&self) -> Vec<ShardStatus> {
        self.inner.shards.iter().map(|(keeper, _)| keeper.status()).collect()
    }

    /// The cache.
    pub fn cache(&self) -> Arc<Cache> {
        Arc::clone(&self.inner.cache)
    }

    /// How much the cache holds.
    pub fn counts(&self) -> CacheCounts {
        self.inner.cache.counts()
    }

    /// Memory is short: of the members in the cache half go, those first that nobody asked about lately, and no more are kept
    /// than stay; members are not asked for ([`MembersError::Short`](crate::members::MembersError::Short)) until [`Gateway::ease`].
    /// Asked again, half of those go, down to a sixteenth of `[gateway].members_max`: the rest is not what memory is short of.
    /// How many members are known then; none where no members are kept.
    pub fn relieve(&self) -> Option<usize> {
        self.inner.short.store(true, Ordering::Relaxed);
        let known = usize::try_from(self.counts().known_members).unwrap_or(usize::MAX);
        self.inner.cache.bound_members((known / 2).max(self.inner.members_max / FLOOR))
    }

    /// There is memory again: as many members are kept as `[gateway].members_max` says, and may be asked for.
    pub fn ease(&self) {
        self.inner.short.store(false, Ordering::Relaxed);
        self.inner.cache.bound_members(self.inner.members_max);
    }

    /// What Discord shows of the bot.
    pub fn presence(&self) -> &Presence {
        &self.inner.presence
    }

    /// The budget of IDENTIFYs.
    pub fn budget(&self) -> Budget {
        self.inner.identify.budget()
    }

    /// The greatest heartbeat latency of the shards that are online.
    pub fn latency(&self) -> Option<Duration> {
        let statuses = self.statuses();
        let online = statuses.iter().filter(|status| status.state == Phase::Online);
        let latencies = online.filter_map(|status| status.latency_ms);
        latencies.max_by(f64::total_cmp).map(|ms| Duration::from_secs_f64(ms / 1e3))
    }

    /// Has every shard that is online send a heartbeat now and waits until they are acknowledged, at most `within`; gives
    /// the greatest latency then. One that was asked a moment ago is not asked again: what it found out stands.
    pub async fn beat(&self, within: Duration) -> Option<Duration> {
        let online = self.inner.shards.iter().filter(|(keeper, _)| keeper.status().state == Phase::Online);
        let beats = online.map(|(keeper, addr)| async move {
            let mut acked = std::pin::pin!(keeper.acked.notified());
            acked.as_mut().enable();
            if addr.try_send(ShardMsg::Beat).is_ok() {
                acked.await;
            }
        });
        tokio::time::timeout(within, join_all(beats)).await.ok(); // of one that is silent the last latency stands
        self.latency()
    }

    /// Whether every shard is online at this moment.
    pub fn is_online(&self) -> bool {
        self.inner.shards.iter().all(|(keeper, _)| keeper.status().state == Phase::Online)
    }

    /// Shards in all, over every process.
    pub fn total(&self) -> u32 {
        self.inner.total
    }

    /// Ends once Discord has closed a shard because there are too few of them (4011).
    pub async fn outgrown(&self) {
        let mut outgrown = self.inner.shard.outgrown.subscribe();
        outgrown.wait_for(|outgrown| *outgrown).await.ok(); // its other end lives as long as this
    }

    /// Ends once each shard has had its first READY or RESUMED.
    pub async fn wait_ready(&self) {
        join_all(self.inner.shards.iter().map(|(keeper, _)| keeper.ready())).await;
    }

    /// The sessions as they can be written down; complete once the gateway has stopped.
    pub fn sessions(&self) -> Vec<SavedSession> {
        self.inner.shards.iter().filter_map(|(keeper, _)| keeper.save()).collect()
    }

    /// Takes up sessions that were written down, before the gateway starts. Returns how many fit its shards.
    /// A resumed session replays neither READY nor guilds: [`Gateway::restore_snapshot`] restores the cache with it.
    pub fn restore(&self, saved: &[SavedSession]) -> usize {
        let fits = |session: &&SavedSession| self.inner.shards.iter().any(|(keeper, _)| keeper.restore(session));
        saved.iter().filter(fits).count()
    }

    /// Makes `shard` reconnect; with `resume` the session goes on, else a new one begins.
    ///
    /// # Errors
    /// When there is no such shard, it does not run, it refuses (no IDENTIFY is left), or it does not answer in time.
    pub async fn reconnect(&self, shard: ShardId, resume: bool) -> Result<(), ReconnectError> {
        let found = self.inner.shards.iter().find(|(keeper, _)| keeper.shard() == shard);
        let (_, addr) = found.ok_or(ReconnectError::UnknownShard(shard))?;
        let ordered = addr.call(ORDER_LIMIT, |reply| ShardMsg::Order { resume, reply }).await;
        match ordered {
            Ok(taken) => taken.map_err(|reason| ReconnectError::Refused { shard, reason }),
            Err(CallError::Unavailable { .. }) => Err(ReconnectError::Down(shard)),
            Err(error) => Err(ReconnectError::Call { shard, error }),
        }
    }
}

impl Gateway {
    /// The shard of this number, or all of them.
    fn chosen(&self, shard: Option<u32>) -> Result<Vec<ShardId>, ReconnectError> {
        let all: Vec<ShardId> = self.inner.shards.iter().map(|(keeper, _)| keeper.shard()).collect();
        match shard.map(ShardId) {
            None => Ok(all),
            Some(shard) if all.contains(&shard) => Ok(vec![shard]),
            Some(shard) => Err(ReconnectError::UnknownShard(shard)),
        }
    }
}

/// Why a shard does not reconnect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconnectError {
    /// It does not run here.
    #[error("there is no shard {0} in this process")]
    UnknownShard(ShardId),
    /// It was stopped, is parked, or waits for its restart.
    #[error("shard {0} does not run: `impresario start gateway/shard-{0}` starts it")]
    Down(ShardId),
    /// It has a reason.
    #[error("shard {shard}: {reason}")]
    Refused {
        /// Which.
        shard: ShardId,
        /// One sentence with the remedy.
        reason: String,
    },
    /// It did not take the order.
    #[error("shard {shard} did not take the order: {error}; look with `impresario explain gateway/shard-{shard}`")]
    Call {
        /// Which.
        shard: ShardId,
        /// Why.
        error: CallError,
    },
}

impl Collector for Gateway {
    fn name(&self) -> &'static str {
        "gateway"
    }

    fn collect(&self, scrape: &Scrape) {
        let readings: Vec<ShardReading> = self.statuses().iter().map(reading).collect();
        metering::gateway::shards(scrape, &readings);
        if let Some(used) = self.budget().used {
            metering::gateway::identifies_used(scrape, used);
        }
        let (counts, size) = (self.counts(), |count| usize::try_from(count).unwrap_or(usize::MAX));
        let (guilds, members) = (size(counts.guilds), size(counts.known_members));
        metering::gateway::cache(scrape, CacheSizes { guilds, members, ..CacheSizes::default() });
    }
}

fn reading(status: &ShardStatus) -> ShardReading {
    ShardReading {
        shard: status.shard.0,
        up: status.state == Phase::Online,
        latency_s: status.latency_ms.map(|ms| ms / 1e3),
        throttled: status.throttled,
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReconnectParams {
    /// The shard's number; without one every shard reconnects.
    #[serde(default)]
    shard: Option<u32>,
}

#[derive(Serialize)]
struct Reconnected {
    reconnecting: Vec<u32>,
    /// Those that did not take the order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_reached: Vec<NotReached>,
}

#[derive(Serialize)]
struct NotReached {
    shard: u32,
    /// One sentence with the remedy.
    why: String,
}

/// The gateway's methods of the control channel.
pub fn methods(gateway: &Gateway) -> Vec<Method> {
    let (list, chosen, reconnect) = (gateway.clone(), gateway.clone(), gateway.clone());
    vec![
        Method::read(
            "shards.list",
            "Every shard of this process: session, latency, counters",
            move |_: NoParams, _| {
                let statuses = list.statuses();
                async move { Ok(statuses) }
            },
        ),
        Method::write(
            "shards.reconnect",
            Role::Operate,
            "Makes a shard, or all of them, reconnect and resume",
            |params: &ReconnectParams| match params.shard {
                Some(shard) => ActorPath::from(format!("gateway/shard-{shard}")),
                None => "gateway".into(),
            },
            move |params: ReconnectParams, _| {
                let chosen = chosen.chosen(params.shard).map_err(MethodError::refused);
                async move {
                    let chosen = chosen?;
                    let would = json!({ "reconnecting": chosen.iter().map(|shard| shard.0).collect::<Vec<_>>() });
                    Ok(Checked::new(chosen).telling(would))
                }
            },
            move |chosen: Vec<ShardId>, _| {
                let gateway = reconnect.clone();
                async move {
                    let ordered = chosen.iter().map(|shard| gateway.reconnect(*shard, true));
                    let answers = join_all(ordered).await;
                    let (mut reconnecting, mut not_reached) = (Vec::new(), Vec::new());
                    for (shard, answer) in chosen.iter().map(|shard| shard.0).zip(answers) {
                        match answer {
                            Ok(()) => reconnecting.push(shard),
                            Err(error) => not_reached.push(NotReached { shard, why: error.to_string() }),
                        }
                    }
                    if reconnecting.is_empty() {
                        let why: Vec<String> = not_reached.into_iter().map(|shard| shard.why).collect();
                        return Err(MethodError::refused(why.join("; ")));
                    }
                    Ok(Reconnected { reconnecting, not_reached })
                }
            },
        ),
    ]
}
