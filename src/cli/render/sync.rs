//! What `sync` found and did.

use super::style::{Mood, Style, clean};
use crate::cli::Output;
use serde_json::Value;

/// What `commands.sync` answers: a line for each command that differs, then what became of it.
pub(in crate::cli) fn synced(answer: &Value, output: &Output) -> String {
    draw(answer, Style::of(output))
}

fn draw(answer: &Value, style: Style) -> String {
    let names = |key: &str| list(&answer[key]).iter().map(|name| clean(name.as_str().unwrap_or_default()));
    let mut lines = Vec::new();
    lines.extend(names("added").map(|name| style.paint(Mood::Good, &format!("+ {name}"))));
    for command in list(&answer["changed"]) {
        let name = clean(command["name"].as_str().unwrap_or_default());
        lines.push(style.paint(Mood::Busy, &format!("~ {name}")));
        lines.extend(list(&command["fields"]).iter().map(field));
    }
    lines.extend(names("removed").map(|name| style.paint(Mood::Bad, &format!("- {name}"))));
    let place = match answer["guild"].as_str() {
        Some(guild) => format!("in guild {}", clean(guild)),
        None => "everywhere".to_owned(),
    };
    let same = answer["unchanged"].as_u64().unwrap_or_default();
    let counts = || {
        let count = |key: &str| list(&answer[key]).len();
        format!("{} new, {} changed, {} gone, {same} as they were", count("added"), count("changed"), count("removed"))
    };
    lines.push(if lines.is_empty() {
        format!("Discord has all {same} commands {place} as they are declared: nothing to register")
    } else if answer["dry_run"] == true {
        format!("{place}: {}; nothing was registered (--dry-run)", counts())
    } else {
        let now = answer["registered"].as_u64().unwrap_or_default();
        format!("registered {place}: {}; Discord has {now} now", counts())
    });
    lines.join("\n")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `    set.value.required: false -> true`
fn field(field: &Value) -> String {
    let side = |value: &Value| match value {
        Value::Null => "nothing".to_owned(),
        other => clean(&other.to_string()),
    };
    format!(
        "    {}: {} -> {}",
        clean(field["field"].as_str().unwrap_or_default()),
        side(&field["from"]),
        side(&field["to"])
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_differs_is_told_command_by_command() {
        let answer = json!({
            "dry_run": true, "guild": null, "added": ["ping"], "removed": ["pong"], "unchanged": 3, "registered": null,
            "changed": [{"name": "prefix", "fields": [{"field": "set.value", "from": null, "to": {"type": 3}}]}],
        });
        let expected = "+ ping\n~ prefix\n    set.value: nothing -> {\"type\":3}\n- pong\n\
                        everywhere: 1 new, 1 changed, 1 gone, 3 as they were; nothing was registered (--dry-run)";
        assert_eq!(draw(&answer, Style::plain()), expected);
    }

    #[test]
    fn nothing_to_do_is_said() {
        let answer = json!({"dry_run": false, "guild": "7", "added": [], "changed": [], "removed": [], "unchanged": 9});
        let text = draw(&answer, Style::plain());
        assert_eq!(text, "Discord has all 9 commands in guild 7 as they are declared: nothing to register");
    }
}
