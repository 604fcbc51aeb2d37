//! `status --last-shutdown`: how a process ended.

use super::{
    style::{Mood, Style, clean, duration},
    table,
};
use crate::{cli::Output, record};
use serde_json::Value;

/// What `status.last_shutdown` answers.
pub(in crate::cli) fn last_shutdown(answer: &Value, output: &Output) -> String {
    let style = Style::of(output);
    if !answer["clean"].is_boolean() {
        return "how the process before ended is not known: there was none, or it never came far".to_owned();
    }
    let told = clean(&record::sentence(answer));
    if answer["clean"] == false {
        return style.paint(Mood::Bad, &told);
    }
    let report = &answer["report"];
    let cut = list(&report["cut_off"]);
    let mood = if cut.is_empty() { Mood::Good } else { Mood::Busy };
    let mut lines = vec![style.paint(mood, &told)];
    let mut rows = Vec::new();
    for step in report["steps"].as_array().into_iter().flatten() {
        let how = if step["cut_off"] == true { "  CUT OFF" } else { "" };
        let took = step["took_ms"].as_u64().unwrap_or_default();
        rows.push(vec![format!("  {}", clean(step["path"].as_str().unwrap_or("?"))), format!("{took:>7} ms{how}")]);
    }
    let took = report["took_ms"].as_u64().unwrap_or_default();
    let of = report["deadline_ms"].as_u64().map_or(String::new(), |limit| format!(" of {}", duration(limit)));
    rows.push(vec!["  in all".to_owned(), format!("{took:>7} ms{of}")]);
    lines.push(table::aligned(&rows));
    for (name, key) in
        [("drained", "drained"), ("cut off", "cut_off"), ("killed", "killed"), ("left behind", "left_behind")]
    {
        let paths = list(&report[key]);
        if !paths.is_empty() {
            lines.push(format!("  {name}: {paths}"));
        }
    }
    for (key, what) in [
        ("handed_on", "events that had not begun and wait for the next process"),
        ("lost", "events that had not begun and are lost"),
        ("events_cut_off", "events that were ended in the middle"),
    ] {
        if let Some(events) = report[key].as_u64().filter(|events| *events > 0) {
            lines.push(format!("  {what}: {events}"));
        }
    }
    if let Some(unowned) = report["unowned"].as_u64().filter(|unowned| *unowned > 0) {
        lines.push(format!("  tasks of no actor that still ran: {unowned}"));
    }
    if let Some(signal) = report["signal"].as_str() {
        lines.push(format!("  signal: {}", clean(signal)));
    }
    lines.join("\n")
}

fn list(paths: &Value) -> String {
    let paths = paths.as_array().into_iter().flatten().filter_map(Value::as_str);
    paths.map(clean).collect::<Vec<_>>().join(", ")
}
