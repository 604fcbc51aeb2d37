//! What a reader says of payloads that it does not know or cannot read.

use super::Reader;
use crate::status::count;

/// Unknown event names are cut to this length in the log.
const NAME_MAX: usize = 48;
/// So many unreadable payloads are warned about one by one.
const LOUD_MAX: u64 = 16;

impl Reader {
    pub(super) fn unknown(&self, name: &str) {
        count(&self.keeper.tally.unknown);
        metering::gateway::event_unknown(name);
        let name: String = name.chars().take(NAME_MAX).collect();
        tracing::debug!(shard.id = self.keeper.shard().0, event.r#type = ?name, "unknown event type");
    }

    pub(super) fn malformed(&self, what: &'static str, why: Option<&str>) {
        let before = count(&self.keeper.tally.malformed);
        metering::gateway::payload_malformed(what);
        let (shard, why) = (self.keeper.shard().0, why.unwrap_or("it is not what Discord documents"));
        // A flood of them must not become a flood of log lines: all are counted, ever fewer are warned about.
        if before < LOUD_MAX || (before + 1).is_power_of_two() {
            tracing::warn!(shard.id = shard, event.r#type = what, "a payload could not be read: {why}");
        } else {
            tracing::debug!(shard.id = shard, event.r#type = what, "a payload could not be read: {why}");
        }
    }
}

/// serde quotes offending strings in backquotes or double quotes: they may be message content.
pub(super) fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.starts_with("missing field") || text.starts_with("duplicate field") {
        true => text,
        false => format!("{:?} error at column {}", error.classify(), error.column()),
    }
}
