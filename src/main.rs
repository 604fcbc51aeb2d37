//! Starts the supervisor.
fn main() {}
