//! Traits by which a lower crate gets what only a higher one has; `boot.rs` fills them.

use crate::BoxFuture;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// Something that is needed is not there at the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: try again in {} ms", retry_after.as_millis())]
pub struct NotNow {
    /// What is missing, for an operator.
    pub what: String,
    /// When trying again makes sense.
    pub retry_after: Duration,
}

/// The answer to asking for an IDENTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentifyGrant {
    /// Written down; the IDENTIFY may be sent.
    Granted {
        /// IDENTIFYs in the last 24 hours, this one included.
        used: u32,
    },
    /// The budget is spent.
    Exhausted {
        /// When the oldest one falls out of the window.
        retry_at: DateTime<Utc>,
        /// IDENTIFYs in the last 24 hours.
        used: u32,
    },
    /// Another of the same bucket was sent a moment ago, perhaps by an earlier process.
    TooSoon {
        /// How long the bucket stays closed.
        retry_after: Duration,
    },
}

/// What a shard asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentifyAsk {
    /// Which shard.
    pub shard: u32,
    /// IDENTIFYs allowed in 24 hours. With 0 none is taken: the answer tells how many are used.
    pub limit: u32,
    /// Discord's `max_concurrency`: shards with the same remainder share a bucket.
    pub buckets: u32,
    /// How far apart IDENTIFYs of one bucket must be. With 24 hours none is taken while another one of its bucket counts.
    pub spacing: Duration,
}

/// Remembers IDENTIFYs across processes: Discord resets the token of a bot that sends more than 1,000 in 24 hours.
pub trait IdentifyLedger: Send + Sync + 'static {
    /// Takes one out of the limit per 24 hours, committed before it returns.
    /// Without a database there is no grant: the shard may resume but never IDENTIFY.
    fn take(&self, ask: IdentifyAsk, now: DateTime<Utc>) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>>;
}

/// `GET /gateway/bot`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayBot {
    /// The WebSocket address.
    pub url: String,
    /// Shards that Discord recommends.
    pub shards: u32,
    /// IDENTIFYs that Discord still allows.
    pub remaining: u32,
    /// Milliseconds until Discord's count begins anew.
    pub reset_after_ms: u64,
    /// IDENTIFYs allowed per 5 seconds.
    pub max_concurrency: u32,
}

/// Where the gateway is.
pub trait GatewayDirectory: Send + Sync + 'static {
    /// Asks Discord.
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>>;
}

/// A mutation that somebody made over the control channel or on Discord.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AuditRow {
    /// When.
    pub at: DateTime<Utc>,
    /// Who: `uid 1000 (pid 4711)` or `user 80351110224678912`.
    pub actor: String,
    /// What: the method or command.
    pub action: String,
    /// On what: a path or an id.
    pub target: String,
    /// With what; secrets already removed.
    pub detail: Value,
    /// `done`, or the refusal.
    pub outcome: String,
}

/// Keeps audit rows. Recording never fails its caller: what cannot be kept is logged and counted.
pub trait AuditLog: Send + Sync + 'static {
    /// Keeps `row`.
    fn record(&self, row: AuditRow) -> BoxFuture<'_, ()>;
}

/// A failure worth an operator's attention.
#[derive(Debug, Clone)]
pub struct Report {
    /// `error` or `fatal`, `warning` for what mended itself.
    pub level: ReportLevel,
    /// One sentence.
    pub message: String,
    /// Reports with the same fingerprint are one problem.
    pub fingerprint: Vec<String>,
    /// Names and ids to search by; no message content, no token.
    pub tags: Vec<(&'static str, String)>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportLevel {
    /// It mended itself or will.
    Warning,
    /// Something failed.
    Error,
    /// The process cannot go on.
    Fatal,
}

/// A scheduled run as a monitor of schedules wants to hear of it: when it begins, and again when it has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckIn {
    /// The same for the beginning and the end of one run.
    pub id: u128,
    /// The monitor's name: lower-case letters, digits, `-` and `_`.
    pub monitor: String,
    /// What there is to say.
    pub status: CheckInStatus,
    /// How long the run took, once it has ended.
    pub took: Option<Duration>,
    /// When runs are expected.
    pub schedule: CheckInSchedule,
    /// How long a run may take.
    pub timeout: Duration,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckInStatus {
    /// It has begun.
    InProgress,
    /// It did its work, or had nothing to do.
    Ok,
    /// It failed, panicked or took too long.
    Error,
}

/// When runs are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckInSchedule {
    /// By a cron expression of five fields in a time zone.
    Crontab {
        /// The expression.
        expression: String,
        /// The zone's IANA name.
        zone: String,
    },
    /// Every so many minutes.
    Minutes(u64),
}

/// Which actors there can be, as far as that is known before they are there.
pub trait Actors: Send + Sync + 'static {
    /// Whether an actor may come to stand at `path`: one that is built in, or that some cog declares.
    fn may_stand(&self, path: &str) -> bool;

    /// Every path that is known by name, for suggestions.
    fn paths(&self) -> Vec<String>;
}

/// Takes failure reports (Sentry, when configured). Never blocks and never fails its caller.
pub trait Capture: Send + Sync + 'static {
    /// Takes one report.
    fn capture(&self, report: Report);

    /// Takes one check-in; who monitors no schedules drops it.
    fn check_in(&self, check_in: CheckIn) {
        let _ = check_in;
    }
}

/// Drops every report: for tests and for a bot without Sentry.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCapture;

impl Capture for NoCapture {
    fn capture(&self, _: Report) {}
}
