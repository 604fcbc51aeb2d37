//! Logging: a filter that can be changed at run time, two formats, no secrets, and nobody ever waits for it.

mod filter;
mod format;
mod layer;
mod recent;
mod record;
mod sink;

pub use filter::{Directives, FilterError};
pub use format::Format;
pub use recent::{ACTORS_KEPT, LINE_KEPT_MAX, LINES_KEPT};
pub use record::TEXT_MAX;
pub use sink::LINES_WAITING_MAX;

use crate::redact::Redactor;
use arc_swap::ArcSwap;
use layer::LogLayer;
use protocol::Clock;
use recent::Recent;
use sentry::integrations::tracing::{BreadcrumbLayer, SpanLayer};
use serde::Serialize;
use sink::Sink;
use std::{io::Write, sync::Arc, time::Duration};
use tracing::{Level, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::{Targets, filter_fn},
    layer::SubscriberExt,
    reload,
};

/// How to log.
pub struct LogOptions {
    /// What is logged at first; `default` returns to it.
    pub directives: Directives,
    /// How lines look.
    pub format: Format,
    /// Takes secrets out of every line.
    pub redactor: Redactor,
    /// Where time stamps come from.
    pub clock: Arc<dyn Clock>,
    /// Whether failure reports are sent: then the lines before a failure go with it.
    pub reports: bool,
    /// Whether traces are kept: then spans of ours become some.
    pub traces: bool,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The writing thread could not be started.
    #[error("the log's thread could not be started: {0}")]
    Thread(#[from] std::io::Error),
    /// Something else logs in this process already.
    #[error("logging is set up already")]
    Twice,
}

/// Sets up logging to standard error for the whole process.
///
/// # Errors
/// The writing thread could not be started, or logging is set up already.
pub fn init(options: LogOptions) -> Result<LogHandle, LogError> {
    let (subscriber, handle) = build(options, Box::new(std::io::stderr()))?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(handle)
}

/// The subscriber that [`init`] installs, writing to `out`: for tests and for `try`.
///
/// # Errors
/// The writing thread could not be started.
pub fn build(
    options: LogOptions,
    out: Box<dyn Write + Send>,
) -> Result<(impl Subscriber + Send + Sync + 'static, LogHandle), LogError> {
    let LogOptions { directives, format, redactor, clock, reports, traces } = options;
    let sink = Sink::start(out, layer::dropped_notice(format, Arc::clone(&clock)))?;
    let (recent, cleaner) = (Recent::default(), redactor.clone());
    let (filter, reload) = reload::Layer::new(directives.targets());
    let lines = LogLayer { format, redactor, clock, sink: sink.clone(), recent: recent.clone() };
    let before_failure = |metadata: &tracing::Metadata<'_>| metadata.is_event() && *metadata.level() <= Level::INFO;
    let breadcrumbs = reports.then(|| BreadcrumbLayer::new().with_filter(filter_fn(before_failure)));
    let traces = traces
        .then(|| SpanLayer::new().with_filter(filter_fn(|metadata| metadata.is_span() && is_ours(metadata.target()))));
    let subscriber = tracing_subscriber::registry().with(filter).with(lines).with(breadcrumbs).with(traces);
    let handle = LogHandle {
        inner: Arc::new(Inner {
            reload,
            first: directives.clone(),
            now: ArcSwap::from_pointee(directives),
            format,
            sink,
            recent,
            redactor: cleaner,
        }),
    };
    Ok((subscriber, handle))
}

/// A library's spans (a request, a TLS handshake) are no traces of ours.
fn is_ours(target: &str) -> bool {
    const OURS: [&str; 12] = [
        "impresario",
        "supervision",
        "control",
        "telemetry",
        "rest",
        "database",
        "emoji_cache",
        "cog_host",
        "gateway",
        "task_supervisor",
        "cogs",
        "sandbox",
    ];
    OURS.contains(&target.split("::").next().unwrap_or(target))
}

/// Changes what is logged, and reads what was. Clones share everything.
#[derive(Clone)]
pub struct LogHandle {
    inner: Arc<Inner>,
}

struct Inner {
    reload: reload::Handle<Targets, Registry>,
    first: Directives,
    now: ArcSwap<Directives>,
    format: Format,
    sink: Sink,
    recent: Recent,
    redactor: Redactor,
}

/// The log as `log.get` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogStatus {
    /// What is logged: `info,gateway=debug`.
    pub filter: String,
    /// How lines look.
    pub format: Format,
    /// Lines dropped because standard error was closed or too slow.
    pub dropped: u64,
}

impl LogHandle {
    /// Applies `LEVEL`, `TARGET=LEVEL` or several of them to what is logged now; `default` returns to what was
    /// configured. Answers with what is logged from now on.
    ///
    /// # Errors
    /// The part that cannot be read; nothing is changed then.
    pub fn set(&self, change: &str) -> Result<Directives, FilterError> {
        let changed = self.would(change)?;
        self.put(changed.clone());
        Ok(changed)
    }

    /// Logs by `directives` from now on, as they were judged by [`LogHandle::would`].
    pub fn put(&self, directives: Directives) {
        if self.inner.reload.reload(directives.targets()).is_err() {
            // Only when the subscriber is gone: then nothing is logged at all.
            metering::instrumentation::swallowed("log:reload");
        }
        self.inner.now.store(Arc::new(directives));
    }

    /// What [`LogHandle::set`] would lead to; nothing is changed.
    ///
    /// # Errors
    /// The part that cannot be read, or that there is none.
    pub fn would(&self, change: &str) -> Result<Directives, FilterError> {
        match change.trim() {
            "" => Err(FilterError::Level(String::new())),
            "default" => Ok(self.inner.first.clone()),
            change => self.inner.now.load().changed(change),
        }
    }

    /// What is logged now.
    pub fn status(&self) -> LogStatus {
        let filter = self.inner.now.load().to_string();
        LogStatus { filter, format: self.inner.format, dropped: self.inner.sink.dropped() }
    }

    /// The last lines of the actor at `path` (or of a crate), the oldest first; at most [`LINES_KEPT`].
    pub fn recent(&self, path: &str) -> Vec<Arc<str>> {
        self.inner.recent.of(path)
    }

    /// `text` without secrets, as the log would write it.
    pub fn redact(&self, text: &str) -> String {
        self.inner.redactor.redact(text).into_owned()
    }

    /// Waits until everything logged so far is written, at most `timeout`; false: it was not. Blocks its thread.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.inner.sink.flush(timeout)
    }
}

impl std::fmt::Debug for LogHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogHandle").field(&self.status()).finish()
    }
}
