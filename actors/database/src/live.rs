//! One opening of the database: its pools, and everything that ends with them.

use crate::{
    db::{Db, Op},
    engine::{Pools, read},
    error::{DbError, Trouble},
    expected,
    location::{Engine, Location},
    migrate,
    postgres::{self, ATTEMPT},
    raw::EngineVersion,
    schema::applied_migration,
    sqlite::{self, FileId},
    writes::Writes,
};
use arc_swap::ArcSwapOption;
use chrono::{DateTime, Utc};
use diesel::{ExpressionMethods, OptionalExtension, QueryDsl, SqliteConnection, connection::SimpleConnection};
use diesel_async::RunQueryDsl;
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Handle, sync::Notify, time::Instant};
use tokio_util::task::TaskTracker;

/// First and longest wait between two attempts to reach a server that does not answer.
const RETRY_MIN: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// No attempt is given less time to be connected.
const ATTEMPT_MIN: Duration = Duration::from_millis(500);

pub(crate) struct Live {
    pub(crate) pools: Pools,
    /// The engine's version.
    pub(crate) version: String,
    pub(crate) opened_at: DateTime<Utc>,
    /// The data plane, where calls run.
    pub(crate) runtime: Handle,
    /// The calls that are under way.
    pub(crate) calls: TaskTracker,
    /// Why calls are turned away, while the last health check failed.
    pub(crate) down: ArcSwapOption<String>,
    /// Whether writes are kept.
    pub(crate) writes: Writes,
    /// Asks for a health check before its time.
    pub(crate) look_again: Notify,
    /// Which file is open.
    file: Option<FileId>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.pools.close();
    }
}

/// Opens the database as a task of its own: killed halfway, the actor leaves no half-done migration behind. A server that
/// does not answer is asked again for as long as `patience` lasts.
pub(crate) async fn open(db: &Db, patience: Duration) -> Result<Arc<Live>, DbError> {
    let db = db.clone();
    let opening = tokio::spawn(async move {
        let _one_at_a_time = db.inner.opening.lock().await;
        Ok(Arc::new(patiently(&db, Instant::now() + patience).await?))
    });
    opening.await.unwrap_or_else(|ended| Err(DbError::Other(format!("opening the database did not finish: {ended}"))))
}

/// Repeats [`attempt`] until `deadline` while a server does not answer.
async fn patiently(db: &Db, deadline: Instant) -> Result<Live, DbError> {
    let mut wait = RETRY_MIN;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Without any patience one attempt still has its time, and the last one is worth making.
        let within = if left.is_zero() { ATTEMPT } else { left.clamp(ATTEMPT_MIN, ATTEMPT) };
        match attempt(db, within).await {
            Err(error @ DbError::Unavailable { .. }) if is_server(db) && Instant::now() + wait < deadline => {
                tracing::debug!(error = %error, retry_ms = protocol::millis(wait), "the database does not answer yet");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(RETRY_MAX);
            }
            result => return result,
        }
    }
}

fn is_server(db: &Db) -> bool {
    db.inner.location.engine() == Engine::Postgres
}

async fn attempt(db: &Db, within: Duration) -> Result<Live, DbError> {
    let (inner, begun) = (&db.inner, Instant::now());
    let (config, at) = (&inner.config, &inner.location);
    let (pools, file, migrated, created) = match at {
        Location::Sqlite { path } => {
            let plan = db.opening_plan();
            let opened = sqlite::open(path.clone(), at, plan, config.pool_size, config.acquire()).await?;
            (opened.pools, opened.file, opened.migrated, opened.created)
        }
        Location::Postgres { url, .. } => {
            let (pools, migrated) = postgres::open(url, at, config.pool_size, config.acquire(), within).await?;
            (pools, None, migrated, false)
        }
    };
    db.has_opened();
    expected::check(&pools, at).await?;
    let version = version(&pools).await.map_err(|trouble| trouble.explain(at, config.acquire()))?;
    tracing::info!(
        db.engine = at.engine().name(),
        db.version = version,
        db.location = %at,
        db.created = created,
        db.migrated = migrated.len(),
        took_ms = protocol::millis(begun.elapsed()),
        "the database is open"
    );
    Ok(Live {
        pools,
        version,
        opened_at: inner.clock.now(),
        runtime: Handle::current(),
        calls: TaskTracker::new(),
        down: ArcSwapOption::empty(),
        writes: Writes::default(),
        look_again: Notify::new(),
        file,
    })
}

async fn version(pools: &Pools) -> Result<String, Trouble> {
    read!(pools, |c| c.engine_version().await)
}

impl Live {
    /// One round trip that reads a table, and a look whether the open file still is the one at its path. Gives the newest
    /// migration.
    pub(crate) async fn probe(self: Arc<Self>, db: &Db) -> Result<Option<String>, DbError> {
        let at = db.inner.location.clone();
        db.call_on(self, Op::probe("health"), async move |live| {
            if let Location::Sqlite { path } = &at {
                let path = path.clone();
                let now = tokio::task::spawn_blocking(move || FileId::of(&path)).await;
                if now.is_ok_and(|now| now != live.file) {
                    db_file_lost(&at)?;
                }
            }
            let newest = applied_migration::table
                .select(applied_migration::version)
                .order(applied_migration::version.desc())
                .limit(1);
            read!(&live.pools, |c| newest.first::<String>(c).await.optional())
        })
        .await
    }

    /// Moves what SQLite's log holds into its file and empties the log; gives the bytes that the log still has.
    pub(crate) async fn checkpoint(self: Arc<Self>, db: &Db) -> Result<(), DbError> {
        // Tried whatever the last look said: it may be the last chance.
        db.call_on(self, Op::trial("checkpoint"), async |live| match &live.pools {
            Pools::Lite { write, .. } => {
                let mut conn = write.get().await?;
                let work = |conn: &mut SqliteConnection| conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);");
                Ok(conn.spawn_blocking(work).await?)
            }
            Pools::Pg(_) => {
                Err(DbError::Config("checkpoints are PostgreSQL's own business; see its settings".into()).into())
            }
        })
        .await
    }

    /// Applies pending migrations and tells which those were.
    pub(crate) async fn migrate(self: Arc<Self>, db: &Db) -> Result<Vec<String>, DbError> {
        let at = db.inner.location.clone();
        db.call_on(self, Op::write("migrate"), async move |live| match (&live.pools, &at) {
            (Pools::Lite { write, .. }, _) => {
                let mut conn = write.get().await?;
                Ok(conn.spawn_blocking(move |conn| Ok(migrate::sqlite(conn, &at))).await??)
            }
            (Pools::Pg(_), Location::Postgres { url, .. }) => Ok(postgres::migrate(url, &at, ATTEMPT).await?),
            (Pools::Pg(_), Location::Sqlite { .. }) => Ok(Vec::new()),
        })
        .await
    }

    /// Waits until the calls that are under way have ended. New ones are to be kept away by the caller.
    pub(crate) async fn settle(&self) {
        self.calls.close();
        self.calls.wait().await;
    }
}

fn db_file_lost(at: &Location) -> Result<(), DbError> {
    Err(DbError::Corrupt(format!(
        "{at} was deleted or replaced while the bot runs, so what it writes would be lost; \
         put the file back or restore a backup, and start the bot again"
    )))
}
