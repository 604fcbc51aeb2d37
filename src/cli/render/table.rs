//! Any JSON as text: rows as a table, one thing as `key: value`.

use super::style::{clean, cut, duration};
use serde_json::{Map, Value};

/// Longest cell of a table.
const CELL_MAX: usize = 60;

/// Renders `answer`.
pub(super) fn any(answer: &Value) -> String {
    match answer {
        Value::Array(rows) => list(rows),
        Value::Object(fields) => {
            // A wrapper around one list, as in {"tasks": [...]}, is that list with what stands beside it below.
            let lists: Vec<_> = fields.iter().filter(|(_, value)| is_rows(value)).collect();
            match lists[..] {
                [(name, Value::Array(rows))] => {
                    let beside: Map<_, _> =
                        fields.iter().filter(|(key, _)| *key != name).map(|(k, v)| (k.clone(), v.clone())).collect();
                    if beside.is_empty() { list(rows) } else { format!("{}\n{}", object(&beside), list(rows)) }
                }
                _ => object(fields),
            }
        }
        scalar => cell(scalar),
    }
}

fn is_rows(value: &Value) -> bool {
    value.as_array().is_some_and(|rows| !rows.is_empty() && rows.iter().all(Value::is_object))
}

fn list(rows: &[Value]) -> String {
    if rows.is_empty() {
        return "none".to_owned();
    }
    if !rows.iter().all(Value::is_object) {
        return rows.iter().map(cell).collect::<Vec<_>>().join("\n");
    }
    let rows: Vec<Vec<(String, String)>> = rows.iter().map(|row| flat("", row)).collect();
    let mut heads: Vec<String> = Vec::new();
    for (head, _) in rows.iter().flatten() {
        if !heads.contains(head) {
            heads.push(head.clone());
        }
    }
    heads.sort_by_key(|head| place(head));
    let find = |row: &[(String, String)], head: &str| {
        row.iter().find(|(key, _)| key == head).map_or(String::new(), |(_, value)| cut(value, CELL_MAX))
    };
    // A column without a value says nothing.
    heads.retain(|head| rows.iter().any(|row| !find(row, head).is_empty()));
    let table: Vec<Vec<String>> = std::iter::once(heads.iter().map(|head| head.to_uppercase()).collect())
        .chain(rows.iter().map(|row| heads.iter().map(|head| find(row, head)).collect()))
        .collect();
    aligned(&table)
}

fn object(fields: &Map<String, Value>) -> String {
    let rows = flat("", &Value::Object(fields.clone()));
    let width = rows.iter().map(|(key, _)| key.chars().count() + 1).max().unwrap_or(0);
    let line = |(key, value): &(String, String)| format!("{:width$}  {value}", format!("{key}:")).trim_end().to_owned();
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An object's values by dotted key.
fn flat(above: &str, value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields
            .iter()
            .flat_map(|(key, value)| {
                let key = clean(key);
                flat(&if above.is_empty() { key } else { format!("{above}.{key}") }, value)
            })
            .collect(),
        other => vec![(above.to_owned(), cell(other))],
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => clean(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        Value::Number(_) => value.to_string(),
        Value::Object(_) => clean(&value.to_string()),
    }
}

/// What names a thing comes first, what describes it last.
fn place(head: &str) -> usize {
    const FIRST: [&str; 8] = ["name", "key", "shard", "id", "path", "version", "state", "reason"];
    let nth = FIRST.iter().position(|first| *first == head);
    nth.unwrap_or(FIRST.len() + usize::from(matches!(head, "about" | "description")))
}

/// Rows with chosen columns: a head and the dotted key of each. A key that ends in `_ms` is shown as a time.
pub(super) fn picked(rows: &Value, columns: &[(&str, &str)]) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "none".to_owned();
    }
    let get = |row: &Value, dotted: &str| {
        let found = dotted.split('.').try_fold(row, |value, key| value.get(key));
        match found {
            Some(value) if dotted.ends_with("_ms") => value
                .as_u64()
                .or_else(|| value.as_f64().map(|millis| millis.round() as u64))
                .map_or(String::new(), duration),
            found => cut(&found.map_or(String::new(), cell), CELL_MAX),
        }
    };
    let head = columns.iter().map(|(head, _)| (*head).to_owned()).collect();
    let rows = rows.iter().map(|row| columns.iter().map(|(_, key)| get(row, key)).collect());
    let mut table: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    // A column without a value says nothing.
    let full: Vec<bool> = (0..columns.len()).map(|at| table[1..].iter().any(|row| !row[at].is_empty())).collect();
    for row in &mut table {
        let mut at = 0;
        row.retain(|_| {
            at += 1;
            full[at - 1]
        });
    }
    aligned(&table)
}

/// Columns two blanks apart.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |at: usize| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_become_a_table() {
        let answer = json!({"tasks": [
            {"name": "presence", "runs": 12, "last": {"outcome": "done", "ms": 3}, "reason": null},
            {"name": "prune", "runs": 0, "needs": ["database", "rest"], "reason": null},
        ]});
        let expected = "\
NAME      LAST.MS  LAST.OUTCOME  RUNS  NEEDS
presence  3        done          12
prune                            0     database, rest";
        assert_eq!(any(&answer), expected);
        assert_eq!(any(&json!([])), "none");
        let columns = [("TASK", "name"), ("LAST", "last.outcome"), ("NEXT", "next_in_ms"), ("WHY", "reason")];
        let picked =
            picked(&json!([{"name": "presence", "last": {"outcome": "done"}, "next_in_ms": 61_000}]), &columns);
        assert_eq!(picked, "TASK      LAST  NEXT\npresence  done  1 m 01 s");
    }

    #[test]
    fn one_thing_becomes_lines() {
        let text = any(&json!({"ok": true, "pool": {"in_use": 1}, "path": "a\x1bb", "none": null}));
        for line in ["ok:           yes", "pool.in_use:  1", "path:         ab", "none:"] {
            assert!(text.lines().any(|found| found == line), "{line:?} in {text}");
        }
        assert_eq!(any(&json!("pong")), "pong");
    }
}
