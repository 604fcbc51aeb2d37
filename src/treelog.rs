//! The tree in the log: after boot, after changes of shape (debounced), and when asked.

use crate::wire;
use chrono::Utc;
use std::{io::IsTerminal, time::Duration};
use supervision::{Node, Tree, core::Rule};
use tokio::{sync::broadcast::error::RecvError, time::timeout};

/// Changes that follow each other within this time are one.
const DEBOUNCE: Duration = Duration::from_secs(1);

/// Logs the tree whenever its shape has changed and then been quiet for a second. Ends with the tree.
pub async fn follow(tree: Tree) {
    let mut entries = tree.subscribe();
    loop {
        match entries.recv().await {
            Ok(entry) if changes_shape(entry.decision.rule) => {}
            Ok(_) => continue,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
        while let Ok(Ok(_) | Err(RecvError::Lagged(_))) = timeout(DEBOUNCE, entries.recv()).await {}
        write(&tree, "its shape has changed");
    }
}

fn changes_shape(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Restart
            | Rule::Backoff
            | Rule::Cooldown
            | Rule::Strategy
            | Rule::Parked
            | Rule::HalfOpen
            | Rule::Suspended
            | Rule::Resumed
            | Rule::Quarantine
            | Rule::Operator
            | Rule::Ended
    )
}

/// Logs the tree now: drawn for people, one record per node otherwise.
pub fn write(tree: &Tree, why: &str) {
    let nodes = tree.nodes();
    if std::io::stderr().is_terminal() {
        let value = wire::tree(&nodes, Utc::now());
        tracing::info!(target: "tree", "the tree ({why}):\n{}", crate::cli::draw_tree(&value));
        return;
    }
    let snapshot_id = Utc::now().timestamp_millis();
    for node in &nodes {
        record(node, snapshot_id, why);
    }
}

fn record(node: &Node, snapshot_id: i64, why: &str) {
    let parent = node.path.parent().map(String::from);
    tracing::info!(
        target: "tree",
        snapshot_id,
        path = node.path.as_str(),
        parent,
        strategy = node.flags.map(|flags| flags.strategy.name()),
        state = node.status.name(),
        incarnation = node.incarnation,
        restarts.used = node.budget.map(|budget| budget.used),
        restarts.allowed = node.budget.map(|budget| budget.allowed),
        why,
        "{} is {}", node.path, node.status.name(),
    );
}
