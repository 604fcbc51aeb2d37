//! Tasks in a real tree under paused time.

use crate::{Surroundings, TaskRegistry, stats::LastRun};
use protocol::task::{Priority, RegisterError, RunError, RunOutcome, Schedule, TaskSpec, Tasks};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use supervision::{Actor, Addr, ChildSpec, Ctx, Failure, Flags, NoObserver, Planes, Status, Strategy, Tree, Verb};
use tokio::sync::watch;

mod backoff;
mod before_after;
mod calendar;
mod declaration;
mod defects;
mod needs;
mod order;
mod outlook;
mod overlap;
mod rules;
mod words;

const S: fn(u64) -> Duration = Duration::from_secs;

struct Db;
impl Actor for Db {
    type Msg = ();
    async fn start(&mut self, _: &Ctx<Self>) -> Result<(), Failure> {
        tokio::time::sleep(S(20)).await;
        Ok(())
    }
    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

struct World {
    tree: Tree,
    registry: Arc<TaskRegistry>,
    ready: watch::Sender<bool>,
}

async fn world() -> World {
    world_with(|_| ()).await
}

async fn world_with(change: impl FnOnce(&mut Surroundings)) -> World {
    let (ready, is_ready) = watch::channel(true);
    let mut around = Surroundings::new(BTreeMap::new(), is_ready);
    change(&mut around);
    let db = Addr::new("database", 8);
    world_of(Planes::single(), S(60), vec![ChildSpec::worker(&db, || Db)], ready, around).await
}

async fn world_on(planes: Planes, monitor: Duration) -> World {
    let (ready, is_ready) = watch::channel(true);
    world_of(planes, monitor, Vec::new(), ready, Surroundings::new(BTreeMap::new(), is_ready)).await
}

async fn world_of(
    planes: Planes,
    monitor: Duration,
    mut children: Vec<ChildSpec>,
    ready: watch::Sender<bool>,
    around: Surroundings,
) -> World {
    let registry = TaskRegistry::within(around);
    children.push(crate::child(monitor, &registry));
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(planes, flags, children, Arc::new(NoObserver)).await.unwrap();
    registry.attach(tree.clone());
    tree.started().await.unwrap();
    World { tree, registry, ready }
}

fn counting(name: &str, runs: &Arc<AtomicU64>) -> TaskSpec {
    let runs = Arc::clone(runs);
    TaskSpec::new("test", name, Schedule::Every(S(10)), move |_| {
        runs.fetch_add(1, SeqCst);
        async { Ok(RunOutcome::Done { operations: 2 }) }
    })
}

impl World {
    fn status(&self, task: &str) -> Option<Status> {
        self.tree.node(&TaskRegistry::path(task)).map(|node| node.status)
    }

    fn figures(&self, task: &str) -> crate::TaskFigures {
        self.registry.figures().into_iter().find(|(spec, _)| spec.name == task).unwrap().1
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_runs_by_its_period_and_its_figures_are_kept() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(35)).await;
    assert_eq!(runs.load(SeqCst), 3);
    let figures = world.figures("count");
    assert_eq!((figures.runs, figures.done, figures.operations, figures.errors), (3, 3, 6, 0));
    assert_eq!(figures.last, Some(LastRun::Done { operations: 2 }));
}

#[tokio::test(start_paused = true)]
async fn a_task_waits_until_the_bot_is_ready() {
    let world = world().await;
    world.ready.send_replace(false);
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(100)).await;
    assert_eq!(runs.load(SeqCst), 0);
    world.ready.send_replace(true);
    tokio::time::sleep(S(1)).await;
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_throws_once_runs_again_after_its_cooldown() {
    let world = world().await;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let spec = TaskSpec::new("test", "flaky", Schedule::Every(S(10)), move |_| {
        let first = counted.fetch_add(1, SeqCst) == 0;
        async move { if first { Err(RunError("told to".into())) } else { Ok(RunOutcome::Done { operations: 1 }) } }
    });
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(11)).await;
    assert_eq!(world.status("flaky"), Some(Status::Waiting));
    tokio::time::sleep(S(60)).await;
    assert!(runs.load(SeqCst) >= 3, "{runs:?}");
    assert_eq!(world.figures("flaky").errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_keeps_panicking_is_parked_after_its_restart_limit_and_the_others_go_on() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    let mut spec = TaskSpec::new("test", "bad", Schedule::Every(S(1)), |_| async { panic!("told to") });
    spec.cooldown = S(5);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(200)).await; // five restarts after 5, 10, 20, 40 and 80 s, and a tenth more at most
    assert_eq!(world.status("bad"), Some(Status::Parked));
    assert_eq!(world.figures("bad").runs, 6, "one run and five restarts");
    assert!(runs.load(SeqCst) >= 19, "{runs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_takes_too_long_is_cut_off_and_counted() {
    let world = world().await;
    let mut spec = TaskSpec::new("test", "slow", Schedule::Every(S(1)), |_| std::future::pending());
    spec.timeout = S(2);
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(4)).await;
    assert_eq!(world.figures("slow").errors, 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_needs_the_database_is_suspended_while_it_is_gone_and_resumed_after() {
    let world = world().await;
    let runs = Arc::default();
    let mut spec = counting("prune", &runs);
    spec.needs = vec!["database".to_owned()];
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(11)).await;
    assert_eq!(runs.load(SeqCst), 1);
    world.tree.order(&"database".into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(18)).await;
    assert_eq!((world.status("prune"), runs.load(SeqCst)), (Some(Status::Suspended), 1));
    tokio::time::sleep(S(11)).await;
    assert_eq!(world.status("prune"), Some(Status::Running));
    assert!(runs.load(SeqCst) >= 2);
    assert_eq!(world.tree.node(&TaskRegistry::path("prune")).unwrap().incarnation, 1);
}

#[tokio::test(start_paused = true)]
async fn killing_the_task_supervisor_brings_every_task_back() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    world.tree.order(&crate::PATH.into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(30)).await;
    assert_eq!(world.status("count"), Some(Status::Running));
    assert!(runs.load(SeqCst) >= 2);
}

#[tokio::test(start_paused = true)]
async fn tasks_stop_low_before_critical_and_one_that_ignores_its_cancellation_is_cut_off() {
    let world = world().await;
    let order = Arc::new(Mutex::new(Vec::new()));
    for (name, priority) in [("crit", Priority::Critical), ("low", Priority::Low), ("norm", Priority::Normal)] {
        let order = Arc::clone(&order);
        let mut spec = TaskSpec::new("test", name, Schedule::Every(S(1)), move |run| {
            let order = Arc::clone(&order);
            async move {
                run.cancel.cancelled().await;
                order.lock().unwrap().push(name);
                if name == "low" {
                    std::future::pending::<()>().await;
                }
                Ok(RunOutcome::Done { operations: 0 })
            }
        });
        spec.priority = priority;
        world.registry.register(spec).await.unwrap();
    }
    tokio::time::sleep(S(2)).await;
    let begun = tokio::time::Instant::now();
    world.tree.shutdown(Some(S(10)));
    world.tree.ended().await;
    assert_eq!(*order.lock().unwrap(), ["low", "norm", "crit"]);
    assert!(begun.elapsed() < S(10), "{:?}", begun.elapsed());
    let explained = world.tree.explain(&TaskRegistry::path("low"), 100);
    assert!(explained.iter().any(|entry| entry.decision.rule.name() == "stop_deadline"), "it was cut off");
}

#[tokio::test(start_paused = true)]
async fn a_name_is_taken_once_and_free_again_when_its_cog_is_unloaded() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    let again = world.registry.register(counting("count", &runs)).await;
    assert_eq!(again, Err(RegisterError::Duplicate("count".to_owned())));
    world.registry.unregister_cog("test").await;
    assert_eq!(world.status("count"), None);
    world.registry.register(counting("count", &runs)).await.unwrap();
    assert_eq!(world.status("count"), Some(Status::Running));
    let budget = world.tree.order(&TaskRegistry::path("count"), Verb::Restart { force: false }, None, false).await;
    let refusal = budget.unwrap_err().to_string();
    assert!(refusal.contains("cooldown"), "an admin restart obeys the cooldown: {refusal}");
}
