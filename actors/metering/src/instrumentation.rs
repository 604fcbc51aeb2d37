//! The instrumentation about itself: it fails open, and says how often.

use crate::{Kind, Label, Metric, Name, Scrape, metric::count};
use metrics::{Key, Label as Pair, Level, Metadata, SharedString, with_recorder};
use std::{
    panic::catch_unwind,
    sync::atomic::{AtomicU64, Ordering},
};

static ERRORS: Metric = Metric::counter(
    "argus_instrumentation_errors_total",
    &[Label::Hook],
    100,
    "Failures inside the instrumentation that were swallowed",
);
static HISTORY_DROPPED: Metric =
    Metric::counter("argus_history_events_dropped_total", &[], 1, "History events dropped because the queue was full");
static TIMERS_EVICTED: Metric =
    Metric::counter("argus_timers_evicted_total", &[], 1, "Timers in flight dropped because there were too many");
static CAPPED: Metric = Metric::counter(
    "impresario_metric_series_capped_total",
    &[Label::Type],
    200,
    "Registrations folded into `other` because the metric had its bound of label sets",
);
static REPORTS: Metric = Metric::counter(
    "impresario_reports_total",
    &[Label::Level, Label::Outcome],
    9,
    "Failure reports by what became of them",
);
static UP: Metric = Metric::gauge("argus_up", &[], 1, "1 while the process is scraped");
static SUBSYSTEM_UP: Metric =
    Metric::gauge("argus_subsystem_up", &[Label::Subsystem], 16, "1 while the part of the telemetry works");
static BOT_INFO: Metric = Metric::gauge(
    "discord_bot_info",
    &[Label::LibraryVersion, Label::ArgusVersion],
    1,
    "Versions of the Discord library and of the telemetry",
);
static BUILD_INFO: Metric = Metric::gauge("impresario_build_info", &[Label::Version], 1, "Version of the bot");
static UPTIME: Metric = Metric::gauge("discord_uptime_seconds", &[], 1, "Seconds since the process was set up");
static LAG: Metric = Metric::gauge(
    "discord_event_loop_lag_seconds",
    &[],
    1,
    "Largest delay of a timer on the data plane since the last scrape, in seconds",
);

static RESIDENT: Metric =
    Metric::gauge("impresario_memory_resident_bytes", &[], 1, "Memory of the process that is resident, in bytes");
static SOFT: Metric =
    Metric::gauge("impresario_memory_soft_bytes", &[], 1, "Resident memory above which caches shrink, in bytes");
static SHORT: Metric =
    Metric::gauge("impresario_memory_short", &[], 1, "1 while memory is short and caches are shrunk");
static RELIEVED: Metric =
    Metric::counter("impresario_memory_relieved_total", &[], 1, "How often caches shrank because memory was short");

pub(crate) static METRICS: &[&Metric] = &[
    &ERRORS,
    &HISTORY_DROPPED,
    &TIMERS_EVICTED,
    &CAPPED,
    &REPORTS,
    &UP,
    &SUBSYSTEM_UP,
    &BOT_INFO,
    &BUILD_INFO,
    &UPTIME,
    &LAG,
    &RESIDENT,
    &SOFT,
    &SHORT,
    &RELIEVED,
];

static SWALLOWED: AtomicU64 = AtomicU64::new(0);

/// A failure inside the instrumentation was swallowed; `hook` names the part: a metric, `scrape:<collector>`, `sentry`.
pub fn swallowed(hook: impl Into<Name>) {
    SWALLOWED.fetch_add(1, Ordering::Relaxed);
    let hook = SharedString::from(hook.into().as_str().to_owned());
    // Not through Metric::count: that would come back here when the recorder itself is what fails.
    catch_unwind(|| {
        debug_assert_eq!(ERRORS.kind, Kind::Counter);
        let key = Key::from_parts(ERRORS.name, vec![Pair::new(Label::Hook.name(), hook)]);
        let meta = Metadata::new("metering", Level::INFO, None);
        with_recorder(|recorder| recorder.register_counter(&key, &meta).increment(1));
    })
    .ok(); // the count below SWALLOWED has it
}

/// Failures swallowed since the process began; counted even while no recorder works.
pub fn failures() -> u64 {
    SWALLOWED.load(Ordering::Relaxed)
}

/// The recorder folded a label set of `metric` into `other`.
pub fn series_capped(metric: impl Into<Name>) {
    CAPPED.count([metric.into().into()], 1);
}

/// `n` history events were dropped because the queue was full.
pub fn history_dropped(n: u64) {
    HISTORY_DROPPED.count([], n);
}

/// A timer in flight was dropped because there were too many.
pub fn timer_evicted() {
    TIMERS_EVICTED.count([], 1);
}

/// What became of a failure report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportOutcome {
    /// Handed to the reporter.
    Sent,
    /// Held back by the rate limit of its fingerprint.
    Limited,
}

/// A failure report was taken; `level` is `warning`, `error` or `fatal`.
pub fn reported(level: &'static str, outcome: ReportOutcome) {
    let outcome = match outcome {
        ReportOutcome::Sent => "sent",
        ReportOutcome::Limited => "limited",
    };
    REPORTS.count([level.into(), outcome.into()], 1);
}

/// The process answers a scrape, `uptime_s` seconds after it was set up.
pub fn up(scrape: &Scrape, uptime_s: f64) {
    UP.set(scrape, [], 1.0);
    UPTIME.set(scrape, [], uptime_s);
}

/// Whether a part of the telemetry works: `server`, `sink`, `tracing`.
pub fn subsystem(scrape: &Scrape, subsystem: &'static str, works: bool) {
    SUBSYSTEM_UP.set(scrape, [subsystem.into()], f64::from(u8::from(works)));
}

/// What runs: the bot's version and the Discord library with its version. Argus' board shows both.
pub fn info(scrape: &Scrape, version: &'static str, library: &'static str) {
    BOT_INFO.set(scrape, [library.into(), version.into()], 1.0);
    BUILD_INFO.set(scrape, [version.into()], 1.0);
}

/// The largest delay of a timer on the data plane since the last scrape, in seconds.
pub fn lag(scrape: &Scrape, seconds: f64) {
    LAG.set(scrape, [], seconds);
}

/// The process's resident memory in bytes, as it was seen last; and its soft mark, where there is one, and whether memory is
/// short by it.
pub fn memory(scrape: &Scrape, resident: u64, mark: Option<(u64, bool)>) {
    let bytes = |bytes: u64| count(usize::try_from(bytes).unwrap_or(usize::MAX));
    if resident > 0 {
        RESIDENT.set(scrape, [], bytes(resident));
    }
    if let Some((mark, short)) = mark {
        SOFT.set(scrape, [], bytes(mark));
        SHORT.set(scrape, [], f64::from(u8::from(short)));
    }
}

/// Caches shrank because memory was short.
pub fn relieved() {
    RELIEVED.count([], 1);
}
