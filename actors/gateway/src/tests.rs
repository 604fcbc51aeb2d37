//! The whole room in a real tree against a scripted gateway on a loopback socket.

mod campaign;
mod fake;
mod faults;
mod flow;
mod orders;
mod quota;
