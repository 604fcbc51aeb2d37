#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]
//! Discord's REST API, with manners.
//!
//! serenity's routes, builders and models make the requests; they are executed here, because serenity's own client
//! keeps no global budget, lets requests flow during a global 429, retries without a deadline and leaves mentions open.
//! Every request passes, in this order:
//! - the guard of [`Mentions`] and nonces: closed unless [`Send`] opens it;
//! - judgement: refused token, breaker for invalid answers, remembered refusals, targets that are gone, global stop;
//! - the line: by [`Priority`], within the global budget, as far as its bucket has room by the headers of earlier
//!   answers, and one after another where people see an order (posts to a channel, changes of one thing);
//! - the wire, bounded in time and size, without redirects; and again only where that does no harm.
//!
//! What it learns outlives the actor: a restart forgets neither limits nor invalid answers. These and the silences that they
//! bring outlive the process too ([`Past`]). Routes that carry their own
//! token (interactions, webhooks) are outside the global budget and sent without the bot's token.

mod actor;
mod answer;
mod application;
mod body;
mod buckets;
mod call;
mod conduct;
mod config;
mod error;
mod execute;
mod gate;
mod handle;
mod hosts;
mod keep;
mod line;
mod live;
mod messages;
mod pattern;
mod preflight;
mod reads;
mod retry;
mod send;
mod status;
mod transport;
mod wire;

#[cfg(test)]
mod tests;

pub use actor::{PATH, child, policy};
pub use application::ApplicationInfo;
pub use config::{Access, RestConfig};
pub use error::RestError;
pub use handle::Rest;
pub use keep::Past;
pub use preflight::{PREFLIGHT_DEADLINE, Preflight};
pub use send::{Mentions, Priority, Send};
pub use status::{RestStatus, collector, methods};
