//! Which ends of an incarnation its `stop` is part of: those that leave its state whole, as in OTP, whose `terminate`
//! follows an error that a callback returned and not a kill.

use super::probe::*;
use crate::{ActorPath, Criticality, Exit, Status, Verb};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_failure_is_followed_by_a_stop_however_it_was_told() {
    for fails in [Say::Fail, Say::FailByCtx] {
        let what = format!("{fails:?}");
        let log = Log::default();
        let (a, spec) = probe("a", &log, Plan::default());
        let tree = up(vec![spec]).await;
        a.send(fails).await.expect("delivered");
        a.send(Say::Note("behind it".into())).await.expect("delivered");
        until_incarnation(&tree, "a", 2).await;
        assert_eq!(log.take(), ["+a#1", "-a#1", "~a#1", "+a#2"], "{what}");
        assert_eq!(last_exit(&tree, "a"), Some(Exit::Error { message: "told to fail".into() }), "{what}");
        assert_eq!(a.mailbox().read().lost, 1, "{what}: nothing is handled after it");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_a_kill_and_a_failed_start_are_not_followed_by_a_stop() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan { fail_start: vec![3], ..Plan::default() });
    let tree = up(vec![spec]).await;
    a.send(Say::Panic).await.expect("delivered");
    until_incarnation(&tree, "a", 2).await;
    tree.order(&"a".into(), Verb::Kill, None, false).await.expect("killed");
    until_incarnation(&tree, "a", 4).await;
    assert_eq!(log.take(), ["+a#1", "~a#1", "+a#2", "~a#2", "~a#3", "+a#4"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_hangs_after_a_failure_is_cut_off_and_the_failure_stays_the_cause() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan { stop_takes: 3600 * SECOND, ..Plan::default() });
    let tree = up(vec![spec.criticality(Criticality::Important)]).await;
    let begun = tokio::time::Instant::now();
    a.send(Say::Fatal).await.expect("delivered");
    let path = ActorPath::from("a");
    until("a is parked", || tree.node(&path).is_some_and(|node| node.status == Status::Parked)).await;
    assert_eq!(last_exit(&tree, "a"), Some(Exit::Fatal { message: "told to be fatal".into() }));
    assert!(begun.elapsed() < 6 * SECOND, "{:?}", begun.elapsed());
}
