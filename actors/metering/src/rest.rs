//! Calls to Discord's REST API.

use crate::{
    Label::{Class, Reason, Route as RouteLabel, Status},
    Metric, Route, Scrape,
    metric::{Value, count},
};

static REQUESTS: Metric = Metric::counter(
    "impresario_rest_requests_total",
    &[RouteLabel, Status],
    1000,
    "Answers to REST requests, by route and HTTP status; `none` when there was no answer",
);
static DURATION: Metric = Metric::histogram(
    "impresario_rest_request_duration_seconds",
    &[RouteLabel],
    242,
    "Time from sending a REST request to its answer, waiting for admission excluded",
);
static WAIT: Metric = Metric::histogram(
    "impresario_rest_admission_wait_seconds",
    &[Class],
    8,
    "Time a REST request waited for admission, by priority",
);
static RATELIMITS: Metric = Metric::counter("discord_ratelimits_total", &[], 1, "Answers of 429");
static RATELIMITED: Metric =
    Metric::counter("impresario_rest_ratelimited_total", &[Class], 4, "Answers of 429, by the limit's scope");
static RETRIES: Metric = Metric::counter("impresario_rest_retries_total", &[RouteLabel], 242, "Requests sent again");
static REFUSED: Metric =
    Metric::counter("impresario_rest_refused_total", &[Reason], 32, "Requests that were not sent, by reason");
static WAITING: Metric = Metric::gauge("impresario_rest_waiting", &[Class], 8, "Requests waiting, by priority");
static INVALID: Metric = Metric::gauge(
    "impresario_rest_invalid_responses",
    &[],
    1,
    "Answers of 401, 403 and 429 within the last 10 minutes; Discord bans at 10,000",
);

pub(crate) static METRICS: &[&Metric] =
    &[&REQUESTS, &DURATION, &WAIT, &RATELIMITS, &RATELIMITED, &RETRIES, &REFUSED, &WAITING, &INVALID];

/// A request was answered with `status` after `seconds`; none: there was no answer.
pub fn request(route: impl Into<Route>, status: Option<u16>, seconds: f64) {
    let route = route.into();
    let status = match status {
        None => Value::from("none"),
        Some(status @ 100..=599) => Value::from(u32::from(status)),
        Some(_) => Value::from("other"),
    };
    DURATION.observe([route.clone().into()], seconds);
    REQUESTS.count([route.into(), status], 1);
}

/// A request of a priority (a fixed word such as `interaction`) waited `seconds` for admission.
pub fn admitted(priority: &'static str, seconds: f64) {
    WAIT.observe([priority.into()], seconds);
}

/// What a 429 limits (`X-RateLimit-Scope`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The bot, on this route.
    User,
    /// The bot, everywhere.
    Global,
    /// The resource, whoever asks; does not count as an invalid response.
    Shared,
    /// The header is missing.
    Unknown,
}

/// An answer was 429.
pub fn rate_limited(scope: Scope) {
    let scope = match scope {
        Scope::User => "user",
        Scope::Global => "global",
        Scope::Shared => "shared",
        Scope::Unknown => "unknown",
    };
    RATELIMITS.count([], 1);
    RATELIMITED.count([scope.into()], 1);
}

/// A request is sent again.
pub fn retried(route: impl Into<Route>) {
    RETRIES.count([route.into().into()], 1);
}

/// A request was not sent; `reason` is a fixed word such as `breaker`, `deadline`, `queue_full`.
pub fn refused(reason: &'static str) {
    REFUSED.count([reason.into()], 1);
}

/// Requests of a priority that wait for admission now.
pub fn waiting(scrape: &Scrape, priority: &'static str, n: usize) {
    WAITING.set(scrape, [priority.into()], count(n));
}

/// Invalid responses within the breaker's window.
pub fn invalid_responses(scrape: &Scrape, n: usize) {
    INVALID.set(scrape, [], count(n));
}
