//! Black box: the real process against the stand-in for Discord, over real sockets. A module for each promise.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
#![allow(clippy::panic, reason = "tests fail by panicking")]
#![allow(unreachable_pub, reason = "modules of one binary")]

mod architecture;
mod cancellation;
mod commands;
mod emoji;
mod gateway;
mod harness;
mod kills;
mod logs;
mod malformed;
mod ping;
mod probes;
mod refusals;
mod signals;
mod suspension;
mod tryout;
