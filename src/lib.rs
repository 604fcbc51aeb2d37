//! The supervisor binary as a library: the command line, the configuration, boot and shutdown.
//!
//! - [`cli`] what people type; [`config`] what they configure;
//! - [`process`] one run of the bot, from the configuration to the exit code; [`life`] what happens in between;
//! - [`rules`] what the configuration says about supervision; [`reload`] what of it can change while running;
//! - `refused` what follows when Discord refuses a token or a permission;
//! - [`handover`] what one process leaves to the next; [`record`] how it ended, `remembered` what its supervisors do;
//! - [`notify`] what the service manager is told;
//! - [`console`], [`folder`], [`kept`] what the process says, makes and runs beside the tree;
//! - [`boot`] the only file that names every actor; [`shutdown`] the way down;
//! - [`admin`], [`status`], [`system`] the kernel's and the process's methods on the control channel;
//! - [`observer`], [`treelog`] decisions and the tree in the log; [`wire`] how both look as JSON;
//! - [`tryout`] the stand-in for Discord and its prompt.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

pub mod admin;
pub mod boot;
pub mod cli;
pub mod config;
pub mod console;
pub mod exit;
pub mod flags;
pub mod folder;
pub mod handover;
pub mod kept;
pub mod life;
pub mod notify;
pub mod observer;
pub mod ports;
pub mod process;
pub mod ready;
pub mod record;
mod refused;
pub mod reload;
mod remembered;
pub mod rules;
mod sharding;
pub mod shutdown;
pub mod signals;
pub mod status;
pub mod system;
pub mod treelog;
pub mod tryout;
pub mod wire;

/// The version of the program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The Discord library that models and builders come from.
pub const LIBRARY: &str = "serenity 0.12.5";
