//! The database: one handle, two engines (embedded SQLite, PostgreSQL by URL), and the actor that opens and watches them.
//!
//! - [`Db`] is what everybody holds. Its calls go straight to pools of connections, never through a mailbox, and answer
//!   [`DbError::Unavailable`] at once while there are none.
//! - [`child`] makes the actor at path `database`: it connects, migrates, checks the schema, publishes the pools, watches
//!   the database, and takes the pools back however it ends.
//! - A file whose disk takes no more writes is read all the same; writes are turned away until they are kept again.
//! - Nothing is ever recreated: a file that is damaged, newer than this program or read-only is refused and left as it is.
//!
//! diesel stays in here. What other crates get are plain values.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests fail by panicking"))]

mod actor;
mod audit;
mod config;
mod db;
mod engine;
mod error;
mod expected;
mod guild_config;
mod health;
mod identify;
mod live;
mod location;
mod methods;
mod migrate;
mod observe;
mod postgres;
mod raw;
mod schema;
mod sqlite;
#[cfg(test)]
mod tests;
mod time;
mod writes;

pub use actor::{DatabaseActor, DatabaseMsg, PATH, child, policy};
pub use audit::{AUDIT_KEPT_LEAST, AUDIT_PRUNED_MAX, AUDIT_ROWS_MAX, AUDIT_WAITING_MAX};
pub use config::{DatabaseConfig, POOL_SIZE_MAX};
pub use db::{CALLS_MAX, Db};
pub use engine::PoolReading;
pub use error::DbError;
pub use guild_config::{GuildConfig, PREFIX_CHARS_MAX};
pub use health::{Health, Status};
pub use identify::IDENTIFY_WINDOW;
pub use location::{Engine, redacted};
pub use methods::methods;
pub use migrate::MigrationRow;
