//! A stand-in for Discord on loopback sockets: REST API v10 and gateway v10, for trying the bot out, for
//! black-box tests and for benchmarks. It knows nothing of the bot's code.
//!
//! A pure world model (`world`) is shown by two servers (`rest`, `gateway`) that share one lock (`shared`);
//! [`Sandbox`] owns the thread they run on. What is not implemented is answered 501 and listed, never faked:
//! `docs/sandbox-parity.md` is generated from the table that the router is made of.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]
#![recursion_limit = "256"] // json! of a guild has more fields than the default allows

mod act;
mod api_error;
mod config;
mod corpus;
mod events;
mod faults;
mod form;
mod gateway;
mod handle;
mod journal;
mod manage;
mod mutate;
mod observe;
mod rest;
mod seed;
mod shared;
mod time;
mod trouble;
#[cfg(feature = "validate")]
mod validate;
mod world;

pub use config::{Limit, Rate, SandboxConfig, SandboxError};
pub use events::{BotMessage, Pings, ReplyKind, SandboxEvent, Side};
pub use faults::{ChunkTrouble, Fault};
pub use handle::Sandbox;
pub use journal::SandboxStats;
pub use mutate::{Mutations, mutate, oddities};
pub use observe::Mark;
#[cfg(feature = "virtual-time")]
pub use time::{VirtualTime, seed};
#[cfg(feature = "validate")]
pub use validate::{Exception, Judgement, Strict, Violation, description_at, exceptions, payload_exceptions};

/// Id of a message (a snowflake).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub u64);

/// Method and path template of every operation of Discord's API v10 that is implemented.
pub fn operations() -> impl Iterator<Item = (&'static str, &'static str)> {
    rest::operations::OPERATIONS.iter().map(|operation| (operation.method, operation.path))
}
