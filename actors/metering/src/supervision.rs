//! What supervisors decide.

use crate::{
    Label::{Path, Reason, State},
    Metric, PathPattern, Scrape,
    metric::count,
};

static DECISIONS: Metric =
    Metric::counter("impresario_supervision_decisions_total", &[Path, Reason], 1000, "Decisions, by the rule applied");
static RESTARTS: Metric = Metric::counter("impresario_supervision_restarts_total", &[Path], 300, "Restarts");
static EXITS: Metric = Metric::counter("impresario_supervision_exits_total", &[Reason], 16, "Ends of actors, by kind");
static LOST: Metric = Metric::counter(
    "impresario_supervision_messages_lost_total",
    &[],
    1,
    "Messages that were in a mailbox when its actor ended",
);
static ACTORS: Metric = Metric::gauge("impresario_actors", &[State], 16, "Actors, by state");
static MAILBOX: Metric = Metric::gauge("impresario_mailbox_depth", &[Path], 300, "Messages waiting, by path pattern");

static UNWRITTEN: Metric = Metric::counter(
    "impresario_supervision_records_lost_total",
    &[],
    1,
    "Records of supervision's journal that could not be written",
);

pub(crate) static METRICS: &[&Metric] = &[&DECISIONS, &RESTARTS, &EXITS, &LOST, &ACTORS, &MAILBOX, &UNWRITTEN];

/// A supervisor decided about the child at `path`; `rule` is the fixed word of the rule that it applied.
pub fn decision(path: impl Into<PathPattern>, rule: &'static str) {
    DECISIONS.count([path.into().into(), rule.into()], 1);
}

/// The actor at `path` was started again.
pub fn restart(path: impl Into<PathPattern>) {
    RESTARTS.count([path.into().into()], 1);
}

/// An actor ended; `kind` is the exit's word, e.g. `panic`.
pub fn exit(kind: &'static str) {
    EXITS.count([kind.into()], 1);
}

/// `n` messages were lost with a mailbox.
pub fn lost(n: u64) {
    LOST.count([], n);
}

/// `n` records of supervision's journal could not be written.
pub fn unwritten(n: u64) {
    UNWRITTEN.count([], n);
}

/// Actors in one state (a fixed word).
pub fn in_state(scrape: &Scrape, state: &'static str, n: usize) {
    ACTORS.set(scrape, [state.into()], count(n));
}

/// Messages that wait for the actors of one path pattern, together.
pub fn mailbox_depth(scrape: &Scrape, path: impl Into<PathPattern>, n: usize) {
    MAILBOX.set(scrape, [path.into().into()], count(n));
}
