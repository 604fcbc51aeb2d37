//! The two engines behind one seam. A call's body is written once, in diesel's DSL, and compiled once per engine by
//! [`read!`], [`write!`] and [`tx!`]: no generic bounds, and both engines are type-checked in every build.

use crate::error::Trouble;
use deadpool::Status;
use diesel::{QueryResult, SqliteConnection, connection::AnsiTransactionManager};
use diesel_async::{
    AsyncConnection, AsyncPgConnection, TransactionManager, pooled_connection::deadpool::Pool,
    sync_connection_wrapper::SyncConnectionWrapper,
};
use serde::Serialize;

/// A SQLite connection; its statements run on the runtime's blocking threads.
pub(crate) type LiteConn = SyncConnectionWrapper<SqliteConnection>;

/// The run-time choice. SQLite has exactly one connection that writes, so that writers queue in the pool instead of
/// running into each other's locks, and its readers cannot write at all (`query_only`).
pub(crate) enum Pools {
    Lite { read: Pool<LiteConn>, write: Pool<LiteConn> },
    Pg(Pool<AsyncPgConnection>),
}

/// One reading of a pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PoolReading {
    /// Connections that are lent out.
    pub in_use: usize,
    /// Connections that are open.
    pub size: usize,
    /// Connections it may open.
    pub max: usize,
    /// Calls that wait for one.
    pub waiting: usize,
}

impl From<Status> for PoolReading {
    fn from(status: Status) -> Self {
        let in_use = status.size.saturating_sub(status.available);
        Self { in_use, size: status.size, max: status.max_size, waiting: status.waiting }
    }
}

impl Pools {
    /// Refuses new calls and those that wait for a connection; lent connections are closed when they come back.
    pub(crate) fn close(&self) {
        match self {
            Self::Lite { read, write } => {
                read.close();
                write.close();
            }
            Self::Pg(pool) => pool.close(),
        }
    }

    /// The pool that reads, and SQLite's that writes.
    pub(crate) fn read_status(&self) -> (PoolReading, Option<PoolReading>) {
        match self {
            Self::Lite { read, write } => (read.status().into(), Some(write.status().into())),
            Self::Pg(pool) => (pool.status().into(), None),
        }
    }
}

/// Runs one reading statement. On SQLite the connection cannot write: a write in here fails.
macro_rules! read {
    ($pools:expr, |$conn:ident| $body:expr) => {
        match $pools {
            $crate::engine::Pools::Lite { read, .. } => {
                let mut held = read.get().await?;
                let $conn: &mut $crate::engine::LiteConn = &mut held;
                Ok::<_, $crate::error::Trouble>($body?)
            }
            $crate::engine::Pools::Pg(pool) => {
                let mut held = pool.get().await?;
                let $conn: &mut diesel_async::AsyncPgConnection = &mut held;
                Ok::<_, $crate::error::Trouble>($body?)
            }
        }
    };
}

/// Runs one writing statement, a transaction of its own.
macro_rules! write {
    ($pools:expr, |$conn:ident| $body:expr) => {
        match $pools {
            $crate::engine::Pools::Lite { write, .. } => {
                let mut held = write.get().await?;
                let $conn: &mut $crate::engine::LiteConn = &mut held;
                Ok::<_, $crate::error::Trouble>($body?)
            }
            $crate::engine::Pools::Pg(pool) => {
                let mut held = pool.get().await?;
                let $conn: &mut diesel_async::AsyncPgConnection = &mut held;
                Ok::<_, $crate::error::Trouble>($body?)
            }
        }
    };
}

/// Runs several statements in one transaction: `BEGIN IMMEDIATE` on SQLite, where a lock upgrade halfway could fail, and
/// `BEGIN` on PostgreSQL. Await nothing but statements in it: it holds SQLite's only writer.
macro_rules! tx {
    ($pools:expr, |$conn:ident| $body:expr) => {
        match $pools {
            $crate::engine::Pools::Lite { write, .. } => {
                let mut held = write.get().await?;
                $crate::engine::Transact::begin(&mut *held).await?;
                let $conn: &mut $crate::engine::LiteConn = &mut held;
                let result: Result<_, $crate::error::Trouble> = async move { $body }.await;
                $crate::engine::end(&mut *held, result).await
            }
            $crate::engine::Pools::Pg(pool) => {
                let mut held = pool.get().await?;
                $crate::engine::Transact::begin(&mut *held).await?;
                let $conn: &mut diesel_async::AsyncPgConnection = &mut held;
                let result: Result<_, $crate::error::Trouble> = async move { $body }.await;
                $crate::engine::end(&mut *held, result).await
            }
        }
    };
}

/// Opens a transaction for writing. (diesel's own helpers take an asynchronous closure over a borrowed connection, whose
/// bounds make incremental builds of rustc 1.95 fail.)
pub(crate) trait Transact: AsyncConnection {
    fn begin(&mut self) -> impl Future<Output = QueryResult<()>> + Send;
}

impl Transact for LiteConn {
    async fn begin(&mut self) -> QueryResult<()> {
        self.spawn_blocking(|conn| AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")).await
    }
}

impl Transact for AsyncPgConnection {
    async fn begin(&mut self) -> QueryResult<()> {
        <Self as AsyncConnection>::TransactionManager::begin_transaction(self).await
    }
}

/// Commits after a success and rolls back after a failure, which then stands. A connection that could do neither is
/// thrown away by its pool.
pub(crate) async fn end<C: Transact, T>(conn: &mut C, result: Result<T, Trouble>) -> Result<T, Trouble> {
    match result {
        Ok(value) => {
            C::TransactionManager::commit_transaction(conn).await?;
            Ok(value)
        }
        Err(trouble) => {
            let undone = C::TransactionManager::rollback_transaction(conn).await;
            undone.unwrap_or_else(|error| tracing::debug!(%error, "a transaction ended without a rollback"));
            Err(trouble)
        }
    }
}

pub(crate) use {read, tx, write};
