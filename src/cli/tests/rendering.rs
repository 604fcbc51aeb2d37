//! Answers as people read them, word for word.

use crate::cli::{Output, render};
use serde_json::json;

fn plain() -> Output {
    Output::to(Box::new(Vec::new()), Box::new(Vec::new()), false)
}

#[test]
fn an_explanation_names_cause_rule_and_what_was_rejected() {
    let answer = json!({
        "path": "gateway/shard-0", "state": "waiting", "node": {"reason": "backoff"},
        "decisions": [{
            "seq": 7, "at": "2026-01-01T00:00:00.000Z", "path": "gateway/shard-0", "incarnation": 2,
            "cause": "panic at a.rs:1:1: boom", "rule": "backoff", "decision": "restart in 200 ms",
            "budget": {"used": 2, "allowed": 5, "window_ms": 60_000}, "rejected": ["park: the budget is not spent"],
            "text": "…",
        }],
    });
    let expected = "\
gateway/shard-0 is waiting: backoff
2026-01-01T00:00:00.000Z  gateway/shard-0#2  restart in 200 ms  [2 of 5 in 1 m 00 s, 3 left]
    because: panic at a.rs:1:1: boom
    rule: backoff
    not: park: the budget is not spent";
    assert_eq!(render::explain(&answer, &plain()), expected);
    let quiet = json!({"path": "rest", "state": "running", "decisions": []});
    assert_eq!(render::explain(&quiet, &plain()), "rest is running\nnothing has been decided about it");
}

#[test]
fn messages_show_their_arguments() {
    let schema = json!({
        "type": "object", "required": ["shard"],
        "properties": {"shard": {"type": "integer"}, "why": {"type": ["string", "null"]}},
    });
    let answer = json!({"path": "gateway", "messages": [
        {"name": "reconnect", "role": "operate", "about": "Reconnects.", "params": schema},
        {"name": "look", "role": "observe", "about": "Looks.", "params": {"type": "null"}},
    ]});
    let expected = "\
MESSAGE    ROLE     ARGUMENT                              WHAT IT DOES
reconnect  operate  {\"shard\": integer, \"why\"?: string}  Reconnects.
look       observe  -                                     Looks.";
    let text = render::messages(&answer, &plain());
    let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeeze(&text), squeeze(expected));
    assert_eq!(
        text.lines().map(|line| line.find("Reconnects").or(line.find("Looks"))).filter(Option::is_some).count(),
        2
    );
}

#[test]
fn the_status_says_first_whether_all_is_well() {
    let answer = json!({
        "ready": false, "degraded": ["database is waiting: backoff"], "version": "0.1.0", "pid": 7, "uptime_ms": 5_000,
        "flags": {"setup_complete": true, "shutting_down": false}, "actors": {"running": 9, "waiting": 1}, "guilds": 2,
        "shards": [{"shard": 0, "state": "online", "latency_ms": 41.6}], "cogs": {"loaded": 2},
        "identify": {"used": 1, "limit": 900},
    });
    let text = render::status(&answer, &plain());
    assert!(
        text.starts_with("impresario 0.1.0: degraded, up 5 s, pid 7\n  ! database is waiting: backoff\n"),
        "{text}"
    );
    for line in ["9 running, 1 waiting", "online, 42 ms", "2 loaded", "guilds", "900 limit"] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let starting = json!({"ready": false, "flags": {"setup_complete": false}});
    assert!(render::status(&starting, &plain()).contains(": starting"));
}

#[test]
fn the_course_of_boot_is_a_table_with_its_sum() {
    let answer = json!({"boot": [{"phase": "rest", "took_ms": 3}, {"phase": "database", "took_ms": 41}]});
    assert_eq!(render::boot(&answer, &plain()), "rest            3 ms\ndatabase       41 ms\nin all         44 ms");
}

#[test]
fn the_plan_of_a_shutdown_is_its_order_with_deadlines() {
    let plan = json!({
        "total_ms": 10_000, "drain": {"paths": ["gateway", "cog-host"], "within_ms": 3_000},
        "order": ["gateway", "rest"], "within": "each step may take an equal share",
    });
    let expected = "\
the way down (within 10 s):
  drain gateway, cog-host (within 3 s)
  stop gateway
  stop rest
each step may take an equal share";
    assert_eq!(render::shutdown(&plan, &plain()), expected);
    assert_eq!(render::shutdown(&json!({"stopping": true}), &plain()), "it is shutting down");
}

#[test]
fn orders_and_answers_are_one_line() {
    let done = json!({"path": "rest", "dry_run": false, "done": {"done": {"incarnation": 4}}});
    assert_eq!(render::ordered(&done, &plain()), "rest (#4): done");
    let rehearsed = json!({"path": "rest", "dry_run": true, "done": {"incarnation": 4}});
    assert_eq!(render::ordered(&rehearsed, &plain()), "rest (#4): could be done; nothing has been");
    assert_eq!(render::told(&json!({"path": "a", "answer": null}), &plain()), "done");
    assert_eq!(render::told(&json!({"path": "a", "answer": {"emojis": 3}}), &plain()), "emojis:  3");
    let changes =
        json!({"changes": [{"key": "telemetry.log", "before": "\"info\"", "now": "\"warn\"", "needs_restart": false}]});
    assert_eq!(render::reloaded(&changes, &plain()), "telemetry.log  \"info\"  →  \"warn\"  at once");
    let adopting = json!({
        "changes": changes["changes"],
        "actors": [{"path": "rest", "rules": [{"rule": "budget", "before": "5 in 60 s", "now": "9 in 60 s"}]}],
        "tasks": [{"task": "presence", "change": "stop", "rules": []}],
    });
    let shown = render::reloaded(&adopting, &plain());
    assert!(
        shown.ends_with("adopted as it runs:\n  rest: budget 5 in 60 s → 9 in 60 s\n  presence: switched off"),
        "{shown}"
    );
    assert_eq!(render::reloaded(&json!({"changes": []}), &plain()), "nothing has changed");
}

#[test]
fn a_list_of_tasks_ends_with_its_statistics_by_category_and_by_priority() {
    let answer = json!({
        "tasks": [
            {"name": "a", "state": "running", "category": "system", "priority": "low", "health": {"health": "healthy"}},
            {"name": "b", "state": "running", "category": "system", "priority": "high", "health": {"health": "healthy"}},
            {"name": "c", "state": "parked", "category": "command", "priority": "low", "health": {"health": "parked"}},
        ],
        "statistics": {
            "total": 3, "healthy": 2, "unhealthy": 1, "restarts": 5, "errors": 6,
            "categories": {"command": 1, "system": 2, "scheduled": 0, "gateway": 0},
            "priorities": {"low": 2, "normal": 0, "high": 1, "critical": 0},
        },
    });
    let expected = "\
3 task(s): 2 healthy, 1 unhealthy; 5 restart(s), 6 error(s)
by category: 2 system, 1 command; by priority: 2 low, 1 high";
    assert!(render::tasks(&answer, &plain()).ends_with(expected), "{}", render::tasks(&answer, &plain()));
    let none = json!({"tasks": [], "statistics": {"total": 0, "categories": {}, "priorities": {}}});
    assert!(render::tasks(&none, &plain()).ends_with("by category: none; by priority: none"));
    let one = json!({"name": "a", "category": "system", "priority": "low", "recent": []});
    let shown = render::task(&one, &plain());
    for line in ["category", "system", "priority", "low"] {
        assert!(shown.contains(line), "{shown}");
    }
}
