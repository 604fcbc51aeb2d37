//! The tree, drawn.

use super::style::{Mood, Style, clean, cut, duration, mood_of};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Longest text of the last column.
const WHY_MAX: usize = 100;
/// Deepest nesting that is drawn; the kernel's trees are far from it.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Node {
    path: String,
    parent: Option<String>,
    kind: Option<String>,
    strategy: Option<String>,
    state: Option<String>,
    incarnation: Option<u64>,
    uptime_ms: Option<u64>,
    restarts: Option<Restarts>,
    mailbox: Option<Mailbox>,
    last_exit: Option<Value>,
    waiting_ms: Option<u64>,
    reason: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Restarts {
    used: u64,
    allowed: u64,
    total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mailbox {
    depth: u64,
    capacity: u64,
    lost: u64,
    shed: u64,
}

/// One line: branches and cells.
struct Row {
    name: String,
    strategy: String,
    state: String,
    mood: Mood,
    cells: [String; 4],
    why: String,
}

const HEADS: [&str; 7] = ["ACTOR", "STATE", "LIFE", "FOR", "RESTARTS", "MAILBOX", "LAST EXIT"];

/// Draws what `tree.get` answers: one line an actor, columns aligned, in the order of the answer.
pub(super) fn draw(answer: &Value, style: Style) -> String {
    let nodes: Vec<Node> = answer["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| serde_json::from_value(node.clone()).ok())
        .collect();
    let known: HashMap<&str, usize> = nodes.iter().enumerate().map(|(at, node)| (node.path.as_str(), at)).collect();
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        match node.parent.as_deref().and_then(|parent| known.get(parent)) {
            // A supervisor stands before its children; anything else is drawn at the root rather than not at all.
            Some(parent) if *parent < at => children.entry(*parent).or_default().push(at),
            _ => roots.push(at),
        }
    }
    let mut rows = Vec::with_capacity(nodes.len());
    for root in roots {
        branch(&nodes, &children, root, "", "", 0, &mut rows);
    }
    lines(&rows, style)
}

fn branch(
    nodes: &[Node],
    children: &HashMap<usize, Vec<usize>>,
    at: usize,
    lead: &str,
    below: &str,
    depth: usize,
    rows: &mut Vec<Row>,
) {
    rows.push(row(&nodes[at], lead, depth));
    let inner = children.get(&at).map(Vec::as_slice).unwrap_or_default();
    if depth >= DEPTH_MAX {
        return;
    }
    for (nth, child) in inner.iter().enumerate() {
        let (lead, more) = if nth + 1 == inner.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        branch(nodes, children, *child, &format!("{below}{lead}"), &format!("{below}{more}"), depth + 1, rows);
    }
}

fn row(node: &Node, lead: &str, depth: usize) -> Row {
    let id = if depth == 0 { node.path.as_str() } else { node.path.rsplit('/').next().unwrap_or_default() };
    let state = node.state.clone().unwrap_or_default();
    let wait = node.waiting_ms.filter(|_| matches!(state.as_str(), "waiting" | "parked"));
    let restarts = node.restarts.as_ref().map_or(String::new(), |restarts| {
        let total = if restarts.total > restarts.used { format!(" ({} ever)", restarts.total) } else { String::new() };
        format!("{}/{}{total}", restarts.used, restarts.allowed)
    });
    let mailbox = node.mailbox.as_ref().map_or(String::new(), |mailbox| {
        let gone = mailbox.lost + mailbox.shed;
        let gone = if gone > 0 { format!(" -{gone}") } else { String::new() };
        format!("{}/{}{gone}", mailbox.depth, mailbox.capacity)
    });
    let exit = node.last_exit.as_ref().and_then(|exit| exit["text"].as_str().or_else(|| exit.as_str()));
    let why = match (&node.reason, exit) {
        (Some(reason), Some(exit)) if state != "running" && !reason.contains(exit) => format!("{reason}; {exit}"),
        (Some(reason), _) => reason.clone(),
        (None, Some(exit)) => exit.to_owned(),
        (None, None) => String::new(),
    };
    Row {
        name: format!("{lead}{}", clean(id)),
        strategy: match node.kind.as_deref() {
            Some("supervisor") => format!(" {}", clean(node.strategy.as_deref().unwrap_or_default())),
            _ => String::new(),
        },
        mood: mood_of(&state),
        state: wait.map_or(state.clone(), |wait| format!("{state} {}", duration(wait))),
        cells: [
            node.incarnation.map_or(String::new(), |life| format!("#{life}")),
            node.uptime_ms.map_or(String::new(), duration),
            restarts,
            mailbox,
        ],
        why: cut(&clean(&why), WHY_MAX),
    }
}

fn lines(rows: &[Row], style: Style) -> String {
    let name = |row: &Row| row.name.chars().count() + row.strategy.chars().count();
    let width = |head: &str, widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0).max(head.len());
    let names = width(HEADS[0], &mut rows.iter().map(name));
    let states = width(HEADS[1], &mut rows.iter().map(|row| row.state.chars().count()));
    let cells: Vec<usize> =
        (0..4).map(|at| width(HEADS[at + 2], &mut rows.iter().map(|row| row.cells[at].chars().count()))).collect();
    let mut head = format!("{:names$}  {:states$}", HEADS[0], HEADS[1]);
    for (at, width) in cells.iter().enumerate() {
        head.push_str(&format!("  {:width$}", HEADS[at + 2]));
    }
    let mut text = format!("{}\n", style.paint(Mood::Faint, &format!("{head}  {}", HEADS[6])));
    for row in rows {
        let mut line = format!("{}{}", row.name, style.paint(Mood::Faint, &row.strategy));
        line.push_str(&" ".repeat(names - name(row)));
        line.push_str("  ");
        line.push_str(&style.paint(row.mood, &format!("{:states$}", row.state)));
        for (cell, width) in row.cells.iter().zip(&cells) {
            line.push_str(&format!("  {cell:width$}"));
        }
        if !row.why.is_empty() {
            line.push_str("  ");
            line.push_str(&style.paint(if row.mood == Mood::Good { Mood::Faint } else { Mood::Plain }, &row.why));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Value {
        let node = |path: &str, parent: Option<&str>, strategy: Option<&str>, state: &str| {
            json!({
                "path": path, "parent": parent, "strategy": strategy, "state": state, "incarnation": 1,
                "kind": if strategy.is_some() { "supervisor" } else { "worker" }, "uptime_ms": 61_000,
                "restarts": {"used": 0, "allowed": 5, "window_ms": 60_000, "total": 0},
                "mailbox": if strategy.is_some() { Value::Null } else { json!({"depth": 0, "capacity": 64, "lost": 0, "shed": 0}) },
            })
        };
        let mut shard = node("gateway/shard-0", Some("gateway"), None, "waiting");
        shard["incarnation"] = json!(3);
        shard["waiting_ms"] = json!(2_100);
        shard["restarts"] = json!({"used": 2, "allowed": 5, "total": 7});
        shard["mailbox"] = json!({"depth": 1, "capacity": 256, "lost": 2, "shed": 1});
        shard["reason"] = json!("backoff");
        shard["last_exit"] = json!({"kind": "panic", "text": "panic at a.rs:1:1: boom\x1b[2J"});
        let mut task = node("task-supervisor/prune", Some("task-supervisor"), None, "suspended");
        task["reason"] = json!("needs database");
        json!({"at": "2026-01-01T00:00:00Z", "nodes": [
            node("root", None, Some("one_for_one"), "running"),
            node("rest", Some("root"), None, "running"),
            node("gateway", Some("root"), Some("one_for_one"), "running"),
            node("gateway/identify", Some("gateway"), None, "running"),
            shard,
            node("task-supervisor", Some("root"), Some("dynamic"), "running"),
            task,
        ]})
    }

    #[test]
    fn the_tree_is_drawn_with_aligned_columns() {
        let expected = "\
ACTOR                       STATE        LIFE  FOR       RESTARTS      MAILBOX   LAST EXIT
root one_for_one            running      #1    1 m 01 s  0/5
├─ rest                     running      #1    1 m 01 s  0/5           0/64
├─ gateway one_for_one      running      #1    1 m 01 s  0/5
│  ├─ identify              running      #1    1 m 01 s  0/5           0/64
│  └─ shard-0               waiting 2 s  #3    1 m 01 s  2/5 (7 ever)  1/256 -3  backoff; panic at a.rs:1:1: boom[2J
└─ task-supervisor dynamic  running      #1    1 m 01 s  0/5
   └─ prune                 suspended    #1    1 m 01 s  0/5           0/64      needs database
";
        assert_eq!(draw(&sample(), Style::plain()), expected);
    }

    #[test]
    fn colours_change_no_column() {
        let bare = |text: &str| {
            let mut out = String::new();
            let mut rest = text;
            while let Some(at) = rest.find('\x1b') {
                out.push_str(&rest[..at]);
                rest = rest[at..].split_once('m').map_or("", |(_, rest)| rest);
            }
            out + rest
        };
        let coloured = draw(&sample(), Style::coloured());
        assert!(coloured.contains("\x1b[32mrunning\x1b[0m") && coloured.contains("\x1b[33msuspended\x1b[0m"));
        assert_eq!(bare(&coloured), draw(&sample(), Style::plain()));
    }

    #[test]
    fn an_odd_answer_is_drawn_as_far_as_it_goes() {
        let odd = json!({"nodes": [{"path": "b", "parent": "c"}, {"path": "c", "parent": "b"}, 7, {"path": "a/x", "parent": "gone"}]});
        let text = draw(&odd, Style::plain());
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(draw(&Value::Null, Style::plain()).starts_with("ACTOR"));
    }
}
