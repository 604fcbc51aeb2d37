//! Delays between the restarts of a task that fails each time.

use super::*;
use crate::TaskRules;
use tokio::time::Instant;

type Times = Arc<Mutex<Vec<Instant>>>;

/// Fails at once, each time; notes when.
fn hopeless(begun: &Times) -> TaskSpec {
    let begun = Arc::clone(begun);
    TaskSpec::new("test", "hopeless", Schedule::Every(Duration::from_millis(10)), move |_| {
        begun.lock().unwrap().push(Instant::now());
        async { Err(RunError("told to".into())) }
    })
}

/// What lies between two runs, until it is given up on, which it must be after `limit` restarts.
async fn delays(spec: TaskSpec, begun: Times, rules: Option<TaskRules>) -> Vec<Duration> {
    let limit = spec.restart_limit as usize;
    let world = world_with(|around| {
        around.book.rules.extend(rules.map(|rules| ("hopeless".to_owned(), rules)));
    });
    let world = world.await;
    world.registry.register(spec).await.unwrap();
    while world.status("hopeless") != Some(Status::Parked) {
        tokio::time::sleep(S(1)).await;
        assert!(begun.lock().unwrap().len() <= limit + 1, "it is restarted for ever");
    }
    let begun = begun.lock().unwrap();
    begun.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Each delay is the expected one, in seconds, or a tenth longer at most.
fn are(delays: &[Duration], expected: &[u64]) {
    assert_eq!(delays.len(), expected.len(), "{delays:?}");
    for (delay, expected) in delays.iter().zip(expected) {
        let (least, most) = (S(*expected), S(*expected) * 11 / 10 + Duration::from_millis(50));
        assert!((least..=most).contains(delay), "{delay:?}, not {expected} s, in {delays:?}");
    }
}

/// Before: 30 s between any two.
#[tokio::test(start_paused = true)]
async fn td11_delays_double_from_the_cooldown_on() {
    let begun = Times::default();
    let delays = delays(hopeless(&begun), begun, None).await;
    are(&delays, &[30, 60, 120, 240, 480]);
    assert_ne!(delays, [30, 60, 120, 240, 480].map(S), "something is added at random");
}

#[tokio::test(start_paused = true)]
async fn the_cooldown_that_the_configuration_names_is_where_they_begin() {
    let begun = Times::default();
    let rules = TaskRules { cooldown_s: Some(10), ..TaskRules::default() };
    are(&delays(hopeless(&begun), begun, Some(rules)).await, &[10, 20, 40, 80, 160]);
}

#[tokio::test(start_paused = true)]
async fn delays_grow_no_longer_than_lets_the_restart_limit_be_reached() {
    let begun = Times::default();
    let mut often = hopeless(&begun);
    (often.restart_limit, often.cooldown) = (10, Duration::ZERO);
    let delays_of = delays(often, begun, None).await;
    are(&delays_of[..9], &[1, 2, 4, 8, 16, 32, 64, 128, 256]);
    assert_eq!(delays_of.len(), 10);
    assert!(delays_of[9] < S(3_600 / 11 + 1), "an hour for ten restarts and the run before them: {delays_of:?}");
    let begun = Times::default();
    let mut tight = hopeless(&begun);
    (tight.restart_limit, tight.cooldown) = (5, S(719));
    assert_eq!(delays(tight, begun, None).await.len(), 5, "its cooldowns and runs just fit into the window");
}
