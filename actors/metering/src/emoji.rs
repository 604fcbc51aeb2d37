//! The emoji cache.

use crate::{
    Label::{Outcome, Type},
    Metric, Scrape,
    metric::count,
};

static REFRESHES: Metric = Metric::counter("impresario_emoji_refreshes_total", &[Outcome], 4, "Refreshes, by outcome");
static DURATION: Metric =
    Metric::histogram("impresario_emoji_refresh_duration_seconds", &[], 1, "Time of a full refresh");
static SIZE: Metric = Metric::gauge("impresario_emoji_cached", &[Type], 4, "Emojis in the emoji cache, by origin");

pub(crate) static METRICS: &[&Metric] = &[&REFRESHES, &DURATION, &SIZE];

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// Everything was read.
    Done,
    /// Some guilds could not be read; what was known of them stays.
    Partial,
    /// Nothing could be read; what was known stays.
    Failed,
}

/// A refresh ended after `seconds`.
pub fn refreshed(outcome: RefreshOutcome, seconds: f64) {
    let outcome = match outcome {
        RefreshOutcome::Done => "done",
        RefreshOutcome::Partial => "partial",
        RefreshOutcome::Failed => "failed",
    };
    REFRESHES.count([outcome.into()], 1);
    DURATION.observe([], seconds);
}

/// Where an emoji belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// To the application.
    Application,
    /// To a guild.
    Guild,
}

/// Emojis of one origin in the cache.
pub fn size(scrape: &Scrape, origin: Origin, n: usize) {
    let origin = match origin {
        Origin::Application => "application",
        Origin::Guild => "guild",
    };
    SIZE.set(scrape, [origin.into()], count(n));
}
