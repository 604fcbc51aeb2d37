//! A process that stops in order hands its session to the next one; one that is killed costs an IDENTIFY, within a budget
//! that outlives it.

use crate::{
    gateway::assert_once_each,
    harness::{Bot, Home, PATIENCE, assert_answers, discord, full_tier, reply_to, until},
};
use rustix::process::Signal;
use sandbox::{Fault, Sandbox};
use std::{collections::BTreeSet, fs};

const MESSAGES: usize = 1_000;
/// Interruptions, one every ten messages; every tenth of them is a restart of the process, the others cut the connection.
const INTERRUPTIONS: usize = 100;
const RESTART_EVERY: usize = 10;
/// Messages that may wait for their replies.
const WINDOW: usize = 60;

fn restart<'h>(home: &'h Home, bot: Bot<'h>) -> Bot<'h> {
    assert_eq!(bot.terminate(), 0);
    home.start()
}

#[test]
fn a_restarted_bot_resumes_and_answers_what_was_said_meanwhile() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
    let meanwhile = ["bob", "carol", "bob"].map(|user| discord.say(user, "!ping"));
    let bot = home.start();
    for asked in meanwhile {
        assert!(reply_to(&discord, asked).is_some_and(|reply| reply.starts_with("Pong!")));
    }
    let stats = discord.stats();
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, 1, 0), "{stats:?}");
    bot.log.wait_message("the sessions of the process before are taken up");
    // READY and the guilds are not sent again: they come from the file.
    let status = bot.json(&["status"]);
    assert_eq!((&status["guilds"], &status["ready"]), (&1.into(), &true.into()), "{status}");
    assert!(!home.path("data/gateway-session.json").exists(), "it is used once");
    assert_eq!(bot.terminate(), 0);
    assert!(home.path("data/gateway-session.json").exists());
}

#[test]
fn a_session_that_discord_has_forgotten_begins_anew() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = restart(&home, home.start());
    assert_eq!(bot.terminate(), 0);
    discord.fault(Fault::RefuseSessions { times: 1, resumable: false });
    let bot = home.start();
    assert_answers(&discord);
    assert_eq!(discord.stats().identifies, 2);
    assert_eq!(bot.json(&["status"])["guilds"], 1);
}

#[test]
fn a_damaged_file_costs_one_identify_and_nothing_else() {
    let discord = discord();
    let home = Home::new(&discord);
    assert_eq!(home.start().terminate(), 0);
    let file = home.path("data/gateway-session.json");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    let bot = home.start();
    bot.log.wait_message("the gateway's snapshot is damaged");
    assert_answers(&discord);
    assert_eq!((discord.stats().identifies, discord.stats().resumes), (2, 0));
}

#[test]
fn a_thousand_messages_survive_ninety_cuts_and_ten_restarts_with_one_identify() {
    let discord = discord();
    let guild = discord.guild_id();
    let channels = ["general", "random"].map(|name| discord.channel_id(guild, name).unwrap());
    let home = Home::new(&discord).set("gateway.reconnect_min_ms = 20").set("gateway.reconnect_max_ms = 100");
    let mut bot = home.start();
    let mut asked = BTreeSet::new();
    for n in 0..MESSAGES {
        let room = |stats: &sandbox::SandboxStats| n < WINDOW + stats.messages_received_from_bot as usize;
        assert!(discord.wait_until(PATIENCE, |stats, _| room(stats)), "after {n} messages the replies stopped");
        asked.insert(discord.say_in(guild, channels[n % 2], &format!("user{}", n % 7), "!ping").unwrap());
        let each = MESSAGES / INTERRUPTIONS;
        if n % each != each / 2 {
            continue;
        }
        let nth = n / each;
        // A cut of a connection that is not there would be none.
        assert!(
            discord.wait_until(PATIENCE, |stats, _| stats.resumes >= nth as u64),
            "resume {nth}: {:?}",
            discord.stats()
        );
        if nth % RESTART_EVERY == RESTART_EVERY / 2 {
            bot = restart(&home, bot);
        } else {
            discord.fault(Fault::CutConnection { shard: None });
        }
    }
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= MESSAGES as u64;
    discord.wait_until(PATIENCE, |stats, _| all(stats)); // what is missing is named below
    assert_answers(&discord); // whatever was doubled would have come before this
    assert_once_each(&discord, &asked);
    let stats = discord.stats();
    println!(
        "G1 cuts={} restarts={} identifies={} resumes={} lost=0 doubled=0",
        INTERRUPTIONS - INTERRUPTIONS / RESTART_EVERY,
        INTERRUPTIONS / RESTART_EVERY,
        stats.identifies,
        stats.resumes
    );
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, INTERRUPTIONS as u64, 0), "{stats:?}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn thirty_unclean_restarts_in_a_row_stay_inside_the_budget() {
    // Each start waits until Discord takes its IDENTIFY, five seconds after the last.
    let budget = if full_tier() { 20 } else { 3 };
    let discord = discord();
    let home = Home::new(&discord).set(&format!("gateway.identify_limit = {budget}"));
    for life in 1..=30_u64 {
        let mut bot = home.run();
        // As long as the budget lasts it comes up; then it says why it does not.
        if life <= budget {
            wait_identifies(&discord, life);
        } else {
            bot.log.wait_message(&format!("no IDENTIFY: {budget} of {budget} in 24 hours are used up"));
        }
        bot.signal(Signal::KILL);
        bot.ended();
    }
    println!("G14 unclean_starts=30 budget={budget} identifies={}", discord.stats().identifies);
    let stats = discord.stats();
    assert_eq!((stats.identifies, stats.identifies_too_soon), (budget, 0), "none came too soon: {stats:?}");
    let bot = home.run();
    let status = until("the reason stands in status", || {
        let status = bot.home_json(&["status"])?;
        status["identify"]["last_refusal"].is_string().then_some(status)
    });
    assert_eq!(status["ready"], false, "{status}");
}

fn wait_identifies(discord: &Sandbox, wanted: u64) {
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.identifies >= wanted), "IDENTIFY {wanted}");
}
