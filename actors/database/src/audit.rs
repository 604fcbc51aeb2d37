//! The audit log. Recording never fails its caller: rows wait in a bounded queue while the database is away, and what
//! cannot be kept is logged whole and counted.

mod prune;
mod queue;

pub use prune::{AUDIT_KEPT_LEAST, AUDIT_PRUNED_MAX};
pub use queue::AUDIT_WAITING_MAX;
pub(crate) use queue::AuditQueue;

use crate::{
    db::{Db, Op},
    engine::{read, tx},
    error::DbError,
    schema::audit,
    time,
};
use chrono::NaiveDateTime;
use diesel::{ExpressionMethods, Insertable, QueryDsl, Queryable, Selectable, SelectableHelper};
use diesel_async::RunQueryDsl;
use protocol::{
    BoxFuture,
    ports::{AuditLog, AuditRow},
};
use serde_json::{Value, json};

/// Rows written in one transaction.
const BATCH: usize = 64;
/// Longest text in a row, in characters; longer ones are cut.
const TEXT_CHARS_MAX: usize = 512;
/// Longest detail, in bytes of JSON; a longer one is replaced by its length.
const DETAIL_BYTES_MAX: usize = 16 * 1024;
/// Most rows that one look returns.
pub const AUDIT_ROWS_MAX: u32 = 1000;

impl AuditLog for Db {
    /// Returns once the row is committed or, while the database is away, waits in memory for it to come back.
    fn record(&self, row: AuditRow) -> BoxFuture<'_, ()> {
        self.inner.audit.push(fitting(row));
        Box::pin(self.flush_audit())
    }
}

impl Db {
    /// Writes the rows that wait, oldest first. What meets a passing trouble waits on.
    pub(crate) async fn flush_audit(&self) {
        let Some(live) = self.live().filter(|_| self.inner.audit.waiting() > 0) else { return };
        let db = self.clone();
        // A task of its own: cut off between a commit and its note of it, it would write rows twice.
        let flush = live.calls.spawn_on(async move { db.drain_audit().await }, &live.runtime);
        flush.await.unwrap_or_else(|ended| tracing::error!(%ended, "writing audit rows did not finish"));
    }

    async fn drain_audit(&self) {
        let queue = &self.inner.audit;
        let _alone = queue.flushing.lock().await;
        loop {
            let mut batch: Vec<AuditRow> = queue.rows().iter().take(BATCH).cloned().collect();
            if batch.is_empty() {
                return;
            }
            let mut written = self.insert_audit(batch.clone()).await;
            if batch.len() > 1 && written.as_ref().is_err_and(is_the_rows_fault) {
                batch.truncate(1); // the others must not wait behind it
                written = self.insert_audit(batch.clone()).await;
            }
            match written {
                Ok(()) => {}
                Err(error) if is_the_rows_fault(&error) => queue.lose(&batch[0], &error.to_string()),
                Err(_away) => return, // the watcher says that it is away, and flushes when it is back
            }
            queue.rows().drain(..batch.len());
        }
    }

    async fn insert_audit(&self, rows: Vec<AuditRow>) -> Result<(), DbError> {
        self.call(Op::write("audit.record"), async move |live| {
            tx!(&live.pools, |c| {
                // diesel cannot insert several rows at once into SQLite over an asynchronous connection.
                for row in &rows {
                    diesel::insert_into(audit::table).values(NewRow::from(row)).execute(c).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// The newest audit rows, newest first; at most [`AUDIT_ROWS_MAX`].
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn audit_rows(&self, limit: u32) -> Result<Vec<AuditRow>, DbError> {
        let limit = i64::from(limit.min(AUDIT_ROWS_MAX));
        let rows = self.call(Op::read("audit.list"), async move |live| {
            read!(&live.pools, |c| audit::table
                .select(Row::as_select())
                .order(audit::id.desc())
                .limit(limit)
                .load::<Row>(c)
                .await)
        });
        Ok(rows.await?.into_iter().map(AuditRow::from).collect())
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = audit, check_for_backend(diesel::pg::Pg, diesel::sqlite::Sqlite))]
struct Row {
    at: NaiveDateTime,
    actor: String,
    action: String,
    target: String,
    detail: Value,
    outcome: String,
}

impl From<Row> for AuditRow {
    fn from(row: Row) -> Self {
        let Row { at, actor, action, target, detail, outcome } = row;
        Self { at: at.and_utc(), actor, action, target, detail, outcome }
    }
}

#[derive(Insertable)]
#[diesel(table_name = audit)]
struct NewRow<'a> {
    at: NaiveDateTime,
    actor: &'a str,
    action: &'a str,
    target: &'a str,
    detail: &'a Value,
    outcome: &'a str,
}

impl<'a> From<&'a AuditRow> for NewRow<'a> {
    fn from(row: &'a AuditRow) -> Self {
        Self {
            at: time::stored(row.at),
            actor: &row.actor,
            action: &row.action,
            target: &row.target,
            detail: &row.detail,
            outcome: &row.outcome,
        }
    }
}

/// Whether repeating the insert can never help. An unknown outcome is repeated: a row twice is better than none.
fn is_the_rows_fault(error: &DbError) -> bool {
    matches!(error, DbError::Conflict { .. } | DbError::Other(_))
}

/// `row` cut to what the table takes: bounded, and without the NUL that PostgreSQL has no place for.
fn fitting(row: AuditRow) -> AuditRow {
    let text =
        |text: String| text.chars().take(TEXT_CHARS_MAX).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect();
    let bytes = row.detail.to_string().len();
    AuditRow {
        at: row.at,
        actor: text(row.actor),
        action: text(row.action),
        target: text(row.target),
        detail: if bytes > DETAIL_BYTES_MAX { json!({ "left_out_bytes": bytes }) } else { row.detail },
        outcome: text(row.outcome),
    }
}
