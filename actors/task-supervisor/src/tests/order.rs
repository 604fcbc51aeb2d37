//! Tasks that need each other: in which order they stop, and start.

use super::*;

/// Its run ends when it is told to, and says so.
fn obedient(cog: &str, name: &'static str, needs: Option<&str>, ended: &Arc<Mutex<Vec<&'static str>>>) -> TaskSpec {
    let ended = Arc::clone(ended);
    let mut spec = TaskSpec::new(cog, name, Schedule::Every(S(1)), move |run| {
        let ended = Arc::clone(&ended);
        async move {
            run.cancel.cancelled().await;
            ended.lock().unwrap().push(name);
            Ok(RunOutcome::Done { operations: 0 })
        }
    });
    spec.needs = needs.map(|need| TaskRegistry::path(need).to_string()).into_iter().collect();
    spec
}

#[tokio::test(start_paused = true)]
async fn a_task_stops_before_what_it_needs_also_when_that_came_later_or_counts_for_less() {
    let (world, ended) = (world().await, Arc::default());
    for (name, need, priority) in [
        ("a-early", Some("b-late"), Priority::Normal),
        ("b-late", None, Priority::Normal),
        ("c-critical", Some("d-low"), Priority::Critical),
        ("d-low", None, Priority::Low),
        ("e-high", None, Priority::High),
    ] {
        let mut spec = obedient("test", name, need, &ended);
        spec.priority = priority;
        world.registry.register(spec).await.unwrap();
    }
    tokio::time::sleep(S(2)).await;
    world.tree.shutdown(Some(S(30)));
    world.tree.ended().await;
    assert_eq!(*ended.lock().unwrap(), ["a-early", "b-late", "e-high", "c-critical", "d-low"]);
}

#[tokio::test(start_paused = true)]
async fn the_cog_of_what_is_needed_may_be_reloaded_and_the_order_stays() {
    let (world, ended) = (world().await, Arc::default());
    let needed = || obedient("first", "needed", None, &ended);
    world.registry.register(needed()).await.unwrap();
    world.registry.register(obedient("second", "needing", Some("needed"), &ended)).await.unwrap();
    tokio::time::sleep(S(2)).await;
    world.registry.unregister_cog("first").await;
    assert_eq!(world.status("needing"), Some(Status::Suspended));
    world.registry.register(needed()).await.unwrap();
    tokio::time::sleep(S(2)).await;
    assert_eq!(world.status("needing"), Some(Status::Running));
    ended.lock().unwrap().clear();
    world.tree.shutdown(Some(S(30)));
    world.tree.ended().await;
    assert_eq!(*ended.lock().unwrap(), ["needing", "needed"]);
}

#[tokio::test(start_paused = true)]
async fn tasks_come_back_and_are_taken_down_in_the_same_order() {
    let (world, ended) = (world().await, Arc::default());
    world.registry.register(obedient("test", "needing", Some("needed"), &ended)).await.unwrap();
    world.registry.register(obedient("test", "needed", None, &ended)).await.unwrap();
    world.tree.order(&crate::PATH.into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(S(30)).await;
    let began = |name| {
        let explained = world.tree.explain(&TaskRegistry::path(name), 100);
        explained.iter().filter(|entry| entry.decision.rule.name() == "up").map(|entry| entry.seq).max().unwrap()
    };
    assert!(began("needed") < began("needing"));
    ended.lock().unwrap().clear();
    world.registry.unregister_cog("test").await;
    assert_eq!(*ended.lock().unwrap(), ["needing", "needed"]);
}
