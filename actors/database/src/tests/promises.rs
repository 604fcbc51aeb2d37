//! What both engines promise. SQLite runs each fact as a test; `server.rs` runs all of them on PostgreSQL.

use super::world::{TestClock, close, file, fresh, handle, open, until};
use crate::{AUDIT_PRUNED_MAX, AUDIT_WAITING_MAX, CALLS_MAX, Db, DbError, IDENTIFY_WINDOW, engine::Pools};
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::RunQueryDsl;
use futures_util::FutureExt;
use protocol::{
    Class, Clock,
    id::GuildId,
    ports::{AuditLog, AuditRow, IdentifyAsk, IdentifyGrant, IdentifyLedger},
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// A real snowflake: larger than 32 bits and than a double's 53.
const GUILD: GuildId = GuildId::new(1_180_351_110_224_678_912);

macro_rules! facts {
    ($($fact:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $fact() {
                let (_folder, db) = super::fresh().await;
                super::$fact(db).await;
            })*
        }

        /// Every fact by name, for a server.
        pub(super) async fn all(fresh: impl AsyncFn() -> Db) {
            $(
                println!("postgres: {}", stringify!($fact));
                $fact(fresh().await).await;
            )*
        }
    };
}

facts![
    a_guild_without_a_row_has_no_config,
    a_prefix_is_set_replaced_and_taken_back,
    prefixes_that_are_set_are_read_at_once_up_to_a_limit,
    a_prefix_out_of_bounds_is_a_conflict,
    fifty_takes_at_once_never_exceed_the_limit,
    two_of_one_bucket_keep_their_distance_whoever_takes_them,
    an_ask_for_the_distance_of_the_whole_window_takes_none_while_one_counts,
    an_identify_leaves_the_window_after_24_hours,
    pruning_keeps_what_still_counts,
    audit_rows_come_back_newest_first_and_whole,
    old_audit_rows_are_forgotten_the_oldest_first_and_the_last_day_is_kept,
    an_audit_row_that_does_not_fit_is_cut_and_never_holds_up_others,
    health_tells_version_and_schema,
    every_known_migration_is_applied_and_dated,
    a_caller_that_stops_waiting_cancels_no_write,
    opening_again_migrates_nothing,
    an_audit_row_is_written_once_although_nobody_waits_for_it,
];

async fn a_guild_without_a_row_has_no_config(db: Db) {
    assert_eq!(db.guild_config(GUILD).await, Ok(None));
}

async fn a_prefix_is_set_replaced_and_taken_back(db: Db) {
    for prefix in [Some("?"), Some("§ bot, "), None, Some("32 characters, all of them äöü!!")] {
        let set = db.set_prefix(GUILD, prefix).await.unwrap();
        assert_eq!((set.guild_id, set.prefix.as_deref()), (GUILD, prefix));
        assert_eq!(set.updated_at, db.inner.clock.now());
        assert_eq!(db.guild_config(GUILD).await.unwrap(), Some(set));
    }
    assert_eq!(db.guild_config(GuildId::new(1)).await, Ok(None));
}

async fn prefixes_that_are_set_are_read_at_once_up_to_a_limit(db: Db) {
    let id = |n: u64| GuildId::new(u64::MAX / 2 - n);
    for (n, prefix) in [(1, Some("?")), (2, None), (3, Some("$"))] {
        db.set_prefix(id(n), prefix).await.unwrap();
    }
    let mut all = db.guild_prefixes(10).await.unwrap();
    all.sort();
    assert_eq!(all, [(id(3), "$".to_owned()), (id(1), "?".to_owned())]);
    assert_eq!(db.guild_prefixes(1).await.unwrap().len(), 1);
}

async fn a_prefix_out_of_bounds_is_a_conflict(db: Db) {
    for bad in ["", "123456789012345678901234567890123", "a\0b"] {
        let error = db.set_prefix(GUILD, Some(bad)).await.unwrap_err();
        assert_eq!((error.kind(), error.class()), ("conflict", Class::Reject), "{bad:?}");
    }
    assert_eq!(db.guild_config(GUILD).await, Ok(None));
}

/// Of shards that have a bucket each.
fn ask(shard: u32, limit: u32) -> IdentifyAsk {
    IdentifyAsk { shard, limit, buckets: 1_000, spacing: Duration::from_secs(5) }
}

async fn two_of_one_bucket_keep_their_distance_whoever_takes_them(db: Db) {
    let start = db.inner.clock.now();
    let at = |millis: i64| start + TimeDelta::milliseconds(millis);
    let take = |shard, millis| db.take(IdentifyAsk { buckets: 2, ..ask(shard, 900) }, at(millis));
    let too_soon = |millis| Ok(IdentifyGrant::TooSoon { retry_after: Duration::from_millis(millis) });
    assert_eq!(take(0, 0).await, Ok(IdentifyGrant::Granted { used: 1 }));
    assert_eq!(take(2, 1).await, too_soon(4_999), "the same bucket");
    assert_eq!(take(1, 1).await, Ok(IdentifyGrant::Granted { used: 2 }), "the other one");
    assert_eq!(take(0, 4_999).await, too_soon(1));
    assert_eq!(take(0, 5_000).await, Ok(IdentifyGrant::Granted { used: 3 }));
    // By a clock that went back a little the bucket opens after one distance; by one that went back far, at once.
    assert_eq!(take(2, 3_000).await, too_soon(5_000));
    assert_eq!(take(2, -60_000).await, Ok(IdentifyGrant::Granted { used: 4 }));
}

async fn an_ask_for_the_distance_of_the_whole_window_takes_none_while_one_counts(db: Db) {
    let now = db.inner.clock.now();
    let at = |hours: i64| now + TimeDelta::hours(hours);
    let whole = |limit| IdentifyAsk { buckets: 1, spacing: IDENTIFY_WINDOW.to_std().unwrap(), ..ask(0, limit) };
    for hours in [-20, -10] {
        db.take(ask(7, 900), at(hours)).await.unwrap();
    }
    assert_eq!(db.take(whole(2), now).await, Ok(IdentifyGrant::Exhausted { retry_at: at(4), used: 2 }));
    let room = db.take(whole(2), at(5)).await;
    assert!(matches!(room, Ok(IdentifyGrant::TooSoon { .. })), "the oldest has left the window: {room:?}");
    assert_eq!(db.identifies_since(at(-24)).await, Ok(2));
}

async fn fifty_takes_at_once_never_exceed_the_limit(db: Db) {
    let now = db.inner.clock.now();
    let mut takes = JoinSet::new();
    for shard in 0..50 {
        let db = db.clone();
        takes.spawn(async move { db.take(ask(shard, 20), now).await.unwrap() });
    }
    let mut granted = Vec::new();
    while let Some(grant) = takes.join_next().await {
        match grant.unwrap() {
            IdentifyGrant::Granted { used } => granted.push(used),
            IdentifyGrant::Exhausted { used, retry_at } => {
                assert_eq!((used, retry_at), (20, now + IDENTIFY_WINDOW));
            }
            IdentifyGrant::TooSoon { .. } => panic!("each has a bucket of its own"),
        }
    }
    granted.sort_unstable();
    assert_eq!(granted, (1..=20).collect::<Vec<_>>(), "each grant has its own number");
    assert_eq!(db.identifies_since(now - TimeDelta::seconds(1)).await, Ok(20));
}

async fn an_identify_leaves_the_window_after_24_hours(db: Db) {
    let first: DateTime<Utc> = "2026-05-01T00:00:00Z".parse().unwrap();
    let at = |hours: i64| first + TimeDelta::hours(hours);
    assert_eq!(db.take(ask(0, 2), at(0)).await, Ok(IdentifyGrant::Granted { used: 1 }));
    assert_eq!(db.take(ask(0, 2), at(1)).await, Ok(IdentifyGrant::Granted { used: 2 }));
    let full = IdentifyGrant::Exhausted { retry_at: at(24), used: 2 };
    assert_eq!(db.take(ask(1, 2), at(23)).await, Ok(full));
    assert_eq!(db.take(ask(1, 2), at(24) - TimeDelta::milliseconds(1)).await, Ok(full));
    assert_eq!(db.take(ask(1, 2), at(24)).await, Ok(IdentifyGrant::Granted { used: 2 }));
    // A limit that was lowered waits for as many as are too many; a clock that went back forgets nothing.
    assert_eq!(db.take(ask(1, 1), at(24)).await, Ok(IdentifyGrant::Exhausted { retry_at: at(48), used: 2 }));
    assert_eq!(db.take(ask(1, 2), at(-3)).await, Ok(IdentifyGrant::Exhausted { retry_at: at(25), used: 3 }));
    assert_eq!(db.take(ask(1, 0), at(100)).await, Ok(IdentifyGrant::Exhausted { retry_at: at(124), used: 0 }));
}

async fn pruning_keeps_what_still_counts(db: Db) {
    let now = db.inner.clock.now();
    for hours in [80, 30, 24, 23, 0] {
        db.take(ask(0, 900), now - TimeDelta::hours(hours)).await.unwrap();
    }
    assert_eq!(db.prune_identifies(now - TimeDelta::hours(48)).await, Ok(1));
    assert_eq!(db.prune_identifies(now + TimeDelta::hours(48)).await, Ok(2), "those of 30 and 24 hours ago");
    assert_eq!(db.identifies_since(DateTime::UNIX_EPOCH).await, Ok(2));
}

fn row(n: usize) -> AuditRow {
    AuditRow {
        at: TestClock::new().now(),
        actor: "uid 1000 (pid 4711)".to_owned(),
        action: "actor.kill".to_owned(),
        target: format!("gateway/shard-{n}"),
        detail: json!({ "force": true, "n": n, "text": "naïve ' \" \\ ✓" }),
        outcome: "done".to_owned(),
    }
}

async fn old_audit_rows_are_forgotten_the_oldest_first_and_the_last_day_is_kept(db: Db) {
    let now = db.inner.clock.now();
    let old = AUDIT_PRUNED_MAX as usize + 2;
    for n in 0..old {
        let at = now - TimeDelta::days(400) - TimeDelta::seconds(i64::try_from(n).unwrap());
        db.inner.audit.push(AuditRow { at, ..row(n) });
        if n % 200 == 0 {
            db.flush_audit().await; // the queue has a bound
        }
    }
    for days in [300, 2, 0] {
        db.record(AuditRow { at: now - TimeDelta::days(days), ..row(0) }).await;
    }
    until("all are written", async || db.status().audit_waiting == 0).await;
    let year = now - TimeDelta::days(365);
    assert_eq!(db.prune_audit(year).await, Ok(u64::from(AUDIT_PRUNED_MAX)), "a bounded number at a time");
    let newest_of_old = db.audit_rows(5).await.unwrap();
    assert!(newest_of_old[3].at < year && newest_of_old[3].target.ends_with("shard-1"), "{newest_of_old:?}");
    assert_eq!(db.prune_audit(year).await, Ok(2));
    assert_eq!(db.prune_audit(year).await, Ok(0));
    assert_eq!(db.prune_audit(now + TimeDelta::days(9)).await, Ok(2), "those of 300 and 2 days ago");
    assert_eq!(db.audit_rows(9).await.unwrap().len(), 1, "the last day is kept, whatever is asked");
}

async fn audit_rows_come_back_newest_first_and_whole(db: Db) {
    for n in 0..5 {
        db.record(row(n)).await;
    }
    let rows = db.audit_rows(3).await.unwrap();
    assert_eq!(rows, vec![row(4), row(3), row(2)]);
    assert_eq!(db.audit_rows(u32::MAX).await.unwrap().len(), 5);
}

async fn an_audit_row_is_written_once_although_nobody_waits_for_it(db: Db) {
    for n in 0..100 {
        // Polled once, then dropped: at each of its await points in turn, as the machine pleases.
        tokio::time::timeout(Duration::from_micros(n * 37), db.record(row(n as usize))).await.ok();
    }
    until("all are written", async || db.status().audit_waiting == 0).await;
    let rows = db.audit_rows(1000).await.unwrap();
    let targets: Vec<String> = rows.into_iter().map(|row| row.target).rev().collect();
    assert_eq!(targets, (0..100).map(|n| row(n).target).collect::<Vec<_>>());
}

async fn an_audit_row_that_does_not_fit_is_cut_and_never_holds_up_others(db: Db) {
    let mut big = row(0);
    big.actor = "a\0".repeat(400);
    big.detail = json!("x".repeat(100_000));
    let live = db.live().unwrap();
    db.unpublish(&live);
    db.record(row(1)).await;
    db.record(big).await;
    db.record(row(2)).await;
    assert_eq!(db.status().audit_waiting, 3);
    db.publish(live);
    db.record(row(3)).await;
    let rows = db.audit_rows(10).await.unwrap();
    let targets: Vec<&str> = rows.iter().map(|row| row.target.as_str()).collect();
    assert_eq!(targets, ["gateway/shard-3", "gateway/shard-2", "gateway/shard-0", "gateway/shard-1"]);
    assert_eq!(rows[2].actor.chars().count(), 512);
    assert_eq!(rows[2].detail, json!({ "left_out_bytes": 100_002 }));
    assert_eq!((db.status().audit_waiting, db.status().audit_lost), (0, 0));
}

async fn health_tells_version_and_schema(db: Db) {
    let health = db.health().await.unwrap();
    assert_eq!(health.engine, db.inner.location.engine());
    assert!(health.version.starts_with(|c: char| c.is_ascii_digit()), "{}", health.version);
    assert_eq!(health.schema_version, crate::migrate::known().pop().map(|last| last.version));
    assert_eq!((health.pool.in_use, health.pool.waiting), (0, 0));
    assert_eq!(health.file_bytes.is_some_and(|bytes| bytes > 0), db.is_sqlite());
}

async fn every_known_migration_is_applied_and_dated(db: Db) {
    let rows = db.migrations().await.unwrap();
    let known = crate::migrate::known();
    assert_eq!(rows.len(), known.len());
    assert!(rows.iter().all(|row| row.applied_at.is_some() && row.name.is_some()), "{rows:?}");
    assert_eq!(db.migrate().await, Ok(vec![]));
}

async fn a_caller_that_stops_waiting_cancels_no_write(db: Db) {
    db.set_prefix(GUILD, Some("late")).now_or_never(); // polled once, then dropped
    until("the write of a caller that gave up", async || {
        db.guild_config(GUILD).await.unwrap().is_some_and(|config| config.prefix.as_deref() == Some("late"))
    })
    .await;
}

async fn opening_again_migrates_nothing(db: Db) {
    db.set_prefix(GUILD, Some("!")).await.unwrap();
    let second = crate::live::open(&db, Duration::ZERO).await.unwrap();
    db.publish(second);
    assert!(db.guild_config(GUILD).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_readers_cannot_write() {
    let (_folder, db) = fresh().await;
    let live = db.live().unwrap();
    let Pools::Lite { read, .. } = &live.pools else { panic!("not SQLite") };
    let mut conn = read.get().await.unwrap();
    let error = diesel::delete(crate::schema::identify::table).execute(&mut conn).await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_writer_times_out_its_callers_and_readers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = super::world::config("sqlite://bot.db");
    config.acquire_ms = 50;
    let db = Db::new(config, folder.path(), Arc::new(TestClock::new())).unwrap();
    let live = open(&db).await.unwrap();
    let Pools::Lite { write, .. } = &live.pools else { panic!("not SQLite") };
    let held = write.get().await.unwrap();
    let error = db.set_prefix(GUILD, Some("?")).await.unwrap_err();
    assert_eq!((error.kind(), error.class()), ("timeout", Class::Retry), "{error}");
    assert_eq!(db.guild_config(GUILD).await, Ok(None));
    drop(held);
    db.set_prefix(GUILD, Some("?")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_bound_are_turned_away_at_once() {
    let (_folder, db) = fresh().await;
    let live = db.live().unwrap();
    let Pools::Lite { write, .. } = &live.pools else { panic!("not SQLite") };
    let held = write.get().await.unwrap();
    for _ in 0..CALLS_MAX {
        db.set_prefix(GUILD, Some("?")).now_or_never(); // waits for the writer
    }
    let error = db.guild_config(GUILD).now_or_never().unwrap().unwrap_err();
    assert_eq!(error.kind(), "timeout", "{error}");
    drop(held);
    until("there is room again", async || db.guild_config(GUILD).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_survive_closing_and_reopening() {
    let (folder, db) = fresh().await;
    db.set_prefix(GUILD, Some("?")).await.unwrap();
    close(&db).await;
    drop(db);
    let again = handle(folder.path());
    open(&again).await.unwrap();
    assert_eq!(again.guild_config(GUILD).await.unwrap().unwrap().prefix.as_deref(), Some("?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_without_a_clean_end() {
    let (folder, db) = fresh().await;
    db.set_prefix(GUILD, Some("?")).await.unwrap();
    // What a SIGKILL would leave: the file, and the log that nobody wrote back.
    let crashed = tempfile::tempdir().unwrap();
    std::fs::copy(file(folder.path()), file(crashed.path())).unwrap();
    std::fs::copy(folder.path().join("bot.db-wal"), crashed.path().join("bot.db-wal")).unwrap();
    let again = handle(crashed.path());
    open(&again).await.unwrap();
    assert_eq!(again.guild_config(GUILD).await.unwrap().unwrap().prefix.as_deref(), Some("?"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_commit_waits_for_the_disk() {
    use diesel::{QueryableByName, sql_query, sql_types::BigInt};
    #[derive(QueryableByName)]
    struct Setting {
        #[diesel(sql_type = BigInt)]
        synchronous: i64,
    }
    let (_folder, db) = fresh().await;
    let live = db.live().unwrap();
    let Pools::Lite { write, .. } = &live.pools else { panic!("not SQLite") };
    let mut conn = write.get().await.unwrap();
    let setting: Setting = sql_query("PRAGMA synchronous").get_result(&mut conn).await.unwrap();
    assert_eq!(setting.synchronous, 2, "FULL");
}

#[tokio::test(flavor = "multi_thread")]
async fn audit_rows_beyond_the_queue_are_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    for n in 0..AUDIT_WAITING_MAX + 3 {
        db.record(row(n)).await;
    }
    assert_eq!((db.status().audit_waiting, db.status().audit_lost), (AUDIT_WAITING_MAX, 3));
    open(&db).await.unwrap();
    db.flush_audit().await;
    assert_eq!(db.status().audit_waiting, 0);
    assert_eq!(db.audit_rows(1).await.unwrap()[0].target, format!("gateway/shard-{}", AUDIT_WAITING_MAX - 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn before_it_is_open_every_call_says_unavailable_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let error = db.guild_config(GUILD).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
    assert_eq!(error.class(), Class::Retry);
    assert_eq!(db.take(ask(0, 900), db.inner.clock.now()).await.unwrap_err().what, "the database is not open");
    assert_eq!(db.status().state, "closed");
    assert!(!file(folder.path()).exists(), "a handle alone creates nothing");
}

#[test]
fn a_caller_on_the_control_plane_may_give_up_without_waiting_for_sqlite() {
    let data = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (_folder, db) = data.block_on(fresh());
    // A cancelled SQLite statement blocks its runtime, and panics on one with a single thread: none may run here.
    control.block_on(async {
        for _ in 0..50 {
            db.set_prefix(GUILD, Some("?")).now_or_never(); // polled once, then dropped
        }
    });
    control.block_on(until("the writes are done", async || db.status().calls_open == 0));
    assert!(data.block_on(db.guild_config(GUILD)).unwrap().is_some());
}
