//! The few statements that diesel's DSL cannot say. Nothing here is built from values of users.

use crate::{engine::LiteConn, error::Trouble};
use diesel::{QueryableByName, SqliteConnection, connection::SimpleConnection, sql_query, sql_types::Text};
use diesel_async::{
    AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection, async_connection_wrapper::AsyncConnectionWrapper,
};

/// Names the lock that migrations take on PostgreSQL ("impr" and a number of ours).
const MIGRATION_LOCK: &str = "SELECT pg_advisory_xact_lock(1768779890, 1)";
/// Names the lock under which IDENTIFYs are counted.
const IDENTIFY_LOCK: &str = "SELECT pg_advisory_xact_lock(1768779890, 2)";

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Serialises a count and the insert that depends on it.
pub(crate) trait CountLock {
    /// Holds until the transaction ends.
    fn lock_identify(&mut self) -> impl Future<Output = Result<(), Trouble>> + Send;
}

impl CountLock for LiteConn {
    /// `BEGIN IMMEDIATE` has the file's only write lock already.
    async fn lock_identify(&mut self) -> Result<(), Trouble> {
        Ok(())
    }
}

impl CountLock for AsyncPgConnection {
    async fn lock_identify(&mut self) -> Result<(), Trouble> {
        Ok(SimpleAsyncConnection::batch_execute(self, IDENTIFY_LOCK).await?)
    }
}

/// Waits until no other program migrates this database.
pub(crate) fn wait_for_migration_lock(conn: &mut AsyncConnectionWrapper<AsyncPgConnection>) -> Result<(), Trouble> {
    Ok(SimpleConnection::batch_execute(conn, MIGRATION_LOCK)?)
}

/// What SQLite finds wrong with its file; empty when nothing is. Reads the whole file.
pub(crate) fn quick_check(conn: &mut SqliteConnection) -> Result<Vec<String>, diesel::result::Error> {
    let lines: Vec<Line> =
        diesel::RunQueryDsl::load(sql_query("SELECT quick_check AS line FROM pragma_quick_check LIMIT 5"), conn)?;
    Ok(lines.into_iter().map(|row| row.line).filter(|line| line != "ok").collect())
}

/// The names of the tables in a SQLite file, SQLite's own left out.
pub(crate) fn tables(conn: &mut SqliteConnection) -> Result<Vec<String>, diesel::result::Error> {
    let lines: Vec<Line> = diesel::RunQueryDsl::load(
        sql_query("SELECT name AS line FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"),
        conn,
    )?;
    Ok(lines.into_iter().map(|row| row.line).collect())
}

/// The engine's version, as it names itself.
pub(crate) trait EngineVersion {
    /// Asks it.
    fn engine_version(&mut self) -> impl Future<Output = Result<String, diesel::result::Error>> + Send;
}

impl EngineVersion for LiteConn {
    async fn engine_version(&mut self) -> Result<String, diesel::result::Error> {
        let line: Line = RunQueryDsl::get_result(sql_query("SELECT sqlite_version() AS line"), self).await?;
        Ok(line.line)
    }
}

impl EngineVersion for AsyncPgConnection {
    async fn engine_version(&mut self) -> Result<String, diesel::result::Error> {
        let line: Line =
            RunQueryDsl::get_result(sql_query("SELECT current_setting('server_version') AS line"), self).await?;
        Ok(line.line)
    }
}
