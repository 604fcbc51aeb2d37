//! A SQLite file: looked at before it is touched, created whole or not at all, never recreated.

mod create;
mod inspect;

#[cfg(test)]
pub(crate) use inspect::unwritable;
pub(crate) use inspect::writable;

use crate::{
    engine::{LiteConn, Pools},
    error::{self, DbError},
    location::Location,
    migrate,
};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use diesel_async::{
    AsyncConnection, SimpleAsyncConnection,
    pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod, deadpool::Pool},
};
use futures_util::FutureExt;
use std::{os::unix::fs::MetadataExt, path::Path, path::PathBuf, time::Duration};

/// Every connection: how long it waits for another process's lock, and what it may trust.
///
/// The lock wait comes first, for the statements after it may need it.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; \
                       PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8000;";
/// The writer. "Done" means committed, also when the power fails: with a write-ahead log only `synchronous = FULL` syncs
/// the log at each commit; `NORMAL` would be several times faster, never corrupt, and lose the last commits. The log file
/// is cut back to 64 MiB after a checkpoint.
const WRITER: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864;";
/// The readers cannot write.
const READER: &str = "PRAGMA query_only = ON;";

/// What opening is allowed to do and has to check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Create the file when it is missing. Only the first opening in a process may: later a missing file has been lost.
    pub(crate) create: bool,
    /// Read the whole file for damage. Once per process is enough: a restarted actor finds what it left.
    pub(crate) check: bool,
}

/// Which file a path named when it was opened: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId(u64, u64);

impl FileId {
    /// The file that `path` names now; none when it names nothing.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().map(|meta| Self(meta.dev(), meta.ino()))
    }
}

/// What opening found and did.
pub(crate) struct Opened {
    pub(crate) pools: Pools,
    pub(crate) file: Option<FileId>,
    pub(crate) migrated: Vec<String>,
    pub(crate) created: bool,
}

/// Checks, creates or migrates the file at `path`, and opens its pools.
pub(crate) async fn open(
    path: PathBuf,
    at: &Location,
    plan: Plan,
    readers: usize,
    acquire: Duration,
) -> Result<Opened, DbError> {
    let (file, location) = (path.clone(), at.clone());
    let prepared = tokio::task::spawn_blocking(move || prepare(&file, &location, plan)).await;
    let (created, migrated) =
        prepared.map_err(|panic| DbError::Other(format!("opening {at} did not finish: {panic}")))??;
    let url = uri(&path, "rw")?;
    let read = pool(&url, readers, READER, acquire)?;
    let write = pool(&url, 1, WRITER, acquire)?;
    for pool in [&write, &read] {
        let opened = pool.get().await;
        drop(opened.map_err(|error| error::Trouble::from(error).explain(at, acquire))?);
    }
    Ok(Opened { pools: Pools::Lite { read, write }, file: FileId::of(&path), migrated, created })
}

/// Everything that is done before the pools open, on a thread that may block.
fn prepare(path: &Path, at: &Location, plan: Plan) -> Result<(bool, Vec<String>), DbError> {
    inspect::place(path, at)?;
    if !path.try_exists().map_err(|error| inspect::unreadable(at, &error))? {
        inspect::nothing_lost(path, at, plan.create)?;
        return Ok((true, create::create(path, at)?));
    }
    create::forget_unfinished(path);
    inspect::header(path, at)?;
    inspect::writable(path, at)?;
    inspect::contents(path, at, plan.check)?;
    let mut conn = connect(path, at, "rw")?;
    conn.batch_execute(WRITER).map_err(|error| error::Trouble::from(error).explain(at, Duration::ZERO))?;
    Ok((false, migrate::sqlite(&mut conn, at)?))
}

/// A connection outside the pools, for the work before they open.
fn connect(path: &Path, at: &Location, mode: &str) -> Result<SqliteConnection, DbError> {
    let mut conn = SqliteConnection::establish(&uri(path, mode)?).map_err(|error| error::connection(error, at))?;
    conn.batch_execute(PRAGMAS).map_err(|error| error::Trouble::from(error).explain(at, Duration::ZERO))?;
    Ok(conn)
}

fn pool(url: &str, size: usize, extra: &'static str, acquire: Duration) -> Result<Pool<LiteConn>, DbError> {
    let mut config = ManagerConfig::<LiteConn>::default();
    // A connection that a cancelled call left inside a transaction is thrown away on return; no test query is needed.
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |url| {
        let url = url.to_owned();
        async move {
            let mut conn = <LiteConn as AsyncConnection>::establish(&url).await?;
            let set_up = SimpleAsyncConnection::batch_execute(&mut conn, &format!("{PRAGMAS}{extra}")).await;
            set_up.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        }
        .boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(url, config))
        .max_size(size)
        .wait_timeout(Some(acquire))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| DbError::Other(error.to_string()))
}

/// SQLite's URI for `path`. The mode matters: without one, SQLite would create a missing file empty.
fn uri(path: &Path, mode: &str) -> Result<String, DbError> {
    use std::fmt::Write as _;
    let Some(text) = path.to_str() else {
        return Err(DbError::Config(format!("database.url: the path {} is not UTF-8", path.display())));
    };
    let mut uri = String::from("file:");
    // An empty authority, or a path that begins with two slashes would lose its first segment to it.
    uri.push_str(if text.starts_with('/') { "//" } else { "" });
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            std::write!(uri, "%{byte:02X}").ok(); // writing to a String cannot fail
        }
    }
    Ok(format!("{uri}?mode={mode}"))
}

/// `path` with `suffix` appended to its name: how SQLite names its side files.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
