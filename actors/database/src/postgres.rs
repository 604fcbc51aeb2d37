//! A PostgreSQL server.

use crate::{
    engine::Pools,
    error::{self, DbError, Trouble},
    location::Location,
    migrate,
};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{
    AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
};
use futures_util::FutureExt;
use protocol::Secret;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_util::task::AbortOnDropHandle;

/// Every connection: no statement, lock wait or forgotten transaction lasts for ever; times are UTC.
const SETTINGS: &str = "SET application_name = 'impresario'; SET TIME ZONE 'UTC'; SET statement_timeout = '10s'; \
                        SET lock_timeout = '5s'; SET idle_in_transaction_session_timeout = '30s';";
/// One attempt to connect.
pub(crate) const ATTEMPT: Duration = Duration::from_secs(5);
/// The migrations of one opening. Less than the time that a start is given beyond its patience, so that a server that falls
/// silent halfway ends the attempt, not the actor.
const MIGRATION: Duration = Duration::from_secs(100);
/// Data that a network has swallowed for this long breaks its connection (Linux; the kernel would wait for minutes).
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);

/// Migrates the database behind `url` and opens its pool. One attempt, which waits `within` to be connected; the caller
/// repeats it.
pub(crate) async fn open(
    url: &Secret,
    at: &Location,
    size: usize,
    acquire: Duration,
    within: Duration,
) -> Result<(Pools, Vec<String>), DbError> {
    let migrated = migrate(url, at, within).await?;
    let pool = pool(url, size, acquire)?;
    drop(pool.get().await.map_err(|error| Trouble::from(error).explain(at, acquire))?);
    Ok((Pools::Pg(pool), migrated))
}

/// Applies pending migrations over a connection of their own.
pub(crate) async fn migrate(url: &Secret, at: &Location, within: Duration) -> Result<Vec<String>, DbError> {
    let Ok(connected) = timeout(within, connect(url.expose())).await else { return Err(error::silent(at, within)) };
    // Aborted with this call, the line breaks, and with it ends what waits for an answer on a thread of its own.
    let (conn, _line) = connected.map_err(|error| error::connection(error, at))?;
    let Ok(migrated) = timeout(MIGRATION, migrate::postgres(conn, at)).await else {
        return Err(DbError::away(format!(
            "the migration of {at} did not end within {} s: see what holds its tables on the server of database.url",
            MIGRATION.as_secs()
        )));
    };
    migrated.map_err(|error| match error {
        DbError::Unknown { reason } => DbError::away(reason), // rolled back or done: the next attempt sees which
        other => other,
    })
}

/// A connection, and the task that carries its bytes.
async fn connect(url: &str) -> ConnectionResult<(AsyncPgConnection, AbortOnDropHandle<()>)> {
    let (client, line) = dial(url).await?;
    let line = AbortOnDropHandle::new(tokio::spawn(async move {
        line.await.ok(); // whoever uses the connection is told as well
    }));
    Ok((AsyncPgConnection::try_from(client).await?, line))
}

type Line = tokio_postgres::Connection<tokio_postgres::Socket, tokio_postgres::tls::NoTlsStream>;

async fn dial(url: &str) -> ConnectionResult<(tokio_postgres::Client, Line)> {
    let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(error::told(&error));
    let mut config: tokio_postgres::Config = url.parse().map_err(bad)?;
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNACKNOWLEDGED);
    }
    config.connect(NoTls).await.map_err(bad)
}

fn pool(url: &Secret, size: usize, acquire: Duration) -> Result<Pool<AsyncPgConnection>, DbError> {
    let mut config = ManagerConfig::<AsyncPgConnection>::default();
    // A closed connection, or one left inside a transaction, is thrown away on return; no test query is needed.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(|url| {
        let url = url.to_owned();
        async move {
            let (client, line) = dial(&url).await?;
            let mut conn = AsyncPgConnection::try_from_client_and_connection(client, line).await?;
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
