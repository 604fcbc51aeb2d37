//! Things that happen at the same moment, in the order that hurts.

use super::probe::*;
use crate::{AdminError, Criticality, Exit, OrderError, Shutdown, Status, Verb, core::Refusal};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

const SECOND: Duration = Duration::from_secs(1);

/// A start that ends just after its stop was ordered: the supervisor hears of the order first, then of the start.
#[tokio::test(start_paused = true)]
async fn a_start_that_ends_while_its_stop_is_ordered_leaves_the_stop_deadline_in_force() {
    let log = Log::default();
    let gate = Arc::new(Semaphore::new(0));
    let plan = Plan { gate: Some(Arc::clone(&gate)), stop_takes: 3600 * SECOND, ..Plan::default() };
    let (_a, spec) = probe("a", &log, plan);
    let spec = spec.criticality(Criticality::Optional).shutdown(Shutdown::Within(SECOND));
    let tree = tree(crate::Flags::new(crate::Strategy::OneForOne), vec![spec]).await;
    until("a starts", || tree.node(&"a".into()).is_some_and(|node| node.status == Status::Starting)).await;
    gate.add_permits(1); // wakes the start; it runs once this test waits
    let begun = tokio::time::Instant::now();
    let stopped = tokio::time::timeout(60 * SECOND, tree.order(&"a".into(), Verb::Stop, None, false)).await;
    assert!(matches!(stopped, Ok(Ok(_))), "{stopped:?} after {:?}", begun.elapsed());
    assert_eq!(log.take(), ["+a#1", "~a#1"], "it came up, hung in its stop and was killed");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_answered_finds_it_in_the_tree_also_when_the_tree_is_large() {
    let log = Log::default();
    let children = (0..100).map(|n| probe(&format!("p{n}"), &log, Plan::default()).1).collect();
    let tree = up(children).await;
    assert_eq!(tree.node(&"p99".into()).map(|node| node.status), Some(Status::Running));
    tree.start_child(&crate::ActorPath::root(), probe("late", &log, Plan::default()).1).await.expect("it starts");
    assert_eq!(tree.node(&"late".into()).map(|node| node.status), Some(Status::Running));
    tree.order(&"p7".into(), Verb::Stop, None, false).await.expect("it stops");
    assert_eq!(tree.node(&"p7".into()).map(|node| node.status), Some(Status::Down));
}

#[tokio::test(start_paused = true)]
async fn an_order_about_an_incarnation_is_checked_when_it_is_carried_out() {
    let log = Log::default();
    let children: Vec<_> = (0..100).map(|n| probe(&format!("p{n}"), &log, Plan::default())).collect();
    let (addrs, specs): (Vec<_>, Vec<_>) = children.into_iter().unzip();
    let tree = up(specs).await;
    addrs[0].send(Say::Fail).await.expect("delivered");
    while addrs[0].mailbox().incarnation() < 2 {
        tokio::task::yield_now().await; // the view of so many is a little behind
    }
    let killed = tree.order(&"p0".into(), Verb::Kill, Some(1), false).await;
    assert!(matches!(killed, Err(OrderError::StaleIncarnation { wanted: 1, actual: 2, .. })), "{killed:?}");
}

#[tokio::test(start_paused = true)]
async fn two_stops_of_one_actor_are_both_answered_when_it_is_down() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan { stop_takes: SECOND, ..Plan::default() });
    let tree = up(vec![spec]).await;
    let path = "a".into();
    let (one, two) =
        tokio::join!(tree.order(&path, Verb::Stop, None, false), tree.order(&path, Verb::Stop, None, false));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert_eq!(log.take(), ["+a#1", "-a#1", "~a#1"]);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_overtaken_by_a_removal_is_refused_and_leaves_nothing() {
    let log = Log::default();
    let tree = up(Vec::new()).await;
    let (_a, spec) = probe("a", &log, Plan { start_takes: 5 * SECOND, ..Plan::default() });
    let starts = {
        let tree = tree.clone();
        tokio::spawn(async move { tree.start_child(&crate::ActorPath::root(), spec).await })
    };
    until("a starts", || tree.node(&"a".into()).is_some()).await;
    tree.remove_child(&"a".into()).await.expect("removed");
    let refused = starts.await.expect("no panic");
    assert!(matches!(refused, Err(OrderError::Refused { refusal: Refusal::Stopping, .. })), "{refused:?}");
    assert!(tree.node(&"a".into()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_the_stop_deadline_is_the_exit_that_is_shown() {
    let log = Log::default();
    let (_a, spec) = probe("a", &log, Plan { stop_takes: 3600 * SECOND, ..Plan::default() });
    let tree = up(vec![spec]).await;
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("down");
    assert_eq!(last_exit(&tree, "a"), Some(Exit::Killed { by: "stop deadline".into() }));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_ends_itself_and_hangs_in_its_stop_is_cut_off_and_restarted() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan { stop_takes: 3600 * SECOND, ..Plan::default() });
    let tree = up(vec![spec]).await;
    a.send(Say::Finish).await.expect("delivered");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(tree.node(&"a".into()).map(|node| node.incarnation), Some(2));
    assert_eq!(last_exit(&tree, "a"), Some(Exit::Killed { by: "stop deadline".into() }));
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_heard_between_the_messages_that_waited_for_a_resume() {
    let log = Log::default();
    let (_db, db) = probe("db", &log, Plan::default());
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![db, spec.needs(["db"])]).await;
    tree.order(&"db".into(), Verb::Stop, None, false).await.expect("down");
    for n in 0..4 {
        a.send(Say::Sleep(3 * SECOND)).await.expect("it waits");
        a.send(Say::Note(format!("note {n}"))).await.expect("it waits");
    }
    tree.order(&"db".into(), Verb::Start, None, false).await.expect("up");
    tokio::time::sleep(SECOND).await;
    log.take();
    tree.order(&"a".into(), Verb::Stop, None, false).await.expect("down");
    assert_eq!(log.take(), ["-a#1", "~a#1"], "politely, after the message in hand");
    assert_eq!(a.mailbox().read().lost, 7);
    assert_eq!(a.mailbox().read().depth, 0);
}

#[tokio::test(start_paused = true)]
async fn messages_that_waited_are_handled_before_those_that_came_after_the_resume() {
    let log = Log::default();
    let (_db, db) = probe("db", &log, Plan::default());
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![db, spec.needs(["db"])]).await;
    tree.order(&"db".into(), Verb::Stop, None, false).await.expect("down");
    for n in 0..3 {
        a.send(Say::Sleep(Duration::from_millis(50))).await.expect("it waits");
        a.send(Say::Note(format!("waited {n}"))).await.expect("it waits");
    }
    tree.order(&"db".into(), Verb::Start, None, false).await.expect("up");
    log.take();
    tokio::time::sleep(Duration::from_millis(20)).await;
    a.send(Say::Note("new".into())).await.expect("delivered");
    tokio::time::sleep(SECOND).await;
    let seen: Vec<_> = log.take().into_iter().filter(|line| !line.contains("resumed")).collect();
    assert_eq!(seen, ["waited 0", "waited 1", "waited 2", "new"]);
}

#[tokio::test(start_paused = true)]
async fn a_wedged_actor_holds_a_few_admin_messages_and_the_rest_are_refused_at_once() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Sleep(3600 * SECOND)).await.expect("delivered");
    let path = "a".into();
    for _ in 0..crate::ADMIN_WAITING_MAX {
        let told = tree.tell(&path, "echo", json!(null), Duration::from_millis(1), None).await;
        assert!(matches!(told, Err(AdminError::Deadline { .. })), "{told:?}");
    }
    let told = tree.tell(&path, "echo", json!(null), SECOND, None).await;
    assert!(matches!(told, Err(AdminError::Refused { .. })), "{told:?}");
    tree.order(&path, Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "a", 2).await;
    assert_eq!(tree.tell(&path, "echo", json!(7), SECOND, None).await, Ok(json!(7)), "its successor has room again");
}

#[tokio::test(start_paused = true)]
async fn a_drain_of_the_root_reaches_everybody() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Sleep(3600 * SECOND)).await.expect("delivered");
    let late = tree.drain(&[crate::ActorPath::root()], SECOND).await;
    assert_eq!(late, [crate::ActorPath::root()]);
}
