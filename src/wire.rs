//! How the tree and its decisions look as JSON: a stable schema, shared by the control channel, `--json` and the log.

mod rules;

pub use rules::amendment;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use supervision::{Crash, Entry, Exit, Handled, Node, Parked, core::Budget};

/// `{"at", "nodes": […]}`.
pub fn tree(nodes: &[Node], at: DateTime<Utc>) -> Value {
    json!({ "at": stamp(at), "nodes": nodes.iter().map(node).collect::<Vec<_>>() })
}

/// One actor.
pub fn node(node: &Node) -> Value {
    json!({
        "path": node.path,
        "parent": node.path.parent(),
        "kind": node.kind,
        "strategy": node.flags.map(|flags| flags.strategy.name()),
        "state": node.status.name(),
        "reason": node.reason,
        "incarnation": node.incarnation,
        "uptime_ms": millis(node.for_),
        "waiting_ms": node.until.map(millis),
        "restarts": node.budget.map(|spent| {
            let mut shown = budget(spent);
            shown["total"] = node.restarts_total.into();
            shown
        }),
        "criticality": node.criticality,
        "missing": node.missing,
        "last_exit": node.last_exit.as_ref().map(exit),
        "mailbox": node.mailbox,
        "activity": node.activity,
        "left_behind": node.left_behind,
    })
}

/// A crash record; `whole` with its messages, frames and log lines, whose names may take a while to look up.
pub fn crash(crash: &Crash, whole: bool) -> Value {
    let message = |message: &Handled| {
        json!({
            "name": message.name,
            "size": message.size,
            "fingerprint": message.fingerprint.map(|fingerprint| fingerprint.to_string()),
            "ago_ms": millis(message.ago),
        })
    };
    let mut shown = json!({
        "number": crash.number,
        "at": stamp(crash.wall.into()),
        "path": crash.path,
        "incarnation": crash.incarnation,
        "exit": exit(&crash.exit),
        "uptime_ms": millis(crash.uptime),
        "in_hand": crash.in_hand.as_ref().map(|hand| message(&hand.message)),
        "depth": crash.depth,
        "capacity": crash.capacity,
        "followed": crash.followed().map(|followed| {
            json!({ "seq": followed.seq, "rule": followed.rule.name(), "decision": followed.text })
        }),
    });
    if whole {
        if let Some(hand) = &crash.in_hand {
            shown["in_hand"]["shown"] = hand.shown.clone().into();
        }
        shown["messages"] = crash.messages.iter().map(message).collect();
        shown["backtrace"] = crash.backtrace().into();
        shown["log"] = crash.log.clone().into();
    }
    shown
}

/// A parked message; `whole` with what it holds.
pub fn parked(parked: &Parked, whole: bool) -> Value {
    let mut shown = json!({
        "number": parked.number,
        "path": parked.path,
        "message": parked.name,
        "fingerprint": parked.fingerprint.to_string(),
        "size": parked.size,
        "deaths": parked.deaths(),
        "refused": parked.refused(),
        "state": if parked.is_released() { "released" } else { "parked" },
        "since": stamp(parked.since.into()),
    });
    if whole {
        shown["shown"] = parked.shown.clone().into();
    }
    shown
}

/// How an actor ended.
pub fn exit(exit: &Exit) -> Value {
    let mut shown = serde_json::to_value(exit).unwrap_or_default();
    shown["text"] = exit.to_string().into();
    shown
}

/// One decision.
pub fn decision(entry: &Entry) -> Value {
    let decision = &entry.decision;
    json!({
        "seq": entry.seq,
        "at": stamp(entry.wall.into()),
        "path": entry.path,
        "incarnation": decision.incarnation,
        "cause": decision.cause.as_ref().map(ToString::to_string),
        "rule": decision.rule.name(),
        "decision": decision.text,
        "why": decision.why(),
        "budget": decision.budget.map(budget),
        "budget_left": decision.budget_left().map(budget),
        "rejected": decision.rejected,
        "earlier_process": entry.earlier,
        "text": sentence(entry),
    })
}

/// A decision as one sentence.
fn sentence(entry: &Entry) -> String {
    let decision = &entry.decision;
    let mut text = format!("{}#{} {}", entry.path, decision.incarnation, decision.text);
    if let Some(cause) = &decision.cause {
        text.push_str(&format!("; cause: {cause}"));
    }
    if let Some(spent) = decision.budget {
        text.push_str(&format!("; budget {} of {} used", spent.used, spent.allowed));
    }
    text
}

fn budget(budget: Budget) -> Value {
    let left = budget.allowed.saturating_sub(budget.used);
    json!({ "used": budget.used, "allowed": budget.allowed, "left": left, "window_ms": millis(budget.window) })
}

/// RFC 3339, UTC, milliseconds.
pub fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

pub use protocol::millis;
