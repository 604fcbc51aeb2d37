//! One log record: collected from a tracing event and its spans, already without secrets.

use crate::redact::{REDACTED, Redactor, names_a_secret};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::fmt::Debug;
use tracing::{
    Level,
    field::{Field, Visit},
};

/// Fields of one record; further ones are left out.
const FIELDS_MAX: usize = 64;
/// Longest text in a field or message, in bytes; what is longer is cut.
pub const TEXT_MAX: usize = 16 * 1024;
/// No secret is longer than this, in bytes.
const SECRET_MAX: usize = 1024;

/// One log record.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) at: DateTime<Utc>,
    pub(crate) level: Level,
    pub(crate) target: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Fields,
}

/// Names and values, the earliest first; a later value of the same name replaces the earlier one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields(pub(crate) Vec<(&'static str, Value)>);

impl Fields {
    pub(crate) fn put(&mut self, name: &'static str, value: Value) {
        match self.0.iter().position(|(known, _)| *known == name) {
            Some(at) => self.0[at].1 = value,
            None if self.0.len() < FIELDS_MAX => self.0.push((name, value)),
            None => {}
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).and_then(|(_, value)| value.as_str())
    }
}

impl Record {
    /// Whose line it is: the actor it names, else the crate that logged it.
    pub(crate) fn owner(&self) -> &str {
        self.fields.text("path").unwrap_or_else(|| self.target.split("::").next().unwrap_or(self.target))
    }
}

/// Reads a span's or an event's fields.
pub(crate) struct Collector<'r> {
    pub(crate) message: String,
    pub(crate) fields: Fields,
    pub(crate) redactor: &'r Redactor,
}

impl Collector<'_> {
    fn put_text(&mut self, field: &Field, text: &str) {
        // Redacted before it is cut: the beginning of a secret has no shape to know it by.
        let clean = self.redactor.redact(&text[..text.floor_char_boundary(TEXT_MAX + SECRET_MAX)]);
        let clean = &clean[..clean.floor_char_boundary(TEXT_MAX)];
        if field.name() == "message" {
            self.message = clean.to_owned();
        } else if names_a_secret(field.name()) {
            self.fields.put(field.name(), Value::from(REDACTED));
        } else {
            self.fields.put(field.name(), Value::from(clean));
        }
    }
}

impl Visit for Collector<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put_text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put_text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put_text(field, &value.to_string());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.put(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.put(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.put(field.name(), Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.put(field.name(), Value::from(value));
    }
}
