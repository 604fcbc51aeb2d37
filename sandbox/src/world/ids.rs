//! Snowflakes and timestamps: the two value types every payload is full of.

use std::fmt;

use chrono::{DateTime, SecondsFormat};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// First millisecond of 2015, from which snowflakes count (Discord documentation, "Snowflakes").
pub(crate) const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;

/// A snowflake; JSON carries it as a string of decimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(pub u64);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Id {
    /// An id in a request: Discord takes a string of digits and, from careless clients, a number.
    pub(crate) fn from_json(value: &Value) -> Option<Id> {
        value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_u64().map(Id))
    }
}

impl std::str::FromStr for Id {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Id, Self::Err> {
        text.parse().map(Id)
    }
}

/// Milliseconds since the Unix epoch; JSON carries it as an ISO 8601 time in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(pub u64);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, false))
    }
}

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Hands out snowflakes that only ever grow, even when the clock stands still or goes back.
#[derive(Debug, Default)]
pub(crate) struct Snowflakes {
    last: u64,
}

impl Snowflakes {
    /// The next id at `now_ms` (Unix milliseconds).
    pub(crate) fn next(&mut self, now_ms: u64) -> Id {
        let by_clock = now_ms.saturating_sub(DISCORD_EPOCH_MS) << 22;
        self.last = by_clock.max(self.last + 1);
        Id(self.last)
    }
}

/// The number of the shard (of `shards`) that hears of `guild` (Discord documentation, "Sharding").
pub(crate) fn shard_of(guild: Id, shards: u32) -> u32 {
    ((guild.0 >> 22) % u64::from(shards.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snowflakes_grow_when_the_clock_goes_back() {
        let mut ids = Snowflakes::default();
        let first = ids.next(DISCORD_EPOCH_MS + 1_000);
        assert_eq!(first.0 >> 22, 1_000);
        let second = ids.next(DISCORD_EPOCH_MS + 1_000);
        let third = ids.next(DISCORD_EPOCH_MS + 5);
        assert!(first < second && second < third);
    }

    #[test]
    fn ids_are_strings_and_times_are_iso_8601_in_json() {
        assert_eq!(serde_json::to_string(&Id(42)).unwrap(), "\"42\"");
        let time = serde_json::to_string(&Stamp(1_700_000_000_123)).unwrap();
        assert_eq!(time, "\"2023-11-14T22:13:20.123000+00:00\"");
    }
}
