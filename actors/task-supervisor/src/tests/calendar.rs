//! Tasks on a calendar, under a clock that the test moves.

use super::*;
use chrono::{DateTime, TimeDelta, Utc};
use protocol::Clock;
use std::sync::atomic::AtomicI64;
use tokio::time::Instant;

/// Begins at a given wall time, goes with tokio's clock, and can be set.
pub(super) struct Wall {
    from: DateTime<Utc>,
    epoch: Instant,
    set: AtomicI64,
}

impl Wall {
    pub(super) fn at(from: &str) -> Arc<Self> {
        Arc::new(Self { from: from.parse().unwrap(), epoch: Instant::now(), set: AtomicI64::new(0) })
    }
}

impl Clock for Wall {
    fn now(&self) -> DateTime<Utc> {
        let gone = TimeDelta::from_std(self.epoch.elapsed()).unwrap();
        self.from + gone + TimeDelta::seconds(self.set.load(SeqCst))
    }
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

async fn world_at(from: &str) -> (World, Arc<Wall>) {
    let wall = Wall::at(from);
    let clock = Arc::clone(&wall);
    (world_with(|around| around.clock = clock).await, wall)
}

/// Notes when it runs.
fn noting(schedule: Schedule, wall: &Arc<Wall>) -> (TaskSpec, Arc<Mutex<Vec<String>>>) {
    let (at, wall): (Arc<Mutex<Vec<String>>>, _) = (Arc::default(), Arc::clone(wall));
    let noted = Arc::clone(&at);
    let spec = TaskSpec::new("test", "noting", schedule, move |_| {
        noted.lock().unwrap().push(wall.now().format("%d %H:%M").to_string());
        async { Ok(RunOutcome::Done { operations: 1 }) }
    });
    (spec, at)
}

#[tokio::test(start_paused = true)]
async fn a_daily_task_runs_once_on_the_day_that_has_no_such_time_and_on_the_day_that_has_it_twice() {
    for (from, expected) in [
        ("2025-03-28T12:00:00Z", ["29 01:30", "30 01:00", "31 00:30"]), // the 30th has no 02:30 in Berlin
        ("2025-10-24T12:00:00Z", ["25 00:30", "26 00:30", "27 01:30"]), // the 26th has two
    ] {
        let (world, wall) = world_at(from).await;
        let (spec, at) = noting(Schedule::daily(2, 30, "Europe/Berlin"), &wall);
        world.registry.register(spec).await.unwrap();
        tokio::time::sleep(S(3 * 86_400)).await;
        assert_eq!(*at.lock().unwrap(), expected, "from {from}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_while_a_task_waits_is_noticed() {
    let (world, wall) = world_at("2025-06-01T10:10:00Z").await;
    let (spec, at) = noting(Schedule::cron("0 * * * *", "UTC"), &wall);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(600)).await;
    wall.set.store(3 * 3_600, SeqCst); // forward: 11:00, 12:00 and 13:00 have passed
    tokio::time::sleep(S(60)).await;
    assert_eq!(at.lock().unwrap().len(), 1, "one run for three, at once: {at:?}");
    assert_eq!(world.figures("noting").missed, 2);
    wall.set.store(0, SeqCst); // back again: 11:00 to 13:00 come a second time
    tokio::time::sleep(S(3 * 3_600)).await;
    assert_eq!(at.lock().unwrap().len(), 1, "none is repeated: {at:?}");
    tokio::time::sleep(S(3_600)).await;
    assert_eq!(at.lock().unwrap()[1], "01 14:00");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_due_while_its_task_was_down_is_made_up_for_once() {
    let (world, wall) = world_at("2025-06-01T10:10:00Z").await;
    let (spec, at) = noting(Schedule::cron("0 * * * *", "UTC"), &wall);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(3_600)).await;
    world.tree.order(&crate::PATH.into(), Verb::Stop, None, false).await.unwrap();
    tokio::time::sleep(S(5 * 3_600)).await;
    world.tree.order(&crate::PATH.into(), Verb::Start, None, false).await.unwrap();
    tokio::time::sleep(S(60)).await;
    assert_eq!(at.lock().unwrap().len(), 2, "{at:?}");
    assert_eq!(world.figures("noting").missed, 4);
}

#[tokio::test(start_paused = true)]
async fn configuration_gives_a_task_another_schedule() {
    let rules = crate::TaskRules { daily_at: Some("04:30".into()), ..crate::TaskRules::default() };
    let wall =
        Arc::new(Wall { from: "2025-06-01T00:00:00Z".parse().unwrap(), epoch: Instant::now(), set: AtomicI64::new(0) });
    let clock = Arc::clone(&wall);
    let world = world_with(|around| {
        around.clock = clock;
        around.book.zone = "Asia/Kathmandu".to_owned();
        around.book.rules.insert("noting".to_owned(), rules);
    })
    .await;
    let (spec, at) = noting(Schedule::Every(S(10)), &wall);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(86_400)).await;
    assert_eq!(*at.lock().unwrap(), ["01 22:45"], "04:30 in Kathmandu");
}
