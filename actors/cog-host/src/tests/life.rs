//! Cogs and the dispatcher as actors: killed, parked, unloaded, drained.

use super::{tool, weak};
use crate::{
    Cog, CogCounts, CogSettings, Command, Setting,
    testing::{World, author, config},
};
use protocol::{
    EventKind,
    method::{Handler, MethodCall, Peer},
    task::{RunOutcome, Schedule, TaskSpec},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use supervision::{ActorPath, Role, Status, Verb};
use tokio::sync::Semaphore;

fn closed() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(0))
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

fn status(world: &World, path: &str) -> Status {
    world.tree.node(&ActorPath::from(path)).unwrap().status
}

#[tokio::test(start_paused = true)]
async fn a_killed_cogs_commands_are_unavailable_until_it_is_back() {
    let world = World::new(vec![tool(), weak(&closed())]).await;
    world.tree.order(&"cog-host/tool".into(), Verb::Kill, None, false).await.unwrap();
    world.say(Some(10), 5, "!ping").await;
    assert_eq!(world.next().await.text(), "`ping` is not available at the moment; try again shortly.");
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.say(Some(10), 5, "!ping").await;
    assert_eq!(world.next().await.text(), "pong");
    assert_eq!(world.tree.node(&"cog-host/tool".into()).unwrap().incarnation, 2);
    assert_eq!(world.tree.node(&"cog-host/weak".into()).unwrap().incarnation, 1);
}

/// 5 panics within 10 minutes end an incarnation; 3 restarts within 10 minutes are allowed; then it is parked.
#[tokio::test(start_paused = true)]
async fn a_cog_that_keeps_panicking_is_restarted_and_at_last_parked_while_others_run() {
    supervision::install_panic_hook();
    let world = World::new(vec![tool(), weak(&closed())]).await;
    for incarnation in 1..=4 {
        assert_eq!(world.tree.node(&"cog-host/weak".into()).unwrap().incarnation, incarnation);
        for _ in 0..5 {
            world.say(Some(10), 5, "!boom").await;
            settle().await;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    assert_eq!(status(&world, "cog-host/weak"), Status::Parked);
    assert_eq!(status(&world, "cog-host/tool"), Status::Running);
    assert_eq!(world.host.counts(), CogCounts { loaded: 1, skipped: 0, failed: 1 });
    world.settled().await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.say(Some(10), 6, "!boom").await;
    assert!(world.next().await.text().contains("not available"));
    world.say(Some(10), 6, "!ping").await;
    assert_eq!(world.next().await.text(), "pong");
}

#[tokio::test(start_paused = true)]
async fn events_wait_for_a_dispatcher_that_is_being_restarted() {
    let gate = closed();
    let world = World::new(vec![tool(), weak(&gate)]).await;
    world.say(Some(10), 5, "!gated").await;
    settle().await;
    let dispatch = ActorPath::from("cog-host/dispatch");
    world.tree.order(&dispatch, Verb::Kill, None, false).await.unwrap();
    settle().await;
    world.tree.order(&dispatch, Verb::Stop, None, false).await.unwrap();
    let waits: Vec<_> = (0..3).map(|_| world.offer(Some(10), 5, "!ping")).collect();
    assert!(waits.iter().all(Option::is_some), "the shard waits");
    world.tree.order(&dispatch, Verb::Start, None, false).await.unwrap();
    for wait in waits.into_iter().flatten() {
        wait.await;
    }
    let texts: Vec<String> = world.settled().await.iter().map(|sent| sent.text().to_owned()).collect();
    assert_eq!(texts, ["pong"; 3], "what ran was cut off, what came later was not lost");
    gate.add_permits(1);
    settle().await;
    assert_eq!(gate.available_permits(), 1, "the command of the killed dispatcher is gone");
}

#[tokio::test(start_paused = true)]
async fn draining_finishes_what_runs_and_takes_nothing_more() {
    let gate = closed();
    let world = World::new(vec![tool(), weak(&gate)]).await;
    world.say(Some(10), 5, "!gated").await;
    settle().await;
    let tree = world.tree.clone();
    let drain = tokio::spawn(async move { tree.drain(&["cog-host".into()], Duration::from_secs(5)).await });
    settle().await;
    assert!(!drain.is_finished());
    // Not taken, so that the shard does not count it as taken: the next process is sent it again.
    let mut ping = world.offer(Some(10), 6, "!ping").expect("it was taken");
    assert_eq!(futures_util::poll!(&mut ping), std::task::Poll::Pending);
    world.slash(6, json!({"id": "1", "name": "ping", "type": 1})).await;
    assert_eq!(world.next().await.text(), "I am restarting; try again in a moment.");
    gate.add_permits(1);
    assert_eq!(world.next().await.text(), "through");
    assert_eq!(drain.await.unwrap(), [] as [ActorPath; 0]);
    assert_eq!(futures_util::poll!(&mut ping), std::task::Poll::Pending);
    assert!(world.settled().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_at_its_deadline_and_names_who_is_late() {
    let world = World::new(vec![weak(&closed())]).await;
    world.say(Some(10), 5, "!gated").await;
    settle().await;
    assert_eq!(world.tree.drain(&["cog-host/dispatch".into()], Duration::from_secs(3)).await.len(), 1);
    world.tree.shutdown(Some(Duration::from_secs(5)));
    tokio::time::timeout(Duration::from_secs(6), world.tree.ended()).await.expect("the shutdown is bounded");
}

async fn call(world: &World, name: &str, params: Value) -> Result<Value, String> {
    let method = world.host.methods().into_iter().find(|method| method.name == name).unwrap();
    let Handler::Call(run) = method.handler else { panic!("{name} is a call") };
    let peer = Peer { uid: 0, pid: None, role: Role::Admin };
    run(MethodCall { params, peer }).await.map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn cogs_are_unloaded_loaded_and_disabled_by_name() {
    let world = World::new(vec![tool(), weak(&closed())]).await;
    let named = json!({"name": "tool"});
    assert_eq!(call(&world, "cogs.unload", named.clone()).await.unwrap()["state"], "unloaded");
    world.say(Some(10), 5, "!ping").await;
    assert_eq!(world.next().await.text(), "`ping` is switched off.");
    assert_eq!(call(&world, "cogs.load", named.clone()).await.unwrap()["state"], "loaded");
    assert_eq!(call(&world, "cogs.disable", named.clone()).await.unwrap()["state"], "disabled");
    assert_eq!(call(&world, "cogs.reload", named.clone()).await.unwrap_err(), "it is disabled: enable it first");
    world.tree.order(&"cog-host/tool".into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let listed = call(&world, "cogs.list", Value::Null).await.unwrap();
    let states: Vec<&str> = listed.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["disabled", "loaded"], "a restart of its actor does not enable it");
    assert_eq!(call(&world, "cogs.enable", named.clone()).await.unwrap()["state"], "loaded");
    assert_eq!(call(&world, "cogs.reload", named.clone()).await.unwrap()["state"], "loaded");
    let shown = call(&world, "cogs.show", named).await.unwrap();
    assert_eq!(shown["commands"][0]["usage"], "!ping");
    let unknown = call(&world, "cogs.show", json!({"name": "tol"})).await.unwrap_err();
    assert_eq!(unknown, "there is no cog \"tol\"; there are: tool, weak");
}

#[tokio::test(start_paused = true)]
async fn admin_messages_reach_a_cog_and_the_dispatcher() {
    supervision::install_panic_hook();
    let world = World::of_the_stand_in(vec![tool()]).await;
    assert_eq!(world.tell("cog-host/tool", "reload").await.unwrap()["state"], "loaded");
    assert_eq!(world.tell("cog-host/tool", "status").await.unwrap()["crash_budget"]["allowed"], 5);
    assert_eq!(world.tell("cog-host/dispatch", "status").await.unwrap()["running"], 0);
    assert_eq!(world.tell("cog-host/tool", "crash").await.unwrap()["crashing"], true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let node = world.tree.node(&"cog-host/tool".into()).unwrap();
    assert_eq!((node.incarnation, node.status), (2, Status::Running));
    assert!(world.tell("cog-host/tool", "sing").await.is_err());
}

fn scheduled() -> Cog {
    let declared = |name| TaskSpec::declared("tool", name, Schedule::Every(Duration::from_secs(60)));
    tool()
        .task(declared("work"), |_, spec| Some(spec.doing(|_| async { Ok(RunOutcome::Done { operations: 1 }) })))
        .task(declared("not-as-it-is-set"), |_, _| None)
        .task_at_run_time(declared("later"))
}

#[tokio::test(start_paused = true)]
async fn tasks_are_registered_at_load_once_the_supervisor_is_there_and_go_at_unload() {
    let late = World::with(vec![scheduled()], BTreeMap::new(), |nothing| nothing.tasks_down.store(true, SeqCst)).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(late.nothing.tasks.lock().unwrap().is_empty());
    late.nothing.tasks_down.store(false, SeqCst);
    tokio::time::sleep(Duration::from_secs(31)).await;
    let tasks = || late.nothing.tasks.lock().unwrap().clone();
    assert_eq!(tasks(), ["tool/work"]);
    late.tree.order(&"cog-host/tool".into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tasks(), ["tool/work"], "a new incarnation replaces what the old one left");
    late.tell("cog-host/tool", "unload").await.unwrap();
    assert_eq!(tasks(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_a_cog_registers_at_run_time_is_its_own_and_goes_with_it() {
    let registers = tool().on_load(|ctx| {
        Box::pin(async {
            let every = Schedule::Every(Duration::from_secs(60));
            let spec = |name| {
                TaskSpec::new("somebody", name, every.clone(), |_| async { Ok(RunOutcome::Done { operations: 1 }) })
            };
            for name in ["first", "second"] {
                ctx.tasks().register(spec(name)).await.map_err(crate::Failure::internal)?;
            }
            assert!(ctx.tasks().unregister("first").await);
            assert!(!ctx.tasks().unregister("first").await);
            Ok(())
        })
    });
    let world = World::new(vec![registers]).await;
    let tasks = || world.nothing.tasks.lock().unwrap().clone();
    assert_eq!(tasks(), ["tool/second"], "of the cog that registered it, whatever it says");
    world.tree.order(&"cog-host/tool".into(), Verb::Kill, None, false).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(tasks(), ["tool/second"], "what the incarnation before left is replaced");
    world.tell("cog-host/tool", "unload").await.unwrap();
    assert_eq!(tasks(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_cog_without_its_setting_is_skipped_and_says_which() {
    let needy = weak(&closed()).setting(Setting { key: "channel", about: "Where to post", required: true });
    let world = World::new(vec![tool(), needy.clone()]).await;
    assert_eq!(world.host.counts(), CogCounts { loaded: 1, skipped: 1, failed: 0 });
    let listed = call(&world, "cogs.list", Value::Null).await.unwrap();
    assert_eq!(listed[1]["reason"], "set channel in [cogs.weak] to use it");
    assert!(call(&world, "cogs.load", json!({"name": "weak"})).await.unwrap_err().contains("was skipped"));
    world.say(Some(10), 5, "!boom").await;
    assert!(world.settled().await.is_empty(), "its commands do not exist");
    let values = json!({"channel": 5}).as_object().unwrap().clone();
    let settings = BTreeMap::from([("weak".to_owned(), CogSettings { disabled: false, values })]);
    let world = World::with(vec![tool(), needy], settings, |_| {}).await;
    assert_eq!(world.host.counts().loaded, 2);
}

#[tokio::test(start_paused = true)]
async fn a_required_cog_that_cannot_load_fails_the_boot_and_an_optional_one_does_not() {
    let failing =
        || weak(&closed()).on_load(|_| Box::pin(async { Err(crate::Failure::refused("The library is missing.")) }));
    let world = World::new(vec![tool(), failing().optional()]).await;
    assert_eq!(world.host.counts(), CogCounts { loaded: 1, skipped: 0, failed: 1 });
    let listed = call(&world, "cogs.list", Value::Null).await.unwrap();
    assert_eq!(listed[1]["reason"], "The library is missing.");
    let boot = tokio::spawn(async move { World::new(vec![tool(), failing()]).await });
    assert!(boot.await.is_err_and(|error| error.is_panic()), "the tree does not come up");
}

#[tokio::test(start_paused = true)]
async fn event_hooks_begin_in_order_and_a_panic_in_one_costs_that_event() {
    supervision::install_panic_hook();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let panics = Arc::new(AtomicUsize::new(0));
    let (note, count) = (Arc::clone(&seen), Arc::clone(&panics));
    let listener = Cog::new("listener", "Listens").on_events(&[EventKind::MessageCreate], move |_, dispatch| {
        note.lock().unwrap().push(dispatch.seq);
        let count = Arc::clone(&count);
        let bad = dispatch.seq % 21 == 0; // one of them: five would end the actor
        Box::pin(async move {
            assert!(!bad || count.fetch_add(1, SeqCst) > 100, "a bad event");
            Ok(())
        })
    });
    let world = World::new(vec![tool(), listener]).await;
    assert!(world.sink.wants().contains(EventKind::MessageCreate));
    let mut sent = Vec::new();
    for _ in 0..30 {
        let dispatch = world.message(Some(10), 5, "nothing in particular");
        sent.push(dispatch.seq);
        if let Some(wait) = world.sink.deliver(dispatch) {
            wait.await;
        }
    }
    let mut bot = author(6);
    bot["bot"] = true.into();
    let by_a_bot = world.message_by(Some(10), bot, "!ping");
    sent.push(by_a_bot.seq);
    assert!(world.sink.deliver(by_a_bot).is_none());
    assert!(world.settled().await.is_empty(), "a subscriber sees a bot's message, no command answers it");
    assert_eq!(*seen.lock().unwrap(), sent);
    assert!(panics.load(SeqCst) > 0);
    world.say(Some(10), 5, "!ping").await;
    assert_eq!(world.next().await.text(), "pong");
    assert_eq!(config().lane_commands, 4, "hooks share the lane's places");
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_hangs_is_cut_off_at_its_deadline_and_those_after_it_begin_meanwhile() {
    struct Ends(Arc<Mutex<Vec<tokio::time::Instant>>>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(tokio::time::Instant::now());
        }
    }
    let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::<Mutex<Vec<_>>>::default());
    let (count, note) = (Arc::clone(&begun), Arc::clone(&ended));
    let listener = Cog::new("listener", "Hangs").on_events(&[EventKind::MessageCreate], move |_, _| {
        let (nth, ends) = (count.fetch_add(1, SeqCst), Ends(Arc::clone(&note)));
        Box::pin(async move {
            let _ends = ends;
            if nth == 0 {
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    });
    let world = World::new(vec![tool(), listener]).await;
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        world.say(Some(10), 5, "nothing in particular").await;
    }
    settle().await;
    assert_eq!((begun.load(SeqCst), ended.lock().unwrap().len()), (3, 2));
    tokio::time::sleep(config().deadline()).await;
    let ended = ended.lock().unwrap();
    assert_eq!((ended.len(), *ended.last().unwrap() - start), (3, config().deadline()));
}

#[tokio::test(start_paused = true)]
async fn higher_priority_cogs_load_first_and_the_dispatcher_last() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let noting = |name: &'static str, priority| {
        let order = Arc::clone(&order);
        Cog::new(name, "Notes").priority(priority).on_load(move |_| {
            order.lock().unwrap().push(name);
            Box::pin(async { Ok(()) })
        })
    };
    let cogs = vec![
        noting("c", crate::Priority::Low),
        noting("b", crate::Priority::Normal),
        noting("a", crate::Priority::High),
    ];
    let world = World::new(cogs).await;
    assert_eq!(*order.lock().unwrap(), ["a", "b", "c"]);
    let paths: Vec<String> = world.tree.nodes().iter().map(|node| node.path.to_string()).collect();
    assert_eq!(paths.last().map(String::as_str), Some("cog-host/dispatch"));
    assert!(Command::new("x", "y", super::ping).alias("z").name == "x");
}
