//! The lanes: one queue of events per guild.

use crate::{Label::Class, Metric, Scrape, metric::count};

static SHED: Metric =
    Metric::counter("impresario_lane_events_shed_total", &[Class], 16, "Events dropped by a full lane, by class");
static FULL: Metric = Metric::counter("impresario_lane_full_total", &[], 1, "Times a lane was full and pushed back");
static WAIT: Metric = Metric::histogram(
    "impresario_lane_wait_seconds",
    &[],
    1,
    "Time an event waited in its lane before its handling began",
);
static LANES: Metric = Metric::gauge("impresario_lanes", &[], 1, "Lanes that exist now");
static WAITING: Metric = Metric::gauge("impresario_lane_events_waiting", &[], 1, "Events that wait in all lanes");

pub(crate) static METRICS: &[&Metric] = &[&SHED, &FULL, &WAIT, &LANES, &WAITING];

/// A full lane dropped an event; `class` is a fixed word such as `presence`, `message`, `moderation`.
pub fn shed(class: &'static str) {
    SHED.count([class.into()], 1);
}

/// A lane was full and pushed back on the socket.
pub fn full() {
    FULL.count([], 1);
}

/// An event waited `seconds` in its lane.
pub fn waited(seconds: f64) {
    WAIT.observe([], seconds);
}

/// Lanes that exist, and events that wait in them.
pub fn depth(scrape: &Scrape, lanes: usize, waiting: usize) {
    LANES.set(scrape, [], count(lanes));
    WAITING.set(scrape, [], count(waiting));
}
