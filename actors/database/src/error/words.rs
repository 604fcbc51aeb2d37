//! What an engine's words mean, and the sentences an operator reads: each names the key, the target without its password and
//! the remedy.

use super::DbError;
use crate::location::{Engine, Location};
use std::time::Duration;

/// SQLite's errors reach us as text only, with the wording of `sqlite3_errstr`; PostgreSQL's messages are matched where no
/// SQLSTATE is passed on. The codes are those of PostgreSQL's appendix A.
pub(crate) fn by_message(message: &str, at: &Location) -> DbError {
    let message = at.scrub(message);
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    match at.engine() {
        Engine::Sqlite if says(&["not a database", "malformed", "corrupt"]) => corrupt(at, &message),
        Engine::Sqlite if says(&["readonly database"]) => read_only(at),
        Engine::Sqlite if says(&["is locked"]) => {
            DbError::Timeout { what: format!("another process holds a lock on {at}") }
        }
        Engine::Sqlite if says(&["disk is full"]) => full(at),
        Engine::Sqlite if says(&["disk I/O error", "unable to open"]) => DbError::away(format!(
            "{at} cannot be used ({message}): see to its file system, or point database.url or data.dir elsewhere"
        )),
        Engine::Postgres if says(&["(SQLSTATE 53100)", "No space left"]) => full(at),
        Engine::Postgres
            if says(&[
                "(SQLSTATE 28P01)",
                "(SQLSTATE 28000)",
                "password authentication failed",
                "pg_hba",
                "password missing",
            ]) =>
        {
            DbError::Config(format!(
                "{at} refuses the login ({message}): correct user and password in database.url, or the server's roles and \
                 pg_hba.conf"
            ))
        }
        Engine::Postgres if says(&["(SQLSTATE 3D000)", "\" does not exist"]) && !says(&["relation", "column"]) => {
            DbError::Config(format!(
                "{at} is not there ({message}): create that database on the server, or correct its name in database.url"
            ))
        }
        Engine::Postgres if says(&["statement timeout", "lock timeout", "deadlock"]) => {
            DbError::Timeout { what: message }
        }
        Engine::Postgres if says(&["(SQLSTATE 53300)", "connection slots", "too many"]) => DbError::away(format!(
            "{at} has no connection to spare ({message}): lower database.pool_size, or raise the server's max_connections"
        )),
        Engine::Postgres if says(&["(SQLSTATE 57P0", "starting up", "shutting down", "terminating connection"]) => {
            DbError::away(format!("{at}: {message}"))
        }
        _ => DbError::Other(format!("{at}: {message}")),
    }
}

/// How [`told`] marks what the server itself said.
pub(super) const SQLSTATE: &str = "(SQLSTATE ";

/// A failed connection attempt as text, with its causes: what the server said and its code, or why there was no server.
pub(crate) fn told(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{} {SQLSTATE}{})", said.message(), said.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(why) = cause {
        text = format!("{text}: {why}");
        cause = why.source();
    }
    text
}

/// The sentence for a server that nobody could speak to.
pub(super) fn unreached(why: &dyn std::fmt::Display, at: &Location) -> DbError {
    let why = at.scrub(&why.to_string());
    DbError::away(format!(
        "{at} does not answer ({why}): start the PostgreSQL server, or correct host and port in database.url"
    ))
}

/// The error for a question without an answer: a server that says nothing is away, a file is only slow.
pub(crate) fn silent(at: &Location, waited: Duration) -> DbError {
    let waited = waited.as_millis();
    match at.engine() {
        Engine::Sqlite => DbError::Timeout { what: format!("{at} gave no answer within {waited} ms") },
        Engine::Postgres => unreached(&format_args!("it said nothing for {waited} ms"), at),
    }
}

/// The sentence for a disk without room.
pub(crate) fn full(at: &Location) -> DbError {
    DbError::away(match at.engine() {
        Engine::Sqlite => format!(
            "no space is left on the disk of {at}: free some there, or point database.url or data.dir at another disk"
        ),
        Engine::Postgres => format!(
            "no space is left on the disk of the server {at}: free some there, or point database.url at another server"
        ),
    })
}

/// The sentence for a damaged file.
pub(crate) fn corrupt(at: &Location, what: &str) -> DbError {
    DbError::Corrupt(format!(
        "{at} is damaged ({what}) and was left as it is; put a backup in its place, or move it and what begins with its \
         name away to begin empty, or point database.url elsewhere"
    ))
}

/// The sentence for a place that takes no writes.
pub(crate) fn read_only(at: &Location) -> DbError {
    DbError::ReadOnly(match at.engine() {
        Engine::Sqlite => format!(
            "{at} or its folder is read-only for this user; give it back (chmod u+w, chown, remount), \
             or point database.url or data.dir elsewhere"
        ),
        Engine::Postgres => format!("{at} is read-only (a standby?); point database.url at the primary server"),
    })
}
