//! How a record is written: for people, or one JSON object a line.

use super::record::Record;
use chrono::SecondsFormat;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;
use std::{borrow::Cow, fmt::Write};
use tracing::Level;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people; colours when on a terminal.
    Human {
        /// Whether to colour the level.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
}

impl Format {
    /// Reads `auto`, `human` or `json`; `auto` is human on a terminal and JSON otherwise.
    ///
    /// # Errors
    /// A sentence with the words that are allowed.
    pub fn parse(text: &str, terminal: bool) -> Result<Self, String> {
        match text {
            "auto" if terminal => Ok(Self::Human { colour: true }),
            "auto" | "json" => Ok(Self::Json),
            "human" => Ok(Self::Human { colour: terminal }),
            other => Err(format!("{other:?} is no format; write \"auto\", \"human\" or \"json\"")),
        }
    }

    /// The line, newline included.
    pub(crate) fn line(self, record: &Record) -> String {
        match self {
            Self::Human { colour } => human(record, colour),
            Self::Json => json(record),
        }
    }
}

/// `2026-01-02T03:04:05.678Z  INFO gateway::shard: connected shard.id=0`.
fn human(record: &Record, colour: bool) -> String {
    let mut line = record.at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let (word, paint) = match record.level {
        Level::ERROR => ("ERROR", "\x1b[31m"),
        Level::WARN => (" WARN", "\x1b[33m"),
        Level::INFO => (" INFO", "\x1b[32m"),
        Level::DEBUG => ("DEBUG", "\x1b[34m"),
        Level::TRACE => ("TRACE", "\x1b[35m"),
    };
    let (paint, reset) = if colour { (paint, "\x1b[0m") } else { ("", "") };
    // A further line of a message is indented: no text can pass for a line of its own.
    let message = without_controls(&record.message, true).replace('\n', "\n  ");
    write!(line, " {paint}{word}{reset} {}: {message}", record.target).ok(); // writing to a String cannot fail
    for (name, value) in &record.fields.0 {
        line.push(' ');
        line.push_str(name);
        line.push('=');
        match value {
            Value::String(text) if is_bare(text) => line.push_str(text),
            Value::String(text) => line.push_str(&Value::from(without_controls(text, true)).to_string()),
            other => line.push_str(&other.to_string()),
        }
    }
    line.push('\n');
    line
}

fn is_bare(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !c.is_control() && !matches!(c, '"' | '=' | '\\'))
}

/// Control characters (a terminal obeys some) as escapes; line feeds may stay.
fn without_controls(text: &str, keep_lines: bool) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !(keep_lines && c == '\n');
    if !text.contains(obeyed) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        if obeyed(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
        out
    }))
}

/// `{"timestamp":…,"level":"info","target":…,"message":…,"fields":{…}}`.
fn json(record: &Record) -> String {
    struct Ordered<'r>(&'r Record);
    impl Serialize for Ordered<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            struct Pairs<'r>(&'r [(&'static str, Value)]);
            impl Serialize for Pairs<'_> {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
                }
            }
            let record = self.0;
            let mut map = serializer.serialize_map(None)?;
            map.serialize_entry("timestamp", &record.at.to_rfc3339_opts(SecondsFormat::Millis, true))?;
            map.serialize_entry("level", level_name(record.level))?;
            map.serialize_entry("target", record.target)?;
            map.serialize_entry("message", &record.message)?;
            map.serialize_entry("fields", &Pairs(&record.fields.0))?;
            map.end()
        }
    }
    let mut line = serde_json::to_string(&Ordered(record)).unwrap_or_default();
    line.push('\n');
    line
}

/// The level in lower case.
pub(crate) fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::{super::record::Fields, *};
    use chrono::DateTime;

    fn record(message: &str) -> Record {
        let fields = Fields(vec![
            ("shard.id", Value::from(0)),
            ("why", Value::from("two words")),
            ("path", Value::from("gateway")),
        ]);
        let at = DateTime::from_timestamp_millis(1_767_323_045_678).unwrap_or_default();
        Record { at, level: Level::INFO, target: "gateway::shard", message: message.into(), fields }
    }

    #[test]
    fn json_is_one_object_a_line_in_a_fixed_order() {
        assert_eq!(
            Format::Json.line(&record("a\nb")),
            "{\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"target\":\"gateway::shard\",\
             \"message\":\"a\\nb\",\"fields\":{\"shard.id\":0,\"why\":\"two words\",\"path\":\"gateway\"}}\n"
        );
    }

    #[test]
    fn a_human_line_cannot_be_forged_or_steer_a_terminal() {
        let line = Format::Human { colour: false }.line(&record("one\n2026 ERROR two\x1b[2J\r"));
        assert_eq!(
            line,
            "2026-01-02T03:04:05.678Z  INFO gateway::shard: one\n  2026 ERROR two\\u{1b}[2J\\r shard.id=0 \
             why=\"two words\" path=gateway\n"
        );
    }

    #[test]
    fn auto_is_json_unless_somebody_watches() {
        assert_eq!(Format::parse("auto", false), Ok(Format::Json));
        assert_eq!(Format::parse("auto", true), Ok(Format::Human { colour: true }));
        assert_eq!(Format::parse("human", false), Ok(Format::Human { colour: false }));
        assert!(Format::parse("xml", true).is_err());
    }
}
