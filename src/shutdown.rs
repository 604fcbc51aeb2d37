//! The way down: drain, stop in exact reverse order, save, flush, report what it took. It always ends, inside its deadline.

mod alone;
mod clock;
mod measure;
mod plan;
mod report;

pub use alone::{ended, gave_up};
pub use plan::{Limits, OVERRUN, plan};
pub use report::{EndReport, Left, StepTime};

use crate::{
    exit::Code,
    flags::{Flags, Step},
    kept::Kept,
    notify::{Notifier, Word},
    record::Record,
    signals::Wish,
};
use clock::{Clock, Cut};
use gateway::Gateway;
use measure::measure;
use plan::DRAINED;
use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};
use supervision::{ActorPath, Planes, Status, Tree, core::Rule};
use telemetry::reports::SentryCapture;
use tokio::{sync::mpsc, time::Instant};

/// How often the service manager is told how far it is.
const TELL: Duration = Duration::from_secs(1);
/// How much longer than until the deadline the service manager is asked to wait.
const SLACK: Duration = Duration::from_secs(5);
/// The longest that reports under way are waited for.
const FLUSH_MAX: Duration = Duration::from_secs(2);
/// The least that the account on disk is given, even after a third signal.
const RECORD_LEAST: Duration = Duration::from_millis(200);

/// Why the way down begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// For people: `SIGTERM`, `admin (uid 1000)`, `end of input`.
    pub reason: String,
    /// The signal, if it was one.
    pub signal: Option<&'static str>,
    /// The exit code that the process ends with, unless it is forced.
    pub code: Code,
}

/// What a way down works on.
pub struct Down<'a> {
    /// The tree that comes down.
    pub tree: &'a Tree,
    /// Marks that it has begun.
    pub flags: &'a Flags,
    /// How long it may take.
    pub limits: Limits,
    /// Further signals: the second leaves a second, the third ends the process as it is.
    pub wishes: &'a mut mpsc::Receiver<Wish>,
    /// Takes what had to be cut off, and is flushed.
    pub capture: &'a SentryCapture,
    /// Is told how far it is.
    pub notifier: &'a Notifier,
    /// Keeps the account for the next process.
    pub record: &'a OnceLock<Record>,
    /// Whose sessions are saved, if it was made: asked what becomes of events if they are not.
    pub gateway: &'a OnceLock<Gateway>,
    /// Where things run.
    pub planes: &'a Planes,
    /// Tasks of the process itself on the data plane: they are owned, though by no actor.
    pub beside: &'a [Kept],
}

impl<'a> Down<'a> {
    /// Takes the tree down, does `save` once it is, and tells what it took.
    pub async fn run(self, why: Why, save: impl Future<Output = Left>) -> EndReport {
        let (begun_wall, last) = (SystemTime::now(), self.last());
        let mut clock = Clock::start(self.limits, self.wishes);
        self.flags.mark(Step::ShuttingDown);
        tracing::info!(target: "shutdown", reason = why.reason, "shutting down");
        let first = self.tree.decisions(0, 1).first().map_or(0, |entry| entry.seq);
        let mut report = EndReport { began_at: begun_wall.into(), ..EndReport::of(&why, self.limits) };
        report.announce(self.capture);

        self.notifier.tell(&[Word::Stopping, Word::Extend(clock.left() + SLACK)]);
        self.notifier.status(&format!("draining {}", DRAINED.join(", ")));
        let asked_for: Vec<ActorPath> = DRAINED.into_iter().map(ActorPath::from).collect();
        let there = |path: &ActorPath| self.tree.node(path).is_some();
        let drained: Vec<ActorPath> = asked_for.into_iter().filter(there).collect();
        let (within, by) = (self.limits.drain.min(self.limits.tree()), clock.by());
        let late = tokio::select! {
            late = self.tree.drain(&drained, within) => late,
            () = clock.asked_again() => {
                report.cut_off.push("drain (asked again)".to_owned());
                drained.clone()
            }
            () = keep_told(self.notifier, by, || format!("draining {}", DRAINED.join(", "))) => Vec::new(),
        };
        if report.cut_off.is_empty() {
            report.cut_off.extend(late.iter().map(|path| format!("{path} (drain)")));
        }
        report.drained.extend(drained.iter().filter(|path| !late.contains(path)).map(ToString::to_string));
        report.step("drain", clock.elapsed(), !report.cut_off.is_empty());

        self.tree.shutdown(Some(clock.left_for_tree()));
        loop {
            let told = keep_told(self.notifier, clock.by(), || stopping(self.tree));
            let ended = async {
                tokio::select! {
                    _ = self.tree.ended() => {}
                    () = told => {}
                }
            };
            match clock.bound(clock.tree_by(), ended).await {
                Ok(()) => break,
                Err(Cut::Hurry) => self.tree.shutdown(Some(clock.left_for_tree())),
                Err(Cut::Late) => {
                    report.cut_off.push("the tree itself".to_owned());
                    break;
                }
                Err(Cut::Forced) => {
                    report.force();
                    break;
                }
            }
        }
        report.take(measure(self.tree, first, begun_wall));
        report.unowned = unowned(self.planes, self.beside);
        last.finish(report, clock, save).await
    }

    /// The account of a way down that the tree took by itself, once it is over; `save` is done after it.
    pub async fn account(self, why: Why, save: impl Future<Output = Left>) -> EndReport {
        self.notifier.tell(&[Word::Stopping, Word::Extend(self.limits.total + SLACK)]);
        self.flags.mark(Step::ShuttingDown);
        let (entries, last) = (self.tree.decisions(0, usize::MAX), self.last());
        let mut now = entries.iter().filter(|entry| !entry.earlier);
        let began =
            now.find(|entry| entry.path.is_root() && matches!(entry.decision.rule, Rule::Escalate | Rule::Overrun));
        let since = began.or(entries.last()).map_or_else(SystemTime::now, |entry| entry.wall);
        let mut report = EndReport { began_at: since.into(), ..EndReport::of(&why, self.limits) };
        report.take(measure(self.tree, began.map_or(0, |entry| entry.seq), since));
        report.unowned = unowned(self.planes, self.beside);
        let clock = Clock::resume(self.limits, self.wishes, since.elapsed().unwrap_or_default());
        last.finish(report, clock, save).await
    }

    fn last(&self) -> Last<'a> {
        Last { capture: self.capture, notifier: self.notifier, record: self.record, gateway: self.gateway }
    }
}

/// Keeps the service manager informed and patient; never ends by itself.
async fn keep_told(notifier: &Notifier, by: Instant, text: impl Fn() -> String) {
    if !notifier.is_on() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(TELL).await;
        notifier.status(&text());
        notifier.tell(&[Word::Extend(by.saturating_duration_since(Instant::now()) + SLACK)]);
    }
}

/// What is on its way down, for people.
fn stopping(tree: &Tree) -> String {
    let nodes = tree.nodes();
    let down = nodes.iter().filter(|node| node.path.depth() == 1 && node.status == Status::Stopping);
    let paths: Vec<&str> = down.map(|node| node.path.as_str()).collect();
    if paths.is_empty() { "stopping".to_owned() } else { format!("stopping {}", paths.join(", ")) }
}

/// Tasks on the data plane that neither an actor nor the process owns: a library's connections, or something forgotten.
/// They are told of and left alone: whoever began them may be in the middle of something.
fn unowned(planes: &Planes, beside: &[Kept]) -> usize {
    let own = beside.iter().filter(|kept| kept.is_running()).count();
    planes.data.metrics().num_alive_tasks().saturating_sub(own)
}

/// The steps after the tree.
struct Last<'a> {
    capture: &'a SentryCapture,
    notifier: &'a Notifier,
    record: &'a OnceLock<Record>,
    gateway: &'a OnceLock<Gateway>,
}

impl Last<'_> {
    /// Saves, reports, flushes and writes the account, each within what is left.
    async fn finish(self, mut report: EndReport, mut clock: Clock<'_>, save: impl Future<Output = Left>) -> EndReport {
        self.notifier.status("saving what the next process takes up");
        let mut saved = None;
        if !report.forced {
            let begun = Instant::now();
            let mut save = std::pin::pin!(save);
            let cut = loop {
                match clock.bound(clock.save_by(), &mut save).await {
                    Ok(left) => {
                        saved = Some(left);
                        break None;
                    }
                    Err(Cut::Hurry) => {}
                    Err(cut) => break Some(cut),
                }
            };
            report.step("session", begun.elapsed(), cut.is_some());
            if cut.is_some() {
                report.cut_off.push("session".to_owned());
            }
            if cut == Some(Cut::Forced) {
                report.force();
            }
        }
        // Cut short or not begun: nothing of it is kept, as far as anybody can say.
        report.left = saved.or_else(|| self.gateway.get().map(|gateway| gateway.seal().into())).unwrap_or_default();
        report.warn(self.capture);
        // Reports go out last of all, so that they may tell of everything before.
        if self.capture.is_enabled() && !report.forced {
            let begun = Instant::now();
            let delivered = self.capture.flush(clock.left().min(FLUSH_MAX)).await;
            report.step("flush", begun.elapsed(), !delivered);
            if !delivered {
                report.cut_off.push("flush (reports were not delivered)".to_owned());
            }
        }
        report.end(clock.elapsed());
        report.log();
        if let Some(record) = self.record.get()
            && let Err(error) = record.end(&report, clock.left().max(RECORD_LEAST)).await
        {
            tracing::warn!(target: "shutdown", %error, "the account of this end could not be written");
        }
        report
    }
}
