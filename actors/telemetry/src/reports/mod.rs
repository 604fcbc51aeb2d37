//! Failure reports to Sentry: first up, last down, never in anybody's way.

mod check_ins;
mod limit;
mod panics;
mod scrub;
#[cfg(test)]
mod tests;

pub use limit::{FINGERPRINTS_MAX, REPORTS_MAX, WINDOW};
pub use panics::install_panic_hooks;
pub use scrub::DELIVERY_LIMIT;

use crate::redact::Redactor;
use limit::Limiter;
use metering::instrumentation::{self, ReportOutcome};
use protocol::{
    Secret,
    ports::{Capture, CheckIn, Report, ReportLevel},
};
use scrub::ScrubbingFactory;
use sentry::{
    Client, ClientOptions, Envelope, Hub,
    integrations::{
        backtrace::{AttachStacktraceIntegration, ProcessStacktraceIntegration},
        contexts::ContextIntegration,
    },
    protocol::{Context, EnvelopeItem, Event, Level},
    types::Dsn,
};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// How long dropping the guard waits for reports under way.
pub const DROP_WAIT: Duration = Duration::from_secs(2);
/// Log lines that go with a report.
const BREADCRUMBS_MAX: usize = 50;

/// The context of reports that holds what is known of the bot as a whole.
const FACTS: &str = "bot";

type Facts = Arc<Mutex<BTreeMap<String, serde_json::Value>>>;

/// How to report.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Sentry DSN; empty: no reports.
    pub dsn: Secret,
    /// Environment name, e.g. `production`.
    pub environment: String,
    /// What runs, e.g. `impresario@0.1.0`.
    pub release: String,
    /// Share of traces that are kept, 0.0 to 1.0.
    pub traces: f64,
    /// Names and values that go with every report.
    pub tags: Vec<(&'static str, String)>,
    /// Takes secrets out of every report.
    pub redactor: Redactor,
}

/// The DSN is none. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Sentry DSN is not of the form https://KEY@HOST/PROJECT")]
pub struct BadDsn;

/// Whether `dsn` could be used; empty is fine.
pub(crate) fn check_dsn(dsn: &Secret) -> Result<(), String> {
    parse(dsn).map(drop).map_err(|bad| bad.to_string())
}

fn parse(dsn: &Secret) -> Result<Option<Dsn>, BadDsn> {
    if dsn.expose().is_empty() { Ok(None) } else { dsn.expose().parse().map(Some).map_err(|_| BadDsn) }
}

/// Keeps reporting up; `main` holds it from before the runtime until after everything. Dropping it waits at most
/// [`DROP_WAIT`] for reports under way.
#[must_use = "reports end when it is dropped"]
pub struct SentryGuard {
    client: Option<Arc<Client>>,
    facts: Facts,
    limiter: Arc<Limiter>,
}

impl SentryGuard {
    /// Starts reporting. Call it on the main thread before any other thread is made: later threads inherit from it.
    /// Reads nothing from the environment.
    ///
    /// # Errors
    /// The DSN is none; nothing was started.
    pub fn start(options: ReportOptions) -> Result<Self, BadDsn> {
        let ReportOptions { dsn, environment, release, traces, tags, redactor } = options;
        let (limiter, facts) = (Arc::new(Limiter::default()), Facts::default());
        install_panic_hooks(&redactor);
        let Some(parsed) = parse(&dsn)? else { return Ok(Self { client: None, facts, limiter }) };
        redactor.hide(&dsn);
        let mut wanted = ClientOptions::new()
            .environment(environment)
            .release(release)
            .max_breadcrumbs(BREADCRUMBS_MAX)
            .shutdown_timeout(DROP_WAIT)
            .default_integrations(false)
            .add_integration(AttachStacktraceIntegration)
            .add_integration(ContextIntegration::default())
            .add_integration(ProcessStacktraceIntegration)
            .transport(ScrubbingFactory { redactor });
        wanted.dsn = Some(parsed);
        let told = Arc::clone(&facts);
        wanted.before_send = Some(Arc::new(move |mut event| {
            let facts = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if !facts.is_empty() {
                event.contexts.insert(FACTS.to_owned(), Context::Other(facts));
            }
            Some(event)
        }));
        if traces > 0.0 {
            wanted = wanted.traces_sample_rate(share(traces));
        }
        let client = Arc::new(Client::with_options(wanted));
        Hub::main().bind_client(Some(Arc::clone(&client)));
        Hub::main().configure_scope(|scope| tags.iter().for_each(|(name, value)| scope.set_tag(name, value)));
        panics::report_to(&limiter);
        Ok(Self { client: Some(client), facts, limiter })
    }

    /// Whether there is anybody to report to.
    pub fn is_enabled(&self) -> bool {
        self.client.is_some()
    }

    /// The reporter to hand around.
    pub fn capture(&self) -> SentryCapture {
        SentryCapture {
            client: self.client.clone(),
            facts: Arc::clone(&self.facts),
            limiter: Arc::clone(&self.limiter),
        }
    }

    /// Ends without waiting for anything: for a process that has flushed within its own deadline. What is not delivered by
    /// then is lost with it.
    pub fn abandon(mut self) {
        self.client = None; // the main hub keeps it: closing it would wait for a server that says nothing
    }

    /// Waits until every report under way is delivered, at most `timeout`; false: some were not. Blocks its thread.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.client.as_ref().is_none_or(|client| client.flush(Some(timeout)))
    }
}

impl Drop for SentryGuard {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            client.close(Some(DROP_WAIT)); // what is not delivered by then is lost with the process
        }
    }
}

/// Reports failures; clones share the rate limit. Without a DSN it drops them.
#[derive(Clone)]
pub struct SentryCapture {
    client: Option<Arc<Client>>,
    facts: Facts,
    limiter: Arc<Limiter>,
}

impl SentryCapture {
    /// Drops every report: for tests and for a bot without Sentry.
    pub fn disabled() -> Self {
        Self { client: None, facts: Facts::default(), limiter: Arc::default() }
    }

    /// What every report from now on says of the bot as a whole, in the context `bot`: figures, no names and no secrets.
    pub fn describe(&self, facts: BTreeMap<String, serde_json::Value>) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = facts;
    }

    /// [`SentryGuard::flush`] on a blocking thread.
    pub async fn flush(&self, timeout: Duration) -> bool {
        let Some(client) = self.client.clone() else { return true };
        tokio::task::spawn_blocking(move || client.flush(Some(timeout))).await.unwrap_or(false)
    }

    /// Whether there is anybody to report to.
    pub fn is_enabled(&self) -> bool {
        self.client.is_some()
    }
}

impl Capture for SentryCapture {
    fn capture(&self, report: Report) {
        if self.client.is_none() {
            return;
        }
        let (word, level) = match report.level {
            ReportLevel::Warning => ("warning", Level::Warning),
            ReportLevel::Error => ("error", Level::Error),
            ReportLevel::Fatal => ("fatal", Level::Fatal),
        };
        if !self.limiter.admit(&report.fingerprint, Instant::now()) {
            instrumentation::reported(word, ReportOutcome::Limited);
            return;
        }
        let fingerprint: Vec<Cow<'static, str>> = report.fingerprint.into_iter().map(Cow::Owned).collect();
        let tags = report.tags.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut event = Event { level, message: Some(report.message), tags, ..Event::default() };
        if !fingerprint.is_empty() {
            event.fingerprint = fingerprint.into();
        }
        Hub::current().capture_event(event);
        instrumentation::reported(word, ReportOutcome::Sent);
    }

    fn check_in(&self, check_in: CheckIn) {
        if let Some(client) = &self.client {
            let mut envelope = Envelope::new();
            envelope.add_item(EnvelopeItem::from(check_ins::read(check_in, client.options().environment.as_deref())));
            client.send_envelope(envelope); // queued: the transport sends it
        }
    }
}

impl std::fmt::Debug for SentryCapture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SentryCapture(enabled: {})", self.is_enabled())
    }
}

/// A share as Sentry takes it: always from 0.0 to 1.0, since anything else makes it panic.
#[expect(clippy::cast_possible_truncation, reason = "a share needs no more digits than an f32 has")]
fn share(traces: f64) -> f32 {
    if traces.is_nan() { 0.0 } else { traces.clamp(0.0, 1.0) as f32 }
}
