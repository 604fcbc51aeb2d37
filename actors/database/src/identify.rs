//! The IDENTIFY budget: one row each, written before it is sent. Discord resets the token of a bot that sends more than
//! 1,000 in 24 hours, whatever its restarts.

use crate::{
    db::{Db, Op},
    engine::{read, tx, write},
    error::DbError,
    raw::CountLock,
    schema::identify,
    time,
};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use protocol::{
    BoxFuture,
    ports::{IdentifyAsk, IdentifyGrant, IdentifyLedger, NotNow},
};
use std::{sync::Arc, time::Duration};

/// Discord's window for counting IDENTIFYs.
pub const IDENTIFY_WINDOW: TimeDelta = TimeDelta::hours(24);

impl IdentifyLedger for Db {
    /// Counts and inserts in one transaction under a lock, so that two shards cannot both take the last one. A clock that
    /// went backwards leaves rows in the future: they count.
    fn take(&self, ask: IdentifyAsk, now: DateTime<Utc>) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>> {
        Box::pin(async move { Ok(self.take_identify(ask, now).await?) })
    }
}

impl Db {
    async fn take_identify(&self, ask: IdentifyAsk, now: DateTime<Utc>) -> Result<IdentifyGrant, DbError> {
        let IdentifyAsk { shard, limit, .. } = ask;
        let spacing = TimeDelta::from_std(ask.spacing).unwrap_or(IDENTIFY_WINDOW);
        let clock = Arc::clone(&self.inner.clock);
        let asked = clock.now();
        self.call(Op::write("identify.take"), async move |live| {
            tx!(&live.pools, |c| {
                c.lock_identify().await?;
                // It is sent once this is granted, however long that took.
                let now = now + (clock.now() - asked).max(TimeDelta::zero());
                let (at, cutoff) = (time::stored(now), time::stored(now - IDENTIFY_WINDOW));
                let (earliest, latest) = (time::stored(now - spacing), time::stored(now + spacing));
                let counted = identify::table.filter(identify::at.gt(cutoff)).count();
                let used = u32::try_from(counted.get_result::<i64>(c).await?).unwrap_or(u32::MAX);
                if used < limit {
                    let near = identify::table.filter(identify::at.gt(earliest)).filter(identify::at.lt(latest));
                    let near = near.select((identify::shard, identify::at));
                    let near: Vec<(i64, NaiveDateTime)> = near.load(c).await?;
                    if let Some(retry_after) = closed_for(ask, &near, at) {
                        return Ok(IdentifyGrant::TooSoon { retry_after });
                    }
                    let row = (identify::shard.eq(i64::from(shard)), identify::at.eq(at));
                    diesel::insert_into(identify::table).values(row).execute(c).await?;
                    return Ok(IdentifyGrant::Granted { used: used + 1 });
                }
                // There is room again once all but `limit - 1` of them are out of the window.
                let blocking = i64::from(used.saturating_sub(limit.max(1)));
                let oldest = identify::table
                    .filter(identify::at.gt(cutoff))
                    .order(identify::at.asc())
                    .select(identify::at)
                    .offset(blocking)
                    .limit(1);
                let oldest = oldest.get_result::<NaiveDateTime>(c).await.optional()?;
                let retry_at = oldest.map_or(now, |at| at.and_utc()) + IDENTIFY_WINDOW;
                Ok(IdentifyGrant::Exhausted { retry_at, used })
            })
        })
        .await
    }

    /// How many IDENTIFYs were taken after `since`.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn identifies_since(&self, since: DateTime<Utc>) -> Result<u32, DbError> {
        let since = time::stored(since);
        let count = self.call(Op::read("identify.count"), async move |live| {
            let counted = identify::table.filter(identify::at.gt(since)).count();
            read!(&live.pools, |c| counted.get_result::<i64>(c).await)
        });
        Ok(u32::try_from(count.await?).unwrap_or(u32::MAX))
    }

    /// Forgets IDENTIFYs of `older_than` and before, and tells how many. What still counts is kept, whatever is asked.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn prune_identifies(&self, older_than: DateTime<Utc>) -> Result<u64, DbError> {
        let cutoff = time::stored(older_than.min(self.inner.clock.now() - IDENTIFY_WINDOW));
        let gone = self.call(Op::write("identify.prune"), async move |live| {
            write!(&live.pools, |c| diesel::delete(identify::table.filter(identify::at.le(cutoff))).execute(c).await)
        });
        Ok(gone.await? as u64)
    }
}

/// How long the bucket that `ask` is for stays closed after those of `near`, shard and time; none if it is open. By a clock
/// that went back a little it is closed for two distances at most; one that went back further is not noticed.
fn closed_for(ask: IdentifyAsk, near: &[(i64, NaiveDateTime)], now: NaiveDateTime) -> Option<Duration> {
    let buckets = i64::from(ask.buckets.max(1));
    let ours = near.iter().filter(|(shard, _)| shard % buckets == i64::from(ask.shard) % buckets);
    let last = ours.map(|(_, at)| *at).max()?;
    let since = (now - last).to_std().unwrap_or_default();
    ask.spacing.checked_sub(since).filter(|left| !left.is_zero())
}
