//! The whole room in a real tree against a scripted gateway on a loopback socket.

pub(crate) mod bot;
mod campaign;
pub(crate) mod fake;
mod faults;
mod flow;
mod orders;
mod quota;
mod restarts;
