//! The IDENTIFY budget: one row each, written before it is sent. Discord resets the token of a bot that sends more than
//! 1,000 in 24 hours, whatever its restarts.

mod jump;

use crate::{
    db::{Db, Op},
    engine::{read, tx},
    error::DbError,
    raw::CountLock,
    schema::{identify, identify_clock},
    time,
};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl};
use diesel_async::RunQueryDsl;
use jump::{Jump, Reading};
use protocol::{
    BoxFuture,
    ports::{IdentifyAsk, IdentifyGrant, IdentifyLedger, NotNow},
};
use std::{sync::Arc, time::Duration};

/// Discord's window for counting IDENTIFYs.
pub const IDENTIFY_WINDOW: TimeDelta = TimeDelta::hours(24);

/// What the wall clock has done since the last IDENTIFY was written down; for a connection of either engine, under the lock.
macro_rules! jumped {
    ($c:expr, $reading:expr, $now:expr) => {{
        let anchor = identify_clock::table
            .select((identify_clock::boot, identify_clock::up_ms, identify_clock::at))
            .first::<(String, i64, NaiveDateTime)>($c)
            .await
            .optional()?;
        let newest = identify::table.order(identify::at.desc()).select(identify::at).limit(1);
        let newest = newest.get_result::<NaiveDateTime>($c).await.optional()?;
        jump::since(anchor.as_ref(), $reading, newest, $now)
    }};
}

impl IdentifyLedger for Db {
    /// Counts and inserts in one transaction under a lock, so that two shards cannot both take the last one. When the wall
    /// clock has jumped since the last one, the rows are moved along: each keeps its age, so that nobody waits for a time
    /// that never comes and none is forgotten before its 24 hours are over.
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
                let reading = Reading::of(&*clock);
                match jumped!(c, &reading, time::stored(now)) {
                    None => {}
                    Some(Jump::By(jump)) => {
                        tracing::warn!(
                            seconds = jump.num_seconds(),
                            "the wall clock has jumped by {} s since the last IDENTIFY: those before keep their age",
                            jump.num_seconds()
                        );
                        let rows = identify::table.select((identify::id, identify::at)).order(identify::at.desc());
                        let rows: Vec<(i64, NaiveDateTime)> = rows.limit(jump::ROWS_MAX).load(c).await?;
                        for (id, at) in rows {
                            let moved = at.checked_add_signed(jump).unwrap_or(at);
                            diesel::update(identify::table.find(id)).set(identify::at.eq(moved)).execute(c).await?;
                        }
                    }
                    Some(Jump::Ahead(ahead)) => {
                        tracing::warn!(
                            seconds = ahead.num_seconds(),
                            "the last IDENTIFY is written down as {} s from now, by another clock: it counts as new",
                            ahead.num_seconds()
                        );
                        let now = time::stored(now);
                        let future = identify::table.filter(identify::at.gt(now));
                        diesel::update(future).set(identify::at.eq(now)).execute(c).await?;
                    }
                }
                diesel::delete(identify_clock::table).execute(c).await?;
                let anchor = (
                    identify_clock::id.eq(1),
                    identify_clock::boot.eq(&reading.boot),
                    identify_clock::up_ms.eq(reading.up_ms),
                    identify_clock::at.eq(reading.at),
                );
                diesel::insert_into(identify_clock::table).values(anchor).execute(c).await?;
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

    /// Forgets IDENTIFYs of `older_than` and before, and tells how many. What still counts is kept, whatever is asked; all
    /// are when the wall clock has jumped since the last one, until the next IDENTIFY has moved them along.
    ///
    /// # Errors
    /// [`DbError`].
    pub async fn prune_identifies(&self, older_than: DateTime<Utc>) -> Result<u64, DbError> {
        let clock = Arc::clone(&self.inner.clock);
        let gone = self.call(Op::write("identify.prune"), async move |live| {
            tx!(&live.pools, |c| {
                c.lock_identify().await?;
                let reading = Reading::of(&*clock);
                if jumped!(c, &reading, reading.at).is_some() {
                    return Ok(0); // how old they are is known once they have been moved along
                }
                let cutoff = time::stored(older_than).min(reading.at - IDENTIFY_WINDOW);
                Ok(diesel::delete(identify::table.filter(identify::at.le(cutoff))).execute(c).await?)
            })
        });
        Ok(gone.await? as u64)
    }
}

/// How long the bucket that `ask` is for stays closed after those of `near`, shard and time; none if it is open. By a clock
/// that went back by less than is taken for a jump it is closed for two distances at most.
fn closed_for(ask: IdentifyAsk, near: &[(i64, NaiveDateTime)], now: NaiveDateTime) -> Option<Duration> {
    let buckets = i64::from(ask.buckets.max(1));
    let ours = near.iter().filter(|(shard, _)| shard % buckets == i64::from(ask.shard) % buckets);
    let last = ours.map(|(_, at)| *at).max()?;
    let since = (now - last).to_std().unwrap_or_default();
    ask.spacing.checked_sub(since).filter(|left| !left.is_zero())
}
