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

    /// The shards that run here.
    pub fn shards(self) -> impl Iterator<Item = ShardId> {
        (self.first..=self.last.min(self.total.saturating_sub(1))).map(ShardId)
    }
}

/// Which intents IDENTIFY asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intents {
    /// Those of the subscribed event types, message content where messages are subscribed to, and guilds for the cache.
    Auto,
    /// These, and guilds for the cache.
    Exactly(GatewayIntents),
}
