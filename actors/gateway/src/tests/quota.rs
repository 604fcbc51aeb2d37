//! The identify actor in a tree of its own, with the clock paused.

use super::fake::*;
use crate::{
    directory,
    identify::{Decision, Identify, IdentifyMsg, Shared},
};
use chrono::{DateTime, Utc};
use protocol::{
    BoxFuture, SystemClock,
    ports::{GatewayBot, GatewayDirectory, IdentifyAsk, IdentifyGrant, IdentifyLedger, NotNow},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Addr, ChildSpec, Flags, NoObserver, Planes, Strategy, Tree, Verb};
use tokio::time::Instant;

async fn queue(remaining: u32, max_concurrency: u32, limit: u32) -> (Tree, Addr<IdentifyMsg>, Arc<Ledger>) {
    let bot = GatewayBot { url: "wss://x".into(), shards: 1, remaining, reset_after_ms: 7_200_000, max_concurrency };
    queue_of(Arc::new(Directory(bot)), limit).await
}

async fn queue_of(port: Arc<dyn GatewayDirectory>, limit: u32) -> (Tree, Addr<IdentifyMsg>, Arc<Ledger>) {
    let ledger = Arc::new(Ledger::default());
    let (tree, addr) = queue_on(port, ledger.clone(), limit).await;
    (tree, addr, ledger)
}

async fn queue_on(
    port: Arc<dyn GatewayDirectory>,
    ledger: Arc<dyn IdentifyLedger>,
    limit: u32,
) -> (Tree, Addr<IdentifyMsg>) {
    let directory = Arc::new(directory::Directory::new(Some("wss://x".into()), port));
    let shared = Arc::new(Shared::new(ledger, directory, Arc::new(SystemClock), limit));
    let addr = Addr::new("identify", 64);
    let spec = ChildSpec::worker(&addr, move || Identify::new(Arc::clone(&shared)));
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, vec![spec], Arc::new(NoObserver)).await.unwrap();
    tree.started().await.unwrap();
    (tree, addr)
}

async fn ask(addr: &Addr<IdentifyMsg>, shard: u32) -> (Decision, Instant) {
    let decision =
        addr.call(Duration::from_secs(3600), |reply| IdentifyMsg::Ask { shard, ordered: false, reply }).await.unwrap();
    (decision, Instant::now())
}

/// When each of `shards` was granted, in seconds since the start, sorted by time.
async fn grants(addr: &Addr<IdentifyMsg>, shards: impl IntoIterator<Item = u32>) -> Vec<(u64, u32)> {
    let start = Instant::now();
    let asked = shards.into_iter().map(|shard| async move { (shard, ask(addr, shard).await) });
    let mut granted: Vec<(u64, u32)> = futures_util::future::join_all(asked)
        .await
        .into_iter()
        .map(|(shard, (decision, at))| {
            assert_eq!(decision, Decision::Granted, "shard {shard}");
            ((at - start).as_secs(), shard)
        })
        .collect();
    granted.sort_unstable();
    granted
}

#[tokio::test(start_paused = true)]
async fn same_bucket_is_serial() {
    let (tree, addr, _) = queue(1000, 4, 900).await;
    assert_eq!(grants(&addr, [0, 4, 8, 12]).await, [(0, 0), (5, 4), (10, 8), (15, 12)]);
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn different_buckets_are_parallel() {
    let (tree, addr, _) = queue(1000, 4, 900).await;
    assert_eq!(grants(&addr, [0, 5, 10, 15]).await, [(0, 0), (0, 5), (0, 10), (0, 15)]);
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn sixteen_shards_of_four_buckets_identify_in_four_rounds() {
    let (tree, addr, ledger) = queue(1000, 4, 900).await;
    let granted = grants(&addr, 0..16).await;
    let rounds: Vec<u64> = granted.iter().map(|(at, _)| *at).collect();
    println!("16 shards, max_concurrency 4: the last one is granted after {} s", rounds[15]);
    assert_eq!(rounds, [0, 0, 0, 0, 5, 5, 5, 5, 10, 10, 10, 10, 15, 15, 15, 15]);
    for round in granted.chunks(4) {
        let mut buckets: Vec<u32> = round.iter().map(|(_, shard)| shard % 4).collect();
        buckets.sort_unstable();
        assert_eq!(buckets, [0, 1, 2, 3], "one of each bucket: {granted:?}");
    }
    assert_eq!(*ledger.taken.lock().unwrap(), 16);
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn two_buckets_with_two_and_three_shards() {
    let (tree, addr, _) = queue(1000, 2, 900).await;
    let waits: Vec<u64> = grants(&addr, 1..6).await.into_iter().map(|(at, _)| at).collect();
    assert_eq!(waits, [0, 0, 5, 5, 10]);
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
async fn an_operators_order_uses_the_reserve_and_nothing_beyond_it() {
    let ordered = async |addr: &Addr<IdentifyMsg>| {
        addr.call(Duration::from_secs(3600), |reply| IdentifyMsg::Ask { shard: 0, ordered: true, reply }).await.unwrap()
    };
    let room = async |addr: &Addr<IdentifyMsg>| {
        addr.call(Duration::from_secs(60), |reply| IdentifyMsg::Room { reply }).await.unwrap()
    };
    // Discord's count.
    let (tree, addr, ledger) = queue(100, 1, 900).await;
    let Decision::Denied { why, .. } = ask(&addr, 0).await.0 else { panic!("the reserve was touched") };
    assert!(why.contains("`impresario shards reconnect 0`"), "{why}");
    assert_eq!((room(&addr).await, *ledger.taken.lock().unwrap()), (Ok(()), 0), "asking costs nothing");
    assert_eq!((ordered(&addr).await, *ledger.taken.lock().unwrap()), (Decision::Granted, 1));
    tree.shutdown(None);
    let (tree, addr, ledger) = queue(0, 1, 900).await;
    let refused = room(&addr).await.unwrap_err();
    assert!(refused.contains("Discord allows no further IDENTIFY") && refused.contains("(in 7"), "{refused}");
    assert!(matches!(ordered(&addr).await, Decision::Denied { .. }));
    assert_eq!(*ledger.taken.lock().unwrap(), 0);
    tree.shutdown(None);
    // Our own.
    let (tree, addr, ledger) = queue(1000, 1, 900).await;
    *ledger.taken.lock().unwrap() = 900;
    assert!(matches!(ask(&addr, 0).await.0, Decision::Denied { .. }));
    assert_eq!((room(&addr).await, ordered(&addr).await), (Ok(()), Decision::Granted));
    *ledger.taken.lock().unwrap() = 990;
    let refused = room(&addr).await.unwrap_err();
    assert!(refused.contains("990 IDENTIFYs of 990") && refused.contains("(in 3"), "{refused}");
    assert!(matches!(ordered(&addr).await, Decision::Denied { .. }));
    assert_eq!(*ledger.taken.lock().unwrap(), 990, "ten are left whoever asks");
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_waiting_costs_nothing() {
    let (tree, addr, ledger) = queue(1000, 1, 900).await;
    ask(&addr, 0).await;
    let gave_up = addr.call(Duration::from_secs(1), |reply| IdentifyMsg::Ask { shard: 1, ordered: false, reply }).await;
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

struct Silent;

impl GatewayDirectory for Silent {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_discord_that_never_answers_rest_delays_an_identify_by_seconds() {
    let (tree, addr, ledger) = queue_of(Arc::new(Silent), 900).await;
    let start = Instant::now();
    let (decision, at) = ask(&addr, 0).await;
    assert_eq!((decision, *ledger.taken.lock().unwrap()), (Decision::Granted, 1), "our own budget still counts");
    assert!(at - start <= Duration::from_secs(20), "{:?}", at - start);
    tree.shutdown(None);
}

/// A ledger whose oldest row leaves the window with each look at it.
struct Leaving(AtomicU32);

impl IdentifyLedger for Leaving {
    fn take(&self, ask: IdentifyAsk, now: DateTime<Utc>) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>> {
        let used = self.0.fetch_sub(1, Relaxed);
        let answer = if used >= ask.limit {
            IdentifyGrant::Exhausted { retry_at: now, used }
        } else if ask.spacing >= Duration::from_secs(24 * 3600) {
            IdentifyGrant::TooSoon { retry_after: ask.spacing }
        } else {
            self.0.fetch_add(1, Relaxed);
            IdentifyGrant::Granted { used: used + 1 }
        };
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test(start_paused = true)]
async fn asking_for_room_spends_nothing_when_the_oldest_leaves_the_window_meanwhile() {
    let bot =
        GatewayBot { url: "wss://x".into(), shards: 1, remaining: 1000, reset_after_ms: 7_200_000, max_concurrency: 1 };
    let ledger = Arc::new(Leaving(AtomicU32::new(990)));
    let (tree, addr) = queue_on(Arc::new(Directory(bot)), ledger.clone(), 900).await;
    let room = addr.call(Duration::from_secs(60), |reply| IdentifyMsg::Room { reply }).await.unwrap();
    assert_eq!((room, ledger.0.load(Relaxed)), (Ok(()), 988), "two looks, and no row");
    tree.shutdown(None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_an_order_only_while_some_are_kept_for_orders_and_else_when_there_is_room() {
    let why = async |addr: &Addr<IdentifyMsg>| {
        let Decision::Denied { why, .. } = ask(addr, 3).await.0 else { panic!("granted") };
        why
    };
    let named = |why: &str| why.contains("`impresario shards reconnect 3`");
    let (tree, addr, _) = queue(0, 1, 900).await;
    let told = why(&addr).await;
    assert!(!named(&told) && told.starts_with("Discord allows no further one before 2"), "{told}");
    assert!(told.contains("(in 7"), "{told}");
    tree.shutdown(None);
    let (tree, addr, ledger) = queue(1000, 1, 900).await;
    for (used, by_order) in [(900, true), (989, true), (990, false)] {
        *ledger.taken.lock().unwrap() = used;
        let told = why(&addr).await;
        assert!(told.starts_with(&format!("{used} of 900 in 24 hours are used up")), "{told}");
        assert_eq!((named(&told), told.contains("(in 3")), (by_order, !by_order), "{told}");
    }
    tree.shutdown(None);
    let (tree, addr, ledger) = queue(1000, 1, 995).await;
    *ledger.taken.lock().unwrap() = 995;
    let told = why(&addr).await;
    assert!(!named(&told), "a limit that leaves nothing for orders: {told}");
    tree.shutdown(None);
}
