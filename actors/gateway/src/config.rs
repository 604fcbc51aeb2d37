//! The keys of `[gateway]`, and what boot resolves for it.

use protocol::ShardId;
use serde::Deserialize;
use serenity::model::gateway::GatewayIntents;

/// The section `[gateway]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// IDENTIFYs in 24 hours. Discord resets the token at 1,000.
    pub identify_limit: u32,
    /// First wait before a reconnect. Lower: quicker back; higher: kinder to a gateway in trouble.
    pub reconnect_min_ms: u64,
    /// Longest wait before a reconnect.
    pub reconnect_max_ms: u64,
    /// How long connecting may take, and then HELLO.
    pub connect_ms: u64,
    /// Members in the cache, of all guilds together, if a cog asks for them; those that nobody asks about make room. 0:
    /// none. Higher: more is known at once, for about 80 bytes a member.
    pub members_max: u32,
    /// How Discord compresses what it sends.
    pub compression: Compression,
}

/// The transport compression that is asked for when a connection is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// The better by measurement: see [`Compression::resolved`].
    Auto,
    /// None: for a gateway on this machine, where bytes cost less than inflating them.
    None,
    /// One zlib stream for the connection.
    Zlib,
    /// One zstd stream for the connection.
    Zstd,
}

impl Compression {
    /// What `Auto` stands for: zstd, which takes less time to inflate than zlib and sends fewer bytes.
    pub fn resolved(self) -> Self {
        if self == Self::Auto { Self::Zstd } else { self }
    }

    /// The value of `compress` in the address; none without compression.
    pub(crate) fn parameter(self) -> Option<&'static str> {
        match self.resolved() {
            Self::Zlib => Some("zlib-stream"),
            Self::Zstd => Some("zstd-stream"),
            Self::Auto | Self::None => None,
        }
    }
}

/// Which shards this process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardPlan {
    /// Shards in all, over every process.
    pub total: u32,
    /// The first that runs here.
    pub first: u32,
    /// The last that runs here.
    pub last: u32,
}

impl ShardPlan {
    /// All of `total` shards here.
    pub fn all(total: u32) -> Self {
        Self { total: total.max(1), first: 0, last: total.max(1) - 1 }
    }

    /// Shards `first` to `last` of `total` here.
    ///
    /// # Errors
    /// When that is no share: Discord closes the connection of a shard that cannot be (4010).
    pub fn share(total: u32, first: u32, last: u32) -> Result<Self, PlanError> {
        match () {
            () if total == 0 => Err(PlanError::None),
            () if first > last => Err(PlanError::Reversed { first, last }),
            () if last >= total => Err(PlanError::Beyond { last, total }),
            () => Ok(Self { total, first, last }),
        }
    }

    /// The shards that run here.
    pub fn shards(self) -> impl Iterator<Item = ShardId> {
        (self.first..=self.last.min(self.total.saturating_sub(1))).map(ShardId)
    }
}

/// Why shards cannot be shared out like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No shard at all.
    #[error("there is at least one shard")]
    None,
    /// The first comes after the last.
    #[error("the first shard here, {first}, comes after the last, {last}")]
    Reversed {
        /// The first that runs here.
        first: u32,
        /// The last.
        last: u32,
    },
    /// The last is none of them.
    #[error("shard {last} is none of {total}: they count from 0")]
    Beyond {
        /// The last that runs here.
        last: u32,
        /// Shards in all.
        total: u32,
    },
}

/// Which intents IDENTIFY asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intents {
    /// Those of the subscribed event types, message content where messages are subscribed to, and guilds for the cache.
    Auto,
    /// These, and guilds for the cache.
    Exactly(GatewayIntents),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_cannot_be_is_refused() {
        assert_eq!(ShardPlan::share(4, 2, 3), Ok(ShardPlan { total: 4, first: 2, last: 3 }));
        assert_eq!(ShardPlan::share(4, 2, 3).map(|plan| plan.shards().count()), Ok(2));
        assert_eq!(ShardPlan::share(0, 0, 0), Err(PlanError::None));
        assert_eq!(ShardPlan::share(4, 3, 2), Err(PlanError::Reversed { first: 3, last: 2 }));
        // What a range that excludes its end would be written as.
        assert_eq!(ShardPlan::share(1, 0, 1), Err(PlanError::Beyond { last: 1, total: 1 }));
    }
}
