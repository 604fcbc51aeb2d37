use super::probe::*;
use crate::{ChildSpec, Exit, Flags, Shutdown, Status, Strategy};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_child_that_ignores_its_stop_is_killed_at_its_deadline_and_the_next_one_still_stops_politely() {
    let log = Log::default();
    let (_a, first) = probe("a", &log, Plan::default());
    let (_b, second) = probe("b", &log, Plan { stop_takes: Duration::from_secs(3600), ..Plan::default() });
    let tree = up(vec![first, second.shutdown(Shutdown::Within(Duration::from_secs(1)))]).await;
    log.take();
    let begun = tokio::time::Instant::now();
    tree.shutdown(None);
    tree.ended().await;
    assert_eq!(log.take(), ["~b#1", "-a#1", "~a#1"]);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_total_deadline_is_shared_out_and_kept() {
    let log = Log::default();
    let stuck = || Plan { stop_takes: Duration::from_secs(3600), ..Plan::default() };
    let children = (0..8).map(|n| probe(&format!("p{n}"), &log, stuck()).1.shutdown(Shutdown::Infinity)).collect();
    let tree = up(children).await;
    let begun = tokio::time::Instant::now();
    tree.shutdown(Some(Duration::from_secs(10)));
    tree.ended().await;
    assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_second_shutdown_shortens_the_first() {
    let log = Log::default();
    let stuck = Plan { stop_takes: Duration::from_secs(3600), ..Plan::default() };
    let tree = up(vec![probe("a", &log, stuck).1.shutdown(Shutdown::Infinity)]).await;
    let begun = tokio::time::Instant::now();
    tree.shutdown(Some(Duration::from_secs(60)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    tree.shutdown(Some(Duration::from_secs(2)));
    tree.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_while_a_child_starts_does_not_wait_for_it() {
    let log = Log::default();
    let (_a, first) = probe("a", &log, Plan::default());
    let (_b, second) = probe("b", &log, Plan { start_takes: Duration::from_secs(3600), ..Plan::default() });
    let tree = tree(Flags::new(Strategy::OneForOne), vec![first, second]).await;
    until("a is up", || tree.node(&"a".into()).is_some_and(|node| node.status == Status::Running)).await;
    tree.shutdown(Some(Duration::from_secs(10)));
    let begun = tokio::time::Instant::now();
    assert_eq!(tree.ended().await, Exit::shutdown());
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(tree.started().await, Err(Exit::shutdown()));
}

#[tokio::test(start_paused = true)]
async fn nested_supervisors_stop_their_children_in_order_before_their_elder_siblings() {
    let log = Log::default();
    let (_a, elder) = probe("a", &log, Plan::default());
    let inner = ["inner/x", "inner/y"].map(|path| probe(path, &log, Plan::default()).1);
    let sup = ChildSpec::supervisor("inner", Flags::new(Strategy::OneForOne), inner.to_vec());
    let tree = up(vec![elder, sup]).await;
    assert_eq!(log.take(), ["+a#1", "+x#1", "+y#1"]);
    tree.shutdown(Some(Duration::from_secs(10)));
    tree.ended().await;
    let seen: Vec<_> = log.take().into_iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(seen, ["-y#1", "-x#1", "-a#1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child_that_blocks_its_thread_is_left_behind_and_shutdown_still_ends() {
    let log = Log::default();
    let (_a, first) = probe("a", &log, Plan::default());
    let (b, second) = probe("b", &log, Plan::default());
    let tree = up(vec![first, second.shutdown(Shutdown::Within(Duration::from_millis(50)))]).await;
    b.send(Say::Block(Duration::from_secs(4))).await.expect("delivered");
    until("b is in its handler", || b.mailbox().read().handling.is_some()).await;
    let begun = std::time::Instant::now();
    tree.shutdown(None);
    tree.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let rules: Vec<_> = tree.explain(&"b".into(), 100).iter().map(|entry| entry.decision.rule.name()).collect();
    assert_eq!(rules, ["up", "stop", "stop_deadline", "kill_deadline", "quarantine"]);
}
