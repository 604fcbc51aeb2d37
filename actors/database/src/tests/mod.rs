//! The handle, the files it refuses, the actor in a small tree, and both engines side by side. SQLite runs its statements
//! on blocking threads and its cancelled calls block a worker: every test has a runtime of several threads.

mod actor;
mod crash;
mod jumps;
mod promises;
mod refusal;
mod schema;
mod server;
mod trouble;
mod world;
