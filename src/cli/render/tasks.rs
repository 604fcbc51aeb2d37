//! `tasks list` and `tasks show`.

use super::{style::clean, table};
use crate::cli::Output;
use serde_json::{Value, json};

/// Runs that are shown; `--json` has all that are kept.
const RUNS_SHOWN: usize = 10;

/// What `tasks.list` answers.
pub(in crate::cli) fn tasks(answer: &Value, _: &Output) -> String {
    let columns = [
        ("TASK", "name"),
        ("STATE", "state"),
        ("HEALTH", "health.health"),
        ("COG", "cog"),
        ("CATEGORY", "category"),
        ("PRIORITY", "priority"),
        ("SCHEDULE", "schedule.text"),
        ("RUNS", "figures.runs"),
        ("ERRORS", "figures.errors"),
        ("RESTARTS", "figures.restarts"),
        ("LAST", "figures.last.outcome"),
        ("TOOK", "figures.last_ms"),
        ("P95", "figures.timing.p95_ms"),
        ("NEXT IN", "figures.next_in_ms"),
        ("PAUSED", "figures.paused"),
        ("NEEDS", "needs"),
        ("WHY", "why"),
    ];
    let rows: Vec<Value> = answer["tasks"].as_array().into_iter().flatten().map(with_why).collect();
    let rows = table::picked(&Value::Array(rows), &columns);
    let sum = &answer["statistics"];
    let count = |key: &str| sum[key].as_u64().unwrap_or_default();
    let (categories, priorities) = (counts(&sum["categories"]), counts(&sum["priorities"]));
    format!(
        "{rows}\n\n{} task(s): {} healthy, {} unhealthy; {} restart(s), {} error(s)\n\
         by category: {categories}; by priority: {priorities}",
        count("total"),
        count("healthy"),
        count("unhealthy"),
        count("restarts"),
        count("errors")
    )
}

/// Those that there are, the most first: `2 scheduled, 1 system`.
fn counts(of: &Value) -> String {
    let mut found: Vec<(u64, &str)> = of
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, count)| Some((count.as_u64().filter(|count| *count > 0)?, name.as_str())))
        .collect();
    found.sort_by_key(|(count, name)| (std::cmp::Reverse(*count), *name));
    let shown: Vec<String> = found.into_iter().map(|(count, name)| format!("{count} {}", clean(name))).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}

/// Why it does nothing, else what is wrong with its health.
fn with_why(task: &Value) -> Value {
    let mut shown = task.clone();
    let ill = task["health"]["health"] != "healthy";
    shown["why"] =
        if task["reason"].is_null() && ill { task["health"]["reason"].clone() } else { task["reason"].clone() };
    shown
}

/// What `tasks.show` answers.
pub(in crate::cli) fn task(answer: &Value, output: &Output) -> String {
    let mut one = answer.clone();
    let recent = one.as_object_mut().and_then(|fields| fields.remove("recent")).unwrap_or_else(|| json!([]));
    let text = super::answer(&one, output);
    let runs = recent.as_array().map(Vec::as_slice).unwrap_or_default();
    if runs.is_empty() {
        return text;
    }
    let last: Vec<Value> = runs.iter().rev().take(RUNS_SHOWN).cloned().collect();
    let columns = [("RUN", "number"), ("ENDED", "at"), ("OUTCOME", "outcome"), ("TOOK", "took_ms"), ("WHY", "why")];
    let heading = clean(&format!("the last {} of {} run(s) that are kept", last.len(), runs.len()));
    format!("{text}\n\n{heading}\n{}", table::picked(&Value::Array(last), &columns))
}
