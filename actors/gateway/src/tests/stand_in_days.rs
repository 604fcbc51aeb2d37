//! Rows of the fault table that take minutes or a day, against the stand-in for Discord and over real sockets: its time and
//! the bot's are moved together, and stand while anything is on its way.

use super::fake::*;
use crate::{Cache, GatewayConfig, GatewayDeps, OnlineStatus, Phase, PresenceData, build};
use protocol::{
    Secret, SystemClock,
    ports::{Capture, GatewayBot, Report},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sandbox::{Fault, Sandbox, SandboxConfig, SandboxEvent, Side, Strict, VirtualTime};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use supervision::{Flags, NoObserver, Planes, Status, Strategy, Tree};
use tokio::{runtime::Handle, time::Instant};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
/// The least time that passes at once.
const STEP: Duration = Duration::from_millis(250);

/// With the waits of the shipped configuration, and the heartbeats out of the way.
fn begin(seed: u64, change: impl FnOnce(&mut SandboxConfig)) -> (Strict, Setup) {
    let mut config = SandboxConfig { seed, heartbeat_interval_ms: 600_000, ..SandboxConfig::default() };
    change(&mut config);
    let sandbox = stand_in(config);
    let setup = Setup { token: sandbox.token(), ..Setup::at(sandbox.gateway_url()) };
    let config = GatewayConfig { reconnect_min_ms: 500, reconnect_max_ms: 300_000, ..setup.config.clone() };
    (sandbox, Setup { config, ..setup })
}

/// IDENTIFYs that the stand-in has had.
fn identifies(sandbox: &Sandbox) -> usize {
    let stats = sandbox.stats();
    usize::try_from(stats.identifies + stats.identifies_refused).unwrap()
}

/// Whether only an answer brings a shard on, and not time.
fn awaits_an_answer(phase: Phase) -> bool {
    matches!(phase, Phase::Connecting | Phase::AwaitingHello | Phase::Identifying | Phase::Resuming)
}

/// The most within any `span`.
fn most(times: &[Duration], span: Duration) -> usize {
    let within = |first: usize| times[first..].iter().take_while(|&&at| at - times[first] < span).count();
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// Lets a day pass, in ever longer steps while the shard `rests`: whatever wakes it then does so a little late, and nothing
/// that lives grows older by it. Gives when each IDENTIFY came; `each` hears of it once it is answered, and `look` how much
/// time passes next. A day that is over while an IDENTIFY is on its way ends with the answer to it.
async fn day(
    time: &VirtualTime<'_>,
    sandbox: &Sandbox,
    phase: impl Fn() -> Phase,
    rests: impl Fn() -> bool,
    mut each: impl AsyncFnMut(),
    mut look: impl FnMut(Duration),
) -> Vec<Duration> {
    let (begun, mut came) = (Instant::now(), Vec::new());
    loop {
        time.until("an answer", || !awaits_an_answer(phase())).await;
        if identifies(sandbox) > came.len() {
            came.push(begun.elapsed());
            each().await;
            continue;
        }
        if begun.elapsed() >= 24 * HOUR && phase() != Phase::AwaitingGrant {
            return came;
        }
        let idle = begun.elapsed() - came.last().copied().unwrap_or_default();
        let step = if rests() { (idle / 20).max(STEP) } else { STEP };
        look(step);
        time.pass(step).await;
    }
}

/// G7: each session is invalid, at once or some seconds after it has begun, for a day.
#[tokio::test(start_paused = true)]
async fn a_day_of_invalid_sessions_from_the_stand_in_stays_within_the_budget() {
    let seed = sandbox::seed("G7");
    let mut rng = StdRng::seed_from_u64(seed);
    let (sandbox, setup) = begin(seed, |_| {});
    let time = VirtualTime::of(&sandbox);
    sandbox.fault(Fault::RefuseSessions { times: 1, resumable: false });
    let bot = Bot::start(setup).await;
    let phase = || bot.gateway.statuses()[0].state;
    let ruin = async || {
        if phase() == Phase::Online {
            time.pass(Duration::from_millis(rng.random_range(0..20_000))).await;
            sandbox.fault(Fault::InvalidSession { resumable: false });
            time.until("it hears of it", || phase() != Phase::Online).await;
        }
        let at_once: bool = rng.random();
        sandbox.fault(Fault::RefuseSessions { times: u32::from(at_once), resumable: false });
    };
    let came = day(&time, &sandbox, phase, || phase() == Phase::Waiting, ruin, |_| {}).await;
    let (hour, first, stats) = (most(&came, HOUR), came[1] - came[0], sandbox.stats());
    println!(
        "G7 sandbox: seed={seed} identifies_per_hour_max={hour} identifies_per_day={} begun_and_ruined={} first_wait_s={:.2}",
        came.len(),
        stats.identifies,
        first.as_secs_f64()
    );
    assert!(hour <= 12 && first >= Duration::from_secs(1), "{hour} an hour, first after {first:?}");
    assert!(came.len() > 5 * 24, "it goes on trying: {}", came.len());
    assert!(stats.identifies > 20 && stats.identifies_refused > 20, "both kinds of ruin");
    assert_eq!(*bot.ledger.taken.lock().unwrap() as usize, came.len(), "each is written down");
    assert_eq!(stats.resumes + stats.resumes_refused, 0, "a session that is over is not tried again");
    drop(time);
    bot.stop().await;
}

/// G12: who counts allows less than we thought, closes with 4008, and goes on counting.
#[tokio::test(start_paused = true)]
async fn after_4008_from_the_stand_in_half_as_much_is_sent() {
    let seed = sandbox::seed("G12");
    let limit = StdRng::seed_from_u64(seed).random_range(60..=95);
    let (sandbox, setup) = begin(seed, |config| config.sends_per_minute = limit);
    let time = VirtualTime::of(&sandbox);
    let bot = Bot::start(setup).await;
    let status = || bot.gateway.statuses().remove(0);
    time.until("online", || status().state == Phase::Online).await;
    let (begun, mut sent, mut closed) = (Instant::now(), Vec::new(), None);
    let mut frames = sandbox.stats().frames_received;
    for number in 0..4 * 60 * 8 {
        let (mark, text) = (sandbox.mark(), number.to_string());
        bot.gateway.presence().set(playing(&text)).unwrap();
        time.pass(STEP).await;
        let shows = |event: &SandboxEvent| matches!(event, SandboxEvent::Presence { activities, .. } if activities.contains(&text));
        time.until("what it sends has come", || {
            let status = status();
            let settled = status.throttled || sandbox.log_since(mark).iter().any(shows);
            status.state == Phase::Waiting || status.state == Phase::Online && settled
        })
        .await;
        let now = sandbox.stats();
        sent.extend((frames..now.frames_received).map(|_| begun.elapsed()));
        frames = now.frames_received;
        if closed.is_none() && !now.disconnects.is_empty() {
            closed = Some(sent.len());
        }
    }
    let (before, after) = sent.split_at(closed.expect("it was closed"));
    let (before, minutes) = (before.len(), (8 * MINUTE - after[0]).as_secs_f64() / 60.0);
    let (minute, stats) = (most(after, MINUTE), sandbox.stats());
    println!(
        "G12 sandbox: seed={seed} closed_after={before} (limit={limit}) sends_per_minute_after={minute} (mean {:.0}) disconnects={:?}",
        after.len() as f64 / minutes,
        stats.disconnects
    );
    assert_eq!(stats.disconnects, BTreeMap::from([((Some(4008), Side::Sandbox), 1)]));
    assert!((35..=55).contains(&minute), "{minute}");
    assert!(after.len() > 35 * 6, "it goes on sending: {}", after.len());
    assert_eq!((stats.identifies, stats.resumes), (1, 1));
    drop(time);
    bot.stop().await;
}

fn playing(name: &str) -> PresenceData {
    let activity = crate::Activity { kind: crate::ActivityKind::Playing, name: name.into(), url: None };
    PresenceData { status: OnlineStatus::Idle, activity: Some(activity) }
}

/// Takes reports, and breaks: a fault of our own that the shard dies of, whenever Discord gives it something to tell.
struct Breaks;

impl Capture for Breaks {
    fn capture(&self, report: Report) {
        panic!("nobody takes reports: {}", report.message);
    }
}

/// The gateway of `setup` with reports that kill.
fn fragile(setup: &Setup) -> (crate::Gateway, supervision::ChildSpec) {
    let bot = GatewayBot {
        url: setup.url.clone(),
        shards: 1,
        remaining: 1000,
        reset_after_ms: 3_600_000,
        max_concurrency: 1,
    };
    let deps = GatewayDeps {
        token: Secret::new(setup.token.clone()),
        gateway_url: String::new(),
        allow_hosts: setup.hosts.clone(),
        intents: setup.intents,
        plan: setup.plan,
        sink: setup.sink.clone(),
        ledger: setup.ledger.clone(),
        directory: Arc::new(Directory(bot)),
        capture: Arc::new(Breaks),
        clock: Arc::new(SystemClock),
        cache: Arc::new(Cache::default()),
        presence: setup.presence.clone(),
        control: Handle::current(),
        roots: None,
    };
    build(&setup.config, deps)
}

/// G15: a shard that IDENTIFYs, is refused and crashes over it, for a day.
#[tokio::test(start_paused = true)]
async fn a_shard_that_crashes_over_each_session_of_the_stand_in_is_parked_and_costs_few_identifies() {
    let seed = sandbox::seed("G15");
    supervision::install_panic_hook();
    let (sandbox, setup) = begin(seed, |_| {});
    let time = VirtualTime::of(&sandbox);
    sandbox.fault(Fault::RefuseSessions { times: u32::MAX, resumable: false });
    let (gateway, child) = fragile(&setup);
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, vec![child], Arc::new(NoObserver)).await.unwrap();
    let shard = || tree.node(&"gateway/shard-0".into()).unwrap();
    let mut parked = Duration::ZERO;
    let look = |step| {
        if shard().status == Status::Parked {
            parked += step;
        }
    };
    let (phase, rests) = (|| gateway.statuses()[0].state, || shard().status != Status::Running);
    let came = day(&time, &sandbox, phase, rests, async || {}, look).await;
    let (hour, node) = (most(&came, HOUR), shard());
    println!(
        "G15 sandbox: seed={seed} identifies_per_day={} identifies_per_hour_max={hour} parked_h={:.1} incarnations={}",
        came.len(),
        parked.as_secs_f64() / 3600.0,
        node.incarnation
    );
    assert!(parked > 8 * HOUR, "most of the time it is parked: {parked:?}");
    assert!(came.len() > 6 && came.len() <= 150 && hour <= 18, "{} a day, {hour} an hour", came.len());
    assert_eq!(*setup.ledger.taken.lock().unwrap() as usize, came.len(), "each is written down");
    assert!(node.incarnation as usize >= came.len(), "each of them was the last of its incarnation");
    let room = tree.node(&"gateway".into()).unwrap();
    assert_eq!((room.status, room.incarnation), (Status::Running, 1), "its room stands");
    drop(time);
    tree.shutdown(None);
}
