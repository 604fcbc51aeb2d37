//! What the database says about itself.

use crate::{
    db::Db,
    db::Op,
    engine::{PoolReading, read},
    error::DbError,
    location::{Engine, Location},
    migrate::{self, MigrationRow},
    schema::applied_migration,
};
use chrono::{DateTime, Utc};
use diesel::QueryDsl;
use diesel_async::RunQueryDsl;
use serde::Serialize;
use std::{path::PathBuf, sync::Arc};
use tokio::time::Instant;

/// An answer of the database, with what it took to get it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// Which engine.
    pub engine: Engine,
    /// The engine's version.
    pub version: String,
    /// The newest migration.
    pub schema_version: Option<String>,
    /// How long the round trip took, in milliseconds, waiting for a connection included.
    pub latency_ms: f64,
    /// The pool; for SQLite its readers.
    pub pool: PoolReading,
    /// SQLite's one writer.
    pub writer: Option<PoolReading>,
    /// Size of SQLite's file, in bytes.
    pub file_bytes: Option<u64>,
    /// Size of SQLite's log, in bytes.
    pub wal_bytes: Option<u64>,
}

/// What is known without asking the database: it answers at once, also when the database does not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// `open`, `read_only` (it answers and takes no writes), `away` (open, but it does not answer) or `closed`.
    pub state: &'static str,
    /// Why it is away or takes no writes.
    pub reason: Option<String>,
    /// Which engine.
    pub engine: Engine,
    /// The file, or the URL without its password.
    pub location: String,
    /// The engine's version, while it is open.
    pub version: Option<String>,
    /// When it was opened, UTC.
    pub opened_at: Option<DateTime<Utc>>,
    /// The pool; for SQLite its readers.
    pub pool: Option<PoolReading>,
    /// SQLite's one writer.
    pub writer: Option<PoolReading>,
    /// Calls that are under way.
    pub calls_open: usize,
    /// Calls that succeeded since the process began.
    pub calls_done: u64,
    /// Calls that failed since the process began.
    pub calls_failed: u64,
    /// Audit rows that wait to be written.
    pub audit_waiting: usize,
    /// Audit rows that could not be kept since the process began.
    pub audit_lost: u64,
}

impl Db {
    /// Asks the database now.
    ///
    /// # Errors
    /// [`DbError`]; [`DbError::Unavailable`] while it is not open.
    pub async fn health(&self) -> Result<Health, DbError> {
        let live = self.live().ok_or_else(|| DbError::away("the database is not open"))?;
        let begun = Instant::now();
        let schema_version = Arc::clone(&live).probe(self).await?;
        let latency_ms = begun.elapsed().as_secs_f64() * 1e3;
        let (pool, writer) = live.pools.read_status();
        Ok(Health {
            engine: self.inner.location.engine(),
            version: live.version.clone(),
            schema_version,
            latency_ms,
            pool,
            writer,
            file_bytes: self.side_bytes(""),
            wal_bytes: self.side_bytes("-wal"),
        })
    }

    /// What is known without asking the database.
    pub fn status(&self) -> Status {
        let live = self.live();
        let away = live.as_ref().is_some_and(|live| live.down.load_full().is_some());
        let reason = live.as_ref().and_then(|live| live.turns_away(true)).map(|reason| (*reason).clone());
        let pools = live.as_ref().map(|live| live.pools.read_status());
        let (calls_done, calls_failed) = self.counts();
        Status {
            state: match (&live, &reason) {
                (None, _) => "closed",
                (Some(_), Some(_)) if away => "away",
                (Some(_), Some(_)) => "read_only",
                (Some(_), None) => "open",
            },
            reason,
            engine: self.inner.location.engine(),
            location: self.location(),
            version: live.as_ref().map(|live| live.version.clone()),
            opened_at: live.as_ref().map(|live| live.opened_at),
            pool: pools.map(|(pool, _)| pool),
            writer: pools.and_then(|(_, writer)| writer),
            calls_open: live.as_ref().map_or(0, |live| live.calls.len()),
            calls_done,
            calls_failed,
            audit_waiting: self.inner.audit.waiting(),
            audit_lost: self.inner.audit.lost(),
        }
    }

    /// Known and found migrations, oldest first.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn migrations(&self) -> Result<Vec<MigrationRow>, DbError> {
        let applied = self.call(Op::read("migrations"), async |live| {
            let all = applied_migration::table.select((applied_migration::version, applied_migration::run_on));
            read!(&live.pools, |c| all.load::<(String, chrono::NaiveDateTime)>(c).await)
        });
        Ok(migrate::rows(applied.await?))
    }

    /// Applies pending migrations and tells which those were.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn migrate(&self) -> Result<Vec<String>, DbError> {
        self.live().ok_or_else(|| DbError::away("the database is not open"))?.migrate(self).await
    }

    pub(crate) fn is_sqlite(&self) -> bool {
        self.inner.location.engine() == Engine::Sqlite
    }

    /// Size of SQLite's file (`""`) or of one beside it; none for a server.
    pub(crate) fn side_bytes(&self, suffix: &str) -> Option<u64> {
        let Location::Sqlite { path } = &self.inner.location else { return None };
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        Some(std::fs::metadata(PathBuf::from(name)).map_or(0, |meta| meta.len()))
    }
}
