//! What can go wrong, as values that a caller, the actor and an operator each can act on.

mod words;

pub(crate) use words::{by_message, corrupt, full, read_only, silent, told};

use crate::location::{Engine, Location};
use deadpool::managed::TimeoutType;
use diesel::{
    ConnectionError,
    result::{DatabaseErrorInformation, DatabaseErrorKind as Kind, Error as QueryError},
};
use diesel_async::pooled_connection::{PoolError as SetupError, deadpool::PoolError};
use protocol::{Class, ports::NotNow};
use std::time::Duration;
use supervision::{Failure, RETRY_AFTER};
use words::{SQLSTATE, unreached};

/// How long to leave alone what only an operator can mend.
const RETRY_AFTER_FATAL: Duration = Duration::from_secs(60);

/// Why a database call gave no answer. `Display` is one sentence without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DbError {
    /// It is not open: starting, restarting, or the server is away. Nothing was written.
    #[error("{reason}; try again in {} ms", retry_after.as_millis())]
    Unavailable {
        /// What is the matter.
        reason: String,
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// No connection became free, or no lock was granted, in time. Nothing was written.
    #[error("the database is busy: {what}")]
    Timeout {
        /// What was waited for, and how long.
        what: String,
    },
    /// The connection broke while a write was under way: it may or may not have been committed. Repeat it only if doing
    /// it twice is the same as doing it once.
    #[error("the outcome of the write is unknown: {reason}")]
    Unknown {
        /// What broke.
        reason: String,
    },
    /// A constraint of the schema forbids it. Nothing was written.
    #[error("the database refused the change: {what}")]
    Conflict {
        /// Which constraint.
        what: String,
    },
    /// The file is damaged. It is left as it is.
    #[error("{0}")]
    Corrupt(String),
    /// The schema is newer than this program, or not ours. It is left as it is.
    #[error("{0}")]
    Newer(String),
    /// The file, its folder or the server takes no writes.
    #[error("{0}")]
    ReadOnly(String),
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// A mistake of this program, or an answer that makes no sense.
    #[error("{0}")]
    Other(String),
}

impl DbError {
    /// What it means to whoever has to act on it.
    pub fn class(&self) -> Class {
        match self {
            Self::Unavailable { .. } | Self::Timeout { .. } => Class::Retry,
            Self::Conflict { .. } | Self::Unknown { .. } | Self::Other(_) => Class::Reject,
            Self::Corrupt(_) | Self::Newer(_) | Self::ReadOnly(_) | Self::Config(_) => Class::Fatal,
        }
    }

    /// When trying again makes sense.
    pub fn retry_after(&self) -> Duration {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ if self.class() == Class::Fatal => RETRY_AFTER_FATAL,
            _ => RETRY_AFTER,
        }
    }

    /// The variant as one stable word, for labels and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::Unknown { .. } => "unknown_outcome",
            Self::Conflict { .. } => "conflict",
            Self::Corrupt(_) => "corrupt",
            Self::Newer(_) => "newer_schema",
            Self::ReadOnly(_) => "read_only",
            Self::Config(_) => "config",
            Self::Other(_) => "other",
        }
    }

    /// How the actor ends with it: what no restart can mend is fatal.
    pub(crate) fn into_failure(self) -> Failure {
        match self.class() {
            Class::Fatal => Failure::fatal(self),
            Class::Retry | Class::Reject => Failure::restart(self),
        }
    }

    pub(crate) fn away(reason: impl Into<String>) -> Self {
        Self::Unavailable { reason: reason.into(), retry_after: RETRY_AFTER }
    }
}

impl From<DbError> for NotNow {
    fn from(error: DbError) -> Self {
        let retry_after = error.retry_after();
        let what = match error {
            DbError::Unavailable { reason, .. } => reason, // `NotNow` says itself when to try again
            other => other.to_string(),
        };
        Self { what, retry_after }
    }
}

/// What a call body may fail with; [`Trouble::explain`] makes it presentable.
#[derive(Debug)]
pub(crate) enum Trouble {
    Query(QueryError),
    Pool(PoolError),
    Said(DbError),
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<PoolError> for Trouble {
    fn from(error: PoolError) -> Self {
        Self::Pool(error)
    }
}

impl From<DbError> for Trouble {
    fn from(error: DbError) -> Self {
        Self::Said(error)
    }
}

impl Trouble {
    /// The error for callers, naming where it happened.
    pub(crate) fn explain(self, at: &Location, acquire: Duration) -> DbError {
        match self {
            Self::Said(error) => error,
            Self::Query(error) => query(error, at),
            Self::Pool(PoolError::Timeout(TimeoutType::Create)) => silent(at, acquire),
            Self::Pool(PoolError::Timeout(TimeoutType::Wait | TimeoutType::Recycle)) => {
                DbError::Timeout { what: format!("no connection was free within {} ms", acquire.as_millis()) }
            }
            Self::Pool(PoolError::Closed) => DbError::away("the database is being closed or restarted"),
            Self::Pool(PoolError::Backend(SetupError::ConnectionError(error))) => connection(error, at),
            Self::Pool(PoolError::Backend(SetupError::QueryError(error))) => query(error, at),
            Self::Pool(error @ (PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_))) => {
                DbError::Other(at.scrub(&error.to_string()))
            }
        }
    }
}

/// What a failed connection attempt means.
pub(crate) fn connection(error: ConnectionError, at: &Location) -> DbError {
    match error {
        ConnectionError::CouldntSetupConfiguration(error) => match query(error, at) {
            DbError::Unknown { reason } => DbError::away(reason), // nothing had been sent yet
            other => other,
        },
        other => match (at.engine(), by_message(&other.to_string(), at)) {
            // What has no code was not said by the server: it was not reached, or went away.
            (Engine::Postgres, DbError::Other(_)) if !other.to_string().contains(SQLSTATE) => unreached(&other, at),
            (_, known) => known,
        },
    }
}

fn query(error: QueryError, at: &Location) -> DbError {
    match error {
        QueryError::DatabaseError(kind, info) => by_kind(kind, &*info, at),
        QueryError::BrokenTransactionManager => DbError::away(format!("the connection to {at} broke")),
        other => DbError::Other(at.scrub(&other.to_string())),
    }
}

fn by_kind(kind: Kind, info: &(dyn DatabaseErrorInformation + Send + Sync), at: &Location) -> DbError {
    let message = at.scrub(info.message());
    match kind {
        Kind::UniqueViolation
        | Kind::ForeignKeyViolation
        | Kind::NotNullViolation
        | Kind::CheckViolation
        | Kind::RestrictViolation
        | Kind::ExclusionViolation => {
            DbError::Conflict { what: info.constraint_name().map_or(message, ToOwned::to_owned) }
        }
        Kind::SerializationFailure => DbError::Timeout { what: message },
        Kind::ReadOnlyTransaction => read_only(at),
        Kind::UnableToSendCommand | Kind::ClosedConnection => DbError::Unknown { reason: format!("{message} ({at})") },
        _ => by_message(&message, at),
    }
}
