//! The way down: drain, stop in exact reverse order, report what it took. It always ends, inside its deadline.

use crate::{
    exit::Code,
    flags::{Flags, Step},
    signals::Wish,
    wire::millis,
};
use protocol::ports::{Capture, Report, ReportLevel};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use supervision::{ActorPath, Exit, Status, Tree, core::Rule};
use tokio::{sync::mpsc, time::Instant};

/// What is drained first: schedulers stop making work, dispatch stops, running commands finish.
const DRAINED: [&str; 3] = ["task-supervisor", "gateway", "cog-host"];
/// What a second signal leaves of the time.
const HURRY: Duration = Duration::from_secs(1);
const ASKED_AGAIN: &str = "asked again: one second is left";
/// After the total the tree is left as it is: the process ends.
const GRACE: Duration = Duration::from_millis(500);

/// How long the way down may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Duration,
    /// Of which waiting for running commands.
    pub drain: Duration,
}

/// One step of the way down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepTime {
    /// The actor (with everything below it), or `drain`.
    pub path: String,
    /// How long it took.
    pub took_ms: u64,
    /// Whether it had to be cut off.
    pub cut_off: bool,
}

/// What the way down came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EndReport {
    /// Why it began.
    pub reason: String,
    /// How long it took in all.
    pub took_ms: u64,
    /// Its steps, in order.
    pub steps: Vec<StepTime>,
    /// What did not end by itself in time.
    pub cut_off: Vec<String>,
    /// Whether a third signal ended it.
    pub forced: bool,
}

impl EndReport {
    /// The exit code it means.
    pub fn code(&self) -> Code {
        if self.forced { Code::Forced } else { Code::Stopped }
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
        lines
    }
}

/// The order of the way down with its deadlines, before it happens.
pub fn plan(tree: &Tree, limits: Limits) -> Value {
    let nodes = tree.nodes();
    let mut order: Vec<String> =
        nodes.iter().filter(|node| node.path.depth() == 1).map(|node| node.path.to_string()).collect();
    order.reverse();
    json!({
        "total_ms": millis(limits.total),
        "drain": { "paths": DRAINED, "within_ms": millis(limits.drain) },
        "order": order,
        "within": "each step may take half of what is left; unused time is passed on",
    })
}

/// Takes the tree down, does `last` once it is, and tells what it took. `wishes` are further signals: the second leaves a second, the third
/// ends the process as it is.
pub async fn run(
    tree: &Tree,
    flags: &Flags,
    limits: Limits,
    reason: &str,
    wishes: &mut mpsc::Receiver<Wish>,
    capture: &Arc<dyn Capture>,
    last: impl Future<Output = ()>,
) -> EndReport {
    let begun = Instant::now();
    let begun_wall = SystemTime::now();
    flags.mark(Step::ShuttingDown);
    tracing::info!(target: "shutdown", reason, "shutting down");
    let first = tree.decisions(0, 1).first().map_or(0, |entry| entry.seq);
    let mut steps = Vec::new();
    let mut forced = false;
    let mut stops = 0;

    let drained: Vec<ActorPath> = DRAINED.into_iter().map(ActorPath::from).collect();
    let hurry = async {
        while let Some(wish) = wishes.recv().await {
            if matches!(wish, Wish::Stop(_)) {
                return;
            }
        }
        std::future::pending().await
    };
    let late = tokio::select! {
        late = tree.drain(&drained, limits.drain.min(limits.total)) => late,
        () = hurry => {
            stops += 1;
            tracing::warn!(target: "shutdown", "{ASKED_AGAIN}");
            Vec::new()
        }
    };
    let mut cut_off: Vec<String> = late.iter().map(|path| format!("{path} (drain)")).collect();
    if stops > 0 {
        cut_off.push("drain (asked again)".to_owned());
    }
    steps.push(StepTime { path: "drain".into(), took_ms: millis(begun.elapsed()), cut_off: !cut_off.is_empty() });

    let left = limits.total.saturating_sub(begun.elapsed());
    tree.shutdown(Some(if stops > 0 { left.min(HURRY) } else { left }));
    let mut deadline = begun + limits.total + GRACE;
    loop {
        tokio::select! {
            _ = tree.ended() => break,
            () = tokio::time::sleep_until(deadline) => {
                cut_off.push("the tree itself".to_owned());
                break;
            }
            wish = wishes.recv() => match wish {
                Some(Wish::Stop(_)) if stops == 0 => {
                    stops += 1;
                    tracing::warn!(target: "shutdown", "{ASKED_AGAIN}");
                    tree.shutdown(Some(HURRY));
                    deadline = deadline.min(Instant::now() + HURRY + GRACE);
                }
                Some(Wish::Stop(_)) => { forced = true; break }
                Some(Wish::Reload) => {}
                None => { tree.ended().await; break }
            },
        }
    }
    let (times, more) = measure(tree, first, begun_wall);
    steps.extend(times);
    if !forced {
        steps.push(save(last).await);
    }
    cut_off.extend(more);
    let report = EndReport { reason: reason.to_owned(), took_ms: millis(begun.elapsed()), steps, cut_off, forced };
    tell(&report, capture);
    report
}

async fn save(last: impl Future<Output = ()>) -> StepTime {
    let begun = Instant::now();
    last.await;
    StepTime { path: "session".into(), took_ms: millis(begun.elapsed()), cut_off: false }
}

/// The account of a way down that the tree took by itself, once it is over; `last` is done after it.
pub async fn account(
    tree: &Tree,
    reason: &str,
    capture: &Arc<dyn Capture>,
    last: impl Future<Output = ()>,
) -> EndReport {
    let entries = tree.decisions(0, usize::MAX);
    let began = entries.iter().find(|entry| entry.path.is_root() && entry.decision.rule == Rule::Escalate);
    let wall = |entry: &Arc<supervision::Entry>| entry.wall;
    let since = began.or(entries.last()).map_or_else(SystemTime::now, wall);
    let until = entries.last().map_or(since, wall);
    let (mut steps, cut_off) = measure(tree, began.map_or(0, |entry| entry.seq), since);
    steps.push(save(last).await);
    let took_ms = millis(until.duration_since(since).unwrap_or_default());
    let report = EndReport { reason: reason.to_owned(), took_ms, steps, cut_off, forced: false };
    tell(&report, capture);
    report
}

/// What each child of the root took, and what had to be cut off, from the decisions. What was still on its way down, or
/// had not been told to stop, when nobody waited any longer was cut off too.
fn measure(tree: &Tree, after: u64, since: SystemTime) -> (Vec<StepTime>, Vec<String>) {
    let mut open: Vec<(String, SystemTime)> = Vec::new();
    let mut steps: Vec<StepTime> = Vec::new();
    let mut cut_off = Vec::new();
    // A supervisor's own word about itself (without a child's id) is not a step of the root's.
    let relevant = |entry: &&Arc<supervision::Entry>| entry.wall >= since && !entry.decision.id.is_empty();
    for entry in tree.decisions(after, usize::MAX).iter().filter(relevant) {
        let path = entry.path.to_string();
        match entry.decision.rule {
            Rule::Stop if entry.path.depth() == 1 => open.push((path, entry.wall)),
            Rule::StopDeadline | Rule::Quarantine => cut_off.push(path),
            Rule::Down if entry.path.depth() == 1 => {
                if let Some((_, began)) = open.iter().find(|(open, _)| *open == path) {
                    let took = entry.wall.duration_since(*began).unwrap_or_default();
                    let within = |cut: &String| ActorPath::from(cut.as_str()).is_within(&entry.path);
                    let cut = cut_off.iter().any(within);
                    steps.push(StepTime { path, took_ms: millis(took), cut_off: cut });
                }
            }
            _ => {}
        }
    }
    let left = |path: &str| !steps.iter().any(|step| step.path == path);
    let stopping: Vec<_> = open.iter().filter(|(path, _)| left(path)).collect();
    let told = |path: &str| open.iter().any(|(open, _)| open == path);
    let nodes = tree.nodes();
    let up = nodes.iter().filter(|node| node.path.depth() == 1 && node.status == Status::Running);
    let untold = up.map(|node| node.path.to_string()).filter(|path| left(path) && !told(path));
    cut_off.extend(stopping.iter().map(|(path, _)| path.clone()));
    cut_off.extend(untold.map(|path| format!("{path} (not told to stop)")));
    let late = stopping.into_iter().map(|(path, began)| StepTime {
        path: path.clone(),
        took_ms: millis(began.elapsed().unwrap_or_default()),
        cut_off: true,
    });
    let late: Vec<StepTime> = late.collect();
    steps.extend(late);
    cut_off.dedup();
    (steps, cut_off)
}

fn tell(report: &EndReport, capture: &Arc<dyn Capture>) {
    for step in &report.steps {
        metering::boot::shutdown_step(step_label(&step.path), step.took_ms as f64 / 1e3);
    }
    tracing::info!(
        target: "shutdown",
        reason = report.reason,
        duration_seconds = report.took_ms as f64 / 1e3,
        cut_off = report.cut_off.join(", "),
        forced = report.forced,
        "{}",
        report.lines().join("\n")
    );
    if !report.cut_off.is_empty() {
        capture.capture(Report {
            level: ReportLevel::Warning,
            message: format!("shutdown had to cut off {}", report.cut_off.join(", ")),
            fingerprint: vec!["shutdown".into(), "cut_off".into()],
            tags: Vec::new(),
        });
    }
}

/// Metric labels are fixed words.
fn step_label(path: &str) -> &'static str {
    const KNOWN: [&str; 10] = [
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
    ];
    KNOWN.into_iter().find(|known| *known == path).unwrap_or("other")
}

/// Why the tree ended by itself, if it did so against its will.
pub fn gave_up(exit: &Exit) -> Option<String> {
    match exit {
        Exit::Normal | Exit::Shutdown { info: None } => None,
        Exit::Shutdown { info: Some(why) } => Some(why.clone()),
        other => Some(other.to_string()),
    }
}
