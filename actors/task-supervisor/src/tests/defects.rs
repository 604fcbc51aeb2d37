//! Runs that end badly, and orders that come at a bad moment.

use super::*;
use protocol::task::TaskSpec;
use supervision::ADMIN_DEADLINE;

impl World {
    async fn tell(&self, task: &str, message: &str) -> Result<serde_json::Value, supervision::AdminError> {
        self.tree.tell(&TaskRegistry::path(task), message, serde_json::Value::Null, ADMIN_DEADLINE, None).await
    }
}

/// A task that runs once, and fails in the runs whose numbers are in `fails`.
fn once(name: &str, runs: &Arc<AtomicU64>, fails: &'static [u64]) -> TaskSpec {
    let runs = Arc::clone(runs);
    TaskSpec::new("test", name, Schedule::Once(S(5)), move |_| {
        let number = runs.fetch_add(1, SeqCst) + 1;
        async move {
            if fails.contains(&number) {
                Err(RunError("told to".into()))
            } else {
                Ok(RunOutcome::Done { operations: 1 })
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_counted_and_none_is_said_to_run_while_the_task_is_parked() {
    let world = world().await;
    let mut spec = TaskSpec::new("test", "bad", Schedule::Every(S(1)), |_| async { panic!("told to") });
    spec.restart_limit = 0;
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(5)).await;
    assert_eq!(world.status("bad"), Some(Status::Parked));
    let figures = world.figures("bad");
    assert_eq!((figures.runs, figures.errors, figures.running), (1, 1, false));
    assert!(matches!(&figures.last, Some(LastRun::Failed { error }) if error.contains("panicked")), "{figures:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kill_during_a_run_is_counted_as_a_failed_run_at_once() {
    let world = world().await;
    let mut spec = TaskSpec::new("test", "slow", Schedule::Every(S(1)), |_| std::future::pending());
    spec.restart_limit = 0;
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(2)).await;
    assert!(world.figures("slow").running);
    world.tree.order(&TaskRegistry::path("slow"), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(1)).await;
    let figures = world.figures("slow");
    assert_eq!((figures.runs, figures.errors, figures.running), (1, 1, false));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_cut_off_is_told_so_that_what_it_began_elsewhere_ends_too() {
    let world = world().await;
    let told = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&told);
    let mut spec = TaskSpec::new("test", "slow", Schedule::Every(S(1)), move |run| {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            run.cancel.cancelled().await;
            seen.fetch_add(1, SeqCst);
        });
        std::future::pending()
    });
    spec.timeout = S(2);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(4)).await;
    assert_eq!(told.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn what_runs_once_and_failed_runs_again_and_what_is_done_does_not() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(once("first", &runs, &[1])).await.unwrap();
    tokio::time::sleep(S(100)).await;
    assert_eq!((runs.load(SeqCst), world.status("first")), (2, Some(Status::Down)));
    world.tree.order(&crate::PATH.into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(200)).await;
    assert_eq!(runs.load(SeqCst), 2, "the task supervisor came back; the task was done");
    assert_eq!(world.figures("first").done, 1);
    let again = Arc::default();
    world.registry.register(once("second", &again, &[])).await.unwrap();
    tokio::time::sleep(S(10)).await;
    world.tree.order(&TaskRegistry::path("second"), Verb::Start, None, false).await.unwrap();
    tokio::time::sleep(S(10)).await;
    assert_eq!(again.load(SeqCst), 2, "an operator may have it run again");
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_while_another_is_planned_is_neither_doubled_nor_the_last() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(9_999)).await;
    world.tell("count", "run").await.unwrap();
    tokio::time::sleep(S(1)).await;
    assert_eq!(runs.load(SeqCst), 1, "the planned run is that run");
    tokio::time::sleep(S(30)).await;
    assert_eq!(runs.load(SeqCst), 4);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_drained_begins_no_run_any_more() {
    let world = world().await;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let spec = TaskSpec::new("test", "slow", Schedule::Every(S(1)), move |_| {
        counted.fetch_add(1, SeqCst);
        async {
            tokio::time::sleep(S(2)).await;
            Ok(RunOutcome::Done { operations: 1 })
        }
    });
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(world.tree.drain(&[crate::PATH.into()], S(1)).await.is_empty());
    tokio::time::sleep(S(30)).await;
    assert_eq!(runs.load(SeqCst), 1);
    assert!(world.tell("slow", "run").await.is_err());
    world.tell("slow", "resume").await.unwrap();
    tokio::time::sleep(S(30)).await;
    assert_eq!((runs.load(SeqCst), world.status("slow")), (1, Some(Status::Running)));
}

#[tokio::test(start_paused = true)]
async fn a_paused_task_stays_paused_through_suspension_and_restart_and_resumes_as_planned() {
    let world = world().await;
    let runs = Arc::default();
    let mut spec = counting("prune", &runs);
    spec.needs = vec!["database".to_owned()];
    world.registry.register(spec).await.unwrap();
    world.tree.order(&"database".into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(5)).await;
    world.tell("prune", "pause").await.unwrap();
    tokio::time::sleep(S(60)).await;
    assert_eq!((world.status("prune"), runs.load(SeqCst)), (Some(Status::Running), 0));
    world.tree.order(&TaskRegistry::path("prune"), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(60)).await;
    assert_eq!((world.status("prune"), runs.load(SeqCst)), (Some(Status::Running), 0));
    world.tell("prune", "resume").await.unwrap();
    tokio::time::sleep(S(11)).await;
    assert!(runs.load(SeqCst) >= 1);
}

#[tokio::test(start_paused = true)]
async fn what_runs_once_and_was_paused_during_its_run_ends_when_it_is_resumed() {
    let world = world().await;
    let spec = TaskSpec::new("test", "one", Schedule::Once(S(1)), |_| async {
        tokio::time::sleep(S(5)).await;
        Ok(RunOutcome::Done { operations: 1 })
    });
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(2)).await;
    world.tell("one", "pause").await.unwrap();
    tokio::time::sleep(S(10)).await;
    world.tell("one", "resume").await.unwrap();
    tokio::time::sleep(S(1)).await;
    assert_eq!((world.status("one"), world.figures("one").runs), (Some(Status::Down), 1));
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_push_the_next_run_back_by_a_whole_period() {
    let world = world().await;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let spec = TaskSpec::new("test", "daily", Schedule::Every(S(86_400)), move |_| {
        counted.fetch_add(1, SeqCst);
        async { Ok(RunOutcome::Done { operations: 1 }) }
    });
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(86_401)).await;
    assert_eq!(runs.load(SeqCst), 1);
    for _ in 0..3 {
        tokio::time::sleep(S(28_000)).await;
        world.tree.order(&TaskRegistry::path("daily"), Verb::Kill, None, false).await.unwrap();
    }
    tokio::time::sleep(S(3_000)).await;
    assert_eq!(runs.load(SeqCst), 2, "a day after the first");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_unregistered_while_it_is_brought_up_does_not_stay() {
    let world = world().await;
    let runs = Arc::default();
    // Both are begun before the monitor or the task supervisor gets to do anything.
    let (registered, ()) =
        tokio::join!(world.registry.register(counting("count", &runs)), world.registry.unregister_cog("test"));
    assert!(registered.is_err(), "whoever registered is told: {registered:?}");
    tokio::time::sleep(S(120)).await;
    assert_eq!((world.status("count"), runs.load(SeqCst)), (None, 0));
    world.registry.register(counting("count", &runs)).await.unwrap();
    let (again, ()) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            world.registry.register(counting("count", &runs)).await
        },
        world.registry.unregister_cog("test"),
    );
    assert_eq!((again, world.status("count")), (Ok(()), Some(Status::Running)), "the new one runs, not the old one");
}

#[tokio::test(start_paused = true)]
async fn a_task_registered_while_its_supervisor_is_away_runs_when_it_is_back() {
    let world = world().await;
    let path = crate::PATH.into();
    world.tree.order(&path, Verb::Stop, None, false).await.unwrap();
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(30)).await;
    assert_eq!(world.status("count"), None);
    world.tree.order(&path, Verb::Start, None, false).await.unwrap();
    tokio::time::sleep(S(11)).await;
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn absurd_times_are_refused_and_not_run_into() {
    let world = world().await;
    let runs = Arc::default();
    let absurd: [fn(&mut TaskSpec); 5] = [
        |spec| spec.schedule = Schedule::Every(Duration::MAX),
        |spec| spec.schedule = Schedule::Once(Duration::MAX),
        |spec| spec.jitter = Duration::MAX,
        |spec| spec.restart_window = Duration::MAX,
        |spec| spec.restart_window = Duration::ZERO,
    ];
    for change in absurd {
        let mut spec = counting("count", &runs);
        change(&mut spec);
        let refused = world.registry.register(spec).await;
        assert!(matches!(refused, Err(RegisterError::Invalid { .. })), "{refused:?}");
    }
    tokio::time::sleep(S(1)).await;
    let monitor = world.tree.node(&TaskRegistry::path("monitor")).unwrap();
    assert_eq!((monitor.status, monitor.incarnation), (Status::Running, 1));
    assert!(world.registry.figures().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_may_have_the_name_of_what_it_needs() {
    let world = world().await;
    let runs = Arc::default();
    let mut spec = counting("database", &runs);
    spec.needs = vec!["database".to_owned()];
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(11)).await;
    assert_eq!(runs.load(SeqCst), 1);
}

/// Rules that a task cannot live by.
struct NeedsItself;

impl supervision::Rules for NeedsItself {
    fn policy(&self, path: &supervision::ActorPath, policy: &mut supervision::Policy) {
        if path.id() == "refused" {
            policy.needs = vec![path.to_string()];
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_refused_when_it_is_registered_is_told_of_and_comes_up_once_its_rules_are_mended() {
    let world = world().await;
    world.tree.set_rules(Arc::new(NeedsItself), false).await.unwrap();
    let runs = Arc::default();
    let refused = world.registry.register(counting("refused", &runs)).await.unwrap_err();
    assert_eq!(refused.to_string(), "task \"refused\": it needs itself");
    let task = world.registry.get("refused").expect("it is in the list");
    let row = world.registry.row(&task);
    assert_eq!((row["state"].as_str(), row["health"]["health"].as_str()), (Some("down"), Some("failing")), "{row}");
    assert_eq!(world.registry.refused(), [(TaskRegistry::path("refused"), "it needs itself".to_owned())]);
    // Its cog tries again; another one does not take its place.
    assert_eq!(world.registry.register(counting("refused", &runs)).await, Err(refused));
    let another = TaskSpec { cog: "another".to_owned(), ..counting("refused", &runs) };
    assert_eq!(world.registry.register(another).await, Err(RegisterError::Duplicate("refused".to_owned())));
    assert_eq!((world.registry.figures().len(), world.registry.statistics().unhealthy), (1, 1));

    struct Nothing;
    impl supervision::Rules for Nothing {
        fn policy(&self, _: &supervision::ActorPath, _: &mut supervision::Policy) {}
    }
    world.tree.set_rules(Arc::new(Nothing), false).await.unwrap();
    world.registry.carry_out(&[]).await;
    assert_eq!((world.status("refused"), world.registry.refused()), (Some(Status::Running), Vec::new()));
    tokio::time::sleep(S(11)).await;
    assert_eq!(runs.load(SeqCst), 1);
    assert!(world.registry.unregister("test", "refused").await);
    assert_eq!(world.registry.register(counting("refused", &runs)).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_could_not_be_started_is_unhealthy_and_says_why_until_it_can() {
    let world = world().await;
    let task =
        TaskSpec::new("test", "refused", Schedule::Every(S(1)), |_| async { Ok(RunOutcome::Done { operations: 0 }) });
    world.registry.register(task).await.unwrap();
    world.tree.remove_child(&TaskRegistry::path("refused")).await.unwrap();
    world.tree.set_rules(Arc::new(NeedsItself), false).await.unwrap();
    tokio::time::sleep(S(61)).await;
    assert_eq!(world.status("refused"), None);
    let task = world.registry.get("refused").unwrap();
    let row = world.registry.row(&task);
    assert_eq!((row["state"].as_str(), row["health"]["health"].as_str()), (Some("down"), Some("failing")), "{row}");
    assert_eq!(row["reason"], "could not be started: it needs itself", "{row}");
    assert_eq!(world.registry.statistics().unhealthy, 1);
    assert_eq!(world.registry.refused(), [(TaskRegistry::path("refused"), "it needs itself".to_owned())]);

    struct Nothing;
    impl supervision::Rules for Nothing {
        fn policy(&self, _: &supervision::ActorPath, _: &mut supervision::Policy) {}
    }
    world.tree.set_rules(Arc::new(Nothing), false).await.unwrap();
    tokio::time::sleep(S(61)).await;
    assert_eq!(world.status("refused"), Some(Status::Running));
    assert!(world.registry.refused().is_empty() && world.registry.statistics().unhealthy == 0);
}
