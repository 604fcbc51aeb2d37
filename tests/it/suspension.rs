//! Who needs the database is suspended while it is away, and nobody else.

use crate::harness::{Home, assert_answers, discord, until};
use serde_json::json;

const NEEDS: &str = "task-supervisor/identify-prune";
const NEEDS_NOT: &str = "task-supervisor/database-health";

#[test]
fn only_the_task_that_needs_the_database_is_suspended_and_resumed() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let bot = home.start();
    bot.wait_state(NEEDS, "running");
    let life = |path: &str| bot.node(path).unwrap()["incarnation"].clone();
    let before = (life(NEEDS), life(NEEDS_NOT));

    bot.cli(&["stop", "database"]).exits(0);
    let node = bot.wait_state(NEEDS, "suspended");
    assert_eq!(node["missing"][0], "database", "{node}");
    assert_eq!(bot.node(NEEDS_NOT).unwrap()["state"], "running");
    bot.cli(&["status"]).exits(1).shows(&["database"]);
    assert_answers(&discord); // an outage of the database does not silence it

    bot.cli(&["start", "database"]).exits(0);
    bot.wait_state("database", "running");
    bot.wait_state(NEEDS, "running");
    bot.wait_well();
    assert_eq!((life(NEEDS), life(NEEDS_NOT)), before, "suspended, not restarted");

    let rules = |path: &str| {
        let events = bot.events(path);
        events.iter().map(|event| event["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of = |path: &str, rule: &str| rules(path).iter().filter(|seen| *seen == rule).count();
    assert_eq!((of(NEEDS, "suspended"), of(NEEDS, "resumed")), (1, 1), "{:?}", rules(NEEDS));
    assert_eq!((of(NEEDS_NOT, "suspended"), of(NEEDS_NOT, "resumed")), (0, 0), "{:?}", rules(NEEDS_NOT));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_kill_of_the_database_suspends_and_resumes_in_one_go() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state(NEEDS, "running");
    bot.cli(&["kill", "database"]).exits(0);
    until("it is resumed", || {
        let events = bot.events(NEEDS);
        let seen = |rule: &str| events.iter().position(|event| event["rule"] == rule);
        (seen("suspended")? < seen("resumed")?).then_some(())
    });
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn who_is_killed_while_what_it_needs_is_stopped_waits_for_it_and_spends_no_restart() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("emoji-cache", "running");
    bot.cli(&["stop", "rest"]).exits(0);
    bot.wait_state("emoji-cache", "suspended");
    bot.cli(&["kill", "emoji-cache"]).exits(0);
    let node = bot.wait_state("emoji-cache", "waiting");
    assert_eq!((&node["reason"], &node["missing"][0]), (&json!("needs rest"), &json!("rest")), "{node}");
    bot.cli(&["kill", "emoji-cache"]).exits(1).says(&["not running"]);
    let asked = bot.cli(&["explain", "emoji-cache"]).exits(0);
    asked.shows(&["is waiting: needs rest", "no restart is spent", "not: restart: without rest it has nothing to do"]);

    bot.cli(&["start", "rest"]).exits(0);
    let node = bot.wait_state("emoji-cache", "running");
    assert_eq!((&node["incarnation"], &node["restarts"]["used"]), (&json!(2), &json!(0)), "{node}");
    bot.wait_well();
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_task_that_is_held_says_what_it_waits_for_and_not_that_it_is_about_to_restart() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state(NEEDS, "running");
    bot.cli(&["stop", "database"]).exits(0);
    bot.wait_state(NEEDS, "suspended");
    bot.cli(&["kill", NEEDS]).exits(0);
    bot.wait_state(NEEDS, "waiting");
    bot.cli(&["tasks", "show", "identify-prune"]).exits(0).shows(&["waits: needs database"]);
    bot.cli(&["start", NEEDS]).exits(0); // by order it may try
    bot.wait_state(NEEDS, "suspended");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn what_is_parked_is_named_by_status_also_where_the_bot_is_ready_without_it() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.emoji-cache.restarts = 0");
    let bot = home.start();
    bot.cli(&["kill", "emoji-cache"]).exits(0);
    bot.wait_state("emoji-cache", "parked");
    bot.cli(&["status"]).exits(1).shows(&["ready, degraded", "! emoji-cache is parked: budget spent"]);
    assert_answers(&discord);
    bot.cli(&["start", "emoji-cache"]).exits(0);
    bot.wait_well();
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn without_their_supervisor_no_task_is_called_healthy() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("task-supervisor/presence", "running");
    bot.cli(&["stop", "task-supervisor"]).exits(0);
    let tasks = home.json(&["status"]).exits(1).json()["tasks"].clone();
    assert_eq!((tasks["healthy"].clone(), tasks["unhealthy"] == tasks["total"]), (0.into(), true), "{tasks}");
    let shown = bot.json(&["tasks", "show", "presence"]);
    assert_eq!(
        (shown["state"].as_str(), shown["health"]["health"].as_str()),
        (Some("down"), Some("parked")),
        "{shown}"
    );
    assert!(shown["reason"].as_str().unwrap().contains("start task-supervisor"), "{shown}");
    bot.cli(&["start", "task-supervisor"]).exits(0);
    until("all are well", || (home.json(&["status"]).json()["tasks"]["unhealthy"] == 0).then_some(()));
    assert_eq!(bot.terminate(), 0);
}
