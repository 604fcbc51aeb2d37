//! Supervision: OTP's contract on ractor's primitives, and what a bot needs beyond it.
//!
//! - [`core`] decides, purely: `decide(state, event, now)` gives a new state, actions and an explanation;
//! - [`Actor`], [`Ctx`], [`Addr`] are what actors are written with;
//! - [`ChildSpec`] describes a tree, [`Tree`] runs it: ordered start, reverse stop, kill, suspend, tell, explain.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

// A panic has to end one actor, not the process.
#[cfg(panic = "abort")]
compile_error!("supervision contains panics: it needs panic = \"unwind\" in every profile");

mod actor;
mod adapter;
mod addr;
mod admin;
pub mod core;
mod crash;
mod exit;
mod journal;
mod left;
mod life;
mod mailbox;
mod message;
mod panics;
mod path;
mod planes;
mod poison;
mod pulse;
mod record;
mod rules;
mod spec;
mod starter;
mod supervisor;
mod tree;
mod view;
mod world;

#[cfg(test)]
mod tests;

pub use actor::{Actor, Ctx};
pub use addr::{Addr, CallError, RETRY_AFTER, SendError};
pub use admin::{ADMIN_DEADLINE, ADMIN_WAITING_MAX, AdminCall, AdminError, AdminSpec, Role};
pub use core::policy::{
    AutoShutdown, Backoff, Criticality, Flags, Intensity, Kind, Poison, Policy, Probe, Restart, Shutdown, Strategy,
};
pub use core::probe::Activity;
pub use crash::{
    CRASH_LOG_LINES, CRASH_TEXT_MAX, CRASHES_MAX, CRASHES_PER_PATH, Crash, Followed, Handled, InHand, MESSAGES_KEPT,
};
pub use exit::{EXIT_TEXT_MAX, Exit, Failure};
pub use journal::{Entry, JOURNAL_MAX, LISTENER_LAG_MAX, NoObserver, Observer};
pub use left::QUARANTINE_MAX;
pub use mailbox::{Mailbox, MailboxReading, Unavailable};
pub use message::{Fingerprint, Message, Overflow, Reply};
pub use panics::{FRAMES_MAX, guarded, guarded_sync, install_panic_hook};
pub use path::{ActorPath, ROOT};
pub use planes::Planes;
pub use poison::{POISON_MAX, Parked};
pub use record::{Compared, Difference, Past, Recorder, ReplayError, Withheld, replay};
pub use rules::{Rules, circle};
pub use spec::ChildSpec;
pub use tree::{Amendment, Counts, OrderError, Respec, Tree, Verb, nearest};
pub use view::{Node, Status};
pub use world::Limits;
