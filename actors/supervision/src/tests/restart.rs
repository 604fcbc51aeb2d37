use super::probe::*;
use crate::{ActorPath, Backoff, Criticality, Exit, Restart, Status};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_typed_exit_with_its_location_and_costs_one_restart() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    let Some(Exit::Panic { message, location }) = last_exit(&tree, "a") else { panic!("no panic exit") };
    assert_eq!(message, "told to panic");
    assert!(location.is_some_and(|place| place.contains("probe.rs:")), "the location names the probe");
    assert_eq!(tree.node(&"a".into()).map(|node| node.restarts_total), Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_task_that_the_actor_owns_ends_the_actor() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.send(Say::PanicInTask).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    assert!(matches!(last_exit(&tree, "a"), Some(Exit::Panic { .. })));
}

#[tokio::test]
async fn the_old_state_is_dropped_before_the_new_incarnation_begins() {
    let log = Log::default();
    let plan = Plan { drop_takes: Duration::from_millis(80), ..Plan::default() };
    let (a, spec) = probe("a", &log, plan);
    let tree = up(vec![spec]).await;
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    assert_eq!(log.take(), ["+a#1", "-a#1", "~a#1", "+a#2"]);
}

#[tokio::test(start_paused = true)]
async fn one_failure_more_than_the_intensity_ends_the_tree_with_shutdown() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    for incarnation in 2..=4 {
        a.send(Say::Fail).await.expect("delivered");
        until_incarnation(&tree, "a", incarnation).await;
    }
    a.send(Say::Fail).await.expect("delivered");
    let exit = tree.ended().await;
    assert!(!exit.is_abnormal() && exit.to_string().contains("reached_max_restart_intensity"), "{exit}");
}

#[tokio::test(start_paused = true)]
async fn failures_outside_the_window_are_forgotten() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    for incarnation in 2..=12 {
        tokio::time::sleep(Duration::from_secs(2)).await; // 3 in 5 s are allowed
        a.send(Say::Fail).await.expect("delivered");
        until_incarnation(&tree, "a", incarnation).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_important_child_out_of_budget_is_parked_and_the_rest_goes_on() {
    let log = Log::default();
    let (a, first) = probe("a", &log, Plan::default());
    let (b, second) = probe("b", &log, Plan::default());
    let retry = Backoff::doubling(Duration::from_secs(30), Duration::from_secs(300));
    let first = first.criticality(Criticality::Important).budget(1, Duration::from_secs(60)).retry_parked(retry);
    let tree = up(vec![first, second]).await;
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    a.send(Say::Fail).await.expect("delivered");
    until("a is parked", || tree.node(&"a".into()).is_some_and(|node| node.status == Status::Parked)).await;
    let asked = b.call(Duration::from_secs(1), Say::Ask).await;
    assert_eq!(asked, Ok(1), "b is the same incarnation and answers");
    assert!(a.call(Duration::from_secs(1), Say::Ask).await.is_err(), "a is not there");
    until_incarnation(&tree, "a", 3).await; // the half-open try
    let explained = tree.explain(&ActorPath::from("a"), 100);
    let rules: Vec<_> = explained.iter().map(|entry| entry.decision.rule.name()).collect();
    assert_eq!(rules, ["up", "restart", "up", "parked", "half_open", "up"]);
}

#[tokio::test(start_paused = true)]
async fn a_fatal_failure_parks_at_once_and_is_not_retried() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let retry = Backoff::doubling(Duration::from_secs(1), Duration::from_secs(1));
    let tree = up(vec![spec.criticality(Criticality::Important).retry_parked(retry)]).await;
    a.send(Say::Fatal).await.expect("delivered");
    tokio::time::sleep(Duration::from_secs(600)).await;
    let node = tree.node(&"a".into()).expect("a is known");
    assert_eq!((node.status, node.incarnation), (Status::Parked, 1));
}

#[tokio::test(start_paused = true)]
async fn a_vital_child_out_of_budget_takes_the_supervisor_with_it() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec.criticality(Criticality::Vital).budget(0, Duration::from_secs(60))]).await;
    a.send(Say::Fail).await.expect("delivered");
    assert!(tree.ended().await.to_string().contains("a is vital and lost"));
}

#[tokio::test(start_paused = true)]
async fn backoff_grows_and_a_cooldown_keeps_restarts_apart() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let spec = spec.budget(2, Duration::from_secs(60)).cooldown(Duration::from_secs(30));
    let tree = up(vec![spec]).await;
    let begun = tokio::time::Instant::now();
    a.send(Say::Fail).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    assert!(begun.elapsed() >= Duration::from_secs(29), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn transient_children_restart_after_a_kill_and_not_after_a_normal_end() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec.restart(Restart::Transient)]).await;
    tree.order(&"a".into(), crate::Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "a", 2).await;
    assert_eq!(last_exit(&tree, "a"), Some(Exit::Killed { by: "operator".to_owned() }));
    a.send(Say::Finish).await.expect("delivered");
    until("a is down", || tree.node(&"a".into()).is_some_and(|node| node.status == Status::Down)).await;
    assert_eq!(last_exit(&tree, "a"), Some(Exit::Normal));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_killed_at_its_timeout_and_counts_as_a_failure() {
    let log = Log::default();
    let plan = Plan { start_takes: Duration::from_secs(3600), ..Plan::default() };
    let (_a, spec) = probe("a", &log, plan);
    let spec = spec.criticality(Criticality::Important).budget(0, Duration::from_secs(60));
    let tree = up(vec![spec.start_timeout(Duration::from_secs(5))]).await;
    until("a is parked", || tree.node(&"a".into()).is_some_and(|node| node.status == Status::Parked)).await;
    assert_eq!(
        last_exit(&tree, "a").map(|exit| exit.to_string()),
        Some("start failed: killed by start timeout".into())
    );
}

#[tokio::test(start_paused = true)]
async fn dropping_a_state_that_panics_does_not_harm_the_tree() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "told to panic in drop");
        }
    }
    impl crate::Actor for Bomb {
        type Msg = ();
        async fn handle(&mut self, (): (), _: &crate::Ctx<Self>) -> Result<(), crate::Failure> {
            Err(crate::Failure::restart("told to fail"))
        }
    }
    let addr = crate::Addr::new("bomb", 4);
    let tree = up(vec![crate::ChildSpec::worker(&addr, || Bomb)]).await;
    addr.send(()).await.expect("delivered");
    until_incarnation(&tree, "bomb", 2).await;
}
