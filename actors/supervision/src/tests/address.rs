use super::probe::*;
use crate::{CallError, Criticality, SendError};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn the_address_survives_a_crash_and_the_queue_does_not() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec]).await;
    a.try_send(Say::Panic).expect("delivered");
    // Queued behind the panic before the actor gets to run.
    assert_eq!(a.call(Duration::from_secs(5), Say::Ask).await, Err(CallError::Lost { incarnation: 1 }));
    until_incarnation(&tree, "a", 2).await;
    assert_eq!(a.call(Duration::from_secs(1), Say::Ask).await, Ok(2));
    assert_eq!(a.mailbox().read().lost, 1);
    assert_eq!(a.mailbox().read().depth, 0, "the permits of lost messages are free again");
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_pushes_back_and_refuses_what_cannot_wait() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let _tree = up(vec![spec]).await;
    for _ in 0..8 {
        a.try_send(Say::Sleep(Duration::from_secs(10))).expect("there is room for eight");
    }
    assert!(matches!(a.try_send(Say::Fail), Err(SendError::Full(Say::Fail))), "the ninth comes back");
    assert_eq!(a.mailbox().read().shed, 1);
    let begun = tokio::time::Instant::now();
    a.send(Say::Note("late".into())).await.expect("it waits for room");
    assert!(begun.elapsed() >= Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_is_not_there_says_when_to_try_again() {
    let log = Log::default();
    let (a, spec) = probe("a", &log, Plan::default());
    let tree = up(vec![spec.criticality(Criticality::Optional).budget(0, Duration::from_secs(60))]).await;
    a.send(Say::Fail).await.expect("delivered");
    until("a is parked", || !a.is_running()).await;
    let asked = a.call(Duration::from_secs(1), Say::Ask).await;
    assert_eq!(asked, Err(CallError::Unavailable { retry_after: crate::RETRY_AFTER }));
    drop(tree);
}
