//! Each actor can be killed; it comes back by rule, and that is seen in `tree`, in `events` and in the log.

use crate::harness::{Bot, Home, PATIENCE, assert_answers, discord, until};
use serde_json::Value;

/// What brings an actor back.
const RESTARTS: [&str; 4] = ["restart", "backoff", "cooldown", "strategy"];

fn life(node: &Value) -> (String, u64) {
    (node["state"].as_str().unwrap_or_default().to_owned(), node["incarnation"].as_u64().unwrap_or_default())
}

/// The incarnation and the state of every actor below `path`.
fn below(bot: &Bot<'_>, path: &str) -> Vec<String> {
    let within = format!("{path}/");
    let paths = bot.nodes().into_iter().filter_map(|node| node["path"].as_str().map(str::to_owned));
    paths.filter(|below| below.starts_with(&within)).collect()
}

fn kill(bot: &Bot<'_>, path: &str) {
    let children = below(bot, path);
    let before = life(&bot.node(path).unwrap());
    let seen = bot.events("root").last().map_or(0, |event| event["seq"].as_u64().unwrap());
    let mark = bot.log.mark();

    let killed = bot.json(&["kill", path]);
    assert_eq!(killed["path"], path);

    // In the tree: a later incarnation runs, and everything that stood below it runs again.
    until(&format!("{path} is back"), || {
        let (state, incarnation) = life(&bot.node(path)?);
        (state == "running" && incarnation > before.1).then_some(())
    });
    for child in &children {
        bot.wait_state(child, "running");
    }
    // In the events: why it ended, by which rule it came back, what is left of its budget.
    let events: Vec<Value> = bot
        .events(path)
        .into_iter()
        .filter(|event| event["seq"].as_u64() > Some(seen) && event["path"] == path)
        .collect();
    let restart = events.iter().find(|event| RESTARTS.contains(&event["rule"].as_str().unwrap()));
    let restart = restart.unwrap_or_else(|| panic!("{path}: no restart in {events:?}"));
    assert!(restart["cause"].as_str().unwrap().contains("killed"), "{restart}");
    assert!(restart["budget"]["used"].as_u64() >= Some(1), "{restart}");
    assert!(events.iter().any(|event| event["rule"] == "up" && event["incarnation"].as_u64() > Some(before.1)));
    // In the log: the same decision on one line.
    let line = bot.log.wait_after(mark, &format!("the restart of {path}"), |record| {
        let fields = &record["fields"];
        record["target"] == "supervision" && fields["path"] == path && fields["rule"] == restart["rule"]
    });
    let fields = &line["fields"];
    assert!(fields["cause"].as_str().unwrap().contains("killed"), "{line}");
    assert!(fields["incarnation"].is_u64() && fields["budget.left"].is_u64(), "{line}");
    assert!(fields["budget.allowed"].is_u64(), "{line}");
}

#[test]
fn each_actor_comes_back_after_a_kill() {
    let discord = discord();
    let mut home = Home::new(&discord);
    for task in ["presence", "database-health", "identify-prune"] {
        home = home.set(&format!("tasks.{task}.cooldown_s = 0")); // half a minute otherwise
    }
    let bot = home.start();
    let paths: Vec<String> = bot.nodes().iter().map(|node| node["path"].as_str().unwrap().to_owned()).collect();
    assert!(paths.len() >= 20, "{paths:?}");
    for path in paths.iter().filter(|path| *path != "root") {
        // What a kill before this one did to others is over.
        bot.wait_state(path, "running");
        kill(&bot, path);
    }
    bot.wait_well();
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_kill_of_the_database_leaves_the_gateway_untouched() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let shard = || life(&bot.node("gateway/shard-0").unwrap());
    let (before, stats) = (shard(), discord.stats());
    kill(&bot, "database");
    bot.wait_well();
    assert_answers(&discord);
    assert_eq!(shard(), before);
    let after = discord.stats();
    assert_eq!((after.connections, after.identifies, after.resumes), (stats.connections, 1, 0));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_kill_of_a_shard_resumes_its_session() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    kill(&bot, "gateway/shard-0");
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes >= 1), "{:?}", discord.stats());
    bot.wait_well();
    assert_answers(&discord);
    assert_eq!(discord.stats().identifies, 1);
    assert_eq!(bot.terminate(), 0);
}
