//! Looks at a SQLite file without changing it, and refuses what must not be opened.

use super::{beside, connect};
use crate::{
    error::{self, DbError, Trouble},
    location::Location,
    migrate, raw, schema,
};
use diesel::{QueryDsl, RunQueryDsl, SqliteConnection};
use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    path::Path,
    time::Duration,
};

/// The first bytes of every SQLite database file (SQLite's file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// A header is this long; a shorter file has been cut off.
const HEADER_BYTES: u64 = 100;
/// The index of SQLite's write-ahead log grows by this much (SQLite's WAL-index format).
const PROBE_BYTES: usize = 32 * 1024;
const MIGRATIONS_TABLE: &str = "__diesel_schema_migrations";

/// The folder must be there and the path must not be one.
pub(super) fn place(path: &Path, at: &Location) -> Result<(), DbError> {
    if path.is_dir() {
        return Err(DbError::Config(format!("database.url names the folder {at}; name a file in it")));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.metadata() {
        Ok(meta) if meta.is_dir() => Ok(()),
        Ok(_) => Err(DbError::Config(format!(
            "{} is not a folder, so {at} cannot be in it; change database.url",
            folder.display()
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(DbError::Config(format!(
            "the folder {0} for {at} does not exist; make it (mkdir -p -m 0700 {0}) or change data.dir or database.url",
            folder.display()
        ))),
        Err(error) => Err(unreadable(at, &error)),
    }
}

/// A missing file is created only where nothing says that there was one.
pub(super) fn nothing_lost(path: &Path, at: &Location, may_create: bool) -> Result<(), DbError> {
    let log = beside(path, "-wal");
    if log.metadata().is_ok_and(|meta| meta.len() > 0) {
        return Err(DbError::Corrupt(format!(
            "{at} is missing, but its log {0} is there: the database was lost or moved without it; \
             put it back or restore a backup, or move {0} away to begin empty",
            log.display()
        )));
    }
    if !may_create {
        return Err(DbError::Corrupt(format!(
            "{at} was there when the bot started and is gone; it is not created anew; put it back or restore a backup, \
             and start the bot again"
        )));
    }
    Ok(())
}

/// Is it a SQLite file at all?
pub(super) fn header(path: &Path, at: &Location) -> Result<(), DbError> {
    let mut file = File::open(path).map_err(|error| unreadable(at, &error))?;
    let bytes = file.metadata().map_err(|error| unreadable(at, &error))?.len();
    if bytes < HEADER_BYTES {
        return Err(error::corrupt(at, &format!("it has {bytes} bytes, less than a database's header")));
    }
    let mut start = [0; 16];
    file.read_exact(&mut start).map_err(|error| unreadable(at, &error))?;
    if &start == MAGIC { Ok(()) } else { Err(error::corrupt(at, "it does not begin like a SQLite database")) }
}

/// Can the file, and the side files that SQLite keeps in its folder, be written?
pub(crate) fn writable(path: &Path, at: &Location) -> Result<(), DbError> {
    OpenOptions::new().write(true).open(path).map_err(|error| unwritable(at, &error))?;
    let probe = beside(path, ".probe");
    let tried = try_to_write(&probe);
    let removed = match std::fs::remove_file(&probe) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()), // it could not be made
        removed => removed,
    };
    tried.and(removed).map_err(|error| unwritable(at, &error))
}

/// Writes as much as SQLite needs beside its file: without room for that it says no more than "disk I/O error".
fn try_to_write(probe: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(probe)?;
    file.write_all(&[0; PROBE_BYTES])?;
    file.sync_all()
}

/// Is it whole, ours, and not newer than we are? Looks through a connection that cannot write.
pub(super) fn contents(path: &Path, at: &Location, check: bool) -> Result<(), DbError> {
    let mut conn = connect(path, at, looking(path))?;
    let explain = |error| Trouble::Query(error).explain(at, Duration::ZERO);
    if check {
        let damage = raw::quick_check(&mut conn).map_err(explain)?;
        if !damage.is_empty() {
            for finding in findings(&damage) {
                tracing::warn!(finding, "SQLite's check of {at}");
            }
            return Err(error::corrupt(at, &in_short(&damage)));
        }
    }
    let tables = raw::tables(&mut conn).map_err(explain)?;
    if tables.iter().any(|table| table == MIGRATIONS_TABLE) {
        migrate::refuse_newer(&applied(&mut conn).map_err(explain)?, at)
    } else if tables.is_empty() {
        Ok(())
    } else {
        Err(DbError::Newer(format!(
            "{at} is the database of another program (it has the table {:?} and no migrations) and was left as it is; \
             point database.url at a file of the bot's own",
            tables[0]
        )))
    }
}

/// SQLite's findings, a line each; it gives several in one row, under a headline.
fn findings(damage: &[String]) -> impl Iterator<Item = &str> {
    damage.iter().flat_map(|row| row.lines()).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("***"))
}

/// The first finding and how many there are besides: for a sentence. The log has them all.
fn in_short(damage: &[String]) -> String {
    let mut all = findings(damage);
    let first = all.next().unwrap_or("SQLite's check found damage");
    match all.count() {
        0 => first.to_owned(),
        more => format!("{first}; {more} more in the log"),
    }
}

/// How to look without leaving a trace.
fn looking(path: &Path) -> &'static str {
    let there = |suffix| beside(path, suffix).metadata().ok();
    if there("-journal").is_some_and(|meta| meta.len() > 0) {
        return "rw"; // only a writer can roll back what a crash left in an old-style journal
    }
    // With a log, part of the data is in it. Without one nobody has the file open, and SQLite need not make its side files.
    if there("-wal").is_some() { "ro" } else { "ro&immutable=1" }
}

fn applied(conn: &mut SqliteConnection) -> Result<Vec<String>, diesel::result::Error> {
    schema::applied_migration::table.select(schema::applied_migration::version).load(conn)
}

/// A failed look, as an error.
pub(super) fn unreadable(at: &Location, error: &io::Error) -> DbError {
    match error.kind() {
        ErrorKind::PermissionDenied => DbError::ReadOnly(format!(
            "{at} cannot be read by this user ({error}); give it back (chown, chmod u+rw), or change database.url or data.dir"
        )),
        _ => {
            DbError::away(format!("{at} cannot be read ({error}): see to its disk, or change database.url or data.dir"))
        }
    }
}

/// A failed write, as an error.
pub(crate) fn unwritable(at: &Location, error: &io::Error) -> DbError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => error::read_only(at),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => error::full(at),
        _ => DbError::away(format!(
            "{at} cannot be written ({error}): see to its disk, or change database.url or data.dir"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_make_one_sentence() {
        let damage =
            ["*** in database main ***\nTree 3 page 3: btreeInitPage() returns error code 11\nPage 4: never used", "x"];
        let damage: Vec<String> = damage.map(str::to_owned).into();
        assert_eq!(in_short(&damage), "Tree 3 page 3: btreeInitPage() returns error code 11; 2 more in the log");
        assert_eq!(in_short(&["row 1 missing".to_owned()]), "row 1 missing");
    }
}
