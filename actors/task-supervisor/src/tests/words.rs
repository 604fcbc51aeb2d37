//! A task that does nothing says in words what it waits for.

use super::*;
use protocol::method::{Handler, MethodCall, Peer};
use serde_json::Value;
use supervision::Role;

impl World {
    async fn shown(&self, task: &str) -> Value {
        let show = crate::methods(&self.registry).into_iter().find(|method| method.name == "tasks.show").unwrap();
        let Handler::Call(run) = show.handler else { panic!("it streams") };
        let peer = Peer { uid: 0, pid: None, role: Role::Observe };
        run(MethodCall { params: serde_json::json!({ "name": task }), peer }).await.unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_due_run_says_that_it_waits_for_the_gateway_and_takes_it_back() {
    let world = world().await;
    world.ready.send_replace(false);
    let runs = Arc::default();
    world.registry.register(counting("count", &runs)).await.unwrap();
    tokio::time::sleep(S(4)).await;
    let shown = world.shown("count").await;
    assert_eq!((&shown["reason"], &shown["figures"]["next_in_ms"]), (&Value::Null, &Value::from(6_000)), "not due yet");
    tokio::time::sleep(S(60)).await;
    let shown = world.shown("count").await;
    let words = Value::from("waits until the gateway is ready");
    assert_eq!((&shown["state"], &shown["reason"]), (&Value::from("running"), &words));
    assert_eq!((&shown["figures"]["waits"], &shown["figures"]["next_in_ms"]), (&words, &Value::Null));
    let in_tree = world.tree.node(&TaskRegistry::path("count")).unwrap();
    assert_eq!(in_tree.reason.as_deref(), words.as_str());
    world.ready.send_replace(true);
    tokio::time::sleep(S(1)).await;
    assert_eq!(runs.load(SeqCst), 1);
    let (shown, in_tree) = (world.shown("count").await, world.tree.node(&TaskRegistry::path("count")).unwrap());
    assert_eq!((&shown["reason"], &shown["figures"]["waits"], in_tree.reason), (&Value::Null, &Value::Null, None));
}

#[tokio::test(start_paused = true)]
async fn a_pause_takes_the_waiting_back_and_says_so() {
    let world = world().await;
    world.ready.send_replace(false);
    world.registry.register(counting("count", &Arc::default())).await.unwrap();
    tokio::time::sleep(S(60)).await;
    let path = TaskRegistry::path("count");
    world.tree.tell(&path, "pause", Value::Null, S(5), None).await.unwrap();
    let shown = world.shown("count").await;
    assert_eq!(shown["reason"], "paused: no run is planned until it is resumed");
    assert_eq!(world.tree.node(&path).unwrap().reason, None);
    world.tree.tell(&path, "resume", Value::Null, S(5), None).await.unwrap();
    tokio::time::sleep(S(60)).await;
    assert_eq!(world.shown("count").await["reason"], "waits until the gateway is ready");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_task_names_what_it_needs_and_no_time() {
    let world = world().await;
    let mut spec = counting("prune", &Arc::default());
    spec.needs = vec!["database".to_owned()];
    world.registry.register(spec).await.unwrap();
    world.tree.order(&"database".into(), Verb::Stop, None, false).await.unwrap();
    tokio::time::sleep(S(30)).await;
    let shown = world.shown("prune").await;
    assert_eq!((&shown["state"], &shown["reason"]), (&"suspended".into(), &"waits for what it needs: database".into()));
    assert_eq!(shown["figures"]["next_in_ms"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn a_skipped_run_says_why() {
    let world = world().await;
    let spec = TaskSpec::new("test", "idle", Schedule::Every(S(10)), |_| async {
        Ok(RunOutcome::Skipped { reason: "no shard is connected".to_owned() })
    });
    world.registry.register(spec).await.unwrap();
    tokio::time::sleep(S(11)).await;
    assert_eq!(world.shown("idle").await["reason"], "had nothing to do the last time: no shard is connected");
}
