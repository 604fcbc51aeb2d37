//! Panics: reported once, written without secrets, and nobody waits for a network.
//!
//! Sentry's own panic integration waits for the delivery inside the hook, so a crash while Sentry is slow would hold its
//! worker thread for seconds. This hook only queues the report.

use super::limit::Limiter;
use crate::redact::Redactor;
use arc_swap::ArcSwapOption;
use metering::instrumentation::{self, ReportOutcome};
use sentry::{Hub, integrations::panic::PanicIntegration};
use std::{
    cell::Cell,
    io::Write,
    panic::PanicHookInfo,
    sync::{Arc, Once},
};
use tokio::time::Instant;

static HOOKS: Once = Once::new();
static REPORTS: ArcSwapOption<Limiter> = ArcSwapOption::const_empty();

thread_local! {
    static REPORTING: Cell<bool> = const { Cell::new(false) };
}

/// Installs, innermost first: the line for panics outside actors, the kernel's hook (which keeps guarded panics off
/// standard error), and the reports. Idempotent; [`super::SentryGuard::start`] calls it.
pub fn install_panic_hooks(redactor: &Redactor) {
    HOOKS.call_once(|| {
        let redactor = redactor.clone();
        std::panic::set_hook(Box::new(move |info| write_line(info, &redactor)));
        supervision::install_panic_hook();
        let kernel = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            report(info);
            kernel(info);
        }));
    });
}

/// From now on panics are reported, as far as `limiter` lets them.
pub(super) fn report_to(limiter: &Arc<Limiter>) {
    REPORTS.store(Some(Arc::clone(limiter)));
}

fn report(info: &PanicHookInfo<'_>) {
    // A panic inside the reporting itself would end the process.
    if REPORTING.replace(true) {
        return;
    }
    if let Some(limiter) = &*REPORTS.load() {
        let place = info.location().map(|place| (place.file(), place.line(), place.column()));
        if limiter.admit(("panic", place), Instant::now()) {
            Hub::current().capture_event(PanicIntegration::new().event_from_panic_info(info));
            instrumentation::reported("fatal", ReportOutcome::Sent);
        } else {
            instrumentation::reported("fatal", ReportOutcome::Limited);
        }
    }
    REPORTING.set(false);
}

/// One line for a panic that no actor guards: through the log once there is one.
fn write_line(info: &PanicHookInfo<'_>, redactor: &Redactor) {
    let message = info.payload_as_str().unwrap_or("a panic whose payload is not text");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    if tracing::dispatcher::has_been_set() {
        tracing::error!(panic.message = message, panic.location = place, thread, "a thread outside the tree panicked");
        return;
    }
    let line = format!("thread '{thread}' panicked at {place}: {}\n", redactor.redact(message));
    std::io::stderr().write_all(line.as_bytes()).ok(); // standard error may be closed
}
