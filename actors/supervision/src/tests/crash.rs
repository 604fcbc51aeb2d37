//! Crash records: what is known of an incarnation at the moment it fails.

use super::probe::*;
use crate::{
    ActorPath, CRASHES_PER_PATH, Crash, Entry, Exit, Flags, MESSAGES_KEPT, Observer, Planes, Strategy, Tree, Verb,
    core::Rule,
};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// Knows one secret and one log.
struct Diary;

impl Observer for Diary {
    fn decided(&self, _: &Entry) {}

    fn log_tail(&self, path: &ActorPath) -> Vec<Arc<str>> {
        (0..50).map(|n| Arc::from(format!("{path} line {n}"))).collect()
    }

    fn redact(&self, text: &str) -> String {
        text.replace("told", "***")
    }
}

async fn watched(children: Vec<crate::ChildSpec>) -> Tree {
    crate::install_panic_hook();
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 1000;
    let tree = Tree::start(Planes::single(), flags, children, Arc::new(Diary)).await.expect("the root is made");
    tree.started().await.expect("every child starts");
    tree
}

async fn only(tree: &Tree, path: &str) -> Arc<Crash> {
    let path = ActorPath::from(path);
    until("its crash is recorded and answered", || {
        tree.crashes(&path).last().is_some_and(|crash| crash.followed().is_some())
    })
    .await;
    let crashes = tree.crashes(&path);
    assert_eq!(crashes.len(), 1, "{crashes:?}");
    Arc::clone(&crashes[0])
}

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_message_location_frames_log_depth_and_the_rule_that_followed() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = watched(vec![spec]).await;
    tokio::time::sleep(5 * SECOND).await;
    for n in 0..MESSAGES_KEPT + 3 {
        a.call(SECOND, Say::Ask).await.unwrap_or_else(|error| panic!("message {n}: {error}"));
    }
    tokio::time::sleep(2 * SECOND).await;
    a.send(Say::Panic).await.expect("delivered");
    a.send(Say::Note("never".into())).await.expect("delivered");
    let crash = only(&tree, "a").await;
    let Exit::Panic { message, location } = &crash.exit else { panic!("{:?}", crash.exit) };
    assert_eq!(message, "*** to panic", "what it said goes through the observer's redaction");
    assert!(location.as_ref().is_some_and(|place| place.contains("tests/probe.rs:")), "{location:?}");
    assert_eq!((crash.number, crash.incarnation), (1, 1));
    assert!((7 * SECOND..8 * SECOND).contains(&crash.uptime), "{:?}", crash.uptime);
    assert_eq!(crash.in_hand.as_ref().map(|hand| hand.message.name), Some("say"));
    assert_eq!(crash.messages.len(), MESSAGES_KEPT, "the last ones and no more");
    assert!(crash.messages[0].ago >= 2 * SECOND && crash.messages[MESSAGES_KEPT - 1].ago < SECOND);
    assert_eq!((crash.depth, crash.capacity), (1, 8), "one waited; the one in hand has left the mailbox");
    assert_eq!((crash.log.len(), crash.log[19].as_str()), (20, "a line 49"));
    let frames = crash.backtrace();
    assert!(frames.first().is_some_and(|line| line.contains("tests/probe.rs:")), "innermost first: {frames:#?}");
    assert!(frames.len() <= crate::FRAMES_MAX && !frames.iter().any(|line| line.contains("guarded")), "{frames:#?}");
    let followed = crash.followed().expect("decided");
    assert_eq!(followed.rule, Rule::Restart);
    assert_eq!(
        tree.explain(&"a".into(), 100).iter().find(|entry| entry.seq == followed.seq).map(|it| it.decision.rule),
        Some(Rule::Restart)
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_a_kill_and_a_failed_start_are_recorded_as_what_they_are_and_an_orderly_end_is_not() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let (b, other) = probe("b", &log, Plan::default());
    let (_c, third) = probe("c", &log, Plan { fail_start: vec![2], ..Plan::default() });
    let third = third.restart(crate::Restart::Permanent);
    let tree = watched(vec![spec, other, third]).await;
    a.send(Say::Fail).await.expect("delivered");
    let crash = only(&tree, "a").await;
    assert_eq!(crash.exit, Exit::Error { message: "*** to fail".into() });
    assert!(crash.in_hand.is_some() && crash.backtrace().is_empty());

    b.send(Say::Sleep(3600 * SECOND)).await.expect("delivered");
    until("b is in its handler", || b.mailbox().read().handling.is_some()).await;
    tokio::time::sleep(3 * SECOND).await;
    tree.order(&"b".into(), Verb::Kill, None, false).await.expect("killed");
    let crash = only(&tree, "b").await;
    assert_eq!(crash.exit, Exit::Killed { by: "operator".into() });
    let hand = crash.in_hand.as_ref().expect("it was killed in its handler");
    assert!((3 * SECOND..4 * SECOND).contains(&hand.message.ago), "{hand:?}");

    tree.order(&"c".into(), Verb::Restart { force: true }, None, false).await.expect_err("its second start fails");
    let crash = only(&tree, "c").await;
    assert_eq!((crash.incarnation, &crash.exit), (2, &Exit::Error { message: "*** to fail".into() }));
    assert!(crash.in_hand.is_none() && crash.messages.is_empty());

    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("stopped");
    tree.order(&"b".into(), Verb::Restart { force: true }, None, false).await.expect("restarted");
    assert_eq!((tree.crashes(&"a".into()).len(), tree.crashes(&"b".into()).len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_path_keeps_its_last_records_and_an_observer_that_panics_costs_the_log_lines_only() {
    struct Bad;
    impl Observer for Bad {
        fn decided(&self, _: &Entry) {}
        fn log_tail(&self, _: &ActorPath) -> Vec<Arc<str>> {
            panic!("no log")
        }
    }
    crate::install_panic_hook();
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 1000;
    let tree = Tree::start(Planes::single(), flags, vec![spec], Arc::new(Bad)).await.expect("the root is made");
    tree.started().await.expect("it starts");
    let failures = CRASHES_PER_PATH as u64 + 3;
    for n in 1..=failures {
        a.send(Say::Panic).await.expect("delivered");
        until_incarnation(&tree, "a", n + 1).await;
    }
    let crashes = tree.crashes(&"a".into());
    let numbers: Vec<_> = crashes.iter().map(|crash| crash.number).collect();
    assert_eq!(numbers, (4..=failures).collect::<Vec<_>>());
    assert!(crashes.iter().all(|crash| crash.log.is_empty() && !crash.backtrace().is_empty()));
}

/// Says whether records are kept.
struct Records(bool);

impl crate::Rules for Records {
    fn policy(&self, _: &ActorPath, policy: &mut crate::Policy) {
        policy.crash_records = self.0;
    }
}

#[tokio::test(start_paused = true)]
async fn records_are_switched_for_each_path_as_it_runs() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let (b, other) = probe("b", &log, Plan::default());
    let spec = spec.with(|policy| policy.crash_records = false);
    let tree = watched(vec![spec, other]).await;
    let numbers = |path: &str| tree.crashes(&path.into()).iter().map(|crash| crash.number).collect::<Vec<_>>();
    a.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    b.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "b", 2).await;
    assert_eq!((numbers("a"), numbers("b")), (vec![], vec![1]));
    tree.set_rules(Arc::new(Records(true)), false).await.expect("they hold");
    a.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "a", 3).await;
    tree.set_rules(Arc::new(Records(false)), false).await.expect("they hold");
    a.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "a", 4).await;
    assert_eq!((numbers("a"), numbers("b")), (vec![2], vec![1]));
}
