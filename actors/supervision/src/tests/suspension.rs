use super::probe::*;
use crate::{CallError, Status, Verb};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn what_needs_a_killed_actor_is_suspended_and_resumed_and_never_restarted() {
    let log = Log::default();
    let (_db, first) = probe("db", &log, Plan { start_takes: Duration::from_secs(2), ..Plan::default() });
    let (task, second) = probe("task", &log, Plan::default());
    let tree = up(vec![first, second.needs(["db"])]).await;
    log.take();
    tree.order(&"db".into(), Verb::Kill, None, false).await.expect("killed");
    until("task is suspended", || tree.node(&"task".into()).is_some_and(|node| node.status == Status::Suspended)).await;
    task.send(Say::Note("work".into())).await.expect("it waits in the mailbox");
    let asked = task.call(Duration::from_millis(10), Say::Ask).await;
    assert_eq!(asked, Err(CallError::Deadline), "a suspended actor handles nothing");
    until_incarnation(&tree, "db", 2).await;
    until_incarnation(&tree, "task", 1).await;
    assert_eq!(task.call(Duration::from_secs(1), Say::Ask).await, Ok(1));
    assert_eq!(log.take(), ["task#1 suspended by [db]", "~db#1", "+db#2", "task#1 resumed", "work"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_killed_while_what_it_needs_is_gone_comes_back_with_it_and_has_its_whole_budget() {
    let log = Log::default();
    let (_db, first) = probe("db", &log, Plan::default());
    let (task, second) = probe("task", &log, Plan::default());
    let second = second.needs(["db"]).budget(1, Duration::from_secs(3_600));
    let tree = up(vec![first, second]).await;
    for life in 1..=3 {
        tree.order(&"db".into(), Verb::Stop, None, false).await.expect("stopped");
        tree.order(&"task".into(), Verb::Kill, None, false).await.expect("killed");
        until("task waits", || tree.node(&"task".into()).is_some_and(|node| node.status == Status::Waiting)).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let node = tree.node(&"task".into()).expect("it is known");
        assert_eq!((node.status, node.incarnation, node.until), (Status::Waiting, life, None));
        assert_eq!((node.reason.as_deref(), node.missing), (Some("needs db"), vec!["db".to_owned()]));
        assert_eq!(node.budget.map(|budget| budget.used), Some(0));
        tree.order(&"db".into(), Verb::Start, None, false).await.expect("started");
        until_incarnation(&tree, "task", life + 1).await;
    }
    assert_eq!(task.call(Duration::from_secs(1), Say::Ask).await, Ok(4));
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_says_it_is_unavailable_suspends_its_dependents_too() {
    let log = Log::default();
    let (db, first) = probe("db", &log, Plan::default());
    let (_task, second) = probe("task", &log, Plan::default());
    let tree = up(vec![first, second.needs(["db"])]).await;
    db.send(Say::Unavailable).await.expect("delivered");
    until("task is suspended", || tree.node(&"task".into()).is_some_and(|node| node.status == Status::Suspended)).await;
    assert_eq!(tree.node(&"db".into()).and_then(|node| node.reason), Some("told to".to_owned()));
    db.send(Say::Available).await.expect("delivered");
    until_incarnation(&tree, "task", 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_child_whose_need_is_missing_starts_suspended_and_handles_nothing_until_it_comes() {
    let log = Log::default();
    let (_db, first) = probe("db", &log, Plan::default());
    let (task, second) = probe("task", &log, Plan::default());
    let tree = up(vec![second.needs(["db"])]).await;
    assert_eq!(tree.node(&"task".into()).map(|node| node.status), Some(Status::Suspended));
    task.send(Say::Note("work".into())).await.expect("it waits");
    tree.start_child(&crate::ActorPath::root(), first).await.expect("db starts");
    until_incarnation(&tree, "task", 1).await;
    assert_eq!(task.call(Duration::from_secs(1), Say::Ask).await, Ok(1));
    assert_eq!(log.take(), ["+task#1", "task#1 suspended by [db]", "+db#1", "task#1 resumed", "work"]);
}
