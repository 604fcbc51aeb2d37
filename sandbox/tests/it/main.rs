//! The sandbox from outside: real sockets, a WebSocket and an HTTP client that know nothing of its inside.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod client;
mod commands;
mod compression;
mod faults;
mod gateway;
mod gateway_faults;
mod intents;
mod interactions;
mod members;
mod moderation;
mod mutated;
mod parity;
mod places;
mod rest;
mod shapes;
mod shards;
mod threads;
mod time;
mod tour;
mod world;
