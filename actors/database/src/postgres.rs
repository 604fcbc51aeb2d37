//! A PostgreSQL server.

use crate::{
    engine::Pools,
    error::{self, DbError, Trouble},
    location::Location,
    migrate,
};
use diesel::ConnectionError;
use diesel_async::{
    AsyncConnection, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
};
use futures_util::FutureExt;
use protocol::Secret;
use std::time::Duration;

/// Every connection: no statement, lock wait or forgotten transaction lasts for ever; times are UTC.
const SETTINGS: &str = "SET application_name = 'impresario'; SET TIME ZONE 'UTC'; SET statement_timeout = '10s'; \
                        SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s';";
/// One attempt to connect, at start.
const ATTEMPT: Duration = Duration::from_secs(5);

/// Migrates the database behind `url` and opens its pool. One attempt; the caller repeats it.
pub(crate) async fn open(
    url: &Secret,
    at: &Location,
    size: usize,
    acquire: Duration,
) -> Result<(Pools, Vec<String>), DbError> {
    let migrated = migrate(url, at).await?;
    let pool = pool(url, size, acquire)?;
    drop(pool.get().await.map_err(|error| Trouble::from(error).explain(at, acquire))?);
    Ok((Pools::Pg(pool), migrated))
}

/// Applies pending migrations over a connection of their own.
pub(crate) async fn migrate(url: &Secret, at: &Location) -> Result<Vec<String>, DbError> {
    let attempt = tokio::time::timeout(ATTEMPT, AsyncPgConnection::establish(url.expose())).await;
    let conn = match attempt {
        Ok(Ok(conn)) => conn,
        Ok(Err(error)) => return Err(error::connection(error, at)),
        Err(_elapsed) => {
            return Err(DbError::away(format!("{at} did not answer within {} s", ATTEMPT.as_secs())));
        }
    };
    let migrated = migrate::postgres(conn, at).await;
    migrated.map_err(|error| match error {
        DbError::Unknown { reason } => DbError::away(reason), // rolled back or done: the next attempt sees which
        other => other,
    })
}

fn pool(url: &Secret, size: usize, acquire: Duration) -> Result<Pool<AsyncPgConnection>, DbError> {
    let mut config = ManagerConfig::<AsyncPgConnection>::default();
    // A closed connection, or one left inside a transaction, is thrown away on return; no test query is needed.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| {
        let url = url.to_owned();
        async move {
            let mut conn = AsyncPgConnection::establish(&url).await?;
            conn.batch_execute(SETTINGS).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        }
        .boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(url.expose(), config))
        .max_size(size)
        .wait_timeout(Some(acquire))
        .create_timeout(Some(acquire))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| DbError::Other(error.to_string()))
}
