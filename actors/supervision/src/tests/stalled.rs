//! The probe on live actors: stuck threads are real ones, so these run on real threads, held by channels and let go at the
//! end.

use super::probe::{Log, last_exit, until, until_incarnation};
use crate::{
    Activity, Actor, Addr, ChildSpec, Criticality, Ctx, Exit, Failure, Flags, Limits, Message, NoObserver, Planes,
    Probe, Shutdown, Status, Strategy, Tree, core::Rule,
};
use std::{
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A thread that waits until it is let go, or everybody is.
#[derive(Debug, Clone)]
struct Gate(Arc<Mutex<mpsc::Receiver<()>>>);

#[derive(Debug)]
enum Do {
    /// Blocks its thread at the gate.
    Block(Gate),
    /// Awaits for ever.
    Await,
    /// Works on and off, for ever.
    Work,
}

impl Message for Do {
    fn name(&self) -> &'static str {
        match self {
            Self::Block(_) => "block",
            Self::Await => "await",
            Self::Work => "work",
        }
    }
}

struct Hand;

impl Actor for Hand {
    type Msg = Do;

    async fn handle(&mut self, what: Do, _: &Ctx<Self>) -> Result<(), Failure> {
        match what {
            Do::Block(Gate(gate)) => drop(gate.lock().unwrap().recv()),
            Do::Await => std::future::pending().await,
            Do::Work => loop {
                tokio::time::sleep(MS(5)).await;
            },
        }
        Ok(())
    }
}

fn gate() -> (mpsc::Sender<()>, Gate) {
    let (open, gate) = mpsc::channel();
    (open, Gate(Arc::new(Mutex::new(gate))))
}

fn hand(path: &str, probe: Probe) -> (Addr<Do>, ChildSpec) {
    let addr = Addr::new(path, 8);
    let spec = ChildSpec::worker(&addr, || Hand)
        .criticality(Criticality::Optional)
        .shutdown(Shutdown::Within(MS(20)))
        .budget(100, SECOND)
        .probe(probe);
    (addr, spec)
}

/// Two runtimes, as in the bot: `data` has as many threads as asked for.
fn on_planes<F: Future<Output = ()>>(data_threads: usize, test: impl FnOnce(Planes) -> F) {
    let runtime =
        |threads| tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let (control, data) = (runtime(1), runtime(data_threads));
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    control.block_on(async { tokio::time::timeout(60 * SECOND, test(planes)).await.expect("it ends") });
    control.shutdown_background();
    data.shutdown_background();
}

async fn tree(planes: Planes, children: Vec<ChildSpec>, quarantine_max: usize) -> Tree {
    let (flags, limits) = (Flags::new(Strategy::OneForOne), Limits { quarantine_max });
    let tree = Tree::start_within(planes, flags, children, Arc::new(NoObserver), limits, None).await;
    let tree = tree.expect("the root is made");
    tree.started().await.expect("every child starts");
    tree
}

fn activity(tree: &Tree, path: &str) -> Option<Activity> {
    tree.node(&path.into()).and_then(|node| node.activity)
}

fn rules(tree: &Tree, path: &str) -> Vec<Rule> {
    tree.explain(&path.into(), 100).iter().map(|entry| entry.decision.rule).collect()
}

#[test]
fn a_blocked_thread_is_seen_warned_about_climbed_and_left_behind_while_the_others_are_told_apart() {
    on_planes(3, |planes| async move {
        let probe = Probe::new(MS(10), 2 * SECOND);
        let (stuck, a) = hand("stuck", probe);
        let (awaits, b) = hand("awaits", probe);
        let (works, c) = hand("works", probe);
        let (_idle, d) = hand("idle", probe);
        let tree = tree(planes, vec![a, b, c, d], 4).await;
        let (_open, closed) = gate();
        works.send(Do::Work).await.expect("delivered");
        awaits.send(Do::Await).await.expect("delivered");
        stuck.send(Do::Block(closed)).await.expect("delivered");
        until("it is stuck", || activity(&tree, "stuck") == Some(Activity::Stuck)).await;
        assert_eq!(stuck.mailbox().read().handling.as_deref(), Some("block"));
        until("it awaits", || activity(&tree, "awaits") == Some(Activity::Awaiting)).await;
        until("the others are told apart", || {
            (activity(&tree, "works"), activity(&tree, "idle")) == (Some(Activity::Busy), Some(Activity::Idle))
        })
        .await;
        until("it is given up", || tree.node(&"stuck".into()).unwrap().status == Status::Quarantined).await;
        let climbed = rules(&tree, "stuck");
        let order = [Rule::Slow, Rule::Stalled, Rule::Stop, Rule::StopDeadline, Rule::KillDeadline, Rule::Quarantine];
        assert_eq!(climbed[climbed.len() - 6..], order, "{climbed:?}");
        assert_eq!(tree.node(&"stuck".into()).unwrap().left_behind, [1]);
        let crash = tree.crashes(&"stuck".into()).pop().expect("recorded while it was stuck");
        assert_eq!(
            (&crash.exit, crash.in_hand.as_ref().map(|hand| hand.message.name)),
            (&Exit::Stalled, Some("block"))
        );
        assert_eq!(crash.followed().map(|followed| followed.rule), Some(Rule::Quarantine));
        // What awaits and what works are there still, and only the first was spoken about.
        assert_eq!(tree.node(&"awaits".into()).unwrap().incarnation, 1);
        until("what awaits was spoken about", || rules(&tree, "awaits").contains(&Rule::Slow)).await;
        assert!(!rules(&tree, "works").contains(&Rule::Slow));
    });
}

#[test]
fn a_thread_that_comes_back_frees_its_path_and_is_no_longer_counted() {
    on_planes(3, |planes| async move {
        let (a, spec) = hand("a", Probe::new(MS(10), MS(50)));
        let tree = tree(planes, vec![spec], 4).await;
        let (open, closed) = gate();
        a.send(Do::Block(closed)).await.expect("delivered");
        until("it is given up", || tree.node(&"a".into()).unwrap().status == Status::Quarantined).await;
        drop(open);
        until("its path is free", || tree.node(&"a".into()).unwrap().status == Status::Down).await;
        assert!(tree.node(&"a".into()).unwrap().left_behind.is_empty());
        tree.order(&"a".into(), crate::Verb::Start, None, false).await.expect("it starts");
    });
}

#[test]
fn where_incarnations_may_overlap_the_next_takes_the_path_and_the_old_one_leaves_it_alone() {
    on_planes(3, |planes| async move {
        let (a, spec) = hand("a", Probe::new(MS(10), MS(50)));
        let tree = tree(planes, vec![spec.overlap_ok()], 4).await;
        let (open, closed) = gate();
        a.send(Do::Block(closed)).await.expect("delivered");
        until_incarnation(&tree, "a", 2).await;
        let node = tree.node(&"a".into()).unwrap();
        assert_eq!((node.left_behind, last_exit(&tree, "a")), (vec![1], Some(Exit::Stalled)));
        a.send(Do::Work).await.expect("the second one takes messages");
        until("it works", || a.mailbox().read().handling.as_deref() == Some("work")).await;
        drop(open);
        until("the first has ended", || tree.node(&"a".into()).unwrap().left_behind.is_empty()).await;
        let node = tree.node(&"a".into()).unwrap();
        assert_eq!((node.status, node.incarnation), (Status::Running, 2));
        assert_eq!(a.mailbox().read().handling.as_deref(), Some("work"), "the first one's end is not the second's");
    });
}

#[test]
fn one_too_many_left_behind_and_the_root_gives_up_in_order_and_names_them() {
    on_planes(4, |planes| async move {
        let hands: Vec<_> = ["a", "b", "c"].map(|path| hand(path, Probe::new(MS(10), MS(50)))).into();
        let log = Log::default();
        let (_calm, calm) = super::probe::probe("calm", &log, super::probe::Plan::default());
        let specs = hands.iter().map(|(_, spec)| spec.clone()).chain([calm]).collect();
        let tree = tree(planes, specs, 2).await;
        let gates: Vec<_> = hands.iter().map(|_| gate()).collect();
        for ((addr, _), (_, gate)) in hands.iter().zip(&gates) {
            addr.send(Do::Block(gate.clone())).await.expect("delivered");
        }
        let Exit::Shutdown { info: Some(info) } = tree.ended().await else { panic!("it gives up") };
        assert!(info.contains("a#1, b#1, c#1") && info.contains("at most 2"), "{info}");
        assert!(log.take().contains(&"-calm#1".to_owned()), "the others are stopped in order");
    });
}

#[test]
fn when_the_runtime_is_late_its_victims_are_starved_and_left_alone() {
    on_planes(1, |planes| async move {
        let (victim, a) = hand("victim", Probe::new(MS(10), MS(100)));
        let (culprit, b) = hand("culprit", Probe::new(MS(10), 30 * SECOND));
        let tree = tree(planes, vec![a, b], 4).await;
        let (open, closed) = gate();
        culprit.send(Do::Block(closed)).await.expect("delivered");
        until("the only thread is blocked", || culprit.mailbox().read().handling.is_some()).await;
        victim.send(Do::Work).await.expect("delivered, and nobody there to take it");
        until("it is starved", || activity(&tree, "victim") == Some(Activity::Starved)).await;
        until("that is said", || rules(&tree, "victim").contains(&Rule::Slow)).await;
        drop(open);
        until("it makes progress", || rules(&tree, "victim").contains(&Rule::Progress)).await;
        assert_eq!(tree.node(&"victim".into()).unwrap().incarnation, 1);
    });
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_awaits_too_long_is_ended_where_the_policy_says_so() {
    let probe = Probe { kill_awaiting: true, ..Probe::new(SECOND, 60 * SECOND) };
    let (a, spec) = hand("a", probe);
    let tree = tree(Planes::single(), vec![spec], 4).await;
    a.send(Do::Await).await.expect("delivered");
    tokio::time::sleep(59 * SECOND).await;
    assert_eq!(tree.node(&"a".into()).unwrap().incarnation, 1);
    until_incarnation(&tree, "a", 2).await;
    assert_eq!(last_exit(&tree, "a"), Some(Exit::Stalled));
    let followed = tree.crashes(&"a".into()).pop().unwrap().followed().unwrap().rule;
    assert_eq!(followed, Rule::Restart);
}
