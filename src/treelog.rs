//! The tree in the log: after boot, after changes of shape (debounced), and when asked.

use crate::wire;
use chrono::Utc;
use std::{io::IsTerminal, sync::Arc, time::Duration};
use supervision::{Entry, Node, Tree, core::Rule};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, timeout_at},
};

/// Changes that follow each other within this time are one.
const DEBOUNCE: Duration = Duration::from_secs(1);
/// The longest that changes without a pause keep the tree out of the log: that is when it is looked for.
const LONGEST: Duration = Duration::from_secs(10);

/// Logs the tree whenever its shape has changed and then been quiet for a second, and every ten seconds while it is not.
/// Ends with the tree.
pub async fn follow(tree: Tree) {
    let mut entries = tree.subscribe();
    while changed(&mut entries).await {
        write(&tree, "its shape has changed");
    }
}

/// Waits for a change of shape and until it is over; false when there will be none any more.
async fn changed(entries: &mut Receiver<Arc<Entry>>) -> bool {
    loop {
        match entries.recv().await {
            Ok(entry) if changes_shape(entry.decision.rule) => break,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => break, // what was missed may have been one
            Err(RecvError::Closed) => return false,
        }
    }
    let latest = Instant::now() + LONGEST;
    let mut quiet = Instant::now() + DEBOUNCE;
    loop {
        match timeout_at(quiet.min(latest), entries.recv()).await {
            Ok(Ok(entry)) if !changes_shape(entry.decision.rule) => {}
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => quiet = Instant::now() + DEBOUNCE,
            Ok(Err(RecvError::Closed)) | Err(_) => return true,
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use supervision::core::Decision;
    use tokio::{sync::broadcast, time::sleep};

    fn entry(rule: Rule) -> Arc<Entry> {
        let decision = Decision {
            at: Default::default(),
            id: "a".into(),
            incarnation: 1,
            cause: None,
            reason: None,
            rule,
            budget: None,
            standing: None,
            rejected: Vec::new(),
            text: String::new(),
        };
        Arc::new(Entry { seq: 1, wall: std::time::SystemTime::UNIX_EPOCH, path: "a".into(), earlier: false, decision })
    }

    #[tokio::test(start_paused = true)]
    async fn changes_within_a_second_are_one() {
        let (send, mut entries) = broadcast::channel(16);
        let begun = Instant::now();
        send.send(entry(Rule::Up)).unwrap();
        send.send(entry(Rule::Restart)).unwrap();
        send.send(entry(Rule::Suspended)).unwrap();
        assert!(changed(&mut entries).await);
        assert_eq!(begun.elapsed(), DEBOUNCE);
        drop(send);
        assert!(!changed(&mut entries).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_crash_loop_that_never_pauses_is_logged_all_the_same() {
        let (send, mut entries) = broadcast::channel(16);
        let begun = Instant::now();
        let crashes = tokio::spawn(async move {
            loop {
                send.send(entry(Rule::Restart)).ok();
                sleep(DEBOUNCE / 2).await;
            }
        });
        assert!(changed(&mut entries).await);
        assert!(begun.elapsed() >= LONGEST && begun.elapsed() < LONGEST + DEBOUNCE, "{:?}", begun.elapsed());
        crashes.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_changes_no_shape_does_not_put_the_tree_off() {
        let (send, mut entries) = broadcast::channel(64);
        let begun = Instant::now();
        send.send(entry(Rule::Restart)).unwrap();
        let ups = tokio::spawn(async move {
            loop {
                send.send(entry(Rule::Up)).ok();
                sleep(DEBOUNCE / 4).await;
            }
        });
        assert!(changed(&mut entries).await);
        assert_eq!(begun.elapsed(), DEBOUNCE);
        ups.abort();
    }
}
