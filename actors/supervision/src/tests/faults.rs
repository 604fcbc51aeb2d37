//! The fault table's rows about actors, each with the figure it is judged by. A row that is a promise of its own file is
//! only named here: A5 `restart.rs`, A11 `simulation.rs`.

use super::probe::*;
use crate::{
    Actor, Addr, Backoff, CallError, ChildSpec, Criticality, Ctx, Exit, Failure, Flags, Message, NoObserver, Planes,
    Reply, Status, Strategy, Tree, Verb,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

const SECOND: Duration = Duration::from_secs(1);

/// Both planes as a process has them.
async fn two_planes(data: &tokio::runtime::Runtime, children: Vec<ChildSpec>) -> Tree {
    crate::install_panic_hook();
    let planes = Planes { control: tokio::runtime::Handle::current(), data: data.handle().clone() };
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 1_000;
    let tree = Tree::start(planes, flags, children, Arc::new(NoObserver)).await.expect("the root is made");
    tree.started().await.expect("it starts");
    tree
}

fn runtime(workers: usize) -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap()
}

#[test]
fn a1_a_panic_in_a_handler_costs_its_queue_and_its_callers_are_told_at_once() {
    let (control, data) = (runtime(1), runtime(2));
    let (a, spec) = probe("a", &Log::default(), Plan::default());
    const PANICS: u64 = 50;
    let (mut took, mut told_lost, mut told_away) = (Vec::new(), 0, 0);
    control.block_on(async {
        let tree = two_planes(&data, vec![spec]).await;
        for incarnation in 1..=PANICS {
            a.send(Say::Sleep(Duration::from_millis(1))).await.expect("delivered");
            a.send(Say::Panic).await.expect("delivered");
            let begun = Instant::now();
            match a.call(10 * SECOND, Say::Ask).await {
                Err(CallError::Lost { .. }) => told_lost += 1, // it waited behind the panic
                Err(CallError::Unavailable { .. }) => told_away += 1, // on a busy machine it comes after it
                Ok(life) if life == incarnation + 1 => {}      // or after the restart
                other => panic!("{other:?}"),
            }
            assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
            let dead = Instant::now();
            while a.call(SECOND, Say::Ask).await != Ok(incarnation + 1) {
                tokio::task::yield_now().await;
            }
            took.push(dead.elapsed());
        }
        let lost = a.mailbox().read().lost;
        assert_eq!(lost, told_lost, "each message that waited behind a panic is lost, and its caller was told");
        assert!(told_lost > 0, "the machine is too busy to tell");
        tree.shutdown(Some(SECOND));
        tree.ended().await;
    });
    took.sort();
    let (p50, p99) = (took[25].as_micros(), took[49].as_micros());
    println!(
        "A1 recovery_us p50={p50} p99={p99} panics={PANICS} callers_told lost={told_lost} unavailable={told_away}"
    );
}

/// Where an actor fails, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Where {
    Factory,
    Start,
    Handle,
    Stop,
    Drop,
}

struct Faulty {
    at: Where,
    panics: bool,
    /// Only the first incarnation does.
    lives: Arc<AtomicUsize>,
}

impl Faulty {
    fn fault(&self, at: Where) -> Result<(), Failure> {
        if at != self.at || self.lives.load(SeqCst) > 1 {
            return Ok(());
        }
        assert!(!self.panics, "told to panic in {at:?}");
        Err(Failure::restart(format!("told to fail in {at:?}")))
    }
}

impl Actor for Faulty {
    type Msg = Poke;

    async fn start(&mut self, _: &Ctx<Self>) -> Result<(), Failure> {
        self.fault(Where::Start)
    }

    async fn handle(&mut self, poke: Poke, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match poke {
            Poke::Forget(reply) => drop(reply),
            Poke::Ask(reply) => reply.send(ctx.incarnation()),
            Poke::Fail => self.fault(Where::Handle)?,
            // What fails later needs an end to fail in.
            Poke::End => return Err(Failure::restart("told to end")),
        }
        Ok(())
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        self.fault(Where::Stop).ok(); // a stop has no error to return: it panics or it does not
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.fault(Where::Drop).ok(); // nor has a drop
        }
    }
}

#[derive(Debug)]
enum Poke {
    Ask(Reply<u64>),
    Forget(Reply<u64>),
    Fail,
    End,
}

impl Message for Poke {
    fn name(&self) -> &'static str {
        "poke"
    }
}

fn faulty(at: Where, panics: bool) -> (Addr<Poke>, ChildSpec) {
    let (addr, lives) = (Addr::new("a", 8), Arc::new(AtomicUsize::new(0)));
    let spec = ChildSpec::worker(&addr, move || {
        let first = lives.fetch_add(1, SeqCst) == 0;
        assert!(!(at == Where::Factory && first), "told to panic in {at:?}");
        Faulty { at, panics, lives: Arc::clone(&lives) }
    });
    // A first start that fails is retried by rule.
    (addr, spec.criticality(Criticality::Important).budget(3, 60 * SECOND))
}

#[tokio::test(start_paused = true)]
async fn a2_wherever_an_actor_fails_it_is_back_and_its_exit_says_how() {
    let (mut cases, mut recovered) = (0, 0);
    for at in [Where::Factory, Where::Start, Where::Handle, Where::Stop, Where::Drop] {
        for panics in [true, false] {
            if !panics && matches!(at, Where::Factory | Where::Stop | Where::Drop) {
                continue; // these have no error to return: they panic or they do not
            }
            cases += 1;
            let (a, spec) = faulty(at, panics);
            let tree = tree(Flags::new(Strategy::OneForOne), vec![spec]).await;
            tree.started().await.expect("nobody has to wait for it");
            let early = matches!(at, Where::Factory | Where::Start);
            if !early {
                until_incarnation(&tree, "a", 1).await;
                a.send(if at == Where::Handle { Poke::Fail } else { Poke::End }).await.expect("delivered");
            }
            until_incarnation(&tree, "a", 2).await;
            let exit = last_exit(&tree, "a").expect("it ended");
            let kind = match &exit {
                Exit::StartFailed { cause, .. } => cause.kind(),
                exit => exit.kind(),
            };
            // What goes wrong while it ends anyway is not the cause of its end.
            let expected = if panics && !matches!(at, Where::Stop | Where::Drop) { "panic" } else { "error" };
            assert_eq!((kind, matches!(exit, Exit::StartFailed { .. })), (expected, early), "{at:?} {panics}: {exit}");
            recovered += usize::from(a.call(SECOND, Poke::Ask).await == Ok(2));
            tree.shutdown(Some(SECOND));
            tree.ended().await;
        }
    }
    println!("A2 cases={cases} recovered={recovered}");
    assert_eq!((cases, recovered), (7, 7));
}

#[tokio::test(start_paused = true)]
async fn a3_a_crash_loop_slows_down_is_parked_and_the_root_lives() {
    let always = Plan { fail_start: (1..).take(100_000).collect(), ..Plan::default() };
    let (_a, spec) = probe("a", &Log::default(), always);
    let backoff = Backoff::doubling(Duration::from_millis(100), 10 * SECOND);
    let spec = spec.criticality(Criticality::Important).budget(5, 60 * SECOND).backoff(backoff);
    let spec = spec.retry_parked(Backoff::doubling(30 * SECOND, 600 * SECOND));
    let tree = up(vec![spec]).await;
    tokio::time::sleep(60 * SECOND).await;
    let first_minute = tree.node(&"a".into()).expect("it is known").incarnation;
    assert!(first_minute <= 8, "one start, five restarts, a try while parked: {first_minute}");
    tokio::time::sleep(59 * 60 * SECOND).await;
    let node = tree.node(&"a".into()).expect("it is known");
    assert_eq!(node.status, Status::Parked);
    assert!(node.incarnation <= 20, "{}", node.incarnation);
    assert_eq!(tree.nodes()[0].status, Status::Running);
    println!("A3 starts first_minute={first_minute} first_hour={} root=running", node.incarnation);
}

#[tokio::test(start_paused = true)]
async fn a4_a_sibling_that_fails_during_the_round_has_the_round_begin_anew_in_order() {
    for (strategy, expected) in [
        (Strategy::OneForAll, &["-c#1", "-b#1", "+a#2", "-a#2", "+a#3", "+b#3", "+c#2"][..]),
        (Strategy::RestForOne, &["-c#1", "-b#1", "+a#2", "+b#3", "+c#2"][..]),
    ] {
        let log = Log::default();
        let (a, first) = probe("a", &log, Plan::default());
        let (_b, second) = probe("b", &log, Plan { fail_start: vec![2], ..Plan::default() });
        let (_c, third) = probe("c", &log, Plan::default());
        let mut flags = Flags::new(strategy);
        flags.intensity.restarts = 5;
        let tree = tree(flags, vec![first, second, third]).await;
        tree.started().await.expect("every child starts");
        log.take();
        a.send(Say::Panic).await.expect("delivered");
        until_incarnation(&tree, "c", 2).await;
        let seen: Vec<_> = log.take().into_iter().filter(|what| !what.starts_with('~')).collect();
        assert_eq!(seen, expected, "{strategy:?}");
        println!("A4 {} {}", strategy.name(), seen.join(" "));
    }
}

#[test]
fn a6_an_address_held_through_restarts_reaches_the_new_incarnation_and_every_message_is_accounted_for() {
    let (control, data) = (runtime(1), runtime(2));
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let (sent, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    control.block_on(async {
        let tree = two_planes(&data, vec![spec]).await;
        let senders = [(); 4].map(|()| {
            let (a, sent, refused) = (a.clone(), Arc::clone(&sent), Arc::clone(&refused));
            data.spawn(async move {
                for _ in 0..500 {
                    sent.fetch_add(1, SeqCst);
                    if a.send(Say::Note("x".into())).await.is_err() {
                        refused.fetch_add(1, SeqCst);
                        tokio::task::yield_now().await;
                    }
                }
            })
        });
        for incarnation in 2..12 {
            tree.order(&"a".into(), Verb::Restart { force: true }, None, false).await.expect("restarted");
            until_incarnation(&tree, "a", incarnation).await;
        }
        for sender in senders {
            sender.await.expect("no panic");
        }
        assert_eq!(a.call(20 * SECOND, Say::Ask).await, Ok(11), "the address it always had");
        tree.shutdown(Some(SECOND));
        tree.ended().await;
    });
    let handled = log.take().iter().filter(|what| *what == "x").count();
    let (sent, refused) = (sent.load(SeqCst), refused.load(SeqCst));
    let lost = usize::try_from(a.mailbox().read().lost).unwrap();
    println!("A6 sent={sent} handled={handled} lost={lost} refused={refused}");
    assert_eq!(sent, handled + lost + refused);
}

#[tokio::test(start_paused = true)]
async fn a8_a_reply_that_is_dropped_tells_its_caller_at_once() {
    let (a, spec) = faulty(Where::Handle, false);
    let tree = up(vec![spec]).await;
    until_incarnation(&tree, "a", 1).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(a.call(3600 * SECOND, Poke::Forget).await, Err(CallError::Lost { incarnation: 1 }));
    assert!(begun.elapsed() < SECOND);
    println!("A8 waited_ms={}", begun.elapsed().as_millis());
}

/// This process's memory, in KiB.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn a9_a_flood_is_refused_at_the_door() {
    const FLOOD: usize = 1_000_000;
    let (control, data) = (runtime(1), runtime(1));
    let (a, spec) = probe("a", &Log::default(), Plan::default());
    control.block_on(async {
        let tree = two_planes(&data, vec![spec]).await;
        a.send(Say::Sleep(3600 * SECOND)).await.expect("delivered");
        until("a is in its handler", || a.mailbox().read().handling.is_some()).await;
        let before = rss();
        let taken = (0..FLOOD).filter(|_| a.try_send(Say::Note(String::new())).is_ok()).count();
        let (grown, reading) = (rss().saturating_sub(before), a.mailbox().read());
        println!("A9 sent={FLOOD} taken={taken} refused={} rss_grown_kib={grown}", reading.shed);
        assert!(taken <= 8 && reading.shed == (FLOOD - taken) as u64, "{reading:?}");
        // Other tests run in this process: what a million queued messages would take is far more than they do.
        assert!(grown < 200_000, "{grown} KiB");
        tree.order(&"a".into(), Verb::Kill, None, false).await.expect("killed");
        until_incarnation(&tree, "a", 2).await;
        tree.shutdown(Some(SECOND));
        tree.ended().await;
    });
}

#[tokio::test(start_paused = true)]
async fn a10_a_killed_supervisor_leaves_no_orphan() {
    let log = Log::default();
    let inner = (0..20).map(|n| probe(&format!("inner/w{n}"), &log, Plan::default()).1).collect();
    let (_b, other) = probe("b", &log, Plan::default());
    let tree = up(vec![ChildSpec::supervisor("inner", Flags::new(Strategy::OneForOne), inner), other]).await;
    log.take();
    tree.order(&"inner".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "inner/w19", 2).await;
    let seen = log.take();
    let first_up = seen.iter().position(|what| what.starts_with('+')).expect("they came up again");
    let orphans = seen[first_up..].iter().filter(|what| what.ends_with("#1")).count();
    let dropped = seen[..first_up].iter().filter(|what| what.starts_with('~')).count();
    assert_eq!((dropped, orphans), (20, 0), "{seen:?}");
    assert_eq!(tree.node(&"b".into()).map(|node| node.incarnation), Some(1));
    println!("A10 children=20 orphans={orphans}");
}

/// Supervision is unwinding: what is built to abort does not compile, and no profile of the workspace asks for it.
#[test]
fn a12_no_profile_aborts_on_panic() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    let manifest = std::fs::read_to_string(manifest).expect("the workspace has a manifest");
    let said: Vec<&str> = manifest.lines().filter(|line| line.starts_with("panic")).collect();
    assert!(said.len() >= 2 && said.iter().all(|line| line.contains("\"unwind\"")), "{said:?}");
    println!("A12 profiles={} aborting=0", said.len());
}
