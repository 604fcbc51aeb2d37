//! What happens between judging a new configuration and applying it: all of it is in force, or nothing.

use super::{Live, Reloader};
use crate::config::{self, Sources, TokenRule};
use protocol::{
    BoxFuture, SystemClock,
    method::{Handler, MethodCall, MethodError, Peer},
    ports::{AuditLog, AuditRow},
    task::{RunOutcome, Schedule, TaskSpec, Tasks},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};
use supervision::{
    Actor, ActorPath, Addr, AutoShutdown, ChildSpec, Ctx, Failure, Flags, NoObserver, Planes, Restart, Role, Strategy,
    Tree,
};
use task_supervisor::{Surroundings, TaskRegistry};
use telemetry::{
    Redactor,
    logging::{self, Directives, Format, LogHandle, LogOptions},
};
use tokio::sync::watch;

struct NoRows;

impl AuditLog for NoRows {
    fn record(&self, _: AuditRow) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Quiet;

impl Actor for Quiet {
    type Msg = ();

    async fn start(&mut self, _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    async fn handle(&mut self, (): (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

/// An actor that comes late, under a name that there may be rules for.
const LATE: &str = "telemetry";

/// A child that no rule may make permanent.
fn late() -> ChildSpec {
    ChildSpec::worker(&Addr::new(LATE, 8), || Quiet).restart(Restart::Transient).significant()
}

fn beat(name: &str) -> TaskSpec {
    let hourly = Schedule::Every(Duration::from_secs(3_600));
    TaskSpec::new("test", name, hourly, |_| async { Ok(RunOutcome::Done { operations: 0 }) })
}

/// A tree with `rest` and the task `steady`; [`LATE`] and the task `beat` have been there and are gone.
struct World {
    home: tempfile::TempDir,
    reloader: Arc<Reloader>,
    tree: Tree,
    tasks: Arc<TaskRegistry>,
    log: LogHandle,
}

fn sources(home: &Path) -> Sources {
    let env = BTreeMap::from([("DISCORD_TOKEN".to_owned(), "a.b.c".to_owned())]);
    Sources {
        explicit: None,
        cwd: home.to_owned(),
        env,
        flags: Vec::new(),
        token: TokenRule::Ignored,
        cogs: vec!["test".to_owned()],
    }
}

async fn world() -> World {
    let home = tempfile::tempdir().unwrap();
    let (_ready, is_ready) = watch::channel(true);
    let tasks = TaskRegistry::within(Surroundings::new(BTreeMap::new(), is_ready));
    let rest = ChildSpec::worker(&Addr::new("rest", 8), || Quiet);
    let children = vec![rest, task_supervisor::child(Duration::from_secs(60), &tasks)];
    let flags = Flags { auto_shutdown: AutoShutdown::AnySignificant, ..Flags::new(Strategy::OneForOne) };
    let tree = Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.unwrap();
    tree.started().await.unwrap();
    tasks.attach(tree.clone());
    tree.start_child(&ActorPath::root(), late()).await.unwrap();
    tree.remove_child(&LATE.into()).await.unwrap();
    tasks.register(beat("steady")).await.unwrap();
    tasks.register(beat("beat")).await.unwrap();
    assert!(tasks.unregister("test", "beat").await);
    let options = LogOptions {
        directives: Directives::parse("info").unwrap(),
        format: Format::Json,
        redactor: Redactor::default(),
        clock: Arc::new(SystemClock),
        reports: false,
        traces: false,
    };
    let (_subscriber, log) = logging::build(options, Box::new(std::io::sink())).unwrap();
    let reloader = Reloader::new(sources(home.path()), config::load(&sources(home.path())).unwrap(), log.clone());
    let (audit, clock) = (Arc::new(NoRows), Arc::new(SystemClock));
    reloader.attach(Live { tree: tree.clone(), tasks: Arc::clone(&tasks), audit, clock });
    World { home, reloader, tree, tasks, log }
}

/// Rules for an actor and for a task, another log filter, another limit.
const GOOD: &str = "telemetry.log = \"debug\"\nshutdown.total_ms = 9000\nsupervision.rest.restarts = 17\n\
                    tasks.steady.every_s = 77\n";

impl World {
    fn write(&self, text: &str) {
        std::fs::write(self.home.path().join("config.toml"), text).unwrap();
    }

    /// The budget of `rest`, the schedule and generation of `steady`, what is logged, the limit of the way down.
    async fn in_force(&self) -> (Option<u32>, Value, Value, String, Duration) {
        let rest = self.tree.get_childspec(&"rest".into()).unwrap();
        let show =
            task_supervisor::methods(&self.tasks).into_iter().find(|method| method.name == "tasks.show").unwrap();
        let Handler::Call(show) = show.handler else { panic!("it answers once") };
        let peer = Peer { uid: 0, pid: None, role: Role::Admin };
        let steady = show(MethodCall { params: json!({ "name": "steady" }), peer }).await.unwrap();
        let (log, total) = (self.log.status().filter, self.reloader.shutdown().total);
        let budget = rest.budget.map(|budget| budget.restarts);
        (budget, steady["schedule"].clone(), steady["generation"].clone(), log, total)
    }
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_comes_in_between_and_cannot_live_by_the_new_rules_leaves_nothing_of_them_in_force() {
    let world = world().await;
    world.write(&format!("{GOOD}supervision.{LATE}.restart = \"permanent\"\n"));
    let (before, plan) = (world.in_force().await, world.reloader.plan().await.unwrap());
    world.tree.start_child(&ActorPath::root(), late()).await.unwrap();
    let refused = world.reloader.apply(&plan).await.unwrap_err().to_string();
    let place =
        format!("config.toml:5: supervision.{LATE}.restart: root: {LATE}: a permanent child cannot be significant");
    assert!(refused.starts_with(&place), "{refused}");
    assert_eq!(world.in_force().await, before);
    world.tree.remove_child(&LATE.into()).await.unwrap();
    world.reloader.reload(false).await.unwrap();
    assert_ne!(world.in_force().await, before, "once it has gone they hold");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_in_between_and_contradicts_the_new_rules_leaves_nothing_of_them_in_force() {
    let world = world().await;
    world.write(&format!("{GOOD}tasks.beat.timeout_s = 7200\n"));
    let (before, plan) = (world.in_force().await, world.reloader.plan().await.unwrap());
    world.tasks.register(beat("beat")).await.unwrap();
    let refused = world.reloader.apply(&plan).await.unwrap_err();
    let (refused, told) = (refused.to_string(), MethodError::from(refused));
    let MethodError::Refused { data: Some(data), .. } = told else { panic!("{told:?}") };
    assert_eq!((&data["error"], &data["task"]), (&json!("task"), &json!("beat")), "{data}");
    let whole =
        refused.starts_with("config.toml:5: tasks.beat.timeout_s: its timeout of 7200 s is longer than the window");
    assert!(whole, "{refused}");
    assert_eq!(world.in_force().await, before);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_comes_in_between_and_could_never_spend_its_budget_is_told_at_the_rule_for_it() {
    let world = world().await;
    world.write(&format!("{GOOD}tasks.beat.cooldown_s = 3000\n"));
    let (before, plan) = (world.in_force().await, world.reloader.plan().await.unwrap());
    world.tasks.register(beat("beat")).await.unwrap();
    let refused = world.reloader.apply(&plan).await.unwrap_err().to_string();
    assert!(refused.starts_with("config.toml:5: tasks.beat.cooldown_s: beat: 5 restarts, each 50 min"), "{refused}");
    assert_eq!(world.in_force().await, before);
}

/// What is said of a task under the name `name` that comes in between.
async fn said_of(name: &str, lines: &str) -> String {
    let world = world().await;
    world.tasks.register(beat(name)).await.unwrap();
    assert!(world.tasks.unregister("test", name).await);
    world.write(&format!("{GOOD}{lines}"));
    let (before, plan) = (world.in_force().await, world.reloader.plan().await.unwrap());
    world.tasks.register(beat(name)).await.unwrap();
    let refused = world.reloader.apply(&plan).await.unwrap_err().to_string();
    assert_eq!(world.in_force().await, before);
    refused
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_at_the_rule_that_is_at_odds_and_in_the_section_that_says_it() {
    let actor = "supervision.\"task-supervisor/beat\"";
    for harmless in ["criticality = \"important\"", "backoff_min_ms = 100"] {
        let refused = said_of("beat", &format!("tasks.beat.cooldown_s = 3000\n{actor}.{harmless}\n")).await;
        assert!(
            refused.starts_with("config.toml:5: tasks.beat.cooldown_s: beat: 5 restarts, each 50 min"),
            "{refused}"
        );
    }
    let refused = said_of("beat", &format!("tasks.beat.cooldown_s = 600\n{actor}.restarts = 17\n")).await;
    let place = format!("config.toml:6: {actor}.restarts: task-supervisor: beat: 17 restarts, each 10 min");
    assert!(refused.starts_with(&place), "{refused}");
    // A name says nothing of the rule.
    let actor = "supervision.\"task-supervisor/needs-a-probe\"";
    let lines = format!("{actor}.needs = []\n{actor}.probe_ms = 900\n{actor}.restarts = 5000\n");
    let refused = said_of("needs-a-probe", &lines).await;
    assert!(refused.starts_with(&format!("config.toml:7: {actor}.restarts: ")), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_circle_that_an_actor_closes_in_between_is_told_at_the_needs_that_are_said() {
    let world = world().await;
    world.write(&format!("{GOOD}supervision.rest.needs = [\"{LATE}\"]\n"));
    let (before, plan) = (world.in_force().await, world.reloader.plan().await.unwrap());
    let late = ChildSpec::worker(&Addr::new(LATE, 8), || Quiet).needs(["rest"]);
    world.tree.start_child(&ActorPath::root(), late).await.unwrap();
    let refused = world.reloader.apply(&plan).await.unwrap_err().to_string();
    let place = format!("config.toml:5: supervision.rest.needs: rest: its needs go in a circle: rest needs {LATE}");
    assert!(refused.starts_with(&place), "{refused}");
    assert_eq!(world.in_force().await, before);
}

#[tokio::test(start_paused = true)]
async fn what_is_logged_from_then_on_is_what_was_judged() {
    let world = world().await;
    world.write(&GOOD.replace("debug", "debug,rest=trace"));
    let plan = world.reloader.plan().await.unwrap();
    // As many targets as are kept: together with those of the file they would be refused.
    let many: Vec<String> = (0..).map(|n| format!("t{n}=warn")).take_while(|it| world.log.set(it).is_ok()).collect();
    assert!(many.len() > 10, "{many:?}");
    world.reloader.apply(&plan).await.unwrap();
    assert_eq!((world.in_force().await.0, world.log.status().filter), (Some(17), "debug,rest=trace".to_owned()));
}
