//! What the journal says of a start.

use super::probe::*;
use crate::{ActorPath, ChildSpec, Flags, Strategy, Tree, Verb, core::Rule};

/// The decisions by which `path` came up, as people read them.
fn ups(tree: &Tree, path: &str) -> Vec<String> {
    let explained = tree.explain(&ActorPath::from(path), 100);
    let ups = explained.iter().map(|entry| &entry.decision).filter(|decision| decision.rule == Rule::Up);
    ups.map(|decision| format!("#{} {}", decision.incarnation, decision.text)).collect()
}

#[tokio::test(start_paused = true)]
async fn each_start_is_told_once_of_workers_and_of_supervisors() {
    let log = Log::default();
    let inner = probe("inner/x", &log, Plan::default()).1;
    let tree = up(vec![ChildSpec::supervisor("inner", Flags::new(Strategy::OneForOne), vec![inner])]).await;
    assert_eq!(ups(&tree, "root"), ["#1 came up"]);
    assert_eq!(ups(&tree, "inner"), ["#1 came up"]);
    assert_eq!(ups(&tree, "inner/x"), ["#1 came up"]);
    tree.order(&"inner".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "inner", 2).await;
    assert_eq!(ups(&tree, "root"), ["#1 came up"]);
    assert_eq!(ups(&tree, "inner"), ["#1 came up", "#2 came up"]);
    assert_eq!(ups(&tree, "inner/x"), ["#1 came up", "#2 came up"]);
}
