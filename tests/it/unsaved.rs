//! An end whose saving is cut short, or is never begun: what is lost with it is told all the same. No file system here can be
//! made to hang, so saving is the test's own, taken down by the process's own way down.

use gateway::{Cache, Compression, Gateway, GatewayConfig, GatewayDeps, Intents, Presence, SavedSession, ShardPlan};
use impresario::{
    exit::Code,
    flags::Flags,
    notify::Notifier,
    shutdown::{Down, EndReport, Left, Limits, Why},
    signals::Wish,
};
use protocol::{
    BoxFuture, FanOut, Secret, ShardId, SystemClock,
    ports::{GatewayBot, GatewayDirectory, IdentifyAsk, IdentifyGrant, IdentifyLedger, NotNow},
};
use std::{
    future::pending,
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{Flags as Rules, NoObserver, Planes, Strategy, Tree};
use telemetry::reports::SentryCapture;
use tokio::{runtime::Handle, sync::mpsc};

/// Nobody is asked anything: the gateway does not start.
struct Nobody;

fn nobody<T: Send + 'static>() -> BoxFuture<'static, Result<T, NotNow>> {
    Box::pin(async { Err(NotNow { what: "nobody is there".into(), retry_after: Duration::from_secs(1) }) })
}

impl IdentifyLedger for Nobody {
    fn take(&self, _: IdentifyAsk, _: chrono::DateTime<chrono::Utc>) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>> {
        nobody()
    }
}

impl GatewayDirectory for Nobody {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        nobody()
    }
}

/// A gateway that holds a session of which three events have not begun.
fn holding() -> OnceLock<Gateway> {
    let config = GatewayConfig {
        identify_limit: 1,
        reconnect_min_ms: 1,
        reconnect_max_ms: 1,
        connect_ms: 1,
        members_max: 1,
        compression: Compression::None,
    };
    let deps = GatewayDeps {
        token: Secret::new("token"),
        gateway_url: String::new(),
        allow_hosts: Vec::new(),
        intents: Intents::Auto,
        plan: ShardPlan::all(1),
        sink: Arc::new(FanOut::new(Vec::new())),
        ledger: Arc::new(Nobody),
        directory: Arc::new(Nobody),
        capture: Arc::new(SentryCapture::disabled()),
        clock: Arc::new(SystemClock),
        cache: Arc::new(Cache::default()),
        presence: Presence::default(),
        control: Handle::current(),
    };
    let (gateway, _) = gateway::build(&config, deps);
    let session = SavedSession {
        shard: ShardId(0),
        total: 1,
        session_id: "s".into(),
        resume_url: "ws://127.0.0.1:9".into(),
        seq: 7,
        accepted: 12,
        waiting: vec![8, 9, 11],
        applied: 12,
        intents: 0,
        since: None,
    };
    assert_eq!(gateway.restore(&[session]), 1);
    OnceLock::from(gateway)
}

/// The end of a process that holds such a session, while `stops` more signals come.
async fn end(stops: usize, save: impl Future<Output = Left>) -> EndReport {
    let tree = Tree::start(Planes::single(), Rules::new(Strategy::OneForOne), Vec::new(), Arc::new(NoObserver));
    let tree = tree.await.unwrap();
    tree.started().await.unwrap();
    let (wish, mut wishes) = mpsc::channel(8);
    for _ in 0..stops {
        wish.send(Wish::Stop("SIGTERM")).await.unwrap();
    }
    let down = Down {
        tree: &tree,
        flags: &Flags::default(),
        limits: Limits { total: Duration::from_secs(10), drain: Duration::from_secs(3) },
        wishes: &mut wishes,
        capture: &SentryCapture::disabled(),
        notifier: &Notifier::default(),
        record: &OnceLock::new(),
        gateway: &holding(),
        planes: &Planes::single(),
        beside: &[],
    };
    let why = Why { reason: "test".to_owned(), signal: None, code: Code::Stopped };
    down.run(why, save).await
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_with_saving_that_hangs_or_is_forced_to_end_is_told() {
    const LOST: Left = Left { handed_on: 0, lost: 3, cut_off: 0 };
    let saved = end(0, async { Left { handed_on: 3, ..Left::default() } }).await;
    assert_eq!((saved.left.handed_on, saved.cut_off), (3, Vec::new()));
    let hangs = end(0, pending()).await;
    assert_eq!((hangs.left, hangs.forced, hangs.cut_off), (LOST, false, vec!["session".to_owned()]));
    let hurried = end(1, pending()).await;
    assert_eq!((hurried.left, hurried.forced), (LOST, false));
    let forced = end(2, pending()).await;
    assert_eq!((forced.left, forced.forced, forced.code), (LOST, true, Code::Forced as u8));
    assert!(forced.lines().join("\n").contains("3 are lost"), "{:?}", forced.lines());
}
