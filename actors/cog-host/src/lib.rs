//! cog-host
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

extern crate self as cog_host;

mod args;
mod budget;
mod guard;
mod limiter;
mod permissions;
mod prefix;
#[cfg(test)]
mod testing;

pub use args::*;
pub use guard::*;
pub use permissions::in_channel;
pub use prefix::*;
