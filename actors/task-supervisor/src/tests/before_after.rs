//! What went wrong in the task managers before this one, each under its number, and what happens here instead.
//!
//! TD1 to TD8 are the task manager's own. Of D5 to D8, which are about the way down of a whole process, this shows what
//! concerns tasks; D6 (the report of the signal that never was sent) does not.

use super::*;
use crate::{health::Health, stats::LastRun};
use protocol::task::Category;
use supervision::OrderError;
use tokio::time::Instant;

impl World {
    fn health(&self, task: &str) -> (Health, String) {
        let task = self.registry.get(task).unwrap();
        let verdict = task.verdict(self.registry.node(&task.spec.name).as_ref(), &self.registry);
        (verdict.health, verdict.reason)
    }

    pub(super) fn incarnation(&self, task: &str) -> u64 {
        self.registry.node(task).unwrap().incarnation
    }
}

/// Fails in its first `failing` runs, and takes `took` in each.
fn flaky(name: &str, every: u64, failing: u64, took: Duration) -> TaskSpec {
    let runs = Arc::new(AtomicU64::new(0));
    TaskSpec::new("test", name, Schedule::Every(S(every)), move |_| {
        let fails = runs.fetch_add(1, SeqCst) < failing;
        async move {
            tokio::time::sleep(took).await;
            if fails { Err(RunError("told to".into())) } else { Ok(RunOutcome::Done { operations: 1 }) }
        }
    })
}

/// Ends when it is told to, and notes its name then.
fn obedient(name: &'static str, ended: &Arc<Mutex<Vec<&'static str>>>) -> TaskSpec {
    let ended = Arc::clone(ended);
    let mut spec = TaskSpec::new("test", name, Schedule::Every(S(1)), move |run| {
        let ended = Arc::clone(&ended);
        async move {
            run.cancel.cancelled().await;
            tokio::time::sleep(Duration::from_millis(50)).await; // what it has to put in order
            ended.lock().unwrap().push(name);
            Ok(RunOutcome::Done { operations: 0 })
        }
    });
    spec.timeout = S(3_600);
    spec
}

/// Before: tasks that were done were left out of the count, so no error was ever seen.
#[tokio::test(start_paused = true)]
async fn td1_the_end_of_every_run_is_seen_and_every_error_counted() {
    let world = world().await;
    world.registry.register(flaky("errs", 60, 2, S(1))).await.unwrap();
    let panics = TaskSpec::new("test", "panics", Schedule::Every(S(60)), |_| async { panic!("told to") });
    world.registry.register(panics).await.unwrap();
    tokio::time::sleep(S(200)).await;
    let (errs, panics) = (world.figures("errs"), world.figures("panics"));
    assert_eq!((errs.errors, errs.errors_last_hour), (2, 2), "{errs:?}");
    assert!(errs.done >= 1, "and it went on: {errs:?}");
    assert_eq!(errs.last_error.unwrap().error, "told to");
    assert!(panics.errors >= 2 && matches!(panics.last, Some(LastRun::Failed { .. })), "{panics:?}");
    assert_eq!(world.registry.statistics().errors, 2 + panics.errors);
}

/// Before: the count of restarts never fell. Three restarts in the life of the process made a task unhealthy for ever, and
/// five ended its recovery for ever.
#[tokio::test(start_paused = true)]
async fn td2_restarts_are_forgiven_when_their_window_has_passed() {
    let world = world().await;
    world.registry.register(flaky("flaky", 60, 5, S(1))).await.unwrap();
    tokio::time::sleep(S(20 * 60)).await;
    assert_eq!(world.health("flaky").0, Health::Failing, "{:?}", world.health("flaky"));
    assert_eq!(world.registry.node("flaky").unwrap().budget.unwrap().used, 5, "all of it is used up");
    tokio::time::sleep(S(61 * 60)).await;
    assert_eq!(world.health("flaky"), (Health::Healthy, "runs as it should".to_owned()));
    assert_eq!(world.registry.node("flaky").unwrap().budget.unwrap().used, 0, "and all of it is there again");
    assert_eq!(world.figures("flaky").restarts, 5, "what happened is still told");
}

/// Before: a task that had been restarted and ran perfectly was unhealthy for 300 s, and was restarted for it.
#[tokio::test(start_paused = true)]
async fn td3_a_restarted_task_that_runs_is_recovering_and_is_left_alone() {
    let world = world().await;
    let mut spec = flaky("flaky", 10, 1, Duration::ZERO);
    spec.health_check = S(1);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(60)).await;
    let (health, reason) = world.health("flaky");
    assert_eq!((health, world.incarnation("flaky")), (Health::Recovering, 2), "{reason}");
    assert!(reason.starts_with("restarted ") && reason.ends_with(" ago, and runs"), "{reason}");
    tokio::time::sleep(S(24 * 3_600)).await;
    assert_eq!((world.health("flaky").0, world.incarnation("flaky")), (Health::Healthy, 2), "looked at 86,400 times");
}

/// Before: the history was written and never read, and run times were times since the start.
#[tokio::test(start_paused = true)]
async fn td4_run_times_are_those_of_runs() {
    let world = world().await;
    let runs = Arc::new(AtomicU64::new(0));
    let spec = TaskSpec::new("test", "timed", Schedule::Every(S(60)), move |_| {
        let n = runs.fetch_add(1, SeqCst) + 1;
        async move {
            tokio::time::sleep(Duration::from_millis(100 * n)).await;
            Ok(RunOutcome::Done { operations: 1 })
        }
    });
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(60 * 20 + 30)).await;
    let timing = world.figures("timed").timing;
    assert_eq!((timing.count, timing.last_ms, timing.mean_ms), (20, Some(2_000), Some(1_050)));
    assert_eq!((timing.p95_ms, timing.max_ms), (Some(1_900), Some(2_000)));
    let recent = world.registry.get("timed").unwrap().stats.recent();
    assert_eq!((recent.len(), recent[4].number, recent[4].took_ms, recent[4].outcome), (20, 5, 500, "done"));
}

/// Before: the interval of a task's health check was ignored, and tasks were stopped by category, whatever their priority.
#[tokio::test(start_paused = true)]
async fn td5_each_task_is_judged_at_its_own_interval_and_stopped_by_its_own_priority() {
    let world = world().await;
    let ended = Arc::default();
    let rows = [
        ("a-critical", Priority::Critical, Category::Command),
        ("b-low-gateway", Priority::Low, Category::Gateway),
        ("c-low-command", Priority::Low, Category::Command),
        ("d-high", Priority::High, Category::System),
        ("e-low-scheduled", Priority::Low, Category::Scheduled),
        ("f-low-system", Priority::Low, Category::System),
        ("g-normal", Priority::Normal, Category::Gateway),
    ];
    for (name, priority, category) in rows {
        let mut spec = obedient(name, &ended);
        (spec.priority, spec.category) = (priority, category);
        spec.health_check = S(if name == "d-high" { 5 } else { 300 });
        world.registry.register(spec).await.unwrap();
    }
    tokio::time::sleep(S(123)).await;
    let judged = |name| world.registry.get(name).unwrap().judged.lock().unwrap().at.unwrap().elapsed();
    assert!(judged("d-high") <= S(5), "{:?}", judged("d-high"));
    assert!(judged("g-normal") >= S(60), "{:?}", judged("g-normal"));
    world.tree.shutdown(Some(S(30)));
    world.tree.ended().await;
    let order =
        ["c-low-command", "f-low-system", "e-low-scheduled", "b-low-gateway", "g-normal", "d-high", "a-critical"];
    assert_eq!(*ended.lock().unwrap(), order);
}

/// Before: only "is it running" was asked. A loop that was stuck looked well for ever.
#[test]
fn td6_a_run_that_is_stuck_and_cannot_be_cut_off_is_found_and_its_task_restarted() {
    let (free, stuck) = std::sync::mpsc::channel::<()>();
    let stuck = Arc::new(Mutex::new(stuck));
    let plane = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().unwrap()
    };
    let (control, data) = (plane(), plane());
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    control.block_on(async {
        let world = world_on(planes, S(1)).await;
        let mut spec = TaskSpec::new("test", "stuck", Schedule::Every(Duration::from_millis(10)), move |_| {
            let stuck = Arc::clone(&stuck);
            async move {
                stuck.lock().unwrap().recv().ok(); // blocks its thread: no timeout and no abort reaches it
                Ok(RunOutcome::Done { operations: 1 })
            }
        });
        spec.timeout = Duration::from_millis(100);
        spec.health_check = Duration::from_millis(500);
        world.registry.register(spec).await.unwrap();
        let path = TaskRegistry::path("stuck");
        let found = async {
            loop {
                {
                    let task = world.registry.get("stuck").unwrap();
                    let judged = task.judged.lock().unwrap();
                    let verdict = judged.verdict.as_ref().filter(|verdict| verdict.health == Health::Stalled);
                    if let (Some(verdict), Some(_)) = (verdict, judged.told) {
                        return verdict.reason.clone();
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let cause = tokio::time::timeout(S(300), found).await.unwrap();
        drop(free); // once it has been told; before that nothing would restart it
        let restarted = async {
            while world.tree.node(&path).is_none_or(|node| node.incarnation < 2) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(S(300), restarted).await.unwrap();
        let (_, lasted) = cause.split_once("its run has been under way for ").expect(&cause);
        let (seconds, past) = lasted.split_once(" s, ").expect(&cause);
        assert!(seconds.parse::<u64>().is_ok_and(|seconds| seconds >= 5), "{cause}");
        assert!(past.starts_with("past its timeout of 100 ms"), "{cause}");
        world.tree.shutdown(Some(S(5)));
        world.tree.ended().await;
    });
}

/// Before: cancelling waited for ever for a task that ignored it.
#[tokio::test(start_paused = true)]
async fn td7_a_task_that_ignores_its_cancellation_is_cut_off_at_its_deadline() {
    let world = world().await;
    let deaf = TaskSpec::new("test", "deaf", Schedule::Every(S(1)), |_| std::future::pending());
    world.registry.register(deaf).await.unwrap();
    tokio::time::sleep(S(2)).await;
    assert!(world.figures("deaf").running);
    let begun = Instant::now();
    world.tree.shutdown(Some(S(10)));
    world.tree.ended().await;
    assert!(begun.elapsed() <= S(10), "{:?}", begun.elapsed());
    assert!(!world.figures("deaf").running);
}

/// Before: every task of the process was cancelled, those of libraries and the main one included.
#[tokio::test(start_paused = true)]
async fn td8_only_what_actors_own_is_ended_and_what_nobody_owns_is_counted() {
    let world = world().await;
    let (alive, owned) = world.tree.work();
    let foreign: Vec<_> = (0..7).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
    let ended = Arc::default();
    world.registry.register(obedient("own", &ended)).await.unwrap();
    tokio::time::sleep(S(2)).await;
    let (alive_now, owned_now) = world.tree.work();
    assert!(owned_now > owned, "the task and its run are owned");
    let grown = (alive_now - owned_now) - (alive - owned);
    // A supervisor's timer may run or not at either moment.
    assert!((6..=8).contains(&grown), "the seven others are not: {alive_now} alive, {owned_now} owned, {grown} more");
    world.tree.shutdown(Some(S(10)));
    world.tree.ended().await;
    assert_eq!(*ended.lock().unwrap(), ["own"]);
    tokio::time::sleep(S(10)).await;
    assert!(foreign.iter().all(|task| !task.is_finished()), "they were left alone");
}

/// Before: on every stop by a signal the orderly way down was skipped: no task was told to end, none was waited for.
#[tokio::test(start_paused = true)]
async fn d5_every_task_is_told_to_end_and_its_end_is_waited_for() {
    let world = world().await;
    let ended: Arc<Mutex<Vec<&str>>> = Arc::default();
    for name in ["a", "b", "c"] {
        world.registry.register(obedient(name, &ended)).await.unwrap();
    }
    tokio::time::sleep(S(2)).await;
    assert!(world.tree.drain(&[crate::PATH.into()], S(1)).await.is_empty());
    world.tree.shutdown(Some(S(10)));
    world.tree.ended().await;
    let mut all = ended.lock().unwrap().clone();
    all.sort_unstable();
    assert_eq!(all, ["a", "b", "c"], "each put in order what it had to");
    assert!(["a", "b", "c"].iter().all(|name| world.figures(name).errors == 0), "to be told to end is no error");
}

/// Before: a stop that a task asked for cancelled everything but that task, which then closed connections under the feet of
/// a loop that was being torn down.
#[tokio::test(start_paused = true)]
async fn d7_a_stop_that_a_task_asks_for_takes_the_same_way_and_the_task_with_it() {
    let world = world().await;
    let ended: Arc<Mutex<Vec<&str>>> = Arc::default();
    let mut other = obedient("other", &ended);
    other.priority = Priority::Critical;
    world.registry.register(other).await.unwrap();
    let (tree, seen) = (world.tree.clone(), Arc::clone(&ended));
    let stops = TaskSpec::new("test", "stops", Schedule::Once(S(5)), move |run| {
        let (tree, seen) = (tree.clone(), Arc::clone(&seen));
        async move {
            tree.shutdown(Some(S(10)));
            run.cancel.cancelled().await;
            seen.lock().unwrap().push("stops");
            Ok(RunOutcome::Done { operations: 1 })
        }
    });
    world.registry.register(stops).await.unwrap();
    let begun = Instant::now();
    world.tree.ended().await;
    assert!(begun.elapsed() < S(15), "{:?}", begun.elapsed());
    assert_eq!(*ended.lock().unwrap(), ["stops", "other"], "in order, whoever asked");
    let refused = world.tree.order(&TaskRegistry::path("stops"), Verb::Start, None, false).await;
    assert!(matches!(refused, Err(OrderError::NoSupervisor { .. } | OrderError::UnknownPath { .. })), "{refused:?}");
}

/// Before: there was no deadline anywhere on the way down.
#[tokio::test(start_paused = true)]
async fn d8_twenty_tasks_that_ignore_everything_do_not_hold_the_way_down_beyond_its_deadline() {
    let world = world().await;
    for n in 0..20 {
        let deaf = TaskSpec::new("test", &format!("deaf-{n}"), Schedule::Every(S(1)), |_| std::future::pending());
        world.registry.register(deaf).await.unwrap();
    }
    tokio::time::sleep(S(2)).await;
    let begun = Instant::now();
    world.tree.shutdown(Some(S(10)));
    world.tree.ended().await;
    assert!(begun.elapsed() <= S(11), "{:?}", begun.elapsed());
}
