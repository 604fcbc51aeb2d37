//! Telemetry: the one crate that exports. Metrics and probes over HTTP, failure reports to Sentry, and the log.
//!
//! Order in `main`: [`Redactor`], [`reports::SentryGuard`] (before the runtime), [`logging::init`],
//! [`Exporter::install`], then [`child`] as the first of the tree. Everything here fails open: the bot runs without it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod actor;
mod config;
mod health;
mod http;
mod lag;
pub mod logging;
mod memory;
mod methods;
mod recorder;
mod redact;
pub mod reports;
#[cfg(test)]
mod tests;

pub use actor::{BIND_RETRY, UPKEEP};
pub use config::{BadValue, TelemetryConfig};
pub use health::{Health, Verdict};
pub use http::{CONNECTIONS_MAX, IDLE, LIFETIME};
pub use memory::{Memory, Relief};
pub use metering::{Collector, Scrape};
pub use methods::{LogRecent, LogSet, methods};
pub use recorder::{CappedMetric, Exporter, ExporterError, FOREIGN_METRICS_MAX, SERIES_DEFAULT};
pub use redact::{REDACTED, Redactor};

use actor::TelemetryActor;
use arc_swap::ArcSwapOption;
use lag::Lag;
use logging::LogHandle;
use metering::instrumentation;
use reports::SentryCapture;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use supervision::{Addr, Backoff, ChildSpec, Criticality, Intensity, Kind, Planes, Policy};
use tokio::time::Instant;

/// Where the actor stands in the tree.
pub const PATH: &str = "telemetry";
/// The value of the `cluster` label of a bot that is not split over processes; Argus' word for it.
pub const CLUSTER: &str = "default";
/// Messages that may wait: it sends them to itself only.
const MAILBOX: usize = 16;

/// What the actor is made of; all of it outlives the actor.
pub struct Parts {
    /// `[telemetry]`.
    pub config: TelemetryConfig,
    /// The recorder, installed already.
    pub exporter: Exporter,
    /// What the probes answer.
    pub health: Arc<dyn Health>,
    /// The reporter, for `flush`.
    pub capture: SentryCapture,
    /// The log, for `flush`; none in tests.
    pub log: Option<LogHandle>,
    /// Where things run: the listener belongs to the control plane.
    pub planes: Planes,
    /// The process's memory.
    pub memory: Arc<Memory>,
    /// The bot's version.
    pub version: &'static str,
    /// The Discord library and its version, e.g. `serenity 0.12.5`.
    pub library: &'static str,
}

/// What all incarnations share.
pub(crate) struct Shared {
    config: TelemetryConfig,
    exporter: Exporter,
    health: Arc<dyn Health>,
    capture: SentryCapture,
    log: Option<LogHandle>,
    planes: Planes,
    lag: Lag,
    memory: Arc<Memory>,
    address: Arc<ArcSwapOption<SocketAddr>>,
}

/// The running telemetry as others see it.
#[derive(Debug, Clone)]
pub struct Telemetry {
    address: Arc<ArcSwapOption<SocketAddr>>,
}

impl Telemetry {
    /// The address that is listened on now; none while there is no listener.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.load().as_deref().copied()
    }
}

/// The supervised child at [`PATH`]: optional, since the bot runs without it.
pub fn child(parts: Parts) -> (ChildSpec, Telemetry) {
    let Parts { config, exporter, health, capture, log, planes, memory, version, library } = parts;
    let (address, lag) = (Arc::new(ArcSwapOption::empty()), Lag::default());
    let own = Own {
        since: Instant::now(),
        version,
        library,
        lag: lag.clone(),
        memory: Arc::clone(&memory),
        reports: capture.is_enabled(),
        address: Arc::clone(&address),
        expected: !config.listen.is_empty(),
    };
    let exporter = exporter.with([Arc::new(own) as Arc<dyn Collector>]);
    let handle = Telemetry { address: Arc::clone(&address) };
    let shared = Arc::new(Shared { config, exporter, health, capture, log, planes, lag, memory, address });
    let spec = ChildSpec::worker(&Addr::new(PATH, MAILBOX), move || TelemetryActor::new(Arc::clone(&shared)))
        .with(|declared| *declared = policy());
    (spec, handle)
}

/// The rules that it is declared with.
pub fn policy() -> Policy {
    Policy {
        criticality: Criticality::Optional,
        required: false,
        budget: Some(Intensity::new(5, Duration::from_secs(60))),
        backoff: Some(Backoff::doubling(Duration::from_millis(100), Duration::from_secs(5))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(30), Duration::from_secs(600))),
        ..Policy::new(PATH, Kind::Worker)
    }
}

/// The telemetry's own gauges.
struct Own {
    since: Instant,
    version: &'static str,
    library: &'static str,
    lag: Lag,
    memory: Arc<Memory>,
    reports: bool,
    address: Arc<ArcSwapOption<SocketAddr>>,
    expected: bool,
}

impl Collector for Own {
    fn name(&self) -> &'static str {
        "telemetry"
    }

    fn collect(&self, scrape: &Scrape) {
        instrumentation::up(scrape, self.since.elapsed().as_secs_f64());
        instrumentation::info(scrape, self.version, self.library);
        instrumentation::lag(scrape, self.lag.take().as_secs_f64());
        self.memory.collect(scrape);
        if self.expected {
            instrumentation::subsystem(scrape, "server", self.address.load().is_some());
        }
        if self.reports {
            instrumentation::subsystem(scrape, "sentry", true);
        }
    }
}
