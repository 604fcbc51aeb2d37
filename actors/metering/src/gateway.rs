//! What happens on the gateway connection.

use crate::{
    Label::{Event, Reason, Shard, Type},
    Metric, Name, Scrape,
    metric::{Held, count},
};

static EVENTS: Metric =
    Metric::counter("discord_gateway_events_total", &[Event], 150, "Gateway dispatches received, by type");
static EVENTS_DROPPED: Metric = Metric::counter(
    "impresario_gateway_events_dropped_total",
    &[Event, Reason],
    400,
    "Gateway dispatches that went no further, by type and reason",
);
static EVENTS_UNKNOWN: Metric = Metric::counter(
    "impresario_gateway_events_unknown_total",
    &[Event],
    64,
    "Gateway dispatches of a type that this version does not know",
);
static MALFORMED: Metric = Metric::counter(
    "impresario_gateway_payloads_malformed_total",
    &[Type],
    100,
    "Gateway payloads that could not be read, by opcode or dispatch type",
);
static HEARTBEAT: Metric = Metric::histogram(
    "impresario_gateway_heartbeat_latency_seconds",
    &[Shard],
    256,
    "Time from a heartbeat to its acknowledgement",
);
static DISCONNECTS: Metric =
    Metric::counter("discord_shard_disconnects_total", &[Shard], 256, "Connections lost or closed");
static DISCONNECT_CODES: Metric = Metric::counter(
    "impresario_gateway_disconnects_total",
    &[Shard, Reason],
    1024,
    "Connections lost or closed, by close code",
);
static RECONNECTS: Metric =
    Metric::counter("discord_shard_reconnects_total", &[Shard], 256, "Sessions begun or resumed");
static RECONNECT_REASONS: Metric = Metric::counter(
    "impresario_gateway_reconnects_total",
    &[Shard, Reason],
    1024,
    "Decisions to connect anew, by reason",
);
static IDENTIFIES: Metric =
    Metric::counter("impresario_gateway_identifies_total", &[Shard], 256, "IDENTIFYs sent; Discord allows 1,000 a day");
static RESUMES: Metric = Metric::counter("impresario_gateway_resumes_total", &[Shard], 256, "RESUMEs sent");
static SENDS_THROTTLED: Metric = Metric::counter(
    "impresario_gateway_sends_throttled_total",
    &[Shard],
    256,
    "Sends that waited for the limit of 120 a minute",
);
static LATENCY: Metric =
    Metric::gauge("discord_shard_latency_seconds", &[Shard], 256, "Latest heartbeat latency, in seconds");
static UP: Metric = Metric::gauge("discord_shard_up", &[Shard], 256, "1 while the shard's session is open");
static RATELIMITED: Metric =
    Metric::gauge("discord_shard_ws_ratelimited", &[Shard], 256, "1 while the shard's sends are throttled");
static CONNECTED: Metric = Metric::gauge("discord_shards_connected", &[], 1, "Shards with an open session");
static CONFIGURED: Metric = Metric::gauge("discord_shards_configured", &[], 1, "Shards this process runs");
static IDENTIFY_USED: Metric =
    Metric::gauge("impresario_gateway_identifies_used", &[], 1, "IDENTIFYs in the last 24 hours");
static GUILDS: Metric = Metric::gauge("discord_guilds", &[], 1, "Guilds in the cache");
static MEMBERS: Metric = Metric::gauge("discord_cached_members", &[], 1, "Members of guilds in the cache");
static USERS: Metric = Metric::gauge("discord_cached_users", &[], 1, "Users in the cache");
static VOICE: Metric = Metric::gauge("discord_voice_clients", &[], 1, "Voice connections of the bot");
static EMOJIS: Metric = Metric::gauge("discord_emojis", &[], 1, "Emojis in the cache");
static STICKERS: Metric = Metric::gauge("discord_stickers", &[], 1, "Stickers in the cache");
static PRIVATE: Metric = Metric::gauge("discord_private_channels", &[], 1, "Direct-message channels in the cache");

pub(crate) static METRICS: &[&Metric] = &[
    &EVENTS,
    &EVENTS_DROPPED,
    &EVENTS_UNKNOWN,
    &MALFORMED,
    &HEARTBEAT,
    &DISCONNECTS,
    &DISCONNECT_CODES,
    &RECONNECTS,
    &RECONNECT_REASONS,
    &IDENTIFIES,
    &RESUMES,
    &SENDS_THROTTLED,
    &LATENCY,
    &UP,
    &RATELIMITED,
    &CONNECTED,
    &CONFIGURED,
    &IDENTIFY_USED,
    &GUILDS,
    &MEMBERS,
    &USERS,
    &VOICE,
    &EMOJIS,
    &STICKERS,
    &PRIVATE,
];

/// A dispatch of type `event` (Discord's name) arrived, wanted or not.
pub fn event_received(event: &'static str) {
    EVENTS.count([event.into()], 1);
}

/// Why a dispatch went no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Nobody subscribed to its type, or its text could not concern anybody who did: it was not decoded.
    Unwanted,
    /// It had been seen before a resume.
    Duplicate,
    /// Its payload could not be read.
    Malformed,
    /// Its lane was full and its class is shed first.
    Shed,
    /// The bot is draining.
    Draining,
    /// It was sent again so late that whoever waited for it has given up.
    Expired,
}

impl DropReason {
    fn name(self) -> &'static str {
        match self {
            Self::Unwanted => "unwanted",
            Self::Duplicate => "duplicate",
            Self::Malformed => "malformed",
            Self::Shed => "shed",
            Self::Draining => "draining",
            Self::Expired => "expired",
        }
    }
}

/// A dispatch of type `event` went no further.
pub fn event_dropped(event: &'static str, reason: DropReason) {
    EVENTS_DROPPED.count([event.into(), reason.name().into()], 1);
}

/// The counters of [`event_received`] and [`event_dropped`], kept by whoever reads a connection: what happens for each
/// event should look nothing up.
pub struct EventCounters(Box<[EventCounter]>);

struct EventCounter {
    event: &'static str,
    received: Held,
    unwanted: Held,
}

impl EventCounters {
    /// Counters of these dispatch types (Discord's names); they are told apart by their place in the list.
    pub fn new(events: impl IntoIterator<Item = &'static str>) -> Self {
        let counter = |event| EventCounter { event, received: Held::default(), unwanted: Held::default() };
        Self(events.into_iter().map(counter).collect())
    }

    /// A dispatch of the type at place `at` arrived, wanted or not.
    pub fn received(&mut self, at: usize) {
        if let Some(counter) = self.0.get_mut(at) {
            EVENTS.count_held(&mut counter.received, [counter.event]);
        }
    }

    /// A dispatch of the type at place `at` went no further.
    pub fn dropped(&mut self, at: usize, reason: DropReason) {
        match (self.0.get_mut(at), reason) {
            (Some(counter), DropReason::Unwanted) => {
                EVENTS_DROPPED.count_held(&mut counter.unwanted, [counter.event, reason.name()]);
            }
            (Some(counter), _) => event_dropped(counter.event, reason),
            (None, _) => {}
        }
    }
}

/// A dispatch of a type that this version does not know arrived.
pub fn event_unknown(event: impl Into<Name>) {
    EVENTS_UNKNOWN.count([event.into().into()], 1);
}

/// A payload could not be read; `what` is its dispatch type, `op-10`, or `frame`.
pub fn payload_malformed(what: impl Into<Name>) {
    MALFORMED.count([what.into().into()], 1);
}

/// A heartbeat was acknowledged after `seconds`.
pub fn heartbeat_latency(shard: u32, seconds: f64) {
    HEARTBEAT.observe([shard.into()], seconds);
}

/// A session began (READY).
pub fn connected(shard: u32) {
    RECONNECTS.count([shard.into()], 1);
}

/// A session went on (RESUMED).
pub fn resumed(shard: u32) {
    RECONNECTS.count([shard.into()], 1);
}

/// A connection ended; `code` is the close code, none when there was no close frame.
pub fn disconnected(shard: u32, code: Option<u16>) {
    DISCONNECTS.count([shard.into()], 1);
    let reason = match code {
        None => "none".into(),
        Some(code @ (1000..=1015 | 4000..=4014)) => u32::from(code).into(),
        Some(_) => "other".into(),
    };
    DISCONNECT_CODES.count([shard.into(), reason], 1);
}

/// The shard decided to connect anew; `why` is a fixed word such as `zombie`, `op7`, `closed`.
pub fn reconnect(shard: u32, why: &'static str) {
    RECONNECT_REASONS.count([shard.into(), why.into()], 1);
}

/// An IDENTIFY was sent.
pub fn identify(shard: u32) {
    IDENTIFIES.count([shard.into()], 1);
}

/// A RESUME was sent.
pub fn resume(shard: u32) {
    RESUMES.count([shard.into()], 1);
}

/// A send waited for the limit of 120 a minute.
pub fn send_throttled(shard: u32) {
    SENDS_THROTTLED.count([shard.into()], 1);
}

/// One shard as a scrape sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ShardReading {
    /// Its number.
    pub shard: u32,
    /// Whether its session is open.
    pub up: bool,
    /// Latest heartbeat latency in seconds, when there was one.
    pub latency_s: Option<f64>,
    /// Whether its sends are throttled now.
    pub throttled: bool,
}

/// Sets the gauges of all shards that this process runs.
pub fn shards(scrape: &Scrape, shards: &[ShardReading]) {
    for reading in shards {
        UP.set(scrape, [reading.shard.into()], f64::from(u8::from(reading.up)));
        RATELIMITED.set(scrape, [reading.shard.into()], f64::from(u8::from(reading.throttled)));
        LATENCY.set(scrape, [reading.shard.into()], reading.latency_s.unwrap_or(f64::NAN));
    }
    CONNECTED.set(scrape, [], count(shards.iter().filter(|reading| reading.up).count()));
    CONFIGURED.set(scrape, [], count(shards.len()));
}

/// IDENTIFYs in the last 24 hours.
pub fn identifies_used(scrape: &Scrape, used: u32) {
    IDENTIFY_USED.set(scrape, [], f64::from(used));
}

/// Sizes of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CacheSizes {
    /// Guilds.
    pub guilds: usize,
    /// Members that are known one by one, over all guilds.
    pub members: usize,
    /// Users.
    pub users: usize,
    /// Voice connections of the bot.
    pub voice_clients: usize,
    /// Emojis.
    pub emojis: usize,
    /// Stickers.
    pub stickers: usize,
    /// Direct-message channels.
    pub private_channels: usize,
}

/// Sets the gauges of the cache.
pub fn cache(scrape: &Scrape, sizes: CacheSizes) {
    GUILDS.set(scrape, [], count(sizes.guilds));
    MEMBERS.set(scrape, [], count(sizes.members));
    USERS.set(scrape, [], count(sizes.users));
    VOICE.set(scrape, [], count(sizes.voice_clients));
    EMOJIS.set(scrape, [], count(sizes.emojis));
    STICKERS.set(scrape, [], count(sizes.stickers));
    PRIVATE.set(scrape, [], count(sizes.private_channels));
}
