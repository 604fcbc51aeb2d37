//! Answers as people read them: pure functions from JSON to text.

mod actor;
mod crash;
mod decision;
mod last;
mod status;
mod style;
mod sync;
mod table;
mod tasks;
mod tree;

pub(super) use actor::{messages, ordered, reloaded, shutdown, told};
pub(super) use crash::{crash, dropped, poison, released};
pub(super) use decision::{event, explain};
pub(super) use last::last_shutdown;
pub(super) use status::{boot, status};
pub(super) use sync::synced;
pub(super) use tasks::{task, tasks};

use super::Output;
use serde_json::Value;

/// Draws what `tree.get` answers, without colours: for logs and chat.
pub fn draw_tree(tree: &Value) -> String {
    tree::draw(tree, style::Style::plain())
}

/// Draws what `status.get` answers, without colours.
pub fn draw_status(status: &Value) -> String {
    status::draw(status, style::Style::plain())
}

/// What `ping` found out: token, REST and gateway, each with its time or why there is none.
pub(super) fn ping(answer: &Value, _: &Output) -> String {
    let mut rows = Vec::new();
    for part in ["token", "rest", "gateway"] {
        let found = &answer[part];
        let beat = part == "gateway" && answer["running"] == true;
        let text = match (found["ok"].as_bool(), found["reason"].as_str()) {
            (Some(true), reason) => match found["ms"].as_f64() {
                Some(ms) if beat => format!("{ms:.1} ms (a heartbeat)"),
                Some(ms) => format!("{ms} ms"),
                None => reason.map_or_else(|| "accepted".to_owned(), style::clean),
            },
            (Some(false), reason) => format!("failed: {}", style::clean(reason.unwrap_or("no reason given"))),
            (None, Some(reason)) => style::clean(reason),
            (None, None) => "not measured".to_owned(),
        };
        rows.push(vec![part.to_owned(), text]);
    }
    table::aligned(&rows)
}

pub(super) fn tree(answer: &Value, output: &Output) -> String {
    tree::draw(answer, style::Style::of(output))
}

/// Any answer: a table for rows, `key: value` for one thing.
pub(super) fn answer(answer: &Value, _: &Output) -> String {
    table::any(answer)
}

/// What `shards.list` answers. Of what went wrong only what there is to tell has a column.
pub(super) fn shards(answer: &Value, _: &Output) -> String {
    let mut answer = answer.clone();
    for shard in answer.as_array_mut().into_iter().flatten().filter(|shard| shard["lost"] == 0) {
        shard["lost"] = Value::Null;
    }
    let columns = [
        ("SHARD", "shard"),
        ("OF", "total"),
        ("STATE", "state"),
        ("LATENCY", "latency_ms"),
        ("RECEIVED", "seq_received"),
        ("ACCEPTED", "seq_accepted"),
        ("IDENTIFIES", "identifies"),
        ("RESUMES", "resumes"),
        ("DISCONNECTS", "disconnects"),
        ("LOST", "lost"),
        ("LAST CAUSE", "last_disconnect.cause"),
        ("WHY", "last_disconnect.detail"),
        ("UNSTABLE", "unstable"),
        ("PARKED", "parked"),
    ];
    table::picked(&answer, &columns)
}

/// What `shards.reconnect` answers: whom it reached, and of each other one why not.
pub(super) fn reconnected(answer: &Value, _: &Output) -> String {
    let reached: Vec<String> = answer["reconnecting"].as_array().into_iter().flatten().map(Value::to_string).collect();
    let mut lines = vec![match &reached[..] {
        [] => "no shard reconnects".to_owned(),
        [one] => format!("shard {one} reconnects"),
        [some @ .., last] => format!("shards {} and {last} reconnect", some.join(", ")),
    }];
    for shard in answer["not_reached"].as_array().into_iter().flatten() {
        lines.push(style::clean(shard["why"].as_str().unwrap_or("?")));
    }
    lines.join("\n")
}

/// What `cogs.list` answers.
pub(super) fn cogs(answer: &Value, _: &Output) -> String {
    let columns = [
        ("COG", "name"),
        ("STATE", "state"),
        ("PRIORITY", "priority"),
        ("COMMANDS", "commands"),
        ("INVOCATIONS", "invocations"),
        ("PANICS", "panics"),
        ("WHAT IT DOES", "about"),
        ("WHY", "reason"),
    ];
    table::picked(answer, &columns)
}
