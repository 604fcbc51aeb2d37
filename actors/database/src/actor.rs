//! The actor: opens the database, watches it, and takes it away from callers when it ends.

use crate::{
    config::DatabaseConfig,
    db::Db,
    error::{self, DbError},
    live,
    live::Live,
};
use protocol::{
    Class,
    ports::{Report, ReportLevel},
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{
    Actor, AdminCall, AdminError, AdminSpec, ChildSpec, Criticality, Ctx, Failure, Intensity, Kind, Message, Policy,
    Role, Shutdown,
};
use tokio::time::timeout;

/// Time for the first opening beyond `connect_ms`: reading a large file for damage, migrating it.
const START_SLACK: Duration = Duration::from_secs(120);
/// Time for the calls that are under way at a stop, and for writing SQLite's log back.
const STOP: Duration = Duration::from_secs(5);
/// Least time between two health checks that failing calls ask for.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(200);

/// Time for one health check: more than PostgreSQL is given for a statement, so that a slow server says so itself.
const PROBE: Duration = Duration::from_secs(12);

/// Where the actor stands in the tree.
pub const PATH: &str = "database";

/// What the actor is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum DatabaseMsg {
    /// A call has met what no restart can mend.
    Sick(DbError),
}

impl Message for DatabaseMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Sick(_) => "sick",
        }
    }
}

/// The actor at path `database`. It is not on the way of a call: those go to the pools that it has published.
pub struct DatabaseActor {
    db: Db,
    published: Option<Published>,
}

/// The supervised child for `db`: vital, five seconds to stop.
pub fn child(db: &Db) -> ChildSpec {
    let (addr, declared, db) = (db.inner.addr.clone(), policy(&db.inner.config), db.clone());
    ChildSpec::worker(&addr, move || DatabaseActor { db: db.clone(), published: None })
        .with(|policy| *policy = declared)
}

/// The rules that it is declared with: vital, so the process gives up when five restarts a minute were not enough.
pub fn policy(config: &DatabaseConfig) -> Policy {
    Policy {
        criticality: Criticality::Vital,
        required: true,
        budget: Some(Intensity::new(5, Duration::from_secs(60))),
        start_timeout: config.connect() + START_SLACK,
        shutdown: Shutdown::Within(STOP),
        ..Policy::new(PATH, Kind::Worker)
    }
}

impl Actor for DatabaseActor {
    type Msg = DatabaseMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        self.open(self.db.inner.config.connect()).await.map_err(DbError::into_failure)?;
        ctx.spawn(watch(self.db.clone(), ctx.clone()));
        Ok(())
    }

    async fn handle(&mut self, message: DatabaseMsg, _: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            DatabaseMsg::Sick(error) => Err(error.into_failure()),
        }
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        self.db.flush_audit().await;
        let Some(published) = self.published.take() else { return };
        self.db.unpublish(&published.live);
        published.live.settle().await;
        if self.db.is_sqlite() {
            // Without it the next start reads the log; nothing is lost either way.
            let written_back = Arc::clone(&published.live).checkpoint(&self.db).await;
            written_back.unwrap_or_else(|error| tracing::warn!(%error, "SQLite's log was not written back"));
        }
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("health", Role::Observe, "Asks the database now and tells version, latency and pools."),
            AdminSpec::new("reconnect", Role::Operate, "Opens new connections and lets go of the old ones."),
            AdminSpec::new("checkpoint", Role::Operate, "Moves SQLite's log into its file and empties the log."),
        ]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "health" => {
                let health = self.db.health().await.map_err(AdminError::refused)?;
                serde_json::to_value(health).map_err(AdminError::refused)
            }
            "reconnect" => {
                self.open(Duration::ZERO).await.map_err(AdminError::refused)?; // one attempt: somebody waits
                ctx.available();
                Ok(json!({ "reconnected": true }))
            }
            "checkpoint" => {
                let live = self.db.live().ok_or_else(|| AdminError::refused("the database is not open"))?;
                live.checkpoint(&self.db).await.map_err(AdminError::refused)?;
                Ok(json!({ "wal_bytes": self.db.side_bytes("-wal") }))
            }
            _ => Err(call.unknown(&Self::admin_messages())),
        }
    }
}

impl DatabaseActor {
    /// Opens anew and gives the pools to callers; what was open before ends with its last call.
    async fn open(&mut self, patience: Duration) -> Result<(), DbError> {
        let live = live::open(&self.db, patience).await?;
        self.db.publish(Arc::clone(&live));
        // The old guard, if any, finds a newer opening published and leaves it alone.
        let old = self.published.replace(Published { db: self.db.clone(), live });
        drop(old);
        self.db.flush_audit().await;
        Ok(())
    }
}

/// What callers have of this incarnation. However it ends, they have it no longer.
struct Published {
    db: Db,
    live: Arc<Live>,
}

impl Drop for Published {
    fn drop(&mut self) {
        self.db.unpublish(&self.live);
    }
}

/// Asks the database every `health_ms`, and sooner when calls fail; says when it is away and when it is back.
async fn watch(db: Db, ctx: Ctx<DatabaseActor>) {
    let (every, stopping) = (db.inner.config.health(), ctx.stopping());
    let (mut away, mut full) = (false, false);
    loop {
        let Some(live) = db.live() else { return };
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(every) => {}
            () = live.look_again.notified() => tokio::time::sleep(LOOK_AGAIN_MIN).await,
        }
        let Some(live) = db.live() else { return };
        let asked = timeout(PROBE, look(&db, &live)).await;
        match asked.unwrap_or_else(|_elapsed| Err(error::silent(&db.inner.location, PROBE))) {
            Ok(no_writes) => {
                live.down.store(None);
                live.writes.found(no_writes.clone());
                if std::mem::take(&mut away) {
                    tracing::info!(db.location = %db.location(), "the database answers again");
                }
                if let Some(reason) = no_writes {
                    if !std::mem::replace(&mut full, true) {
                        alert(&db, &reason);
                    }
                    ctx.unavailable(format!("it takes no writes: {reason}"), every);
                    continue;
                }
                ctx.available();
                if std::mem::take(&mut full) {
                    tracing::info!(db.location = %db.location(), "the database takes writes again");
                }
                db.flush_audit().await;
            }
            Err(error) if error.class() == Class::Fatal => {
                ctx.fail(error.into_failure());
                return;
            }
            Err(DbError::Timeout { .. }) => {} // busy is not away: calls say so themselves
            Err(error) => {
                let reason = match error {
                    DbError::Unavailable { reason, .. } => reason,
                    other => other.to_string(),
                };
                if !std::mem::replace(&mut away, true) {
                    tracing::warn!(db.location = %db.location(), reason, "the database does not answer");
                }
                live.down.store(Some(Arc::new(reason.clone())));
                ctx.unavailable(reason, every);
            }
        }
    }
}

/// Whether it answers, and why it takes no writes where a write has failed.
async fn look(db: &Db, live: &Arc<Live>) -> Result<Option<Arc<String>>, DbError> {
    Arc::clone(live).probe(db).await?;
    Arc::clone(live).try_write(db).await
}

/// Said once, until it takes writes again: what is read is right, and what is written is refused for now.
fn alert(db: &Db, reason: &str) {
    tracing::error!(db.location = %db.location(), reason, "the database takes no writes; it is read all the same: {reason}");
    db.report(Report {
        level: ReportLevel::Error,
        message: format!("the database takes no writes: {reason}"),
        fingerprint: vec!["database".to_owned(), "read_only".to_owned()],
        tags: Vec::new(),
    });
}
