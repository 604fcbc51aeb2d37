//! Behaviour of the whole way: with a scripted Discord and paused time, and over real sockets.

mod admission;
mod discretion;
mod fake;
mod life;
mod mentions;
mod repeats;
mod stand_in;
mod wire;
