//! Declarations that make no sense, and what a registration leaves behind.

use super::*;
use protocol::task::{Category, RegisterError, Schedule};

type Change = fn(&mut TaskSpec);

#[tokio::test(start_paused = true)]
async fn a_declaration_that_contradicts_itself_is_refused_in_one_sentence_and_changes_nothing() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("other", &runs)).await.unwrap();
    let rows: [(Change, &str); 16] = [
        (|spec| spec.name = String::new(), "no name"),
        (|spec| spec.name = "a b".into(), "no name"),
        (|spec| spec.name = "monitor".into(), "no name"),
        (|spec| spec.cog = String::new(), "names no cog"),
        (|spec| spec.schedule = Schedule::Every(Duration::ZERO), "period is zero"),
        (|spec| spec.schedule = Schedule::cron("0 0 31 2 *", "UTC"), "never fires"),
        (|spec| spec.schedule = Schedule::cron("* * * * *", "Mars/Base"), "no time zone"),
        (|spec| spec.schedule = Schedule::daily(24, 0, "UTC"), "no time of day"),
        (|spec| spec.timeout = Duration::ZERO, "no time at all"),
        (|spec| spec.timeout = S(3_601), "longer than the window of its restart limit"),
        (|spec| spec.restart_window = Duration::ZERO, "window of its restart limit is zero"),
        (|spec| spec.cooldown = S(1_000), "would never be reached"),
        (|spec| spec.health_check = Duration::ZERO, "two looks at its health is zero"),
        (|spec| spec.stall_periods = 0, "zero periods"),
        (|spec| spec.jitter = S(11), "jitter is longer than its period"),
        (|spec| spec.needs = vec!["task-supervisor/self".into()], "in a circle"),
    ];
    for (change, words) in rows {
        let mut spec = counting("self", &runs);
        change(&mut spec);
        let refused = world.registry.register(spec).await;
        let Err(RegisterError::Invalid { reason, .. }) = refused else { panic!("{words}: {refused:?}") };
        assert!(reason.contains(words) && !reason.contains('\n'), "{reason}");
    }
    assert_eq!(world.registry.figures().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn needs_that_lead_back_over_another_task_are_refused() {
    let world = world().await;
    let runs = Arc::default();
    let mut first = counting("first", &runs);
    first.needs = vec!["task-supervisor/second".into()]; // which is not there yet
    world.registry.register(first).await.unwrap();
    let mut second = counting("second", &runs);
    second.needs = vec!["task-supervisor/first".into()];
    let refused = world.registry.register(second).await.unwrap_err().to_string();
    assert!(refused.contains("circle"), "{refused}");
    assert_eq!(world.status("first"), Some(Status::Suspended), "it waits for what it needs");
    world.registry.register(counting("second", &runs)).await.unwrap();
    tokio::time::sleep(S(1)).await;
    assert_eq!(world.status("first"), Some(Status::Running));
}

#[tokio::test(start_paused = true)]
async fn a_task_registered_anew_is_the_next_generation_of_the_same_one_and_keeps_its_figures() {
    let world = world().await;
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(25)).await;
    let generation = || world.registry.get("count").unwrap().generation;
    assert_eq!((generation(), world.figures("count").runs), (1, 2));
    world.registry.unregister_cog("test").await;
    assert!(world.registry.figures().is_empty());
    world.registry.register(counting("count", &runs)).await.unwrap();
    assert_eq!((generation(), world.figures("count").runs), (2, 2));
    tokio::time::sleep(S(6)).await;
    assert_eq!(world.figures("count").runs, 3, "and its place in its schedule: 30 s, not 35 s");
    assert_eq!(world.figures("count").restarts, 0, "that was no restart");
    world.registry.unregister_cog("test").await;
    let mut other = counting("count", &runs);
    other.cog = "other".to_owned();
    world.registry.register(other).await.unwrap();
    assert_eq!((generation(), world.figures("count").runs), (1, 0), "of another cog it is another task");
}

#[tokio::test(start_paused = true)]
async fn registering_anew_gives_no_new_restart_budget() {
    let world = world().await;
    let bad = || {
        let mut spec =
            TaskSpec::new("test", "bad", Schedule::Every(S(1)), |_| async { Err(RunError("told to".into())) });
        (spec.restart_limit, spec.cooldown) = (2, S(1));
        spec
    };
    world.registry.register(bad()).await.unwrap();
    tokio::time::sleep(S(60)).await;
    assert_eq!((world.status("bad"), world.figures("bad").errors), (Some(Status::Parked), 3));
    for _ in 0..3 {
        world.registry.unregister_cog("test").await;
        world.registry.register(bad()).await.unwrap();
        tokio::time::sleep(S(60)).await;
        assert_eq!(
            (world.status("bad"), world.figures("bad").errors),
            (Some(Status::Parked), 3),
            "it is not tried again"
        );
    }
    let reason = world.registry.node("bad").unwrap().reason.unwrap();
    assert!(reason.contains("3 failures counting those before it was registered anew"), "{reason}");
    world.tree.order(&TaskRegistry::path("bad"), Verb::Start, None, false).await.unwrap();
    tokio::time::sleep(S(60)).await;
    assert_eq!(world.figures("bad").errors, 6, "an operator begins a new count");
}

#[tokio::test(start_paused = true)]
async fn one_task_of_a_cog_is_unregistered_and_the_others_stay() {
    let world = world().await;
    let runs = Arc::default();
    for name in ["one", "two"] {
        let mut spec = counting(name, &runs);
        spec.category = Category::Command;
        world.registry.register(spec).await.unwrap();
    }
    assert!(!world.registry.unregister("another", "one").await, "of another cog");
    assert!(world.registry.unregister("test", "one").await);
    assert!(!world.registry.unregister("test", "one").await);
    assert_eq!((world.status("one"), world.status("two")), (None, Some(Status::Running)));
}
