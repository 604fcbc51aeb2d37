//! The control channel: JSON-RPC 2.0, one message a line, over a Unix socket.
//!
//! - [`Socket`] is the bound socket file and the lock that keeps a second instance away; it outlives the actor;
//! - [`Registry`] holds the methods that the rooms offer;
//! - [`Channel`] makes the supervised actor that accepts connections and answers;
//! - [`Client`] is the other end, for the command line.
//!
//! One line is one request: batches are refused, because a batch could get around the limit on calls at once.
//! A `stream` method answers `{"subscribed": true, "subscription": N}` and then sends notifications named like the
//! method, with `{"subscription": N, "item": …}`, `{"subscription": N, "lost": K}` after a reader was too slow, and
//! `{"subscription": N, "ended": true}`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod access;
mod audit;
mod calls;
mod client;
mod config;
mod connection;
mod lock;
mod outbox;
mod registry;
mod seats;
mod server;
mod socket;
#[cfg(test)]
mod tests;
mod wire;

pub use access::Access;
pub use client::{Client, ClientError, StreamItem, Subscription};
pub use config::ControlConfig;
pub use lock::{FileLock, LockError};
pub use registry::{Duplicate, Registry};
pub use server::{Channel, Control, ControlMsg, ControlSetup, Incarnations, PATH, policy};
pub use socket::{BindError, PATH_MAX, Socket};
pub use wire::{Code, PROTOCOL};
