//! It answers: by prefix, by mention, by slash; and what a server chose outlives the process. `ping` asks Discord itself.

use crate::harness::{Home, ask, ask_by_slash, assert_answers, discord, reply_to};
use sandbox::Fault;
use std::{
    io::ErrorKind,
    net::TcpListener,
    time::{Duration, Instant},
};

#[test]
fn ping_is_answered_by_prefix_by_mention_and_by_slash() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let mention = format!("<@{}> ping", discord.bot_user_id());
    for answer in [
        ask(&discord, "bob", "!ping"),
        ask(&discord, "carol", &mention),
        ask_by_slash(&discord, "bob", "ping", &[]),
        ask(&discord, "a stranger", "!ping"),
    ] {
        assert!(answer.starts_with("Pong!"), "{answer}");
    }
    assert_eq!(discord.stats().unimplemented, 0, "the stand-in lacks nothing that this needs");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_command_in_a_thread_is_answered_there() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let thread = discord.begin_thread("bob", discord.general_id(), "aside").unwrap();
    let asked = discord.say_in(discord.guild_id(), thread, "carol", "!ping").unwrap();
    assert!(reply_to(&discord, asked).is_some_and(|answer| answer.starts_with("Pong!")));
    assert_eq!(discord.bot_messages().last().unwrap().channel, thread);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn nobody_can_crash_a_cog_outside_of_try() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    discord.say("alice", "!crash info command");
    discord.say("alice", "!crash info");
    assert_answers(&discord);
    assert!(discord.commands(None).iter().all(|command| command["name"] != "crash"));
    assert!(bot.nodes().iter().all(|node| node["restarts"]["total"] == 0));
    let log = bot.log.clone();
    assert_eq!(bot.terminate(), 0);
    assert!(!log.lines().iter().any(|line| line.contains("panic")), "{}", log.tail());
}

#[test]
fn a_prefix_that_was_set_survives_a_restart_of_the_process() {
    let discord = discord();
    let other = discord.add_guild("Elsewhere").unwrap();
    let elsewhere = discord.channel_id(other, "general").unwrap();
    let home = Home::new(&discord);

    let bot = home.start();
    assert_eq!(ask(&discord, "alice", "!prefix set ?"), "My prefix here is now `?`.");
    assert!(ask(&discord, "bob", "?ping").starts_with("Pong!"));
    assert_eq!(bot.terminate(), 0);

    let bot = home.start();
    assert!(ask(&discord, "carol", "?ping").starts_with("Pong!"));
    let asked = discord.say_in(other, elsewhere, "bob", "!ping").unwrap();
    assert!(reply_to(&discord, asked).is_some(), "the other guild's prefix is what it was");
    assert_eq!(ask(&discord, "alice", "?prefix reset"), "My prefix here is now `!`.");
    assert_eq!(bot.terminate(), 0);

    let bot = home.start();
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_prefix_that_was_acknowledged_survives_sigkill() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    assert_eq!(ask(&discord, "alice", "!prefix set $"), "My prefix here is now `$`.");
    drop(bot); // SIGKILL
    let bot = home.start();
    assert!(ask(&discord, "bob", "$ping").starts_with("Pong!"));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn the_command_ping_says_within_seconds_that_discord_does_not_answer() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    discord.fault(Fault::RestDelay { route: "GET /users/@me".into(), millis: 120_000, times: 100 });
    let began = Instant::now();
    let told = home.cli(&["ping"]).exits(1);
    let took = began.elapsed();
    assert!(told.out.contains("rest     failed: no answer within 5 s"), "{}", told.out);
    assert!((Duration::from_secs(5)..Duration::from_secs(15)).contains(&took), "{took:?}");
    discord.fault(Fault::Clear);
    assert_eq!(home.json(&["ping"]).exits(0).json()["token"]["ok"], true, "one that stalls holds up no other");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn no_proxy_of_the_environment_ever_hears_of_the_token() {
    let discord = discord();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let names = ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
    let home = names.iter().fold(Home::new(&discord), |home, name| home.with_env(name, &address));
    let unused = || proxy.accept().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    let measured = home.cli(&["ping"]);
    assert!(unused(), "`ping` went to the proxy");
    measured.exits(0);
    let bot = home.start();
    bot.cli(&["ping"]).exits(0);
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
    assert!(unused(), "the bot went to the proxy");
}

#[test]
fn ping_sends_the_token_to_no_host_that_is_not_allowed() {
    let discord = discord();
    let home = Home::new(&discord).set("discord.allow_hosts = []");
    home.cli(&["ping"]).exits(78).says(&["discord.api_base", "allow_hosts"]);
    assert_eq!(discord.stats().requests, 0);
}
