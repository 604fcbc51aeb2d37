//! The whole room in a real tree against a scripted gateway on a loopback socket.

pub(crate) mod bot;
mod budget;
mod campaign;
mod cuts;
pub(crate) mod fake;
mod fatal;
mod faults;
mod flow;
mod liveness;
mod members;
mod orders;
mod payloads;
mod quota;
mod requests;
mod resets;
mod restarts;
mod sends;
mod stand_in;
mod stand_in_days;
mod starved;
mod steps;
mod tls;
mod unreachable;
mod unstable;
