//! Background tasks through the whole program.

use crate::{
    harness::{Home, assert_answers, audited, discord, until},
    probes::{address, get},
};
use serde_json::json;

#[test]
fn how_tasks_are_is_on_the_metrics_page_and_a_forced_restart_leaves_an_audit_row_that_says_so() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let bot = home.start();
    let address = address(&bot);
    assert_answers(&discord);
    bot.wait_state("task-supervisor/database-health", "running");
    bot.cli(&["tasks", "run", "database-health"]).exits(0);
    let shown = || bot.json(&["tasks", "show", "database-health"])["figures"].clone();
    until("a run has ended", || shown()["last_at"].is_string().then_some(()));
    let page = get(&address, "/metrics").1;
    let of = |metric: &str, label: &str| {
        let line = page.lines().find(|line| line.starts_with(metric) && line.contains(label));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {metric} of {label} in\n{page}"))
    };
    let listed = bot.json(&["tasks", "list"])["statistics"].clone();
    for (metric, label, figures) in [
        ("impresario_tasks_by_category", "category", &listed["categories"]),
        ("impresario_tasks_by_priority", "priority", &listed["priorities"]),
    ] {
        for (word, tasks) in figures.as_object().unwrap() {
            assert_eq!(Some(of(metric, &format!("{label}=\"{word}\""))), tasks.as_f64(), "{word}");
        }
    }
    let ran = of("impresario_task_last_run_timestamp_seconds", "task=\"database-health\"");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((now - 600.0..=now).contains(&ran), "{ran}, and now it is {now}");

    bot.cli(&["tasks", "restart", "presence", "--force"]).exits(0);
    assert_eq!(bot.terminate(), 0);
    let rows = audited(&home, "tasks.restart");
    assert_eq!(rows.iter().map(|row| row.outcome.as_str()).collect::<Vec<_>>(), ["begun", "done"]);
    for row in &rows {
        assert!(row.target.ends_with("presence"), "{row:?}");
        assert_eq!(row.detail, json!({ "name": "presence", "force": true }));
    }
}
