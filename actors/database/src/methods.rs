//! The database's methods on the control channel.

use crate::{db::Db, error::DbError, migrate::MigrationRow, time::millis};
use protocol::{
    Class,
    method::{Method, MethodError, NoParams},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use supervision::Role;

/// Parameters of `db.migrate`.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MigrateParams {
    /// Only tell what would be done.
    #[serde(default)]
    dry_run: bool,
}

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
    let (asked, read, changed, listed) = (db.clone(), db.clone(), db.clone(), db.clone());
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
            move |params: MigrateParams, _| {
                let db = changed.clone();
                async move { migrate(&db, params.dry_run).await.map_err(refused) }
            },
        ),
        Method::read("db.history", "Migrations and when each was applied.", move |_: NoParams, _| {
            let db = listed.clone();
            async move { db.migrations().await.map_err(refused) }
        }),
    ]
}

async fn migrate(db: &Db, dry_run: bool) -> Result<Migrated, DbError> {
    let ran = if dry_run { Vec::new() } else { db.migrate().await? };
    let (applied, pending) = db.migrations().await?.into_iter().partition(|row| row.applied_at.is_some());
    Ok(Migrated { applied, pending, ran })
}

fn refused(error: DbError) -> MethodError {
    let retry = (error.class() == Class::Retry).then(|| millis(error.retry_after()));
    MethodError::Refused {
        message: error.to_string(),
        data: Some(json!({ "kind": error.kind(), "retry_after_ms": retry })),
    }
}
