//! The cog host: a cog is a manifest and functions; this room loads cogs, routes events to them and answers commands.
//!
//! - [`Cog`] and [`Command`] declare: one definition serves prefix, slash and help; arguments are typed ([`args!`]);
//! - [`CogHost`] runs them: a supervised actor per cog owns its state and crash budget, the dispatcher owns the lanes;
//! - [`CogHost::sink`] takes gateway events: what speaks to nobody is turned away at once, the rest starts in order per
//!   guild and runs concurrently within bounds, each invocation with a deadline and its panic contained;
//! - [`Ctx`] is what a command function works with.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

extern crate self as cog_host; // the macros' examples and this crate's own tests name it alike

mod actors;
mod args;
mod budget;
mod call;
mod catalogue;
mod cell;
mod claim;
mod cog;
mod command;
mod config;
mod context;
mod guard;
mod host;
mod invoke;
mod lanes;
mod limiter;
mod methods;
mod outbox;
mod peek;
mod permissions;
mod ports;
mod prefix;
mod prefixes;
mod registration;
mod reply;
mod responder;
mod sink;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use actors::{Change, CogMsg, DispatchActor, LOAD_DEADLINE, UNLOAD_DEADLINE};
pub use args::{
    ArgError, Args, Choice, Int, Kind, Mentionable, Param, Rest, Scalar, Span, Tokens, UnclosedQuote, Value, Values,
    parse_duration, read_slash, read_text, show_duration, slash_option,
};
pub use catalogue::{Catalogue, DefinitionError, Entry, Runnable};
pub use cell::CogSettings;
pub use cog::{Capability, Cog, Priority, Setting};
pub use command::{Command, Run};
pub use config::CogHostConfig;
pub use context::{CogCtx, CogTasks, Ctx, Invocation, Services, Source};
pub use database::{AUDIT_PRUNED_MAX, DbError};
pub use guard::{Access, Caller, Check, Guard, Owners, Verdict, judge};
pub use host::{CogCounts, CogHost, DISPATCH, PATH, cog_policy, dispatch_policy, policy};
pub use lanes::LANES_MAX;
pub use limiter::{ErrorLimiter, PER_CHANNEL, PER_USER, REMEMBERED_MAX};
pub use permissions::{in_channel, outranks};
pub use ports::{BotInfo, Outbox, Presence, TreeOps};
pub use prefix::{Addressed, PREFIX_MAX, PrefixError, addressed, checked};
pub use prefixes::{PrefixReading, PrefixStore, Prefixes, SetPrefixError};
/// What cogs use of the rooms below, so that they need to know this crate alone.
pub use protocol::{BoxFuture, Class, Dispatch, EventKind, ShardId, cache::CachedMember, task};
pub use registration::{Changed, Difference, Field};
pub use reply::{CONTENT_MAX, Failure, Outcome, Reply};
pub use rest::{Mentions, RestError};
