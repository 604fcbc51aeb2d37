//! Incarnations that outlive their supervisor, and what is left of supervisors that are gone.

use super::probe::*;
use crate::{
    ChildSpec, Criticality, Exit, Flags, NoObserver, Planes, SendError, Shutdown, Status, Strategy, Tree, Verb,
};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_incarnation_number_never_means_two_lives_also_when_the_supervisor_is_restarted() {
    let log = Log::default();
    let inner = ["inner/x", "inner/y"].map(|path| probe(path, &log, Plan::default()));
    let x = inner[0].0.clone();
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 5;
    let sup = ChildSpec::supervisor("inner", flags, inner.map(|(_, spec)| spec).to_vec());
    let tree = up(vec![sup]).await;
    x.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "inner/x", 2).await;
    tree.start_child(&"inner".into(), probe("inner/z", &log, Plan::default()).1).await.expect("it starts");
    tree.order(&"inner".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "inner/x", 3).await;
    until_incarnation(&tree, "inner/y", 2).await;
    assert!(tree.node(&"inner/z".into()).is_none(), "dynamic children are not recreated, as in OTP");
    tree.start_child(&"inner".into(), probe("inner/z", &log, Plan::default()).1).await.expect("it starts");
    until_incarnation(&tree, "inner/z", 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_child_left_behind_is_not_started_again_before_it_has_ended() {
    let log = Log::default();
    let (x, spec) = probe("inner/x", &log, Plan::default());
    let spec = spec.criticality(Criticality::Optional).shutdown(Shutdown::Within(Duration::from_millis(50)));
    let (_y, other) = probe("inner/y", &log, Plan::default());
    let tree = up(vec![ChildSpec::supervisor("inner", Flags::new(Strategy::OneForOne), vec![spec, other])]).await;
    x.send(Say::Block(8 * SECOND)).await.expect("delivered");
    until("x is in its handler", || x.mailbox().read().handling.is_some()).await;
    log.take();
    tree.order(&"inner".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "inner/y", 2).await;
    assert_eq!(tree.node(&"inner/x".into()).map(|node| node.status), Some(Status::Quarantined));
    until_incarnation(&tree, "inner/x", 2).await;
    let seen = log.take();
    let at = |what: &str| seen.iter().position(|line| line == what).unwrap_or_else(|| panic!("{what} in {seen:?}"));
    assert!(at("~x#1") < at("+x#2"), "{seen:?}");
    assert!(
        x.is_running() && x.call(SECOND, Say::Ask).await == Ok(2),
        "the late end of #1 leaves the address of #2 alone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn who_waits_for_room_at_a_blocked_actor_is_told_when_it_is_given_up() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = spec.criticality(Criticality::Optional).shutdown(Shutdown::Within(Duration::from_millis(50)));
    let tree = up(vec![spec]).await;
    a.send(Say::Block(8 * SECOND)).await.expect("delivered");
    until("a is in its handler", || a.mailbox().read().handling.is_some()).await;
    while a.try_send(Say::Note("x".into())).is_ok() {}
    let waits = tokio::spawn({
        let a = a.clone();
        async move { a.send(Say::Note("waits".into())).await }
    });
    let begun = std::time::Instant::now();
    let stopped = tree.order(&"a".into(), Verb::Stop, None, false).await;
    assert!(stopped.unwrap_err().to_string().contains("quarantined"));
    let sent = tokio::time::timeout(3 * SECOND, waits).await.expect("it is told").expect("no panic");
    assert!(matches!(sent, Err(SendError::Unavailable { .. })), "{sent:?}");
    let later = tokio::time::timeout(3 * SECOND, a.send(Say::Note("later".into()))).await.expect("it is told at once");
    assert!(matches!(later, Err(SendError::Unavailable { .. })), "{later:?}");
    assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_removed_supervisor_leaves_no_trace_of_its_children() {
    let log = Log::default();
    let tree = up(vec![ChildSpec::supervisor("pool", Flags::new(Strategy::OneForOne), Vec::new())]).await;
    tree.start_child(&"pool".into(), probe("pool/x", &log, Plan::default()).1).await.expect("it starts");
    assert!(tree.messages(&"pool/x".into()).is_some());
    tree.remove_child(&"pool".into()).await.expect("removed");
    assert!(tree.messages(&"pool/x".into()).is_none());
    let told = tree.tell(&"pool/x".into(), "echo", serde_json::Value::Null, SECOND, None).await;
    assert!(told.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_harms_nobody() {
    struct Bad;
    impl crate::Observer for Bad {
        fn decided(&self, _: &crate::Entry) {
            panic!("told to");
        }
    }
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    crate::install_panic_hook();
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, vec![spec], Arc::new(Bad)).await.expect("the root is made");
    tree.started().await.expect("it starts");
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_namesake_elsewhere_may_be_needed_and_oneself_may_not() {
    let log = Log::default();
    let (_db, db) = probe("db", &log, Plan::default());
    let pool = ChildSpec::supervisor("pool", Flags::new(Strategy::OneForOne), Vec::new());
    let tree = up(vec![db, pool]).await;
    let namesake = probe("pool/db", &log, Plan::default()).1.needs(["db"]);
    tree.start_child(&"pool".into(), namesake).await.expect("it starts");
    until_incarnation(&tree, "pool/db", 1).await;
    let itself = probe("pool/x", &log, Plan::default()).1.needs(["pool/x"]);
    let refused = tree.start_child(&"pool".into(), itself).await.unwrap_err();
    assert!(refused.to_string().contains("it needs itself"), "{refused}");
    let root = Flags::new(Strategy::OneForOne);
    let itself = probe("y", &log, Plan::default()).1.needs(["y"]);
    let exit = Tree::start(Planes::single(), root, vec![itself], Arc::new(NoObserver)).await.err();
    assert!(matches!(exit, Some(Exit::Fatal { .. })), "{exit:?}");
}
