//! Builds the gateway: the handle, and the supervisor `gateway` with `identify` and the shards.

use crate::{
    cache::Cache,
    config::{GatewayConfig, Intents, ShardPlan},
    directory::Directory,
    handle::{Gateway, Inner},
    hosts::AllowHosts,
    identify::{self, Identify},
    keeper::Keeper,
    presence::Presence,
    session::Timing,
    shard::{self, Shard},
    socket::Opening,
};
use protocol::{
    Clock, EventSink, Secret,
    ports::{Capture, GatewayDirectory, IdentifyLedger},
};
use serenity::model::gateway::GatewayIntents;
use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use supervision::{Addr, Backoff, ChildSpec, Criticality, Flags, Intensity, Kind, Policy, Strategy};
use tokio::{runtime::Handle, sync::watch};

/// Crashes of one shard within [`CRASH_WINDOW`] before it is parked: each may cost an IDENTIFY. The window is long
/// against the longest backoff, or a shard that crashes again and again would never spend it, and never be parked.
const CRASHES_MAX: u32 = 5;
const CRASH_WINDOW: Duration = Duration::from_secs(3600);
const RESTART_BACKOFF: Backoff = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(300));
/// A shard parked for crashing is tried again after these waits; one parked by a fatal close code never is.
const PARKED_BACKOFF: Backoff = Backoff::doubling(Duration::from_secs(300), Duration::from_secs(3600));
/// Shards that may wait for an IDENTIFY.
const IDENTIFY_MAILBOX: usize = 1024;

/// What the gateway needs of the rest of the bot.
pub struct GatewayDeps {
    /// The bot's token.
    pub token: Secret,
    /// `[discord].gateway_url`; empty: where Discord says.
    pub gateway_url: String,
    /// `[discord].allow_hosts`.
    pub allow_hosts: Vec<String>,
    /// Which intents to ask for.
    pub intents: Intents,
    /// Which shards run here.
    pub plan: ShardPlan,
    /// Takes the events.
    pub sink: Arc<dyn EventSink>,
    /// Remembers IDENTIFYs across processes.
    pub ledger: Arc<dyn IdentifyLedger>,
    /// Knows where the gateway is.
    pub directory: Arc<dyn GatewayDirectory>,
    /// Takes failure reports.
    pub capture: Arc<dyn Capture>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Filled by the gateway, read by everybody.
    pub cache: Arc<Cache>,
    /// What Discord shows of the bot.
    pub presence: Presence,
    /// The control plane: heartbeats go out there when nothing else can run.
    pub control: Handle,
    /// Who vouches for certificates in a test that makes its own.
    #[cfg(test)]
    pub(crate) roots: Option<&'static rustls::RootCertStore>,
}

/// The gateway, and its child for the root: supervisor `gateway`, one_for_one, with `identify` and `shard-N`.
/// Neither needs the other to have kept its state: a shard that asks a queue which was restarted asks again.
pub fn build(config: &GatewayConfig, deps: GatewayDeps) -> (Gateway, ChildSpec) {
    let directory = Arc::new(Directory::new(Some(deps.gateway_url), deps.directory));
    let clock = deps.clock;
    let queue =
        Arc::new(identify::Shared::new(deps.ledger, Arc::clone(&directory), Arc::clone(&clock), config.identify_limit));
    let identify_addr = Addr::new("gateway/identify", IDENTIFY_MAILBOX);
    let connect = Duration::from_millis(config.connect_ms);
    if deps.sink.wants_members() {
        keep_members(&deps.cache, config.members_max, deps.intents);
    }
    let shared = Arc::new(shard::Shared {
        token: deps.token,
        hosts: AllowHosts::new(deps.allow_hosts),
        directory,
        timing: Timing {
            reconnect_min: Duration::from_millis(config.reconnect_min_ms),
            reconnect_max: Duration::from_millis(config.reconnect_max_ms),
            hello: connect,
        },
        connect: Opening {
            #[cfg(test)]
            roots: deps.roots,
            ..Opening::new(connect, config.compression)
        },
        intents: match deps.intents {
            Intents::Auto => None,
            Intents::Exactly(intents) => Some(intents),
        },
        sink: deps.sink,
        cache: Arc::clone(&deps.cache),
        capture: deps.capture,
        clock,
        presence: deps.presence.clone(),
        identify: identify_addr.clone(),
        control: deps.control,
        outgrown: watch::Sender::new(false),
    });
    let shards: Vec<_> = deps
        .plan
        .shards()
        .map(|id| {
            let keeper = Arc::new(Keeper::new(id, deps.plan.total));
            (keeper, Addr::new(format!("gateway/shard-{id}"), shard::MAILBOX))
        })
        .collect();
    let identify = {
        let queue = Arc::clone(&queue);
        rules(ChildSpec::worker(&identify_addr, move || Identify::new(Arc::clone(&queue))))
    };
    let workers = shards.iter().map(|(keeper, addr)| {
        let (shared, keeper) = (Arc::clone(&shared), Arc::clone(keeper));
        rules(ChildSpec::worker(addr, move || Shard::new(Arc::clone(&shared), Arc::clone(&keeper))))
    });
    let children = std::iter::once(identify).chain(workers).collect();
    let child = ChildSpec::supervisor("gateway", Flags::new(Strategy::OneForOne), children)
        .with(|declared| *declared = policy());
    let total = deps.plan.total;
    let inner = Inner {
        shards,
        total,
        shard: shared,
        cache: deps.cache,
        presence: deps.presence,
        identify: queue,
        members_max: usize::try_from(config.members_max).unwrap_or(usize::MAX),
        short: AtomicBool::new(false),
    };
    (Gateway { inner: Arc::new(inner) }, child)
}

/// Only with every event about members: without them what is kept would soon be wrong.
fn keep_members(cache: &Cache, max: u32, intents: Intents) {
    let told = match intents {
        Intents::Auto => true,
        Intents::Exactly(intents) => intents.contains(GatewayIntents::GUILD_MEMBERS),
    };
    match (max, told) {
        (0, _) => tracing::warn!("a cog asks for members, and none are kept: see to [gateway].members_max"),
        (_, false) => {
            tracing::warn!("a cog asks for members, and none are kept: add GUILD_MEMBERS to [discord].intents");
        }
        (max, true) => cache.keep_members(usize::try_from(max).unwrap_or(usize::MAX)),
    }
}

pub(crate) fn rules(spec: ChildSpec) -> ChildSpec {
    spec.with(|declared| *declared = policy_below(&declared.id))
}

/// The rules that the supervisor `gateway` is declared with: restarted whole five times in ten minutes, then parked.
pub fn policy() -> Policy {
    Policy {
        criticality: Criticality::Important,
        required: false,
        budget: Some(Intensity::new(5, Duration::from_secs(600))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(60), Duration::from_secs(900))),
        ..Policy::new("gateway", Kind::Supervisor)
    }
}

/// The rules that `identify` and every shard are declared with.
pub fn policy_below(id: &str) -> Policy {
    Policy {
        criticality: Criticality::Important,
        required: false,
        budget: Some(Intensity::new(CRASHES_MAX, CRASH_WINDOW)),
        backoff: Some(RESTART_BACKOFF),
        retry_parked: Some(PARKED_BACKOFF),
        start_timeout: Duration::from_secs(10),
        ..Policy::new(id, Kind::Worker)
    }
}
