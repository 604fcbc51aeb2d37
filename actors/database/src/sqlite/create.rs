//! Creates a database whole or not at all: built beside its place, synced, then put there under its name. A process that
//! dies on the way leaves no empty file behind that would look like a lost one.

use super::{beside, connect, inspect};
use crate::{
    error::{DbError, Trouble},
    location::Location,
    migrate,
};
use diesel::connection::SimpleConnection;
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// Only the bot's user reads its data; SQLite gives its side files the same mode.
const MODE: u32 = 0o600;

/// Creates the database at `path`, which names nothing yet, and tells which migrations made it.
pub(super) fn create(path: &Path, at: &Location) -> Result<Vec<String>, DbError> {
    forget_unfinished(path);
    let draft = draft(path);
    let built = build(&draft, at).and_then(|made| {
        publish(&draft, path).map_err(|error| inspect::unwritable(at, &error))?;
        Ok(made)
    });
    forget_unfinished(path);
    built
}

/// Removes what an interrupted creation left.
pub(super) fn forget_unfinished(path: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        fs::remove_file(beside(&draft(path), suffix)).ok(); // usually it is not there
    }
}

fn draft(path: &Path) -> PathBuf {
    beside(path, ".new")
}

fn build(draft: &Path, at: &Location) -> Result<Vec<String>, DbError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(MODE).open(draft);
    created.map_err(|error| inspect::unwritable(at, &error))?;
    let mut conn = connect(draft, at, "rw")?;
    let made = migrate::sqlite(&mut conn, at)?;
    // The mode stands in the file; the log itself goes with the connection.
    let journal = conn.batch_execute("PRAGMA journal_mode = WAL;");
    journal.map_err(|error| Trouble::from(error).explain(at, Duration::ZERO))?;
    Ok(made)
}

/// Gives the finished file its name; a file that got the name first is never replaced.
fn publish(draft: &Path, path: &Path) -> io::Result<()> {
    File::open(draft)?.sync_all()?;
    match fs::hard_link(draft, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            // A file system without hard links.
            if path.try_exists()? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(draft, path)?;
        }
        linked => linked?,
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
