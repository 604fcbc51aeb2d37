//! New rules for tasks that are registered, while they run.

use super::*;
use crate::{Becomes, Rulebook, TaskChange, TaskRules};
use protocol::task::{Overlap, TaskRule};

fn book(name: &str, change: impl FnOnce(&mut TaskRules)) -> Rulebook {
    let mut rules = TaskRules::default();
    change(&mut rules);
    Rulebook { rules: BTreeMap::from([(name.to_owned(), rules)]), zone: "UTC".to_owned() }
}

impl World {
    async fn adopt(&self, book: Rulebook) -> Vec<TaskChange> {
        let changes = self.registry.adopt(book).unwrap();
        self.registry.carry_out(&changes).await;
        changes
    }

    fn generation(&self, task: &str) -> u64 {
        self.registry.get(task).map_or(0, |task| task.generation)
    }
}

#[tokio::test(start_paused = true)]
async fn another_schedule_holds_from_now_without_a_restart_and_as_the_next_generation() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(35)).await;
    let hourly = book("count", |rules| rules.every_s = Some(3_600));
    let planned = world.registry.would_adopt(&hourly).unwrap();
    assert_eq!(world.generation("count"), 1, "a look changes nothing");
    let changes = world.adopt(hourly).await;
    assert_eq!(changes, planned);
    let [TaskChange { task, change: Becomes::Respec, rules }] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!(task, "count");
    let words: Vec<_> = rules.iter().map(|it| (it.rule, it.before.as_str(), it.now.as_str())).collect();
    assert_eq!(words, [("schedule", "every 10 s", "every 1 h")]);
    tokio::time::sleep(S(3_599)).await;
    assert_eq!(runs.load(SeqCst), 3);
    tokio::time::sleep(S(2)).await;
    assert_eq!(runs.load(SeqCst), 4);
    assert_eq!((world.incarnation("count"), world.generation("count"), world.figures("count").missed), (1, 2, 0));

    world.adopt(Rulebook::default()).await;
    tokio::time::sleep(S(35)).await;
    assert_eq!((runs.load(SeqCst), world.figures("count").missed), (7, 0), "as it was declared");
}

#[tokio::test(start_paused = true)]
async fn a_run_under_way_ends_under_the_rules_that_it_began_with() {
    let world = world().await;
    let slow = TaskSpec::new("test", "slow", Schedule::Every(S(10)), |_| async {
        tokio::time::sleep(S(30)).await;
        Ok(RunOutcome::Done { operations: 1 })
    });
    world.registry.register(slow).await.unwrap();
    tokio::time::sleep(S(15)).await; // a run has begun 5 s ago
    world.adopt(book("slow", |rules| (rules.timeout_s, rules.overlap) = (Some(5), Some(Overlap::Skip)))).await;
    tokio::time::sleep(S(26)).await;
    let figures = world.figures("slow");
    assert_eq!((figures.done, figures.errors), (1, 0), "{figures:?}");
    tokio::time::sleep(S(10)).await;
    assert_eq!(world.figures("slow").errors, 1, "the next one had 5 s");
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_goes_and_comes_back_with_its_figures() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(35)).await;
    let changes = world.adopt(book("count", |rules| rules.enabled = Some(false))).await;
    assert_eq!(changes.iter().map(|it| it.change).collect::<Vec<_>>(), [Becomes::Stop]);
    tokio::time::sleep(S(200)).await;
    assert_eq!((world.status("count"), runs.load(SeqCst)), (None, 3));
    assert!(world.registry.knows("count") && !world.registry.knows("cuont"));

    let changes = world.adopt(Rulebook::default()).await;
    assert_eq!(changes.iter().map(|it| it.change).collect::<Vec<_>>(), [Becomes::Start]);
    assert_eq!(world.status("count"), Some(Status::Running));
    tokio::time::sleep(S(25)).await;
    assert!(world.figures("count").runs > 3, "{:?}", world.figures("count"));
    assert_eq!(world.generation("count"), 2);

    world.adopt(book("count", |rules| rules.enabled = Some(false))).await;
    world.registry.unregister_cog("test").await;
    assert!(world.registry.would_adopt(&Rulebook::default()).unwrap().is_empty(), "its cog took it along");
}

#[tokio::test(start_paused = true)]
async fn rules_that_contradict_a_declaration_change_nothing() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    world.registry.register(counting("other", &runs)).await.unwrap();
    let mut bad = book("other", |rules| rules.every_s = Some(77));
    bad.rules.insert("count".to_owned(), TaskRules { cooldown_s: Some(1_000), ..TaskRules::default() });
    for refused in [world.registry.would_adopt(&bad), world.registry.adopt(bad.clone())] {
        let Err(RegisterError::Invalid { name, rule: TaskRule::Cooldown, reason }) = refused else {
            panic!("{refused:?}")
        };
        assert!(name == "count" && reason.contains("would never be reached"), "{name}: {reason}");
    }
    assert_eq!((world.generation("count"), world.generation("other")), (1, 1));
    assert!(world.registry.would_adopt(&Rulebook::default()).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_ran_once_runs_by_the_schedule_that_it_is_given() {
    let world = world().await;
    let runs = Arc::default();
    let mut once = counting("once", &runs);
    once.schedule = Schedule::Once(S(5));
    world.registry.register(once).await.unwrap();
    tokio::time::sleep(S(100)).await;
    assert_eq!(runs.load(SeqCst), 1);
    world.adopt(book("once", |rules| rules.every_s = Some(10))).await;
    tokio::time::sleep(S(25)).await;
    assert_eq!(runs.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_configuration_contradicts_is_told_of_until_a_reload_mends_it() {
    let world = world().await;
    let runs = Arc::default();
    let too_long = || book("count", |rules| rules.timeout_s = Some(7_200));
    world.adopt(too_long()).await;
    let registered = world.registry.register(counting("count", &runs)).await;
    assert!(matches!(registered, Err(RegisterError::Invalid { .. })), "{registered:?}");
    let refused = world.registry.refused();
    let [(path, why)] = &refused[..] else { panic!("nobody is told: {refused:?}") };
    assert_eq!(path.as_str(), "task-supervisor/count");
    assert!(why.contains("configuration") && why.contains("timeout"), "{why}");
    assert_eq!(
        world.registry.would_adopt(&too_long()),
        Ok(Vec::new()),
        "of which nothing new is said, that hinders nobody"
    );
    let longer = book("count", |rules| rules.timeout_s = Some(8_000));
    assert!(world.registry.would_adopt(&longer).is_err(), "it is known, and still contradicted");

    let changes = world.adopt(Rulebook::default()).await;
    assert!(matches!(&changes[..], [TaskChange { change: Becomes::Start, .. }]), "{changes:?}");
    assert_eq!(world.registry.refused(), []);
    tokio::time::sleep(S(35)).await;
    assert_eq!(runs.load(SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_the_configuration_contradicts_is_told_of_no_more_once_it_is_switched_off() {
    let world = world().await;
    let runs = Arc::default();
    world.adopt(book("count", |rules| rules.timeout_s = Some(7_200))).await;
    world.registry.register(counting("count", &runs)).await.unwrap_err();
    let off = book("count", |rules| (rules.timeout_s, rules.enabled) = (Some(7_200), Some(false)));
    let changes = world.adopt(off).await;
    assert!(matches!(&changes[..], [TaskChange { change: Becomes::Stop, .. }]), "{changes:?}");
    assert_eq!(world.registry.refused(), []);
    world.adopt(Rulebook::default()).await;
    tokio::time::sleep(S(35)).await;
    assert_eq!(runs.load(SeqCst), 3);
}
