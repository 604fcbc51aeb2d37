//! Retention: old audit rows are forgotten, a bounded number at a time.

use crate::{
    db::{Db, Op},
    engine::tx,
    error::DbError,
    schema::audit,
    time,
};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods, QueryDsl};
use diesel_async::RunQueryDsl;

/// Rows younger than this are kept, whatever is asked: what happened last is what somebody looks for.
pub const AUDIT_KEPT_LEAST: TimeDelta = TimeDelta::days(1);
/// Most rows that one call deletes: SQLite has one connection that writes, and others wait for it meanwhile.
pub const AUDIT_PRUNED_MAX: u32 = 1_000;

impl Db {
    /// Forgets the oldest audit rows of `older_than` and before, [`AUDIT_PRUNED_MAX`] at most, and tells how many. Fewer
    /// than that: there are no more. What is younger than [`AUDIT_KEPT_LEAST`] is kept, whatever is asked.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn prune_audit(&self, older_than: DateTime<Utc>) -> Result<u64, DbError> {
        let cutoff = time::stored(older_than.min(self.inner.clock.now() - AUDIT_KEPT_LEAST));
        let gone = self.call(Op::write("audit.prune"), async move |live| {
            tx!(&live.pools, |c| {
                let oldest = audit::table.filter(audit::at.le(cutoff)).order((audit::at, audit::id));
                let ids: Vec<i64> = oldest.select(audit::id).limit(i64::from(AUDIT_PRUNED_MAX)).load(c).await?;
                Ok(diesel::delete(audit::table.filter(audit::id.eq_any(ids))).execute(c).await?)
            })
        });
        Ok(gone.await? as u64)
    }
}
