//! What ractor does, and what must not be seen of it. The facts that are tested elsewhere:
//!
//! | ractor | tested by |
//! |---|---|
//! | children of one that ends are killed, unordered, unawaited | `nested_supervisors_stop_their_children_in_order_before_their_elder_siblings` |
//! | the state outlives the exit event | `the_old_state_is_dropped_before_the_new_incarnation_begins` |
//! | a second stop errs at once | `two_stops_of_one_actor_are_both_answered_when_it_is_down` |
//! | a stop that times out leaves the actor running | `a_child_that_ignores_its_stop_is_killed_at_its_deadline_and_the_next_one_still_stops_politely` |
//! | a handler that blocks its thread cannot be killed | `a_child_that_blocks_its_thread_is_left_behind_and_shutdown_still_ends` |
//! | the default handler stops the parent of one that ends | `a_panic_is_a_typed_exit_with_its_location_and_costs_one_restart` |
//! | kinds of exit are strings | `transient_children_restart_after_a_kill_and_not_after_a_normal_end` |
//! | mailboxes have no bound and no depth | `a_full_mailbox_pushes_back_and_refuses_what_cannot_wait` |
//! | children are kept in random order | `children_start_in_order_and_stop_in_reverse_order_whatever_they_take` |

use super::probe::*;
use crate::{Criticality, Flags, NoObserver, Planes, Shutdown, Status, Strategy, Tree, Verb};
use std::{sync::Arc, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_actor_that_drains_is_stopped_with_its_siblings_and_never_orphaned() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Sleep(3600 * SECOND)).await.expect("delivered");
    assert_eq!(tree.drain(&["a".into()], SECOND).await, ["a".into()]);
    tree.shutdown(Some(5 * SECOND));
    tree.ended().await;
    assert!(log.take().contains(&"~a#1".to_owned()));
    assert!(!a.is_running());
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_state_torn_by_a_kill_reaches_the_next_incarnation() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Sleep(3600 * SECOND)).await.expect("delivered");
    a.send(Say::Note("behind the torn one".into())).await.expect("delivered");
    tokio::time::sleep(SECOND).await;
    tree.order(&"a".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "a", 2).await;
    assert_eq!(log.take(), ["+a#1", "~a#1", "+a#2"]);
    assert_eq!(a.mailbox().read().lost, 1);
}

#[tokio::test(start_paused = true)]
async fn a_path_is_not_used_again_before_its_last_stop_has_ended() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan { stop_takes: SECOND, ..Plan::default() });
    let tree = up(vec![spec]).await;
    tree.order(&"a".into(), Verb::Restart { force: true }, None, false).await.expect("restarted");
    assert_eq!(log.take(), ["+a#1", "-a#1", "~a#1", "+a#2"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_handler_and_a_kill_does_not() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec.shutdown(Shutdown::Infinity)]).await;
    a.send(Say::Sleep(60 * SECOND)).await.expect("delivered");
    tokio::time::sleep(SECOND).await;
    let begun = tokio::time::Instant::now();
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("stopped");
    assert!(begun.elapsed() >= 58 * SECOND, "{:?}", begun.elapsed());
    tree.order(&"a".into(), Verb::Start, None, false).await.expect("started");
    a.send(Say::Sleep(60 * SECOND)).await.expect("delivered");
    tokio::time::sleep(SECOND).await;
    let begun = tokio::time::Instant::now();
    tree.order(&"a".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "a", 3).await;
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_child_that_hangs_in_its_start_keeps_nobody_waiting() {
    let log = Log::default();
    let (b, other) = probe("b", &log, Plan::default());
    let tree = up(vec![other]).await;
    let hangs = probe("a", &log, Plan { start_takes: 3600 * SECOND, ..Plan::default() }).1;
    let starts = {
        let tree = tree.clone();
        tokio::spawn(async move { tree.start_child(&crate::ActorPath::root(), hangs).await })
    };
    until("a starts", || tree.node(&"a".into()).is_some_and(|node| node.status == Status::Starting)).await;
    let begun = tokio::time::Instant::now();
    b.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "b", 2).await;
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("stopped");
    assert!(starts.await.expect("no panic").is_err());
}

#[tokio::test(start_paused = true)]
async fn orders_are_served_while_a_child_fails_without_end() {
    let log = Log::default();
    let fails = Plan { fail_start: (2..).take(100_000).collect(), ..Plan::default() };
    let (a, first) = probe("a", &log, fails);
    let (_b, second) = probe("b", &log, Plan::default());
    let first = first.criticality(Criticality::Optional).budget(1_000_000, SECOND);
    let tree = up(vec![first, second]).await;
    a.send(Say::Fail).await.expect("delivered");
    while a.mailbox().incarnation() < 50 {
        tokio::task::yield_now().await;
    }
    tree.order(&"b".into(), Verb::Stop, None, false).await.expect("b stops");
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("and so does a");
    assert_eq!(tree.node(&"a".into()).map(|node| node.status), Some(Status::Down));
}

#[tokio::test(start_paused = true)]
async fn messages_behind_a_stop_are_counted_and_their_callers_told() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Sleep(SECOND)).await.expect("delivered");
    let asks = tokio::spawn({
        let a = a.clone();
        async move { a.call(60 * SECOND, Say::Ask).await }
    });
    tokio::task::yield_now().await;
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("stopped");
    assert_eq!(asks.await.expect("no panic"), Err(crate::CallError::Lost { incarnation: 1 }));
    assert_eq!(a.mailbox().read().lost, 1);
}

#[tokio::test(start_paused = true)]
async fn two_trees_in_one_process_may_use_the_same_paths() {
    let log = Log::default();
    let (a, spec) = probe("same", &log, Plan::default());
    let (b, other) = probe("same", &log, Plan::default());
    let (one, two) = (up(vec![spec]).await, up(vec![other]).await);
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&one, "same", 2).await;
    assert_eq!(two.node(&"same".into()).map(|node| node.incarnation), Some(1));
    assert_eq!(b.call(SECOND, Say::Ask).await, Ok(1));
}

/// The data plane's only thread is blocked: the control plane answers, decides and shuts down all the same.
#[test]
fn a_blocked_data_plane_delays_no_supervisor() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (control, data) = (runtime(), runtime());
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    control.block_on(async {
        let log = Log::default();
        let (a, spec) = probe("a", &log, Plan::default());
        crate::install_panic_hook();
        let flags = Flags::new(Strategy::OneForOne);
        let spec = spec.shutdown(Shutdown::Within(Duration::from_millis(100)));
        let tree = Tree::start(planes, flags, vec![spec], Arc::new(NoObserver)).await.expect("the root is made");
        tree.started().await.expect("it starts");
        a.send(Say::Block(4 * SECOND)).await.expect("delivered");
        until("a is in its handler", || a.mailbox().read().handling.is_some()).await;
        let begun = std::time::Instant::now();
        tree.shutdown(Some(2 * SECOND));
        tree.ended().await;
        assert!(begun.elapsed() < 3 * SECOND, "{:?}", begun.elapsed());
    });
    control.shutdown_background();
    data.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn an_actor_that_is_said_to_run_can_be_told_at_once() {
    let log = Log::default();
    let tree = up(Vec::new()).await;
    for n in 0..300 {
        let path = format!("a{n}");
        let (_addr, spec) = probe(&path, &log, Plan::default());
        tree.start_child(&crate::ActorPath::root(), spec).await.expect("it starts");
        let told = tree.tell(&path.as_str().into(), "echo", serde_json::json!(n), 20 * SECOND, None).await;
        assert_eq!(told, Ok(serde_json::json!(n)));
        tree.remove_child(&path.as_str().into()).await.expect("it goes");
    }
}
