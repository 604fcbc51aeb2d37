use super::probe::*;
use crate::{ChildSpec, Exit, Flags, Strategy};
use std::time::Duration;

fn three(log: &Log, plans: [Plan; 3]) -> Vec<ChildSpec> {
    ["a", "b", "c"].iter().zip(plans).map(|(name, plan)| probe(name, log, plan).1).collect()
}

#[tokio::test(start_paused = true)]
async fn children_start_in_order_and_stop_in_reverse_order_whatever_they_take() {
    let log = Log::default();
    let slow = |start, stop| Plan {
        start_takes: Duration::from_millis(start),
        stop_takes: Duration::from_millis(stop),
        ..Plan::default()
    };
    let tree = up(three(&log, [slow(300, 10), slow(200, 500), slow(1, 300)])).await;
    assert_eq!(log.take(), ["+a#1", "+b#1", "+c#1"]);
    tree.shutdown(None);
    assert_eq!(tree.ended().await, Exit::shutdown());
    let seen: Vec<_> = log.take().into_iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(seen, ["-c#1", "-b#1", "-a#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_required_child_that_cannot_start_stops_what_runs_in_reverse_order_and_says_why() {
    let log = Log::default();
    let fails = Plan { fail_start: vec![1], ..Plan::default() };
    let tree = tree(Flags::new(Strategy::OneForOne), three(&log, [Plan::default(), Plan::default(), fails])).await;
    let exit = tree.started().await.expect_err("c does not start");
    assert_eq!(exit.to_string(), "c did not start: start failed: error: told to fail");
    assert_eq!(tree.ended().await, exit);
    let seen: Vec<_> = log.take().into_iter().filter(|line| !line.starts_with('~')).collect();
    assert_eq!(seen, ["+a#1", "+b#1", "-b#1", "-a#1"]);
}

#[tokio::test(start_paused = true)]
async fn one_for_all_stops_the_others_in_reverse_order_before_anything_starts_again() {
    let log = Log::default();
    let (a, first) = probe("a", &log, Plan::default());
    let mut children = three(&log, [Plan::default(), Plan::default(), Plan::default()]);
    children[0] = first;
    let tree = tree(Flags::new(Strategy::OneForAll), children).await;
    tree.started().await.expect("it starts");
    log.take();
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "c", 2).await;
    let seen: Vec<_> = log.take().into_iter().filter(|line| !line.starts_with('~')).collect();
    assert_eq!(seen, ["-a#1", "-c#1", "-b#1", "+a#2", "+b#2", "+c#2"]);
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_leaves_the_elder_alone() {
    let log = Log::default();
    let (b, second) = probe("b", &log, Plan::default());
    let mut children = three(&log, [Plan::default(), Plan::default(), Plan::default()]);
    children[1] = second;
    let tree = tree(Flags::new(Strategy::RestForOne), children).await;
    tree.started().await.expect("it starts");
    log.take();
    b.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "c", 2).await;
    let seen: Vec<_> = log.take().into_iter().filter(|line| !line.starts_with('~')).collect();
    assert_eq!(seen, ["-c#1", "+b#2", "+c#2"]);
}

#[tokio::test(start_paused = true)]
async fn a_higher_rank_starts_earlier_and_stops_later_also_when_it_joins_late() {
    let log = Log::default();
    let child = |name: &str, rank| probe(name, &log, Plan::default()).1.rank(rank);
    let tree = up(vec![child("low", -5), child("high", 5)]).await;
    tree.start_child(&crate::ActorPath::root(), child("normal", 0)).await.expect("it starts");
    assert_eq!(log.take(), ["+high#1", "+low#1", "+normal#1"]);
    tree.shutdown(None);
    tree.ended().await;
    let seen: Vec<_> = log.take().into_iter().filter(|line| line.starts_with('-')).collect();
    assert_eq!(seen, ["-low#1", "-normal#1", "-high#1"]);
}
