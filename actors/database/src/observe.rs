//! What is told about each call.

use crate::{error::DbError, location::Engine};
use std::time::Duration;

/// One finished call: `name` is one of the few literals in this crate.
pub(crate) fn call(name: &'static str, engine: Engine, took: Duration, error: Option<&DbError>) {
    let outcome = error.map_or("ok", DbError::kind);
    tracing::trace!(db.call = name, db.engine = engine.name(), outcome, took_us = took.as_micros(), "database call");
}
