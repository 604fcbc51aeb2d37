//! Decisions of supervisors: what happened, what was decided, and what was left of the budget.

use super::style::{Mood, Style, clean, duration};
use crate::cli::Output;
use serde_json::Value;

/// What `tree.explain` answers: where the actor is, and each decision that brought it there.
pub(in crate::cli) fn explain(answer: &Value, output: &Output) -> String {
    let style = Style::of(output);
    let text = |key: &str| clean(answer[key].as_str().unwrap_or_default());
    let state = text("state");
    let mut lines = vec![format!("{} is {}", text("path"), style.paint(super::style::mood_of(&state), &state))];
    if let Some(reason) = answer["node"]["reason"].as_str() {
        lines[0].push_str(&format!(": {}", clean(reason)));
    }
    let decisions = answer["decisions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if decisions.is_empty() {
        lines.push("nothing has been decided about it".to_owned());
    }
    for decision in decisions {
        lines.push(line(decision, style));
        let detail =
            |name: &str, value: &str| format!("    {}", style.paint(Mood::Faint, &format!("{name}: {}", clean(value))));
        if let Some(cause) = decision["why"].as_str().or_else(|| decision["cause"].as_str()) {
            lines.push(detail("because", cause));
        }
        if let Some(rule) = decision["rule"].as_str() {
            lines.push(detail("rule", rule));
        }
        for rejected in decision["rejected"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            lines.push(detail("not", rejected));
        }
    }
    for crash in answer["crashes"].as_array().into_iter().flatten() {
        lines.push(super::crash::summary(crash, style));
    }
    lines.join("\n")
}

/// One decision of a stream, or the word that some were lost.
pub(in crate::cli) fn event(event: &Value, output: &Output) -> String {
    let style = Style::of(output);
    if let Some(lost) = event["lost"].as_u64() {
        return style.paint(Mood::Bad, &format!("({lost} lost: read faster, or ask for less)"));
    }
    let mut text = line(event, style);
    if let Some(cause) = event["cause"].as_str() {
        text.push_str(&style.paint(Mood::Faint, &format!("  ({})", clean(cause))));
    }
    text
}

fn line(decision: &Value, style: Style) -> String {
    let at = decision["at"].as_str().unwrap_or_default();
    let path = clean(decision["path"].as_str().unwrap_or_default());
    let life = decision["incarnation"].as_u64().filter(|life| *life > 0);
    let who = format!("{path}{}", life.map_or(String::new(), |life| format!("#{life}")));
    let what = decision["decision"].as_str().or_else(|| decision["text"].as_str()).unwrap_or_default();
    let mut text =
        format!("{}  {}  {}", style.paint(Mood::Faint, &clean(at)), style.paint(Mood::Strong, &who), clean(what));
    if decision["earlier_process"] == true {
        text.push_str(&style.paint(Mood::Faint, "  (an earlier process)"));
    }
    let budget = &decision["budget"];
    if let (Some(used), Some(allowed)) = (budget["used"].as_u64(), budget["allowed"].as_u64()) {
        let window = budget["window_ms"].as_u64().map_or(String::new(), |window| format!(" in {}", duration(window)));
        let mood = if used >= allowed { Mood::Bad } else { Mood::Faint };
        let left = allowed.saturating_sub(used);
        text.push_str(&style.paint(mood, &format!("  [{used} of {allowed}{window}, {left} left]")));
    }
    text
}
