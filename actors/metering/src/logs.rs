//! The log about itself.

use crate::{
    Label::{Level, Logger},
    Metric,
};

static RECORDS: Metric =
    Metric::counter("discord_log_records_total", &[Logger, Level], 200, "Log records, by crate and level");
static DROPPED: Metric =
    Metric::counter("impresario_log_lines_dropped_total", &[], 1, "Log lines that could not be written");
static REDACTED: Metric =
    Metric::counter("impresario_log_redactions_total", &[], 1, "Secrets taken out of log lines and reports");

pub(crate) static METRICS: &[&Metric] = &[&RECORDS, &DROPPED, &REDACTED];

/// A record was logged; of `target` (`gateway::session`) only the crate is kept.
pub fn record(target: &'static str, level: &'static str) {
    let logger = target.split("::").next().unwrap_or(target);
    RECORDS.count([logger.into(), level.into()], 1);
}

/// A line could not be written, e.g. because standard error is closed.
pub fn line_dropped() {
    DROPPED.count([], 1);
}

/// `n` secrets were taken out of a line or report.
pub fn redacted(n: u64) {
    REDACTED.count([], n);
}
