#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]
//! The application's and the guilds' emojis, for everybody at once.
//!
//! [`Emojis`] reads a published snapshot without locks; it works while the actor behind it is down. The actor reads
//! everything over REST when it starts and every few hours, and takes the gateway's events in between. Neither a slow
//! Discord nor a full mailbox holds anybody up: what cannot be read now is served as it was known, and tried again.

mod actor;
mod config;
mod emoji;
mod handle;
mod load;
mod messages;
mod run;
mod snapshot;

#[cfg(test)]
mod tests;

pub use actor::{GuildIds, PATH, Refreshed, child, policy};
pub use config::EmojiConfig;
pub use emoji::{CachedEmoji, Origin};
pub use handle::{EmojiStatus, Emojis};
pub use messages::{collector, methods};
pub use snapshot::{EmojiCounts, Resolved};
