//! A bot that misbehaves on order: the whole program, with actors besides that block their thread, die of a message, or
//! hold up the control plane. They exist in this test alone: it runs itself again as that bot.

use crate::{
    harness::{Answer, Bot, Home, ask, assert_answers, discord, until},
    notify::{FED, Manager},
};
use impresario::{
    config::Sources,
    life::{Companion, Running},
    process::{self, Start},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::{Child, Command, ExitCode},
    thread::sleep,
    time::{Duration, Instant},
};
use supervision::{
    Actor, ActorPath, Addr, AdminCall, AdminError, AdminSpec, ChildSpec, Criticality, Ctx, Failure, Poison, Probe,
    Role, Shutdown, Tree,
};

/// Where the misbehaving bot is told its control socket.
const SOCKET: &str = "MISBEHAVE_AT";
/// How the actors are watched.
const PROBE: Duration = Duration::from_millis(100);
const STALL: Duration = Duration::from_millis(1_000);
/// Logged when the control plane is held up, by a thread that is not.
const HELD: &str = "the control plane is held up";
/// Longer than any test: a thread that never comes back.
const FOR_EVER: Duration = Duration::from_secs(3_600);

/// Not a test: what the others here run as their bot.
#[test]
#[ignore = "the bot of the tests beside it"]
fn the_bot() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let companion = Companion { live: Box::new(|running| Box::pin(misbehave(running))), told: Box::new(|_| {}) };
    let sources = Sources::of_process(None).with_socket(Some(Path::new(&socket)));
    let ended = process::run(sources, Start { companion: Some(companion), ..Start::default() });
    let code = (0..=u8::MAX).find(|code| ExitCode::from(*code) == ended);
    std::process::exit(code.map_or(-1, i32::from));
}

async fn misbehave(running: Running) {
    for name in ["fault-1", "fault-2", "fault-3"] {
        let addr = Addr::<()>::new(name, 8);
        let tree = running.tree.clone();
        let spec = ChildSpec::worker(&addr, move || Fault { tree: tree.clone() })
            .criticality(Criticality::Optional)
            .shutdown(Shutdown::Within(Duration::from_millis(100)))
            .budget(100, Duration::from_secs(60))
            .probe(Probe::new(PROBE, STALL))
            .poison(Poison::default());
        running.tree.start_child(&ActorPath::root(), spec).await.unwrap();
    }
    std::future::pending().await
}

/// Does what it should not.
struct Fault {
    tree: Tree,
}

impl Actor for Fault {
    type Msg = ();

    async fn handle(&mut self, _: (), _: &Ctx<Self>) -> Result<(), Failure> {
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("block", Role::Operate, "Blocks its thread for ever."),
            AdminSpec::new("forget", Role::Operate, "Begins a task that nobody owns."),
            AdminSpec::with::<Value>("serve", Role::Operate, "Serves a number; dies of 13."),
            AdminSpec::with::<Value>("hold-control", Role::Operate, "Blocks the control plane for so many ms."),
        ]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "block" => sleep(FOR_EVER),
            "forget" => drop(tokio::spawn(std::future::pending::<()>())),
            "serve" => assert_ne!(call.params["number"], 13, "told to die of it"),
            _ => {
                let held = Duration::from_millis(call.params["ms"].as_u64().unwrap());
                self.tree.planes().control.spawn(async move {
                    tracing::info!("{HELD}");
                    sleep(held);
                });
            }
        }
        Ok(json!("served"))
    }
}

/// The misbehaving bot, once it is ready and its actors are there. On one processor it has two threads for its work,
/// whatever the machine has.
fn start(home: &Home) -> Bot<'_> {
    let like = home.command(&[]);
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "faulty::the_bot", "--ignored", "--nocapture"]).env_clear();
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?)))).env(SOCKET, home.socket());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(home.path("."));
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let bot = Bot::spawn(home, command);
    bot.wait_ready();
    until("the actors that misbehave are there", || bot.node("fault-3").filter(|node| node["state"] == "running"));
    bot
}

/// Tells an actor to block its thread. It never answers, and whoever asked waits as long as anybody would: an order that
/// nobody waits for any more is not begun.
fn block(home: &Home, path: &str) -> Child {
    let socket = home.socket();
    home.command(&["--socket", socket.to_str().unwrap(), "tell", path, "block"]).spawn().unwrap()
}

/// How long after `begun` the log has a decision about `path` by `rule`.
fn decided(bot: &Bot<'_>, begun: Instant, path: &str, rule: &str) -> Duration {
    bot.log.wait(&format!("{rule} of {path}"), |line| line["fields"]["path"] == path && line["fields"]["rule"] == rule);
    begun.elapsed()
}

#[test]
fn a7_a_blocked_handler_is_seen_ended_and_left_behind_and_one_past_the_cap_ends_the_process_with_70() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.quarantine_max = 1").set("shutdown.total_ms = 5000");
    let (manager, home) = Manager::of(home, 60_000);
    let mut bot = start(&home);
    let begun = Instant::now();
    let mut first = block(&home, "fault-1");
    until("it is seen", || bot.node("fault-1").filter(|node| node["activity"] == "stuck"));
    let seen = begun.elapsed();
    let warned = decided(&bot, begun, "fault-1", "slow");
    let stopped = decided(&bot, begun, "fault-1", "stalled");
    let left = decided(&bot, begun, "fault-1", "quarantine");
    println!(
        "A7 blocked handler: probe_ms={} stall_ms={} seen_ms={} warned_ms={} stopped_ms={} left_behind_ms={}",
        PROBE.as_millis(),
        STALL.as_millis(),
        seen.as_millis(),
        warned.as_millis(),
        stopped.as_millis(),
        left.as_millis()
    );
    assert!(warned >= STALL / 2 && stopped >= STALL, "{warned:?} {stopped:?}");
    let node = bot.wait_state("fault-1", "quarantined");
    assert_eq!(node["left_behind"], json!([1]), "{node}");
    bot.cli(&["start", "fault-1"]).exits(1);
    assert_answers(&discord); // by the other thread

    // One more, and both of its threads are blocked.
    let (begun, mark) = (Instant::now(), manager.mark());
    let mut second = block(&home, "fault-2");
    assert_eq!(bot.ended(), 70);
    let took = begun.elapsed();
    // Told as soon as it begins, and again and again while it goes down.
    let stopping = manager.wait_after(mark, "STOPPING=1");
    let down = manager.wait_after(stopping, "STATUS=saving");
    let patience =
        (stopping + 1..down).filter(|at| manager.look(*at, "EXTEND_TIMEOUT_USEC=", Duration::ZERO) == Some(*at));
    assert!(patience.count() >= 2, "{took:?}");
    for teller in [&mut first, &mut second] {
        assert!(!teller.wait().unwrap().success(), "a blocked actor does not answer");
    }
    let said = bot.log.lines().join("\n");
    assert!(said.contains("the actor tree gave up") && said.contains("fault-1#1, fault-2#1"), "{said}");
    println!("A7 past the cap: exit=70 after_ms={} threads_blocked=2_of_2", took.as_millis());
    assert!(took < Duration::from_secs(30), "{took:?}");
    home.cli(&["status", "--last-shutdown"]).exits(0).shows(&["fault-2#1"]);
    drop(bot);
    assert_eq!(home.start().terminate(), 0, "the next one finds nothing that holds it up");
}

/// Asks the poison actor to serve `number`.
fn serve(bot: &Bot<'_>, number: u64) -> Answer {
    bot.cli(&["tell", "fault-1", "serve", &format!("{{\"number\":{number}}}")])
}

/// Tells it what it dies of, and waits until its next life.
fn dies(bot: &Bot<'_>) {
    let life = bot.node("fault-1").unwrap()["incarnation"].as_u64().unwrap();
    serve(bot, 13).exits(1);
    until("it is back", || {
        bot.node("fault-1").filter(|node| node["incarnation"].as_u64() > Some(life) && node["state"] == "running")
    });
}

#[test]
fn a_message_that_ended_two_lives_is_parked_with_its_bytes_shown_released_and_dropped() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = start(&home);
    dies(&bot);
    assert_eq!(bot.json(&["poison", "list"])["poison"], json!([]));
    dies(&bot);
    let life = bot.node("fault-1").unwrap()["incarnation"].clone();
    serve(&bot, 13).exits(1).says(&["parked as poison", "poison list"]);
    assert_eq!(bot.node("fault-1").unwrap()["incarnation"], life, "it was not given to a third");
    serve(&bot, 12).exits(0);
    bot.cli(&["poison", "list"]).exits(0).shows(&["fault-1", "serve"]);
    let parked = bot.json(&["poison", "show", "1"]);
    assert_eq!(
        (&parked["path"], &parked["message"], &parked["deaths"]),
        (&json!("fault-1"), &json!("serve"), &json!(2))
    );
    assert!(parked.to_string().contains(r#"{\"number\":13}"#), "its bytes: {parked}");
    bot.cli(&["explain", "fault-1"]).exits(0).shows(&["poison"]);

    bot.cli(&["poison", "release", "1"]).exits(0);
    dies(&bot);
    serve(&bot, 13).exits(1).says(&["parked as poison"]);
    bot.cli(&["poison", "drop", "1"]).exits(0);
    assert_eq!(bot.json(&["poison", "list"])["poison"], json!([]));
    dies(&bot); // it is forgotten what it did: two more lives until it is parked again
    bot.cli(&["poison", "drop", "1"]).exits(1).says(&["no parked message has the number 1"]);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_blocked_root_starves_the_watchdog_while_the_bot_answers_and_is_fed_again_after_it() {
    let discord = discord();
    let (manager, home) = Manager::of(Home::new(&discord), 1_000);
    let bot = start(&home);
    manager.wait_after(manager.mark(), FED);
    let mark = bot.log.mark();
    // Nobody waits for its answer, which may be held up as well.
    let (socket, order) = (home.socket(), ["tell", "fault-1", "hold-control", "{\"ms\":15000}"]);
    let mut teller = home.command(&[&["--socket", socket.to_str().unwrap()], &order[..]].concat()).spawn().unwrap();
    bot.log.wait_message(HELD);
    // The service manager waits for a second, and would end it now.
    let begun = Instant::now();
    manager.look(manager.mark(), FED, Duration::from_millis(500)); // one may have been on its way
    manager.silent(FED, Duration::from_millis(2_500));
    // Discord is answered all the same: that is the other plane.
    assert!(ask(&discord, "bob", "!ping").starts_with("Pong!"));
    assert!(begun.elapsed() < Duration::from_millis(14_500), "the root was free again: {:?}", begun.elapsed());
    manager.wait_after(manager.mark(), FED);
    teller.wait().unwrap();
    bot.cli(&["status"]).exits(0);
    let errors = bot.log.records().split_off(mark.min(bot.log.records().len()));
    let errors: Vec<_> = errors.iter().filter(|line| line["level"] == "error").collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn tasks_that_no_actor_owns_are_told_of_and_left_alone() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = start(&home);
    for actor in ["fault-1", "fault-2"] {
        bot.cli(&["tell", actor, "forget"]).exits(0);
    }
    assert_eq!(bot.terminate(), 0);
    let last = home.json(&["status", "--last-shutdown"]).exits(0).json();
    assert!(last["report"]["unowned"].as_u64().is_some_and(|tasks| tasks >= 2), "{last}");
    assert_eq!(last["report"]["cut_off"].as_array().map(Vec::len), Some(0), "{last}");
}
