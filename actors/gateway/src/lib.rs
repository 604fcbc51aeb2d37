//! The gateway: shards, each with a WebSocket of its own around a pure session machine; the queue of IDENTIFYs; the
//! cache.
//!
//! The way of an event: socket → [`scan`] (header only) → wanted by anybody? → [`decode`] straight from the payload →
//! cache → sink. What nobody wants is dropped undecoded; a full sink stops the reading of that shard's socket, never its
//! heartbeats.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod books;
mod cache;
mod config;
pub mod decode;
mod directory;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
mod handle;
mod hosts;
mod identify;
pub mod inflate;
mod keeper;
mod limiter;
pub mod members;
mod payload;
mod presence;
pub mod scan;
pub mod session;
mod shard;
pub mod snapshot;
mod socket;
mod stability;
mod status;
#[cfg(test)]
mod tests;
mod tree;

pub use books::Books;
pub use cache::{
    Cache,
    members::{Listing, Members as MemberCache, Told},
};
pub use config::{Compression, GatewayConfig, Intents, PlanError, ShardPlan};
pub use handle::{Gateway, ReconnectError, methods};
pub use hosts::{AddressError, AllowHosts};
pub use identify::Budget;
pub use keeper::{Keeper, SavedSession};
pub use limiter::SendBudget;
pub use presence::{Activity, ActivityKind, OnlineStatus, Presence, PresenceData, PresenceError};
pub use session::{Cause, Phase};
pub use snapshot::{Restored, Snapshot, SnapshotError, Unsaved};
pub use socket::{ConnectError, greeting};
pub use status::{Counts, Disconnect, Heartbeat, ShardStatus};
pub use tree::{GatewayDeps, build, policy, policy_below};
