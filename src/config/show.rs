//! What `check` prints: every value with its origin, secrets redacted.

use super::{
    Loaded, Problems,
    key::Key,
    values::{Setting, Values},
};
use serde_json::{Value, json};
use std::path::Path;

/// For people: one line a value, origins aligned.
pub fn human(values: &Values, file: Option<&Path>, warnings: &[String]) -> String {
    let mut text = match file {
        Some(file) => format!("# {} over the defaults\n", file.display()),
        None => "# no file: the defaults\n".to_owned(),
    };
    let rows: Vec<_> = values
        .iter()
        .map(|(key, setting)| (format!("{key} = {}", shown(key, setting)), setting.origin.to_string()))
        .collect();
    let width = rows.iter().map(|(row, _)| row.chars().count()).filter(|width| *width <= WIDTH_MAX).max().unwrap_or(0);
    for (row, origin) in rows {
        text.push_str(&format!("{row:width$}  # {origin}\n"));
    }
    for warning in warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

/// Rows wider than this do not push the others' origins to the right.
const WIDTH_MAX: usize = 64;

/// For programs.
pub fn json(loaded: &Loaded) -> Value {
    let mut report = report(&loaded.values, loaded.file.as_deref(), &loaded.warnings);
    report["ok"] = true.into();
    report["problems"] = json!([]);
    report["socket"] = json!(loaded.socket);
    report
}

/// For programs, when something is wrong.
pub fn json_problems(problems: &Problems) -> Value {
    let mut report = report(&problems.values, problems.file.as_deref(), &problems.warnings);
    report["ok"] = false.into();
    report["problems"] = json!(problems.list);
    report
}

fn report(values: &Values, file: Option<&Path>, warnings: &[String]) -> Value {
    let values = values.iter().map(|(key, setting)| {
        let value =
            if hidden(key, setting) { json!(redacted(key, setting)) } else { json!(inside(key, &setting.value)) };
        json!({"key": key.to_string(), "value": value, "origin": setting.origin})
    });
    json!({"file": file, "values": values.collect::<Vec<_>>(), "warnings": warnings})
}

/// The value as TOML, redacted.
pub(super) fn shown(key: &Key, setting: &Setting) -> String {
    if hidden(key, setting) { format!("{:?}", redacted(key, setting)) } else { inside(key, &setting.value).to_string() }
}

/// A free-form value may hold secrets deeper down.
fn inside(key: &Key, value: &toml::Value) -> toml::Value {
    match value {
        toml::Value::Table(table) => toml::Value::Table(
            table
                .iter()
                .map(|(name, value)| {
                    let deeper = Key::of(key.parts().iter().cloned().chain([name.clone()]));
                    let value = if deeper.is_secret() { toml::Value::from("***") } else { inside(&deeper, value) };
                    (name.clone(), value)
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The keys of `value` and of what is inside it that are never shown whole, or hold a URL with a password.
pub(super) fn secrets(key: &Key, value: &toml::Value) -> Vec<Key> {
    match value {
        toml::Value::Table(table) if !key.is_secret() => {
            let deeper = |name: &String| Key::of(key.parts().iter().cloned().chain([name.clone()]));
            table.iter().flat_map(|(name, value)| secrets(&deeper(name), value)).collect()
        }
        value if is_hidden(key, value) => vec![key.clone()],
        _ => Vec::new(),
    }
}

fn hidden(key: &Key, setting: &Setting) -> bool {
    is_hidden(key, &setting.value)
}

fn is_hidden(key: &Key, value: &toml::Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    (key.is_secret() && value.as_str() != Some("")) || password_of(text).is_some()
}

fn redacted(key: &Key, setting: &Setting) -> String {
    match setting.value.as_str().and_then(|text| Some((text, password_of(text)?))) {
        Some((text, (from, to))) if !key.is_secret() => format!("{}***{}", &text[..from], &text[to..]),
        _ => "***".to_owned(),
    }
}

/// Where the password of a URL stands: between the user's colon and the last `@` before the path.
fn password_of(text: &str) -> Option<(usize, usize)> {
    let start = text.find("://")? + 3;
    let authority = start + text[start..].find(['/', '?']).unwrap_or(text.len() - start);
    let at = start + text[start..authority].rfind('@').or_else(|| text[start..].rfind('@'))?;
    let colon = start + text[start..at].find(':')?;
    Some((colon + 1, at))
}
