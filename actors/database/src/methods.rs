//! The database's methods on the control channel.

use crate::{db::Db, error::DbError, migrate::MigrationRow};
use protocol::{
    Class,
    method::{Checked, Method, MethodError, NoParams},
};
use serde::Serialize;
use serde_json::json;
use supervision::Role;

/// Answer of `db.migrate`.
#[derive(Debug, Serialize)]
struct Migrated {
    applied: Vec<MigrationRow>,
    pending: Vec<MigrationRow>,
    /// Versions that this call applied.
    ran: Vec<String>,
}

/// `db.health`, `db.status`, `db.migrate`, `db.history`.
pub fn methods(db: &Db) -> Vec<Method> {
    let (asked, read, tried, changed, listed) = (db.clone(), db.clone(), db.clone(), db.clone(), db.clone());
    vec![
        Method::read(
            "db.health",
            "Asks the database now: version, schema, latency, pools, size.",
            move |_: NoParams, _| {
                let db = asked.clone();
                async move { db.health().await.map_err(refused) }
            },
        ),
        Method::read("db.status", "What is known of the database without asking it.", move |_: NoParams, _| {
            let db = read.clone();
            async move { Ok(db.status()) }
        }),
        Method::write(
            "db.migrate",
            Role::Admin,
            "Applies pending migrations and lists all; each start of the database does so too.",
            |_: &NoParams| crate::PATH.into(),
            move |_: NoParams, _| {
                let db = tried.clone();
                async move {
                    let would = migrated(&db, Vec::new()).await.map_err(refused)?;
                    Ok(Checked::new(()).telling(serde_json::to_value(would).map_err(MethodError::refused)?))
                }
            },
            move |(), _| {
                let db = changed.clone();
                async move { migrate(&db).await.map_err(refused) }
            },
        ),
        Method::read("db.history", "Migrations and when each was applied.", move |_: NoParams, _| {
            let db = listed.clone();
            async move { db.migrations().await.map_err(refused) }
        }),
    ]
}

async fn migrate(db: &Db) -> Result<Migrated, DbError> {
    let ran = db.migrate().await?;
    migrated(db, ran).await
}

async fn migrated(db: &Db, ran: Vec<String>) -> Result<Migrated, DbError> {
    let (applied, pending) = db.migrations().await?.into_iter().partition(|row| row.applied_at.is_some());
    Ok(Migrated { applied, pending, ran })
}

fn refused(error: DbError) -> MethodError {
    let retry = (error.class() == Class::Retry).then(|| protocol::millis(error.retry_after()));
    MethodError::Refused {
        message: error.to_string(),
        data: Some(json!({ "kind": error.kind(), "retry_after_ms": retry })),
    }
}
