//! What the tests stand on: a folder, a clock that stands still, a handle that is open without an actor.

use crate::{DatabaseConfig, Db, DbError, live, live::Live};
use chrono::{DateTime, TimeDelta, Utc};
use protocol::{Clock, Secret, Uptime};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;

/// Longest wait for something that other tasks bring about.
const PATIENCE: Duration = Duration::from_secs(20);

/// Stands still, at a moment that both engines can store, until a test moves it.
pub(super) struct TestClock {
    wall: Mutex<DateTime<Utc>>,
    uptime: Mutex<Uptime>,
}

impl TestClock {
    pub(super) fn new() -> Self {
        let uptime = Uptime { boot: "first".to_owned(), since: Duration::from_secs(1_000) };
        Self { wall: Mutex::new("2026-05-01T12:00:00.123456Z".parse().unwrap()), uptime: Mutex::new(uptime) }
    }

    /// Time passes, on both clocks.
    pub(super) fn pass(&self, time: TimeDelta) {
        *self.wall.lock().unwrap() += time;
        self.uptime.lock().unwrap().since += time.to_std().unwrap();
    }

    /// Somebody sets the wall clock.
    pub(super) fn jump(&self, by: TimeDelta) {
        *self.wall.lock().unwrap() += by;
    }

    /// The machine is started anew; the wall clock goes on.
    pub(super) fn reboot(&self) {
        let mut uptime = self.uptime.lock().unwrap();
        *uptime = Uptime { boot: format!("{} again", uptime.boot), since: Duration::ZERO };
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.wall.lock().unwrap()
    }

    fn uptime(&self) -> Uptime {
        self.uptime.lock().unwrap().clone()
    }

    fn monotonic(&self) -> tokio::time::Instant {
        tokio::time::Instant::now()
    }
}

pub(super) fn config(url: &str) -> DatabaseConfig {
    DatabaseConfig { url: Secret::new(url), pool_size: 4, acquire_ms: 20_000, health_ms: 100, connect_ms: 1_000 }
}

/// A handle to `bot.db` in `folder`, as a new process would make it.
pub(super) fn handle(folder: &Path) -> Db {
    Db::new(config("sqlite://bot.db"), folder, Arc::new(TestClock::new())).unwrap()
}

/// Opens as the actor would, and publishes.
pub(super) async fn open(db: &Db) -> Result<Arc<Live>, DbError> {
    let live = live::open(db, db.inner.config.connect()).await?;
    db.publish(Arc::clone(&live));
    Ok(live)
}

/// Ends as the actor would: no call is under way, SQLite's log is written back, every connection is closed.
pub(super) async fn close(db: &Db) {
    let live = db.live().unwrap();
    db.unpublish(&live);
    live.settle().await;
    if db.is_sqlite() {
        Arc::clone(&live).checkpoint(db).await.unwrap();
    }
}

/// An open database in a folder of its own.
pub(super) async fn fresh() -> (TempDir, Db) {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    open(&db).await.unwrap();
    (folder, db)
}

pub(super) fn file(folder: &Path) -> PathBuf {
    folder.join("bot.db")
}

/// Waits until `check` holds; panics with `what` when it does not in time.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !check().await {
        assert!(tokio::time::Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Says that a test did not run, past the test harness, which keeps the output of passing tests to itself. Under
/// `scripts/test`, which installs what its tier needs, nothing may be skipped.
pub(super) fn skipped(why: &str) {
    use std::io::Write as _;
    assert!(std::env::var_os("IMPRESARIO_TIER").is_none(), "skipped, although this tier has what it needs: {why}");
    writeln!(std::io::stderr(), "SKIPPED: {why}").unwrap();
}
