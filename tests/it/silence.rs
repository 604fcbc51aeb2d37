//! A bot that is killed again and again must not cost its address: what Discord refused, and the silence that follows from it,
//! outlive the process.

use crate::harness::{Bot, Home, assert_answers, discord, until};
use sandbox::{Fault, Strict};
use serde_json::Value;
use std::{fs, time::Duration};

const POST: &str = "POST /channels/{channel_id}/messages";
/// Where it is kept.
const KEPT: &str = "data/invalid-answers.json";
/// How long nothing must happen for nothing to happen.
const STILL: Duration = Duration::from_secs(2);

/// A refusal that says nothing about the channel, so that it is not remembered.
fn forbid(discord: &Strict) {
    let body = r#"{"message": "Cannot send messages to this user", "code": 50007}"#.to_owned();
    discord.fault(Fault::RestStatus { route: POST.to_owned(), status: 403, body, times: u32::MAX });
}

/// The client's own account.
fn status(bot: &Bot<'_>) -> Option<Value> {
    bot.home_json(&["tell", "rest", "status"])
        .filter(|told| told["answer"].is_object())
        .map(|told| told["answer"].clone())
}

fn number(status: &Value, field: &str) -> u64 {
    status[field].as_u64().unwrap_or_else(|| panic!("{field} in {status}"))
}

/// What stands in the file, once it is as wanted.
fn kept(home: &Home, wanted: impl Fn(&Value) -> bool) -> Value {
    until("it is written", || {
        let page: Value = serde_json::from_str(&fs::read_to_string(home.path(KEPT)).ok()?).ok()?;
        wanted(&page).then_some(page)
    })
}

fn counted(page: &Value) -> u64 {
    page["invalid"].as_array().into_iter().flatten().filter_map(|slice| slice[1].as_u64()).sum()
}

/// A further process, once its shard is connected and its cogs are up: it would answer now.
fn next<'h>(home: &'h Home, discord: &Strict) -> Bot<'h> {
    let bot = home.run();
    until("the shard is connected", || (!discord.connected_shards().is_empty()).then_some(()));
    bot.wait_state("cog-host/info", "running");
    bot
}

/// Nothing is sent whatever is said; how long it will be so, as the process was told by the one before.
fn assert_silent(bot: &Bot<'_>, discord: &Strict, requests: u64) -> u64 {
    discord.say("bob", "!ping");
    let sends = discord.wait_until(STILL, |stats, _| stats.requests != requests);
    assert!(!sends, "{} requests in a silence", discord.stats().requests - requests);
    let status = status(bot).unwrap();
    let silence = number(&status, "silence_from_before_ms");
    assert!(silence > 0, "{status}");
    silence
}

#[test]
fn refusals_and_the_silence_after_them_outlive_kills() {
    let discord = discord();
    let home = Home::new(&discord).set("rest.invalid_limit = 12");
    let bot = home.start();
    assert_answers(&discord);
    forbid(&discord);
    for _ in 0..4 {
        discord.say("bob", "!ping");
    }
    let refused = until("they are refused", || {
        let refused = number(&status(&bot)?, "invalid_10_min");
        (refused >= 4).then_some(refused)
    });
    assert!(refused < 12, "{refused}");
    kept(&home, |page| counted(page) >= refused);
    drop(bot); // SIGKILL

    let bot = next(&home, &discord);
    let seen = number(&status(&bot).unwrap(), "invalid_10_min");
    assert!(seen >= refused, "{seen} of {refused}");
    let silent = until("it falls silent", || {
        discord.say("bob", "!ping");
        let status = status(&bot)?;
        (number(&status, "breaker_silence_ms") > 0).then_some(status)
    });
    assert_eq!(number(&silent, "silence_from_before_ms"), 0);
    let total = number(&silent, "invalid_10_min");
    assert!((12..16).contains(&total), "the processes together: {silent}");
    kept(&home, |page| page["breaker"].is_object());
    drop(bot); // SIGKILL

    let requests = discord.stats().requests;
    let bot = next(&home, &discord);
    let silence = assert_silent(&bot, &discord, requests);
    assert!(silence <= 60_000, "{silence}");
    assert!(number(&status(&bot).unwrap(), "invalid_10_min") >= total);
    let told = bot.log.wait_message("the process before was silent towards Discord");
    assert!(told["message"].as_str().unwrap().contains("reset_breaker"), "{told}");
    let tree = bot.cli(&["tree"]).out;
    assert!(tree.contains("since before this process"), "{tree}");
    println!("promise 5: refused by the first process {refused}, by both {total}; silence kept: {silence} ms");

    discord.fault(Fault::Clear);
    bot.cli(&["tell", "rest", "reset_breaker"]).exits(0);
    assert_answers(&discord);
    until("it is forgotten", || (!home.path(KEPT).exists()).then_some(()));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn the_edges_silence_outlives_kills_and_ordered_ends() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    assert_answers(&discord);
    let scope = "user".to_owned();
    let edge = Fault::Rest429 { route: POST.into(), retry_after_ms: 1_000, global: false, scope, html: true, times: 1 };
    discord.fault(edge);
    discord.say("bob", "!ping");
    kept(&home, |page| page["edge"]["strikes"] == 1);
    drop(bot); // SIGKILL

    let requests = discord.stats().requests;
    let bot = next(&home, &discord);
    let first = assert_silent(&bot, &discord, requests);
    assert_eq!(bot.terminate(), 0);
    let bot = next(&home, &discord);
    let second = assert_silent(&bot, &discord, requests);
    println!("R4 silence_ms after_a_kill={first} after_an_ordered_end={second}");
    assert!(second < first && first <= 60_000, "{first}, {second}");
    bot.cli(&["tell", "rest", "reset_breaker"]).exits(0);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
    assert!(!home.path(KEPT).exists());
}
