//! Crash records of a running bot.

use crate::harness::{Home, discord, until};

#[test]
fn a_killed_actor_leaves_a_record_with_its_log_lines_and_the_rule_that_followed() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("emoji-cache", "running");
    bot.cli(&["tell", "emoji-cache", "refresh"]).exits(0);
    bot.cli(&["explain", "emoji-cache", "--crash"]).exits(1).says(&["emoji-cache has no crash record"]);
    bot.cli(&["kill", "emoji-cache"]).exits(0);
    until("it is back", || {
        bot.node("emoji-cache").filter(|node| node["incarnation"] == 2 && node["state"] == "running")
    });

    bot.cli(&["explain", "emoji-cache"]).exits(0).shows(&["crash 1 of #1: killed by operator", "--crash 1"]);
    let crash = bot.json(&["explain", "emoji-cache", "--crash", "1"]);
    assert_eq!(crash["exit"]["kind"], "killed", "{crash}");
    assert!(crash["messages"].as_array().unwrap().iter().any(|message| message["name"] == "refresh"), "{crash}");
    assert!(crash["log"].as_array().unwrap().iter().any(|line| line.as_str().unwrap().contains("came up")), "{crash}");
    assert_eq!(crash["followed"]["rule"], "restart", "{crash}");
    assert!(crash["capacity"].as_u64().unwrap() > 0 && crash["uptime_ms"].is_u64(), "{crash}");
    // What it did is not poison: an operator ended it.
    assert_eq!(bot.json(&["poison", "list"])["poison"], serde_json::json!([]));
    bot.cli(&["poison", "release", "1"]).exits(1).says(&["no parked message has the number 1"]);

    let node = bot.node("emoji-cache").unwrap();
    assert!(node["activity"].is_string() && node["left_behind"] == serde_json::json!([]), "{node}");
    assert_eq!(bot.terminate(), 0);
}
