//! What can be seen of tasks: health, statistics, orders, check-ins, spans.

use super::*;
use crate::health::Health;
use protocol::{
    method::{Handler, MethodCall, MethodError, Peer},
    ports::{Capture, CheckIn, CheckInSchedule, CheckInStatus, Report},
    task::Category,
};
use serde_json::{Value, json};
use supervision::Role;
use tracing::{Subscriber, field::Visit, span};

impl World {
    async fn call(&self, method: &str, params: Value) -> Result<Value, MethodError> {
        self.call_as(Role::Operate, method, params).await
    }

    async fn call_as(&self, role: Role, method: &str, params: Value) -> Result<Value, MethodError> {
        let method = crate::methods(&self.registry).into_iter().find(|known| known.name == method).unwrap();
        let Handler::Call(run) = method.handler else { panic!("it streams") };
        run(MethodCall { params, peer: Peer { uid: 0, pid: None, role } }).await
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Heard {
    reports: Mutex<Vec<Report>>,
    check_ins: Mutex<Vec<CheckIn>>,
}

impl Capture for Heard {
    fn capture(&self, report: Report) {
        self.reports.lock().unwrap().push(report);
    }
    fn check_in(&self, check_in: CheckIn) {
        self.check_ins.lock().unwrap().push(check_in);
    }
}

async fn heard() -> (World, Arc<Heard>) {
    let heard: Arc<Heard> = Arc::default();
    let capture = Arc::clone(&heard);
    let world = world_with(|around| {
        around.capture = capture;
        around.check_ins = true;
        around.clock = calendar::Wall::at("2025-06-01T12:00:00Z"); // no time of day of any task is near
    });
    (world.await, heard)
}

fn failing(name: &str) -> TaskSpec {
    TaskSpec::new("test", name, Schedule::Every(S(60)), |_| async { Err(RunError("told to".into())) })
}

#[tokio::test(start_paused = true)]
async fn statistics_count_every_task_by_category_priority_and_health() {
    let world = world().await;
    let runs = Arc::default();
    for (name, category, priority) in [
        ("a", Category::Scheduled, Priority::Normal),
        ("b", Category::System, Priority::Low),
        ("c", Category::System, Priority::Critical),
    ] {
        let mut spec = counting(name, &runs);
        (spec.category, spec.priority) = (category, priority);
        world.registry.register(spec).await.unwrap();
    }
    let mut bad = failing("bad");
    (bad.restart_limit, bad.run_at_start) = (0, true);
    world.registry.register(bad).await.unwrap();
    tokio::time::sleep(S(30)).await;
    let answer = world.call("tasks.list", Value::Null).await.unwrap();
    assert_eq!(
        answer["statistics"],
        json!({
            "total": 4, "healthy": 3, "unhealthy": 1, "restarts": 0, "errors": 1,
            "categories": { "command": 0, "system": 2, "scheduled": 2, "gateway": 0 },
            "priorities": { "low": 1, "normal": 2, "high": 0, "critical": 1 },
            "health": { "healthy": 3, "recovering": 0, "failing": 0, "stalled": 0, "parked": 1 },
        })
    );
    let shown = world.call("tasks.show", json!({ "name": "bad" })).await.unwrap();
    assert_eq!(shown["health"]["health"], "parked");
    assert!(shown["health"]["reason"].as_str().unwrap().contains("budget spent"), "{shown}");
    assert_eq!(shown["recent"][0]["why"], "told to");
    assert_eq!(shown["schedule"], json!({ "every_ms": 60_000, "text": "every 1 min" }));
    assert_eq!(shown["figures"]["last_error"]["error"], "told to");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_given_up_on_is_reported_once() {
    let (world, heard) = heard().await;
    let mut bad = failing("bad");
    (bad.restart_limit, bad.health_check) = (0, S(10));
    world.registry.register(bad).await.unwrap();
    tokio::time::sleep(S(600)).await;
    let reports = heard.reports.lock().unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].message.starts_with("the task bad is given up on: budget spent"), "{reports:?}");
}

#[tokio::test(start_paused = true)]
async fn that_a_task_is_given_up_on_is_reported_at_the_next_look_and_not_when_its_health_is_due() {
    let (world, heard) = heard().await; // which looks every 60 s; health is due every 300 s
    world.registry.register(counting("well", &Arc::default())).await.unwrap();
    let mut bad = failing("bad");
    bad.restart_limit = 0;
    world.registry.register(bad).await.unwrap();
    tokio::time::sleep(S(61)).await; // its first run fails
    assert_eq!(world.status("bad"), Some(Status::Parked));
    tokio::time::sleep(S(60)).await;
    assert_eq!(heard.reports.lock().unwrap().len(), 1);
    tokio::time::sleep(S(600)).await;
    assert_eq!(heard.reports.lock().unwrap().len(), 1, "it is said once");
}

#[tokio::test(start_paused = true)]
async fn an_ordered_restart_keeps_to_limit_and_cooldown_unless_it_is_forced() {
    let world = world().await;
    let mut spec = counting("count", &Arc::default());
    (spec.restart_limit, spec.cooldown) = (1, S(30));
    world.registry.register(spec).await.unwrap();
    let restart = |force: bool| world.call("tasks.restart", json!({ "name": "count", "force": force }));
    let refusal = restart(false).await.unwrap_err().to_string();
    assert!(refusal.contains("cooldown"), "{refusal}");
    let dry = world.call("tasks.restart", json!({ "name": "count", "dry_run": true })).await.unwrap_err().to_string();
    assert_eq!(dry, refusal, "a dry run is refused for the same");
    tokio::time::sleep(S(31)).await;
    assert_eq!(restart(false).await.unwrap()["incarnation"], 2);
    assert_eq!(world.figures("count").restarts, 1);
    tokio::time::sleep(S(31)).await;
    let refusal = restart(false).await.unwrap_err().to_string();
    assert!(refusal.contains("budget is spent"), "{refusal}");
    let refusal = restart(true).await.unwrap_err().to_string();
    assert_eq!(refusal, "tasks.restart with force takes the role admin, you have operate: leave force out");
    let forced = world.call_as(Role::Admin, "tasks.restart", json!({ "name": "count", "force": true })).await;
    assert_eq!(forced.unwrap()["incarnation"], 3);
    let unknown = world.call("tasks.restart", json!({ "name": "cuont" })).await.unwrap_err().to_string();
    assert!(unknown.contains("there is no task \"cuont\"; there are: count"), "{unknown}");
}

#[tokio::test(start_paused = true)]
async fn scheduled_runs_check_in_when_they_begin_and_when_they_end() {
    let (world, heard) = heard().await;
    let mut daily = counting("daily", &Arc::default());
    daily.schedule = Schedule::daily(4, 30, "Europe/Berlin");
    daily.run_at_start = true;
    world.registry.register(daily).await.unwrap();
    let mut bad = failing("bad");
    bad.run_at_start = true;
    world.registry.register(bad).await.unwrap();
    world.registry.register(counting("often", &Arc::default())).await.unwrap(); // shorter than any monitor knows
    tokio::time::sleep(S(12)).await;
    let told = heard.check_ins.lock().unwrap();
    let of = |monitor: &str| told.iter().filter(|it| it.monitor == monitor).collect::<Vec<_>>();
    let daily = of("test-daily");
    assert_eq!(daily.len(), 2, "{told:?}");
    assert_eq!((daily[0].status, daily[1].status), (CheckInStatus::InProgress, CheckInStatus::Ok));
    assert!(daily[0].id == daily[1].id && daily[0].took.is_none() && daily[1].took.is_some());
    let cron = CheckInSchedule::Crontab { expression: "30 4 * * *".into(), zone: "Europe/Berlin".into() };
    assert_eq!(daily[0].schedule, cron);
    let bad = of("test-bad");
    assert_eq!((bad[1].status, &bad[1].schedule), (CheckInStatus::Error, &CheckInSchedule::Minutes(1)));
    assert!(of("test-often").is_empty() && bad[0].id != daily[0].id);
}

/// Keeps what is noted from here on, as long as both guards live.
fn noting() -> (Arc<Mutex<Vec<String>>>, tracing::Dispatch, tracing::subscriber::DefaultGuard) {
    let noted: Arc<Mutex<Vec<String>>> = Arc::default();
    // With one subscriber in the process, whichever thread comes first decides whether a span is ever made: threads of other
    // tests have none and would decide against it. With two, both are asked.
    let second = tracing::Dispatch::new(Spans(Arc::default()));
    let guard = tracing::subscriber::set_default(Spans(Arc::clone(&noted)));
    (noted, second, guard)
}

#[tokio::test(start_paused = true)]
async fn a_look_judges_and_says_what_has_changed() {
    let (noted, _second, _guard) = noting();
    let world = world().await;
    let failing_now = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let fails = Arc::clone(&failing_now);
    let mut bad = TaskSpec::new("test", "bad", Schedule::Every(S(60)), move |_| {
        let fails = fails.load(SeqCst);
        async move { if fails { Err(RunError("told to".into())) } else { Ok(RunOutcome::Done { operations: 1 }) } }
    });
    bad.restart_limit = 0;
    world.registry.register(bad).await.unwrap();
    let said = || {
        let of = |line: &&String| line.starts_with("event") && line.contains("operation=\"health\"");
        noted.lock().unwrap().iter().filter(of).cloned().collect::<Vec<_>>()
    };
    tokio::time::sleep(S(400)).await;
    let judged = world.registry.get("bad").unwrap();
    assert_eq!(judged.judged.lock().unwrap().verdict.as_ref().unwrap().health, Health::Parked);
    let told = said();
    assert_eq!(told.len(), 1, "{told:#?}");
    for part in ["task=\"bad\"", "health=\"parked\"", "reason=\"budget spent", "message=bad is parked: budget spent"] {
        assert!(told[0].contains(part), "{part} in {told:?}");
    }
    tokio::time::sleep(S(1_000)).await;
    assert_eq!(said().len(), 1, "it is said once");

    failing_now.store(false, SeqCst);
    world.tree.order(&TaskRegistry::path("bad"), Verb::Start, None, false).await.unwrap();
    tokio::time::sleep(S(1_000)).await;
    let told = said();
    assert_eq!(told.len(), 3, "{told:#?}");
    for (line, health, was) in [(1, "recovering", "parked"), (2, "healthy", "recovering")] {
        for part in [format!("message=bad is {health}"), format!("health=\"{health}\""), format!("was=\"{was}\"")] {
            assert!(told[line].contains(&part), "{part} in {told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_nobody_owns_is_counted_and_its_growth_is_warned_about_in_the_log() {
    const LEAKED: usize = 150;
    let (noted, _second, _guard) = noting();
    let world = world().await;
    let said = || {
        let of = |line: &&String| line.contains("operation=\"count_unowned\"");
        noted.lock().unwrap().iter().filter(of).cloned().collect::<Vec<_>>()
    };
    tokio::time::sleep(S(300)).await; // what is there from the beginning is taken for normal
    let before = world.registry.work().unwrap();
    assert_eq!(said(), Vec::<String>::new());
    let leaked: Vec<_> = (0..LEAKED).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
    tokio::time::sleep(S(300)).await;
    let after = world.registry.work().unwrap();
    assert_eq!(after.unowned - before.unowned, LEAKED, "{before:?} {after:?}");
    let told = said();
    assert_eq!(told.len(), 1, "{told:#?}");
    for part in
        [format!("unowned={}", after.unowned), format!("from {} to {} tokio tasks", before.unowned, after.unowned)]
    {
        assert!(told[0].contains(&part), "{part} in {told:?}");
    }
    leaked.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Notes the names of spans and the fields that they have.
struct Spans(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

impl Subscriber for Spans {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        let mut fields = Fields("recorded".to_owned());
        values.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields("event".to_owned());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn spans_and_fields_have_the_names_that_boards_look_for() {
    let (noted, _second, _guard) = noting();
    let world = world().await;
    let mut spec = counting("count", &Arc::default());
    spec.guild = Some(protocol::id::GuildId::new(7));
    spec.user = Some(protocol::id::UserId::new(8));
    spec.category = Category::Command;
    world.registry.register(spec).await.unwrap();
    let mut other = failing("other");
    (other.run_at_start, other.cog) = (true, "second".to_owned());
    world.registry.register(other).await.unwrap();
    tokio::time::sleep(S(15)).await;
    world.registry.unregister_cog("second").await;
    world.tree.drain(&[crate::PATH.into()], S(1)).await;
    world.tree.shutdown(Some(S(10)));
    world.tree.ended().await;
    let noted = noted.lock().unwrap();
    let has = |parts: &[&str]| noted.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    for parts in [
        &["task.run", "sentry.op=\"task.run\"", "sentry.name=\"task.count\"", "guild_id=7", "user_id=8"][..],
        &["bot.monitor_tasks"],
        &["bot.cleanup_tasks", "cog=\"second\""],
        &["bot.stop_task_loops", "tasks=1"],
        &["bot.cancel_tasks"],
        &["recorded", "tasks.command=\"count\""],
        &["event", "operation=\"run\"", "operations_completed=2", "duration_seconds=", "guild_id=7"],
        &["event", "operation=\"run\"", "error=\"told to\""],
        &["event", "operation=\"cancel_tasks\"", "operations_completed=1"],
    ] {
        assert!(has(parts), "{parts:?} in {noted:#?}");
    }
}
