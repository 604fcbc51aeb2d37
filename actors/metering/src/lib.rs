//! Every metric of the bot: its name, its labels, and a hook named for what happened.
//!
//! A room calls `metering::gateway::event_received("MESSAGE_CREATE")`; it neither knows a metric's name nor an exporter.
//! The rules, each enforced by a type here or by a test:
//! - hooks are synchronous, O(1) and never fail their caller: a panic in a recorder is caught and counted;
//! - a guild, user or channel id cannot become a label: values are enums, `u32` shards, static words and checked names;
//! - every metric has a bound on its label sets ([`Metric::series`]) that the recorder keeps at run time too;
//! - gauges are set by a [`Collector`] while a scrape is under way: setting one takes a [`Scrape`].
//!
//! Names that begin with `discord_` or `argus_` are Argus' own, so that its boards and alert rules work unchanged; its
//! `cluster` label is added to everything by the recorder. All others begin with `impresario_`.
//!
//! An id does not fit where a shard is wanted, nor text made at run time where a fixed word is:
//! ```compile_fail,E0308
//! metering::gateway::connected(80351110224678912_u64);
//! ```
//! ```compile_fail,E0308
//! metering::rest::refused(80351110224678912_u64.to_string());
//! ```

pub mod boot;
pub mod commands;
pub mod control;
pub mod database;
pub mod emoji;
pub mod gateway;
pub mod instrumentation;
mod label;
pub mod lanes;
pub mod logs;
mod metric;
pub mod rest;
mod scrape;
pub mod supervision;
pub mod tasks;

pub use label::{Label, NAME_MAX, Name, PathPattern, Route};
pub use metric::{Kind, Metric};
pub use scrape::{Collector, Scrape};

#[cfg(test)]
mod tests;

/// Every metric there is, by room.
pub fn catalogue() -> impl Iterator<Item = &'static Metric> {
    [
        instrumentation::METRICS,
        gateway::METRICS,
        rest::METRICS,
        database::METRICS,
        commands::METRICS,
        lanes::METRICS,
        emoji::METRICS,
        tasks::METRICS,
        supervision::METRICS,
        control::METRICS,
        boot::METRICS,
        logs::METRICS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Says that the recorder of the whole process has been installed. Hooks look their series up in whichever recorder there
/// is; what counts thousands of events a second ([`gateway::EventCounters`]) keeps its counters, and takes them from the
/// recorder that this announces. Without this call they look them up each time, too.
pub fn recorder_installed() {
    metric::installed();
}

/// Tells the recorder each metric's help text, and sets counters without labels to 0 so that a rate over them sees the
/// first increment. Called once, after the recorder is installed.
pub fn describe_all() {
    for metric in catalogue() {
        metric.describe();
    }
}
