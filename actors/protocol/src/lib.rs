//! What the rooms say to each other: ids, events, errors, task specifications, admin methods, and the traits by which a
//! lower crate gets what only a higher one has. No I/O here.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod cache;
mod class;
mod clock;
pub mod event;
pub mod hosts;
pub mod method;
pub mod ports;
mod secret;
pub mod task;

pub use class::Class;
pub use clock::{Clock, SystemClock, Uptime, millis};
pub use event::{Backlog, Delivery, Dispatch, Event, EventKind, EventSink, FanOut, Held, KindSet, ShardId, Unfinished};
pub use futures_util::future::BoxFuture;
pub use secret::Secret;
/// Discord's ids, as serenity types them.
pub use serenity::model::id;
