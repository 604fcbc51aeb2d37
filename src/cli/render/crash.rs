//! Crash records and parked messages.

use super::{
    style::{Mood, Style, clean, duration},
    table,
};
use crate::cli::Output;
use serde_json::Value;

/// One record on one line, for `explain`.
pub(super) fn summary(crash: &Value, style: Style) -> String {
    let text = |value: &Value| clean(value.as_str().unwrap_or_default());
    let hand = crash["in_hand"]["name"].as_str().map_or(String::new(), |name| format!(", handling {}", clean(name)));
    let (number, path) = (&crash["number"], text(&crash["path"]));
    format!(
        "{}  crash {number} of #{}: {}{hand}  {}",
        style.paint(Mood::Faint, &text(&crash["at"])),
        crash["incarnation"],
        style.paint(Mood::Bad, &text(&crash["exit"]["text"])),
        style.paint(Mood::Faint, &format!("(explain {path} --crash {number})"))
    )
}

/// What `tree.crash` answers.
pub(in crate::cli) fn crash(answer: &Value, output: &Output) -> String {
    let style = Style::of(output);
    let text = |value: &Value| clean(value.as_str().unwrap_or_default());
    let strong = |text: &str| style.paint(Mood::Strong, text);
    let mut lines = vec![format!(
        "crash {}: {} at {}",
        answer["number"],
        strong(&format!("{}#{}", text(&answer["path"]), answer["incarnation"])),
        text(&answer["at"])
    )];
    let mut rows = vec![vec!["  exit".to_owned(), style.paint(Mood::Bad, &text(&answer["exit"]["text"]))]];
    let mut row = |name: &str, text: String| rows.push(vec![format!("  {name}"), text]);
    row("up for", answer["uptime_ms"].as_u64().map(duration).unwrap_or_default());
    row("mailbox", format!("{} of {}", answer["depth"], answer["capacity"]));
    row(
        "in hand",
        match message(&answer["in_hand"]) {
            Some(message) => message,
            None => "nothing".to_owned(),
        },
    );
    if let Some(shown) = answer["in_hand"]["shown"].as_str() {
        row("", clean(shown));
    }
    let followed = &answer["followed"];
    row(
        "then",
        match followed["rule"].as_str() {
            Some(rule) => {
                format!("{} (rule {}, decision {})", text(&followed["decision"]), clean(rule), followed["seq"])
            }
            None => "nothing was decided about it yet".to_owned(),
        },
    );
    lines.push(table::aligned(&rows));
    let section = |title: &str, items: Vec<String>| {
        let head = std::iter::once(strong(title));
        let items = if items.is_empty() { vec!["none".to_owned()] } else { items };
        head.chain(items.into_iter().map(|item| format!("  {item}"))).collect::<Vec<_>>()
    };
    let texts = |key: &str| answer[key].as_array().into_iter().flatten().map(&text).collect::<Vec<_>>();
    let messages = answer["messages"].as_array().into_iter().flatten().filter_map(message).collect();
    lines.extend(section("last messages, the oldest first", messages));
    lines.extend(section("backtrace, innermost first", texts("backtrace")));
    lines.extend(section("last log lines", texts("log")));
    lines.join("\n")
}

/// `refresh, 12 s before, 40 bytes, 0011223344556677`
fn message(message: &Value) -> Option<String> {
    let mut text = clean(message["name"].as_str()?);
    if let Some(ago) = message["ago_ms"].as_u64() {
        text.push_str(&format!(", {} before", duration(ago)));
    }
    if let Some(size) = message["size"].as_u64() {
        text.push_str(&format!(", {size} bytes"));
    }
    if let Some(fingerprint) = message["fingerprint"].as_str() {
        text.push_str(&format!(", {}", clean(fingerprint)));
    }
    Some(text)
}

/// What `poison.list` answers.
pub(in crate::cli) fn poison(answer: &Value, _: &Output) -> String {
    let columns = [
        ("NUMBER", "number"),
        ("ACTOR", "path"),
        ("MESSAGE", "message"),
        ("STATE", "state"),
        ("DEATHS", "deaths"),
        ("REFUSED", "refused"),
        ("BYTES", "size"),
        ("SINCE", "since"),
    ];
    table::picked(&answer["poison"], &columns)
}

/// What `poison.release` answers.
pub(in crate::cli) fn released(answer: &Value, _: &Output) -> String {
    format!("{} may be sent to {} once more", named(answer), clean(answer["path"].as_str().unwrap_or_default()))
}

/// What `poison.drop` answers.
pub(in crate::cli) fn dropped(answer: &Value, _: &Output) -> String {
    format!("{} is forgotten", named(answer))
}

fn named(answer: &Value) -> String {
    format!("{} ({})", answer["number"], clean(answer["message"].as_str().unwrap_or_default()))
}
