//! Whether writes are kept: a SQLite file on a full or dying disk is read all the same.

use crate::{
    db::{Db, Op},
    engine::Pools,
    error::DbError,
    live::Live,
    location::Location,
    sqlite,
};
use arc_swap::ArcSwapOption;
use diesel::{SqliteConnection, connection::SimpleConnection};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// What is known of writes. Until one fails they are taken for kept.
#[derive(Default)]
pub(crate) struct Writes {
    /// Why they are turned away.
    refused: ArcSwapOption<String>,
    /// Whether one has failed for want of a place to keep it: the next look tries one.
    doubted: AtomicBool,
}

impl Writes {
    /// One has failed for want of a place to keep it.
    pub(crate) fn doubt(&self) {
        self.doubted.store(true, Relaxed);
    }

    /// Why they are turned away.
    pub(crate) fn refused(&self) -> Option<Arc<String>> {
        self.refused.load_full()
    }

    /// What a look has found.
    pub(crate) fn found(&self, refused: Option<Arc<String>>) {
        self.doubted.store(refused.is_some(), Relaxed);
        self.refused.store(refused);
    }

    fn is_doubted(&self) -> bool {
        self.doubted.load(Relaxed)
    }
}

impl Live {
    /// Why a call that `writes`, or one that does not, is turned away untried.
    pub(crate) fn turns_away(&self, writes: bool) -> Option<Arc<String>> {
        self.down.load_full().or_else(|| self.writes.refused().filter(|_| writes))
    }

    /// Why no write can be kept at the moment; none while nothing says so. Where that is in doubt a commit is tried that
    /// changes nothing, and as much room asked for beside the file as SQLite may need there.
    pub(crate) async fn try_write(self: Arc<Self>, db: &Db) -> Result<Option<Arc<String>>, DbError> {
        let at = db.inner.location.clone();
        let Location::Sqlite { path } = at.clone() else { return Ok(None) };
        if !self.writes.is_doubted() {
            return Ok(None);
        }
        let tried = db.call_on(Arc::clone(&self), Op::trial("trial"), async move |live| match &live.pools {
            Pools::Lite { write, .. } => {
                let mut conn = write.get().await?;
                // The value that it has already: SQLite writes the page all the same.
                let commit = |conn: &mut SqliteConnection| conn.batch_execute("PRAGMA user_version = 0;");
                conn.spawn_blocking(commit).await?;
                let room = tokio::task::spawn_blocking(move || sqlite::writable(&path, &at)).await;
                Ok(room.unwrap_or_else(|panic| Err(DbError::Other(panic.to_string())))?)
            }
            Pools::Pg(_) => Ok(()),
        });
        match tried.await {
            Ok(()) => Ok(None),
            Err(DbError::Unavailable { reason, .. } | DbError::Unknown { reason } | DbError::ReadOnly(reason)) => {
                Ok(Some(Arc::new(reason)))
            }
            Err(DbError::Timeout { .. }) => Ok(self.writes.refused()), // busy: nothing new is known
            Err(error) => Err(error),
        }
    }
}
