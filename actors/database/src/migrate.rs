//! Embedded migrations: which there are, which are applied, and bringing a database up to date.

use crate::{
    error::{self, DbError, Trouble},
    location::Location,
};
use chrono::{DateTime, Utc};
use diesel::{Connection as _, SqliteConnection, backend::Backend, migration::MigrationSource, sqlite::Sqlite};
use diesel_async::{AsyncPgConnection, async_connection_wrapper::AsyncConnectionWrapper};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use serde::Serialize;

pub(crate) const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
pub(crate) const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// One migration, known to this program or found in the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MigrationRow {
    /// Its sortable version.
    pub version: String,
    /// `<date>-<number>_<name>`; none when this program does not know it.
    pub name: Option<String>,
    /// When it was applied, UTC; none while it is pending.
    pub applied_at: Option<DateTime<Utc>>,
}

/// A migration that this program has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) version: String,
    pub(crate) name: String,
}

/// The migrations embedded for SQLite, oldest first; PostgreSQL has the same by test.
pub(crate) fn known() -> Vec<Known> {
    names::<Sqlite>(&SQLITE)
}

pub(crate) fn names<DB: Backend>(source: &EmbeddedMigrations) -> Vec<Known> {
    let all = MigrationSource::<DB>::migrations(source).unwrap_or_default();
    let known = |name: &dyn diesel::migration::MigrationName| Known {
        version: name.version().to_string(),
        name: name.to_string(),
    };
    let mut all: Vec<Known> = all.iter().map(|migration| known(migration.name())).collect();
    all.sort_by(|a, b| a.version.cmp(&b.version));
    all
}

/// Refuses a database that a newer program has migrated: its tables may mean something else by now.
pub(crate) fn refuse_newer(applied: &[String], at: &Location) -> Result<(), DbError> {
    let known = known();
    let unknown: Vec<&str> =
        applied.iter().filter(|version| known.iter().all(|k| k.version != **version)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(DbError::Newer(format!(
        "{at} was written by a newer version of impresario (migration {}; this one ends at {}) and was left as it is; \
         run that version or a newer one, or point database.url at another database",
        unknown.join(", "),
        known.last().map_or("none", |last| &last.version),
    )))
}

/// Applies what is pending, all in one transaction, and tells what that was.
pub(crate) fn sqlite(conn: &mut SqliteConnection, at: &Location) -> Result<Vec<String>, DbError> {
    conn.immediate_transaction(|conn| run(conn, SQLITE, at)).map_err(|trouble| explain(trouble, at))
}

/// As [`sqlite`]; a second program that starts at the same time waits for the first one's end.
pub(crate) async fn postgres(conn: AsyncPgConnection, at: &Location) -> Result<Vec<String>, DbError> {
    let (mut conn, location) = (AsyncConnectionWrapper::<AsyncPgConnection>::from(conn), at.clone());
    // The migration runner is synchronous; its connection blocks a thread made for that.
    let work = tokio::task::spawn_blocking(move || {
        conn.transaction(|conn| {
            crate::raw::wait_for_migration_lock(conn)?;
            run(conn, POSTGRES, &location)
        })
    });
    let ran = work.await.map_err(|panic| DbError::Other(format!("the migration of {at} did not finish: {panic}")))?;
    ran.map_err(|trouble| explain(trouble, at))
}

fn run<DB: Backend>(
    conn: &mut impl MigrationHarness<DB>,
    source: EmbeddedMigrations,
    at: &Location,
) -> Result<Vec<String>, Trouble> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| match error::by_message(&error.to_string(), at) {
        DbError::Other(message) => DbError::Other(format!(
            "the migration failed and nothing of it was kept; report it with this sentence: {message}"
        )),
        other => other,
    };
    let applied = conn.applied_migrations().map_err(failed)?;
    refuse_newer(&applied.iter().map(ToString::to_string).collect::<Vec<_>>(), at)?;
    let ran = conn.run_pending_migrations(source).map_err(failed)?;
    Ok(ran.iter().map(ToString::to_string).collect())
}

fn explain(trouble: Trouble, at: &Location) -> DbError {
    trouble.explain(at, std::time::Duration::ZERO)
}

/// Known and found migrations side by side, oldest first.
pub(crate) fn rows(applied: Vec<(String, chrono::NaiveDateTime)>) -> Vec<MigrationRow> {
    let known = known();
    let name_of = |version: &str| known.iter().find(|k| k.version == version).map(|k| k.name.clone());
    let is_applied = |version: &str| applied.iter().any(|(v, _)| v == version);
    let pending = known.iter().filter(|k| !is_applied(&k.version)).map(|k| MigrationRow {
        version: k.version.clone(),
        name: Some(k.name.clone()),
        applied_at: None,
    });
    let mut rows: Vec<MigrationRow> = pending.collect();
    rows.extend(applied.iter().map(|(version, at)| MigrationRow {
        version: version.clone(),
        name: name_of(version),
        applied_at: Some(at.and_utc()),
    }));
    rows.sort_by(|a, b| a.version.cmp(&b.version));
    rows
}
