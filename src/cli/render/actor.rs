//! Answers about one actor.

use super::{
    style::{Mood, Style, clean, duration},
    table,
};
use crate::cli::Output;
use serde_json::Value;

/// What `actor.messages` answers.
pub(in crate::cli) fn messages(answer: &Value, _: &Output) -> String {
    let path = clean(answer["path"].as_str().unwrap_or_default());
    let specs = answer["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some(note) = answer["note"].as_str() {
        return clean(note);
    }
    if specs.is_empty() {
        return format!("{path} understands no messages");
    }
    let head = ["MESSAGE", "ROLE", "ARGUMENT", "WHAT IT DOES"].map(str::to_owned).to_vec();
    let rows = specs.iter().map(|spec| {
        let text = |key: &str| clean(spec[key].as_str().unwrap_or_default());
        vec![text("name"), text("role"), argument(&spec["params"]), text("about")]
    });
    table::aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

/// A schema in a few words: `{"shard": integer, "force"?: boolean}`.
fn argument(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object().filter(|properties| !properties.is_empty()) else {
        return match schema["type"].as_str() {
            Some("null" | "object") | None => "-".to_owned(),
            Some(other) => clean(other),
        };
    };
    let required: Vec<_> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = properties.iter().map(|(name, schema)| {
        let kind = match &schema["type"] {
            Value::String(kind) => kind.clone(),
            Value::Array(kinds) => {
                let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
                kinds.collect::<Vec<_>>().join("|")
            }
            _ => "…".to_owned(),
        };
        format!("{:?}{}: {}", clean(name), if required.contains(&name.as_str()) { "" } else { "?" }, clean(&kind))
    });
    format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
}

/// What `actor.send` answers: the actor's own answer.
pub(in crate::cli) fn told(answer: &Value, _: &Output) -> String {
    match &answer["answer"] {
        Value::Null => "done".to_owned(),
        inner => table::any(inner),
    }
}

/// What `actor.restart` and its like answer.
pub(in crate::cli) fn ordered(answer: &Value, output: &Output) -> String {
    let path = clean(answer["path"].as_str().unwrap_or_default());
    let life = incarnation(&answer["done"]);
    let life = life.map_or(String::new(), |life| format!(" (#{life})"));
    if answer["dry_run"] == true {
        return format!("{path}{life}: could be done; nothing has been");
    }
    format!("{path}{life}: {}", Style::of(output).paint(Mood::Good, "done"))
}

/// The incarnation that an outcome holds, however it is wrapped.
fn incarnation(outcome: &Value) -> Option<u64> {
    let fields = outcome.as_object()?;
    fields.get("incarnation").and_then(Value::as_u64).or_else(|| fields.values().find_map(incarnation))
}

/// What `system.shutdown` answers: that it has begun, or the order of the way down.
pub(in crate::cli) fn shutdown(answer: &Value, _: &Output) -> String {
    let Some(order) = answer["order"].as_array() else {
        return if answer["stopping"] == true { "it is shutting down".to_owned() } else { table::any(answer) };
    };
    let within =
        |value: &Value| value.as_u64().map_or(String::new(), |millis| format!(" (within {})", duration(millis)));
    let names = |paths: &Value| {
        let paths = paths.as_array().into_iter().flatten().filter_map(Value::as_str);
        paths.map(clean).collect::<Vec<_>>().join(", ")
    };
    let drain = &answer["drain"];
    let mut lines = vec![format!("the way down{}:", within(&answer["total_ms"]))];
    if drain.is_object() {
        lines.push(format!("  drain {}{}", names(&drain["paths"]), within(&drain["within_ms"])));
    }
    let step = |path: &str| answer["steps"].as_array().into_iter().flatten().find(|step| step["step"] == path);
    lines.extend(order.iter().filter_map(Value::as_str).map(|path| {
        let longest = step(path).map_or(String::new(), |step| within(&step["within_ms"]));
        format!("  stop {}{longest}", clean(path))
    }));
    if let Some(last) = answer["steps"].as_array().and_then(|steps| steps.last()) {
        lines.push(format!("  {}{}", clean(last["step"].as_str().unwrap_or_default()), within(&last["within_ms"])));
    }
    if let Some(rule) = answer["within"].as_str() {
        lines.push(clean(rule));
    }
    if let Some(worst) = answer["worst_case_ms"].as_u64() {
        lines.push(format!("at the worst it is over after {}", duration(worst)));
    }
    lines.join("\n")
}

/// What `config.reload` answers.
pub(in crate::cli) fn reloaded(answer: &Value, _: &Output) -> String {
    let changes = answer["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if changes.is_empty() {
        return "nothing has changed".to_owned();
    }
    let shown = |value: &Value| value.as_str().map_or("-".to_owned(), clean);
    let rows = changes.iter().map(|change| {
        let when = if change["needs_restart"] == true { "at the next start" } else { "at once" };
        vec![shown(&change["key"]), shown(&change["before"]), "→".to_owned(), shown(&change["now"]), when.to_owned()]
    });
    let actors = answer["actors"].as_array().into_iter().flatten().map(|actor| adopted(actor, "path"));
    let tasks = answer["tasks"].as_array().into_iter().flatten().map(|task| match task["change"].as_str() {
        Some("start") => format!("{}: switched on", shown(&task["task"])),
        Some("stop") => format!("{}: switched off", shown(&task["task"])),
        _ => adopted(task, "task"),
    });
    let mut lines = vec![table::aligned(&rows.collect::<Vec<_>>())];
    let more: Vec<String> = actors.chain(tasks).collect();
    if !more.is_empty() {
        lines.push("adopted as it runs:".to_owned());
    }
    lines.extend(more.iter().take(ADOPTED_MAX).map(|line| format!("  {line}")));
    if more.len() > ADOPTED_MAX {
        lines.push(format!("  and {} more (--json shows all)", more.len() - ADOPTED_MAX));
    }
    lines.join("\n")
}

/// Lines about who adopts new rules, at most.
const ADOPTED_MAX: usize = 24;

/// `gateway: intensity 5 in 60 s → 9 in 60 s`.
fn adopted(who: &Value, name: &str) -> String {
    let text = |value: &Value| value.as_str().map_or("-".to_owned(), clean);
    let rules = who["rules"].as_array().into_iter().flatten();
    let rules = rules.map(|it| format!("{} {} → {}", text(&it["rule"]), text(&it["before"]), text(&it["now"])));
    format!("{}: {}", text(&who[name]), rules.collect::<Vec<_>>().join(", "))
}
