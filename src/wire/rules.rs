//! Changed rules, in words.

use serde_json::{Value, json};
use std::time::Duration;
use supervision::{Amendment, Backoff, Flags, Intensity, Policy, Shutdown};

/// `{"path", "rules": [{"rule", "before", "now"}]}`.
pub fn amendment(amendment: &Amendment) -> Value {
    let own = amendment.flags.map(|(before, now)| differences(&of_supervisor(&before), &of_supervisor(&now)));
    let child = amendment.policy.as_ref().map(|(before, now)| differences(&of_child(before), &of_child(now)));
    let mut rules: Vec<Value> = Vec::new();
    for rule in own.into_iter().chain(child).flatten() {
        if !rules.contains(&rule) {
            rules.push(rule); // a supervisor carries as itself and as a child: told once
        }
    }
    json!({ "path": amendment.path, "rules": rules })
}

type Words = Vec<(&'static str, String)>;

fn differences(before: &Words, now: &Words) -> Vec<Value> {
    let pairs = before.iter().zip(now).filter(|(before, now)| before != now);
    pairs.map(|((rule, before), (_, now))| json!({ "rule": rule, "before": before, "now": now })).collect()
}

fn of_supervisor(flags: &Flags) -> Words {
    vec![("intensity", budget(flags.intensity)), ("carry", flags.carry.to_string())]
}

fn of_child(policy: &Policy) -> Words {
    let or_none = |said: Option<String>| said.unwrap_or_else(|| "none".to_owned());
    let word = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    vec![
        ("restart", word(json!(policy.restart))),
        ("criticality", word(json!(policy.criticality))),
        ("budget", or_none(policy.budget.map(budget))),
        ("backoff", or_none(policy.backoff.map(delays))),
        ("cooldown", or_none(policy.cooldown.map(seconds))),
        (
            "shutdown",
            match policy.shutdown {
                Shutdown::Brutal => "killed unasked".to_owned(),
                Shutdown::Within(within) => seconds(within),
                Shutdown::Infinity => "any time".to_owned(),
            },
        ),
        ("start timeout", seconds(policy.start_timeout)),
        ("tries while parked", or_none(policy.retry_parked.map(delays))),
        ("needs", or_none((!policy.needs.is_empty()).then(|| policy.needs.join(", ")))),
        ("probe", or_none(policy.probe.map(|probe| format!("every {}", seconds(probe.every))))),
        ("stall limit", or_none(policy.probe.map(|probe| seconds(probe.stall)))),
        ("kill awaiting", policy.probe.is_some_and(|probe| probe.kill_awaiting).to_string()),
        ("overlap", policy.overlap_ok.to_string()),
        (
            "poison",
            or_none(policy.poison.map(|poison| format!("{} deaths in {}", poison.deaths, seconds(poison.window)))),
        ),
        ("crash records", policy.crash_records.to_string()),
        ("carry", policy.carry.to_string()),
    ]
}

fn budget(budget: Intensity) -> String {
    format!("{} in {}", budget.restarts, seconds(budget.window))
}

fn delays(backoff: Backoff) -> String {
    format!("{} to {}", seconds(backoff.min), seconds(backoff.max))
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
