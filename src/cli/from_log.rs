//! `tree --from-log FILE [--at TIME]`: draws a tree that a JSON log holds.

use super::{Exit, Output, render};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// Longest line that is looked at; longer ones are no tree records.
const LINE_MAX: usize = 1 << 20;

/// Runs the command.
pub(super) fn run(file: &Path, at: Option<&str>, output: &mut Output) -> Exit {
    let until = match at.map(|text| text.parse::<DateTime<Utc>>()).transpose() {
        Ok(until) => until,
        Err(error) => {
            output.problem(&format!("--at takes a time like 2026-01-31T12:00:00Z: {error}"));
            return Exit::Usage;
        }
    };
    let log = match File::open(file) {
        Ok(log) => BufReader::new(log),
        Err(error) => {
            output.problem(&format!("{} cannot be read: {error}", file.display()));
            return Exit::Failed;
        }
    };
    match last_tree(log, until) {
        Ok(Some(tree)) => {
            if output.json {
                output.value(&tree);
            } else {
                let text = render::tree(&tree, output);
                output.text(&text);
            }
            Exit::Done
        }
        Ok(None) => {
            let when = if until.is_some() { " up to that time" } else { "" };
            output.problem(&format!("{} holds no tree{when}: is it a JSON log?", file.display()));
            Exit::Failed
        }
        Err(error) => {
            output.problem(&format!("{} cannot be read: {error}", file.display()));
            Exit::Failed
        }
    }
}

/// The last snapshot, shaped as `tree.get` answers. Its records stand next to each other and share a `snapshot_id`.
pub(super) fn last_tree(mut log: impl BufRead, until: Option<DateTime<Utc>>) -> std::io::Result<Option<Value>> {
    let mut line = Vec::new();
    let mut current: Option<(Value, String, Vec<Value>)> = None;
    loop {
        line.clear();
        if log.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // The word is looked for first: most lines of a log are no tree records, and parsing is not free.
        if line.len() > LINE_MAX || !line.windows(MARK.len()).any(|window| window == MARK) {
            continue;
        }
        let Ok(record) = serde_json::from_slice::<Value>(&line) else { continue };
        let fields = record.get("fields").unwrap_or(&record);
        let (Some(id), Some(path)) = (fields.get("snapshot_id"), fields["path"].as_str()) else { continue };
        let at = record["timestamp"].as_str().unwrap_or_default().to_owned();
        if let Some(until) = until
            && at.parse::<DateTime<Utc>>().is_ok_and(|at| at > until)
        {
            continue;
        }
        if current.as_ref().is_none_or(|(snapshot, ..)| snapshot != id) {
            current = Some((id.clone(), at, Vec::new()));
        }
        if let Some((.., nodes)) = &mut current {
            nodes.push(node(path, fields));
        }
    }
    Ok(current.map(|(_, at, nodes)| json!({"at": at, "nodes": nodes})))
}

const MARK: &[u8] = b"\"snapshot_id\"";

fn node(path: &str, fields: &Value) -> Value {
    let either = |dotted: &str, outer: &str, inner: &str| {
        fields.get(dotted).or_else(|| fields.get(outer)?.get(inner)).cloned().unwrap_or_default()
    };
    let restarts = json!({
        "used": either("restarts.used", "restarts", "used"),
        "allowed": either("restarts.allowed", "restarts", "allowed"),
    });
    json!({
        "path": path,
        "parent": fields["parent"],
        "kind": if fields["strategy"].is_string() { "supervisor" } else { "worker" },
        "strategy": fields["strategy"],
        "state": fields["state"],
        "incarnation": fields["incarnation"],
        "restarts": if restarts["used"].is_null() { Value::Null } else { restarts },
    })
}
