//! What an operator and a scrape may read of the client.

use crate::{handle::Rest, live::Shared, send::Priority};
use metering::{Collector, Scrape};
use protocol::method::{Method, NoParams};
use schemars::JsonSchema;
use serde::Serialize;
use std::{sync::Arc, sync::atomic::Ordering::Relaxed, time::Duration};
use tokio::time::Instant;

/// The client's state at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RestStatus {
    /// Whether the actor behind it runs.
    pub available: bool,
    /// Whether Discord refuses the token.
    pub token_refused: bool,
    /// How long the breaker stays silent, in milliseconds; 0 when it lets requests through.
    pub breaker_silence_ms: u64,
    /// How long the global stop lasts, in milliseconds; 0 when there is none.
    pub stopped_ms: u64,
    /// How long a silence lasts that the process before was in already, in milliseconds; 0 when there is none.
    pub silence_from_before_ms: u64,
    /// Answers of 401, 403 and 429 in the last 10 minutes, shared limits not counted.
    pub invalid_10_min: usize,
    /// At how many of them the breaker opens.
    pub invalid_limit: u32,
    /// Refusals that are remembered.
    pub refusals: usize,
    /// Guilds and routes for which the bot is believed to lack a permission.
    pub permissions_missing: usize,
    /// Channels and webhooks remembered as gone.
    pub gone: usize,
    /// Routes whose rate-limit bucket is known.
    pub routes: usize,
    /// Rate-limit buckets that are remembered.
    pub buckets: usize,
    /// Requests that wait, by priority, first to last.
    pub waiting: [usize; 4],
    /// Requests under way.
    pub in_flight: usize,
    /// Requests sent since the process began.
    pub sent: u64,
}

impl RestStatus {
    pub(crate) fn read(shared: &Shared) -> Self {
        let now = Instant::now();
        let millis = |span: Option<Duration>| protocol::millis(span.unwrap_or_default());
        let waiting = Priority::ALL.map(|priority| shared.gate.waiting_at(priority));
        let (routes, buckets) = shared.gate.kept();
        let mut conduct = shared.conduct();
        Self {
            available: shared.live.load().is_some(),
            token_refused: conduct.is_unauthorized(),
            breaker_silence_ms: millis(conduct.breaker.silence(now)),
            stopped_ms: millis(conduct.stop.until(now, false).map(|until| until - now)),
            silence_from_before_ms: millis(conduct.silence_from_before(now)),
            invalid_10_min: conduct.breaker.count(now),
            invalid_limit: shared.config.invalid_limit,
            refusals: conduct.refusals.len(),
            permissions_missing: conduct.refusals.believed(now),
            gone: conduct.gone.len(),
            routes,
            buckets,
            waiting,
            in_flight: shared.in_flight.load(Relaxed),
            sent: shared.sent.load(Relaxed),
        }
    }
}

/// The client's methods on the control channel.
pub fn methods(rest: &Rest) -> Vec<Method> {
    let rest = rest.clone();
    vec![Method::read("rest.status", "shows the HTTP client's admission, breaker, stops and counts", {
        move |NoParams {}, _| {
            let status = rest.status();
            async move { Ok(status) }
        }
    })]
}

/// Sets the client's gauges when a scrape asks.
pub fn collector(rest: &Rest) -> Arc<dyn Collector> {
    Arc::new(Gauges(rest.clone()))
}

struct Gauges(Rest);

impl Collector for Gauges {
    fn name(&self) -> &'static str {
        "rest"
    }

    fn collect(&self, scrape: &Scrape) {
        let status = self.0.status();
        for (priority, waiting) in Priority::ALL.into_iter().zip(status.waiting) {
            metering::rest::waiting(scrape, priority.name(), waiting);
        }
        metering::rest::invalid_responses(scrape, status.invalid_10_min);
    }
}
