//! The end report: what the way down took and what it had to cut off.

use super::{Why, measure::Measured, plan::Limits};
use crate::{exit::Code, wire::millis};
use chrono::{DateTime, Utc};
use protocol::ports::{Capture, Report, ReportLevel};
use serde::Serialize;
use std::time::Duration;

/// One step of the way down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepTime {
    /// The actor (with everything below it), or `drain`, `session`, `flush`.
    pub path: String,
    /// How long it took.
    pub took_ms: u64,
    /// Whether it had to be cut off.
    pub cut_off: bool,
}

/// What became of events that were not done when the process stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Had not begun: Discord sends them to the next process again.
    pub handed_on: usize,
    /// Had not begun, and could not be handed on.
    pub lost: usize,
    /// Had begun and were ended in the middle. They are not done again: they may have had their effect.
    #[serde(rename = "events_cut_off")]
    pub cut_off: usize,
}

/// What the way down came to. Its JSON is a stable schema: `status --last-shutdown`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndReport {
    /// Why it began.
    pub reason: String,
    /// The signal, if it was one.
    pub signal: Option<&'static str>,
    /// The exit code.
    pub code: u8,
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// How long it took in all.
    pub took_ms: u64,
    /// How long it was allowed to take.
    pub deadline_ms: u64,
    /// Its steps, in order.
    pub steps: Vec<StepTime>,
    /// What finished what it had begun, when it was asked to.
    pub drained: Vec<String>,
    /// What did not end by itself in time.
    pub cut_off: Vec<String>,
    /// Of those, what was killed.
    pub killed: Vec<String>,
    /// Of those, what even a kill did not end.
    pub left_behind: Vec<String>,
    /// What became of events that were not done.
    #[serde(flatten)]
    pub left: Left,
    /// Tasks that no actor owns and that still ran: told of, never cancelled.
    pub unowned: usize,
    /// Whether a third signal ended it.
    pub forced: bool,
}

impl EndReport {
    /// A way down that has not begun, with `code`.
    pub(crate) fn empty(code: Code) -> Self {
        Self {
            reason: String::new(),
            signal: None,
            code: code as u8,
            began_at: DateTime::UNIX_EPOCH,
            took_ms: 0,
            deadline_ms: 0,
            steps: Vec::new(),
            drained: Vec::new(),
            cut_off: Vec::new(),
            killed: Vec::new(),
            left_behind: Vec::new(),
            left: Left::default(),
            unowned: 0,
            forced: false,
        }
    }

    pub(super) fn of(why: &Why, limits: Limits) -> Self {
        let (reason, deadline_ms) = (why.reason.clone(), millis(limits.total));
        Self { reason, signal: why.signal, deadline_ms, ..Self::empty(why.code) }
    }

    pub(super) fn step(&mut self, path: &str, took: Duration, cut_off: bool) {
        self.steps.push(StepTime { path: path.to_owned(), took_ms: millis(took), cut_off });
    }

    pub(super) fn take(&mut self, measured: Measured) {
        let Measured { steps, cut_off, killed, left_behind } = measured;
        self.steps.extend(steps);
        self.cut_off.extend(cut_off);
        self.killed.extend(killed);
        self.left_behind.extend(left_behind);
    }

    pub(super) fn force(&mut self) {
        self.forced = true;
        self.code = Code::Forced as u8;
    }

    pub(super) fn end(&mut self, took: Duration) {
        self.took_ms = millis(took);
    }

    /// One line per step, and what was cut off.
    pub fn lines(&self) -> Vec<String> {
        let forced = if self.forced { ", forced by a third signal before it was over" } else { "" };
        let mut lines = vec![format!("stopped by {} in {} ms{forced}", self.reason, self.took_ms)];
        lines.extend(self.steps.iter().map(|step| {
            let how = if step.cut_off { "  CUT OFF" } else { "" };
            format!("  {:<16} {:>6} ms{how}", step.path, step.took_ms)
        }));
        if !self.cut_off.is_empty() {
            lines.push(format!("  cut off: {}", self.cut_off.join(", ")));
        }
        lines.extend(self.left.line());
        lines
    }

    /// Counts, and writes it into the log.
    pub(super) fn log(&self) {
        for step in &self.steps {
            metering::boot::shutdown_step(label(&step.path), step.took_ms as f64 / 1e3);
        }
        tracing::info!(
            target: "shutdown",
            reason = self.reason,
            duration_seconds = self.took_ms as f64 / 1e3,
            cut_off = self.cut_off.join(", "),
            unowned = self.unowned,
            handed_on = self.left.handed_on,
            lost = self.left.lost,
            events_cut_off = self.left.cut_off,
            forced = self.forced,
            exit_code = self.code,
            "{}",
            self.lines().join("\n")
        );
    }

    /// Reports that a signal ends the process, before anything is taken down for it.
    pub(super) fn announce(&self, capture: &dyn Capture) {
        if let Some(signal) = self.signal {
            capture.capture(Report {
                level: ReportLevel::Warning,
                message: format!("{signal}: shutting down"),
                fingerprint: vec!["shutdown".into(), "signal".into()],
                tags: vec![("signal", signal.to_owned())],
            });
        }
    }

    /// Reports what had to be cut off.
    pub(super) fn warn(&self, capture: &dyn Capture) {
        if !self.cut_off.is_empty() {
            capture.capture(Report {
                level: ReportLevel::Warning,
                message: format!("shutdown had to cut off {}", self.cut_off.join(", ")),
                fingerprint: vec!["shutdown".into(), "cut_off".into()],
                tags: Vec::new(),
            });
        }
    }
}

impl Left {
    /// For people; none when everything was done.
    fn line(self) -> Option<String> {
        let parts = [
            (self.handed_on, "wait for the next process"),
            (self.lost, "are lost"),
            (self.cut_off, "were ended in the middle"),
        ];
        let told: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        (!told.is_empty()).then(|| format!("  events: {}", told.join(", ")))
    }
}

/// Metric labels are fixed words.
fn label(path: &str) -> &'static str {
    const KNOWN: [&str; 11] = [
        "drain",
        "telemetry",
        "control",
        "rest",
        "database",
        "emoji-cache",
        "cog-host",
        "gateway",
        "task-supervisor",
        "session",
        "flush",
    ];
    KNOWN.into_iter().find(|known| *known == path).unwrap_or("other")
}
