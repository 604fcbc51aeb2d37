//! What tasks need that is not there.

use super::*;
use protocol::{ports::Actors, task::TaskRule};

/// The database, and a task that some cog declares.
struct Known;

impl Actors for Known {
    fn may_stand(&self, path: &str) -> bool {
        self.paths().iter().any(|known| known == path)
    }
    fn paths(&self) -> Vec<String> {
        ["database", "rest", "task-supervisor/declared"].map(str::to_owned).to_vec()
    }
}

async fn knowing() -> World {
    world_with(|around| around.actors = Some(Arc::new(Known))).await
}

fn needing(name: &str, need: &str) -> TaskSpec {
    let mut spec = counting(name, &Arc::default());
    spec.needs = vec![need.to_owned()];
    spec
}

#[tokio::test(start_paused = true)]
async fn a_need_that_nobody_could_ever_meet_is_refused_with_the_nearest_name() {
    let world = knowing().await;
    world.registry.register(counting("purge", &Arc::default())).await.unwrap();
    for (need, meant) in [
        ("databse", Some("database")),
        ("task-supervisor/prge", Some("task-supervisor/purge")),
        ("task-supervisor/declard", Some("task-supervisor/declared")),
        ("nonsense", None),
    ] {
        let refused = world.registry.register(needing("self", need)).await.unwrap_err();
        let RegisterError::Invalid { rule: TaskRule::Needs, reason, .. } = &refused else { panic!("{refused:?}") };
        assert!(reason.starts_with(&format!("it needs {need:?}, and there is no such actor")), "{reason}");
        assert_eq!(reason.contains("meant?"), meant.is_some(), "{reason}");
        assert!(meant.is_none_or(|meant| reason.contains(&format!("was {meant} meant?"))), "{reason}");
    }
    assert_eq!(world.registry.figures().len(), 1, "nothing of it is left");
}

#[tokio::test(start_paused = true)]
async fn what_may_yet_come_may_be_needed() {
    let world = knowing().await;
    world.registry.register(needing("waits", "task-supervisor/declared")).await.unwrap();
    assert_eq!(world.status("waits"), Some(Status::Suspended));
    world.registry.register(counting("declared", &Arc::default())).await.unwrap();
    tokio::time::sleep(S(1)).await;
    assert_eq!(world.status("waits"), Some(Status::Running));
    world.registry.register(needing("third", "task-supervisor/waits")).await.unwrap();
    world.registry.register(needing("works", "database")).await.unwrap();
    assert_eq!(world.status("third"), Some(Status::Running));
    assert_eq!(world.status("works"), Some(Status::Running));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_long_for_a_path_where_nobody_stands_is_failing_and_says_why() {
    let world = knowing().await;
    let mut spec = needing("waits", "rest"); // which may stand, and does not
    spec.health_check = S(100);
    world.registry.register(spec).await.unwrap();
    let mut away = needing("away", "database");
    away.health_check = S(100);
    world.registry.register(away).await.unwrap();
    world.tree.order(&"database".into(), Verb::Stop, None, false).await.unwrap();
    let verdict = |name: &str| {
        let task = world.registry.get(name).unwrap();
        let verdict = task.verdict(world.registry.node(name).as_ref(), &world.registry);
        (verdict.health.name(), verdict.reason)
    };
    tokio::time::sleep(S(290)).await;
    assert_eq!(verdict("waits"), ("healthy", "waits: needs rest".to_owned()));
    tokio::time::sleep(S(130)).await;
    let (health, reason) = verdict("waits");
    assert_eq!(health, "failing");
    assert!(reason.starts_with("needs rest, and nobody has stood there for"), "{reason}");
    let judged = world.registry.get("waits").unwrap().judged.lock().unwrap().verdict.clone();
    assert_eq!(judged.unwrap().health.name(), "failing", "the monitor has said so");
    assert_eq!(verdict("away").0, "healthy", "what stands and is down may come back");
}
