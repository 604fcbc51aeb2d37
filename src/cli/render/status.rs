//! `status`: is it up, is it well, and what is not.

use super::{
    style::{Mood, Style, clean, duration},
    table,
};
use crate::cli::Output;
use serde_json::Value;

/// What `status.get` answers.
pub(in crate::cli) fn status(answer: &Value, output: &Output) -> String {
    draw(answer, Style::of(output))
}

/// The same, in a style.
pub(super) fn draw(answer: &Value, style: Style) -> String {
    let wrong = answer["degraded"].as_array().map(Vec::as_slice).unwrap_or_default();
    let head = if answer["ready"] == true && wrong.is_empty() {
        style.paint(Mood::Good, "ready")
    } else if answer["ready"] == true {
        style.paint(Mood::Busy, "ready, degraded")
    } else if answer["flags"]["shutting_down"] == true {
        style.paint(Mood::Busy, "shutting down")
    } else if answer["flags"]["setup_complete"] == false {
        style.paint(Mood::Busy, "starting")
    } else {
        style.paint(Mood::Bad, "degraded")
    };
    let version = clean(answer["version"].as_str().unwrap_or_default());
    let up = answer["uptime_ms"].as_u64().map_or(String::new(), |up| format!(", up {}", duration(up)));
    let pid = answer["pid"].as_u64().map_or(String::new(), |pid| format!(", pid {pid}"));
    let mut lines = vec![format!("impresario {version}: {head}{up}{pid}")];
    for wrong in wrong.iter().filter_map(Value::as_str) {
        lines.push(format!("  {} {}", style.paint(Mood::Bad, "!"), clean(wrong)));
    }
    let mut rows = Vec::new();
    let mut row = |name: &str, text: String| rows.push(vec![format!("  {name}"), text]);
    if let Some(actors) = answer["actors"].as_object() {
        row("actors", pairs(actors.iter().map(|(state, count)| (state.as_str(), count))));
    }
    if let Some(guilds) = answer["guilds"].as_u64() {
        row("guilds", guilds.to_string());
    }
    for shard in answer["shards"].as_array().into_iter().flatten() {
        let latency = shard["latency_ms"].as_f64().map_or(String::new(), |ms| format!(", {ms:.0} ms"));
        let state = clean(shard["state"].as_str().unwrap_or("?"));
        row(&format!("shard {}", shard["shard"]), format!("{state}{latency}"));
    }
    for name in ["cogs", "tasks", "identify", "work"] {
        if let Some(fields) = answer[name].as_object() {
            row(name, pairs(fields.iter().map(|(key, value)| (key.as_str(), value))));
        }
    }
    lines.push(table::aligned(&rows));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

/// What `status.get` answers, as the course of boot: each phase and how long it took.
pub(in crate::cli) fn boot(answer: &Value, output: &Output) -> String {
    let phases = answer["boot"].as_array().map(Vec::as_slice).unwrap_or_default();
    let took = |phase: &Value| phase["took_ms"].as_u64().unwrap_or_default();
    let row = |name: &str, millis: u64| vec![clean(name), format!("{millis:>7} ms")];
    let line = |phase: &Value| row(phase["phase"].as_str().unwrap_or("?"), took(phase));
    // What follows READY is no part of the time until it.
    let until_ready = phases.iter().filter(|phase| phase["phase"] != "post-ready");
    let after = phases.iter().filter(|phase| phase["phase"] == "post-ready");
    let mut rows: Vec<_> = until_ready.clone().map(line).collect();
    rows.push(row("in all", until_ready.map(took).sum()));
    rows.extend(after.map(line));
    if let Some(after) = answer["ready_after_ms"].as_u64() {
        rows.push(row("ready after", after));
    }
    if answer["flags"]["setup_complete"] == false {
        if let Some(phase) = answer["phase"]["phase"].as_str() {
            let since = answer["phase"]["since_ms"].as_u64().unwrap_or_default();
            rows.push(vec![clean(phase), format!("{since:>7} ms so far")]);
        }
        rows.push(vec![Style::of(output).paint(Mood::Busy, "not over yet")]);
    }
    table::aligned(&rows)
}

fn pairs<'v>(fields: impl Iterator<Item = (&'v str, &'v Value)>) -> String {
    let (words, numbers): (Vec<_>, Vec<_>) = fields
        .filter(|(_, value)| !value.is_null() && !value.is_object() && !value.is_array())
        .partition(|(_, value)| value.is_string());
    let numbers = numbers.into_iter().map(|(key, value)| format!("{value} {}", clean(key)));
    // A sentence may have commas of its own: it comes last, behind its name.
    let words = words
        .into_iter()
        .map(|(key, value)| format!("{}: {}", clean(key).replace('_', " "), clean(value.as_str().unwrap_or_default())));
    numbers.chain(words).collect::<Vec<_>>().join(", ")
}
