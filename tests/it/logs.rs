//! The log: JSON, every decision on a line, the tree after boot, and nothing that is nobody's business.

use crate::harness::{Home, ask_by_slash, assert_answers, discord};
use std::collections::BTreeSet;

#[test]
fn neither_token_nor_message_content_is_logged_at_debug() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.log = \"debug\"");
    let bot = home.start();
    let planted = "xylophone-quagmire";
    discord.say("bob", planted);
    discord.say("bob", &format!("!ping {planted}"));
    discord.say("bob", &format!("!{planted}"));
    discord.say_directly("carol", planted).unwrap();
    discord.say("alice", &format!("!help {planted}"));
    ask_by_slash(&discord, "bob", "help", &[("command".to_owned(), planted.into())]);
    bot.cli(&["tell", "emoji-cache", "refresh"]).exits(0);
    bot.cli(&["kill", "gateway/shard-0"]).exits(0);
    bot.wait_state("gateway/shard-0", "running");
    bot.wait_well();
    assert_answers(&discord);
    let log = bot.log.clone();
    assert_eq!(bot.terminate(), 0);
    let lines = log.lines();
    assert!(lines.iter().any(|line| line.contains("\"level\":\"debug\"")), "it is no debug log");
    for line in &lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        for secret in [discord.token().as_str(), planted] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}

#[test]
fn the_tree_is_logged_after_boot_one_record_for_each_actor() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let first = bot.log.wait("the tree", |record| record["target"] == "tree");
    let snapshot = first["fields"]["snapshot_id"].clone();
    let records = bot.log.records();
    let of_snapshot = records.iter().filter(|record| record["fields"]["snapshot_id"] == snapshot);
    let paths: BTreeSet<_> =
        of_snapshot.clone().map(|record| record["fields"]["path"].as_str().unwrap().to_owned()).collect();
    for path in ["root", "telemetry", "control", "rest", "database", "emoji-cache", "cog-host/info", "gateway/shard-0"]
    {
        assert!(paths.contains(path), "{paths:?}");
    }
    for record in of_snapshot {
        let fields = &record["fields"];
        assert!(fields["state"].is_string() && fields["incarnation"].is_u64(), "{record}");
        assert!(fields["restarts.allowed"].is_u64() && fields["restarts.used"].is_u64(), "{record}");
        assert!(fields["path"] == "root" || fields["parent"].is_string(), "{record}");
    }
    // And again when its shape has changed.
    let mark = bot.log.mark();
    bot.cli(&["kill", "emoji-cache"]).exits(0);
    bot.log.wait_after(mark, "the tree after the change", |record| {
        record["target"] == "tree" && record["fields"]["path"] == "emoji-cache" && record["fields"]["incarnation"] == 2
    });
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn each_decision_in_the_events_is_one_line_in_the_log() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.log = \"debug\"");
    let bot = home.start();
    bot.cli(&["kill", "database"]).exits(0);
    bot.wait_well();
    let events = bot.events("root");
    let key = |path: &str, incarnation: u64, rule: &str, text: &str| format!("{path}#{incarnation} {rule}: {text}");
    let mut wanted: Vec<String> = events
        .iter()
        .map(|event| {
            let text = |key: &str| event[key].as_str().unwrap();
            key(text("path"), event["incarnation"].as_u64().unwrap(), text("rule"), text("decision"))
        })
        .collect();
    let log = bot.log.clone();
    assert_eq!(bot.terminate(), 0);
    let mut seen: Vec<String> = Vec::new();
    for record in log.records().iter().filter(|record| record["target"] == "supervision") {
        let fields = &record["fields"];
        let path = fields["path"].as_str().unwrap();
        let text = record["message"].as_str().unwrap().strip_prefix(&format!("{path}: ")).unwrap();
        seen.push(key(path, fields["incarnation"].as_u64().unwrap(), fields["rule"].as_str().unwrap(), text));
    }
    seen.truncate(wanted.len()); // what the way down decided comes after
    wanted.sort();
    seen.sort();
    assert_eq!(seen, wanted);
}
