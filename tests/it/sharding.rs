//! Several shards: how many there are outlives what Discord does not say, and orders reach those that run.

use crate::harness::{Home, assert_answers, discord_with, until};
use sandbox::{Fault, Strict};
use std::{
    fs,
    time::{Duration, Instant},
};

/// Where the number of shards is kept.
const KEPT: &str = "data/shards.json";

/// A Discord that wants two shards, and has too many guilds for one.
fn for_two() -> Strict {
    discord_with(|config| {
        (config.shards, config.max_concurrency) = (2, 2);
        (config.guilds, config.guilds_per_shard_max) = (7, 7);
    })
}

/// Discord does not say any more where the gateway is and how many shards it takes.
fn silence(discord: &Strict) {
    let route = "GET /gateway/bot".to_owned();
    discord.fault(Fault::RestStatus { route, status: 500, body: "{}".into(), times: u32::MAX });
}

#[test]
fn the_number_of_shards_outlives_a_discord_that_does_not_say_it() {
    let discord = for_two();
    let home = Home::new(&discord);
    assert_eq!(home.start().terminate(), 0);
    silence(&discord);
    let bot = home.start();
    bot.log.wait_message("Discord did not say how many shards to run");
    let stats = discord.stats();
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (2, 2, 0), "{stats:?}");
    assert_answers(&discord);
    drop(bot); // SIGKILL: it leaves no session behind
    let bot = home.start();
    assert_eq!((discord.connected_shards(), discord.stats().identifies), (vec![0, 1], 4));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_bot_that_never_knew_how_many_shards_waits_until_discord_says_it() {
    let discord = for_two();
    silence(&discord);
    let home = Home::new(&discord);
    let bot = home.run();
    let told = until("status tells of it", || {
        let told = bot.cli(&["status"]).out;
        told.contains("how many shards").then_some(told)
    });
    assert!(told.contains("starting") && told.contains("discord.shards"), "{told}");
    assert_eq!(bot.home_json(&["status"]).unwrap()["phase"]["phase"], "shards");
    // A signal meanwhile is obeyed as ever.
    let begun = Instant::now();
    assert_eq!(bot.terminate(), 0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!((discord.stats().identifies, home.path(KEPT).exists()), (0, false));

    let bot = home.run();
    bot.log.wait_message("Discord did not say how many shards to run");
    discord.fault(Fault::Clear);
    bot.wait_ready();
    assert_eq!(discord.connected_shards(), [0, 1]);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_number_of_shards_that_discord_finds_too_small_is_not_kept() {
    let discord = for_two();
    let home = Home::new(&discord);
    fs::create_dir(home.path("data")).unwrap();
    fs::write(home.path(KEPT), "{\"total\": 1}").unwrap(); // as it was before the bot grew
    silence(&discord);
    let bot = home.run();
    let told = until("the shard is parked", || {
        let told = bot.cli(&["status"]).out;
        told.contains("4011").then_some(told)
    });
    assert!(told.contains("\"auto\"") && told.contains("restart the bot"), "{told}");
    until("the number is forgotten", || (!home.path(KEPT).exists()).then_some(()));
    assert_eq!(bot.terminate(), 0);
    discord.fault(Fault::Clear);
    let bot = home.start();
    assert_eq!(discord.connected_shards(), [0, 1]);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn the_number_of_shards_of_another_bot_in_the_folder_is_not_taken_over() {
    let discord = discord_with(|config| {
        (config.shards, config.max_concurrency) = (2, 2);
        config.token = "OTAw.sandbox.token".into(); // of the bot 900
    });
    let home = Home::new(&discord);
    fs::create_dir(home.path("data")).unwrap();
    fs::write(home.path(KEPT), r#"{"bot":"901","here":3,"total":3}"#).unwrap();
    silence(&discord);
    let bot = home.run();
    until("boot waits for Discord", || bot.cli(&["status"]).out.contains("how many shards").then_some(()));
    discord.fault(Fault::Clear);
    bot.wait_ready();
    assert_eq!(discord.connected_shards(), [0, 1]);
    let kept = || fs::read_to_string(home.path(KEPT)).unwrap();
    until("the number is this bot's", || kept().contains(r#""bot":"900""#).then_some(()));
    assert!(kept().contains(r#""total":2"#) && !kept().contains("sandbox"), "{}", kept());
    assert_eq!(bot.terminate(), 0);
    silence(&discord);
    let bot = home.start();
    bot.log.wait_message("Discord did not say how many shards to run");
    assert_eq!((discord.connected_shards(), bot.terminate()), (vec![0, 1], 0));
}

#[test]
fn an_order_to_all_shards_reaches_those_that_run_and_names_the_others() {
    let discord = for_two();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.cli(&["stop", "gateway/shard-0"]).exits(0);
    let told = bot.cli(&["shards", "reconnect"]).exits(1);
    assert!(told.out.contains("shard 1 reconnects"), "{}", told.out);
    assert!(told.out.contains("shard 0") && told.out.contains("impresario start gateway/shard-0"), "{}", told.out);
    assert!(discord.wait_until(Duration::from_secs(30), |stats, _| stats.resumes == 1), "{:?}", discord.stats());
    let told = bot.cli(&["shards", "reconnect", "0"]).exits(1);
    assert!(told.err.contains("shard 0") && told.err.contains("impresario start gateway/shard-0"), "{}", told.err);
    bot.cli(&["start", "gateway/shard-0"]).exits(0);
    bot.wait_well();
    let told = bot.cli(&["shards", "reconnect"]).exits(0);
    assert_eq!(told.out.trim(), "shards 0 and 1 reconnect", "{}", told.out);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_process_runs_the_share_of_the_shards_that_it_is_given_and_no_other() {
    let discord = discord_with(|config| {
        (config.shards, config.max_concurrency) = (4, 4);
        (config.guilds, config.guilds_per_shard_max) = (14, 7);
    });
    let share = |home: Home| {
        let bot = home.start();
        let shards = (discord.connected_shards(), bot.json(&["status"])["shards"].as_array().map(Vec::len));
        assert_eq!(bot.terminate(), 0);
        shards
    };
    let (first, all) = (Home::new(&discord), Home::new(&discord));
    assert_eq!(share(first.set("discord.shards = { total = 4, first = 1, last = 2 }")), (vec![1, 2], Some(2)));
    // A number of one's own is more than Discord recommends, or less.
    assert_eq!(share(all.set("discord.shards = 5")), (vec![0, 1, 2, 3, 4], Some(5)));
}
