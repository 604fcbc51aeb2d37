//! Behaviour of the whole way: with a scripted Discord and paused time, and over real sockets.

mod admission;
mod bounds;
mod connections;
mod discretion;
mod fake;
mod keeping;
mod life;
mod limits;
mod mentions;
mod order;
mod refusals;
mod repeats;
mod stand_in;
mod stand_in_time;
mod tls;
mod unread;
mod wire;
