//! The identify actor in a tree of its own, with the clock paused.

use super::fake::*;
use crate::{
    directory,
    identify::{Decision, Identify, IdentifyMsg, Shared},
};
use protocol::{SystemClock, ports::GatewayBot};
use std::{sync::Arc, time::Duration};
use supervision::{Addr, ChildSpec, Flags, NoObserver, Planes, Strategy, Tree, Verb};
use tokio::time::Instant;

async fn queue(remaining: u32, max_concurrency: u32, limit: u32) -> (Tree, Addr<IdentifyMsg>, Arc<Ledger>) {
    let bot = GatewayBot { url: "wss://x".into(), shards: 1, remaining, reset_after_ms: 7_200_000, max_concurrency };
    let ledger = Arc::new(Ledger::default());
    let directory = Arc::new(directory::Directory::new(None, Arc::new(Directory(bot))));
    let shared = Arc::new(Shared::new(ledger.clone(), directory, Arc::new(SystemClock), limit));
    let addr = Addr::new("identify", 64);
    let spec = ChildSpec::worker(&addr, move || Identify::new(Arc::clone(&shared)));
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, vec![spec], Arc::new(NoObserver)).await.unwrap();
    tree.started().await.unwrap();
    (tree, addr, ledger)
}

async fn ask(addr: &Addr<IdentifyMsg>, shard: u32) -> (Decision, Instant) {
    let decision = addr.call(Duration::from_secs(3600), |reply| IdentifyMsg::Ask { shard, reply }).await.unwrap();
    (decision, Instant::now())
}

#[tokio::test(start_paused = true)]
async fn shards_of_one_bucket_identify_five_seconds_apart() {
    let (tree, addr, _) = queue(1000, 2, 900).await;
    ask(&addr, 0).await; // from here on the queue knows that two buckets are allowed
    let start = Instant::now();
    let mut all = futures_util::future::join_all((1..6).map(|shard| ask(&addr, shard))).await;
    assert!(all.iter().all(|(decision, _)| *decision == Decision::Granted));
    all.sort_by_key(|(_, at)| *at);
    let waits: Vec<u64> = all.iter().map(|(_, at)| (*at - start).as_secs()).collect();
    assert_eq!(waits, [5, 5, 10, 10, 15], "two buckets, each with 5 s between");
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_and_discords_own_count_deny() {
    let (tree, addr, ledger) = queue(1000, 1, 1).await;
    assert_eq!(ask(&addr, 0).await.0, Decision::Granted);
    let Decision::Denied { retry_after, why } = ask(&addr, 0).await.0 else { panic!("granted beyond the limit") };
    assert!(retry_after >= Duration::from_secs(3590) && why.contains("1 of 1"), "{retry_after:?} {why}");
    assert_eq!(*ledger.taken.lock().unwrap(), 1);
    tree.shutdown(None);

    let (tree, addr, ledger) = queue(100, 1, 900).await;
    let Decision::Denied { retry_after, .. } = ask(&addr, 0).await.0 else { panic!("the reserve was touched") };
    assert!(retry_after > Duration::from_secs(7000), "until Discord's count begins anew: {retry_after:?}");
    assert_eq!(*ledger.taken.lock().unwrap(), 0, "nothing is booked for what is refused");
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_waiting_costs_nothing() {
    let (tree, addr, ledger) = queue(1000, 1, 900).await;
    ask(&addr, 0).await;
    let gave_up = addr.call(Duration::from_secs(1), |reply| IdentifyMsg::Ask { shard: 1, reply }).await;
    assert!(gave_up.is_err());
    assert_eq!(ask(&addr, 2).await.0, Decision::Granted);
    assert_eq!(*ledger.taken.lock().unwrap(), 2);
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn a_killed_queue_keeps_the_distance() {
    let (tree, addr, _) = queue(1000, 1, 900).await;
    ask(&addr, 0).await;
    let start = Instant::now();
    tree.order(&"identify".into(), Verb::Kill, None, false).await.unwrap();
    while !addr.is_running() || addr.mailbox().incarnation() < 2 {
        tokio::task::yield_now().await;
    }
    let (decision, at) = ask(&addr, 1).await;
    assert_eq!(decision, Decision::Granted);
    assert!(at - start >= Duration::from_secs(5), "{:?}", at - start);
    tree.shutdown(None);
}
