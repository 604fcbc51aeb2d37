//! IDENTIFYs over many processes and crashes: what is written down holds, whoever forgets.

use super::fake::*;
use crate::{
    GatewayConfig,
    identify::{Decision, Identify, IdentifyMsg, Shared},
    tree,
};
use futures_util::StreamExt;
use protocol::{
    BoxFuture, SystemClock,
    ports::{GatewayBot, GatewayDirectory, NotNow},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Actor, Addr, ChildSpec, Ctx, Failure, Flags, Message, NoObserver, Planes, Strategy, Tree};

/// Discord's own count.
struct Counted {
    url: String,
    remaining: AtomicU32,
}

impl GatewayDirectory for Counted {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        let (url, remaining) = (self.url.clone(), self.remaining.load(Relaxed));
        let bot = GatewayBot { url, shards: 1, remaining, reset_after_ms: 7_200_000, max_concurrency: 1 };
        Box::pin(async move { Ok(bot) })
    }
}

/// Thirty processes that IDENTIFY, each ended without a snapshot. Gives how many did.
async fn thirty_unclean_restarts(remaining: u32, identify_limit: u32) -> (u32, u32) {
    let fake = Fake::bind().await;
    let counted = Arc::new(Counted { url: fake.url.clone(), remaining: AtomicU32::new(remaining) });
    let ledger: Arc<Ledger> = Arc::default();
    for _ in 0..30 {
        let setup = Setup::of(&fake);
        let config = GatewayConfig { identify_limit, ..setup.config.clone() };
        let bot = Bot::start(Setup { directory: Some(counted.clone()), ledger: ledger.clone(), config, ..setup }).await;
        let mut peer = fake.accept(600_000).await;
        let first = soon("an IDENTIFY or a goodbye", peer.ws.next()).await;
        if first
            .is_some_and(|first| first.is_ok_and(|first| first.to_text().is_ok_and(|text| text.contains(r#""op":2"#))))
        {
            counted.remaining.fetch_sub(1, Relaxed);
            peer.ready(&fake.url).await;
            soon("ready", bot.gateway.wait_ready()).await;
        } else {
            // Denied: it hangs up and stays away for as long as it was told.
            fake.sees_nobody_for(Duration::from_millis(30)).await;
        }
        bot.stop().await;
    }
    let used = remaining - counted.remaining.load(Relaxed);
    assert_eq!(used, *ledger.taken.lock().unwrap(), "each is written down, and nothing else is");
    (used, counted.remaining.load(Relaxed))
}

/// G14: Discord's count is low.
#[tokio::test]
async fn thirty_unclean_restarts_leave_a_hundred_of_discords_count_to_humans() {
    let (used, left) = thirty_unclean_restarts(112, 900).await;
    println!("G14 restarts=30 remaining_at_first=112 identifies={used} left={left}");
    assert_eq!((used, left), (12, 100));
    let (used, left) = thirty_unclean_restarts(0, 900).await;
    println!("G14 restarts=30 remaining_at_first=0 identifies={used}");
    assert_eq!((used, left), (0, 0));
}

/// G14: our own count, which Discord's may not show yet.
#[tokio::test]
async fn thirty_unclean_restarts_stay_within_the_written_budget() {
    let (used, _) = thirty_unclean_restarts(1000, 900).await;
    println!("G14 restarts=30 identifies={used} budget=900");
    assert_eq!(used, 30);
    let (used, _) = thirty_unclean_restarts(1000, 20).await;
    println!("G14 restarts=30 identifies={used} budget=20");
    assert_eq!(used, 20);
}

/// A shard that is granted an IDENTIFY and crashes.
struct Crashes {
    identify: Addr<IdentifyMsg>,
    granted: Arc<AtomicU32>,
}

enum Go {}

impl Message for Go {
    fn name(&self) -> &'static str {
        "go"
    }
}

impl Actor for Crashes {
    type Msg = Go;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let (queue, granted, ctx) = (self.identify.clone(), Arc::clone(&self.granted), ctx.clone());
        let owner = ctx.clone();
        owner.spawn(async move {
            let asked = queue
                .call(Duration::from_secs(600), |reply| IdentifyMsg::Ask { shard: 0, ordered: false, reply })
                .await;
            if asked == Ok(Decision::Granted) {
                granted.fetch_add(1, Relaxed);
            }
            ctx.fail(Failure::restart("the session machine is broken"));
        });
        Ok(())
    }

    async fn handle(&mut self, go: Go, _: &Ctx<Self>) -> Result<(), Failure> {
        match go {}
    }
}

/// G15, in virtual time and without sockets: the rules that shards live under, and one that spends an IDENTIFY and
/// crashes, for a day.
#[tokio::test(start_paused = true)]
async fn a_shard_that_crashes_for_ever_is_parked_and_costs_few_identifies() {
    let bot = GatewayBot { url: "wss://x".into(), shards: 1, remaining: 1000, reset_after_ms: 1, max_concurrency: 1 };
    let ledger: Arc<Ledger> = Arc::default();
    let directory = Arc::new(crate::directory::Directory::new(None, Arc::new(Directory(bot))));
    let shared = Arc::new(Shared::new(ledger.clone(), directory, Arc::new(SystemClock), 900));
    let (identify, granted) = (Addr::new("gateway/identify", 64), Arc::new(AtomicU32::new(0)));
    let queue = tree::rules(ChildSpec::worker(&identify, move || Identify::new(Arc::clone(&shared))));
    let shard: Addr<Go> = Addr::new("gateway/shard-0", 4);
    let counted = Arc::clone(&granted);
    let crashes = tree::rules(ChildSpec::worker(&shard, move || Crashes {
        identify: identify.clone(),
        granted: Arc::clone(&counted),
    }));
    let flags = Flags::new(Strategy::OneForOne);
    let gateway = ChildSpec::supervisor("gateway", flags, vec![queue, crashes]);
    let tree = Tree::start(Planes::single(), flags, vec![gateway], Arc::new(NoObserver)).await.unwrap();
    let (mut hours, mut parked) = (Vec::new(), 0);
    for _ in 0..24 {
        let before = granted.load(Relaxed);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        hours.push(granted.load(Relaxed) - before);
        let node = tree.node(&"gateway/shard-0".into());
        parked += u32::from(node.is_some_and(|node| node.status == supervision::Status::Parked));
    }
    let (day, hour) = (granted.load(Relaxed), hours.iter().max().copied().unwrap_or(0));
    println!("G15 identifies_per_day={day} identifies_per_hour_max={hour} by_hour={hours:?} parked_at={parked}/24");
    assert!(parked > 8, "most of the time it is parked");
    assert!(day > 6 && day <= 150 && hour <= 18, "{hours:?}");
    assert_eq!(day, *ledger.taken.lock().unwrap());
    assert!(
        tree.node(&"gateway".into()).is_some_and(|node| node.status == supervision::Status::Running),
        "its room stands"
    );
    tree.shutdown(None);
}
