//! A process that stops in order hands its session to the next one; one that is killed costs an IDENTIFY, within a budget
//! that outlives it.

use crate::{
    gateway::assert_once_each,
    harness::{Bot, Home, PATIENCE, answers, assert_answers, discord, discord_with, full_tier, reply_to, until},
    signals::POST,
};
use rustix::process::Signal;
use sandbox::{Fault, MessageId, Rate, Sandbox};
use std::{collections::BTreeSet, fs, thread, time::Duration};

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
    let home = home.set("shutdown.drain_ms = 30000").set("shutdown.total_ms = 60000");
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

/// Commands that come faster than they are answered: each reply takes a while, and Discord limits them as well.
fn burst(discord: &Sandbox, commands: usize) -> BTreeSet<MessageId> {
    burst_of(discord, commands, 50)
}

fn burst_of(discord: &Sandbox, commands: usize, millis: u64) -> BTreeSet<MessageId> {
    discord.fault(Fault::RestDelay { route: POST.into(), millis, times: 10 * commands as u32 });
    let guild = discord.guild_id();
    let channels = ["general", "random"].map(|name| discord.channel_id(guild, name).unwrap());
    let say = |n: usize| discord.say_in(guild, channels[n % 2], &format!("user{}", n % 7), "!ping").unwrap();
    let asked = (0..commands).map(say).collect();
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.messages_received_from_bot >= 5), "{:?}", discord.stats());
    asked
}

/// What the process that has just ended says of events that were not done: handed on, lost, ended in the middle.
fn left(home: &Home) -> [u64; 3] {
    let last = home.json(&["status", "--last-shutdown"]).exits(0).json();
    ["handed_on", "lost", "events_cut_off"].map(|key| last["report"][key].as_u64().unwrap_or_else(|| panic!("{last}")))
}

#[test]
fn what_waits_when_a_stop_begins_is_answered_by_the_next_process_once_each() {
    const COMMANDS: usize = 200;
    let discord = discord_with(|config| config.message_bucket = Rate { requests: 10, window_ms: 200 });
    let home = Home::new(&discord).set("shutdown.drain_ms = 8000").set("shutdown.total_ms = 30000");
    let mut bot = home.start();
    let asked = burst(&discord, COMMANDS);
    bot.signal(Signal::TERM);
    // Said while nothing begins any more.
    bot.log.wait_message("shutting down");
    let asked: BTreeSet<MessageId> = asked.into_iter().chain([discord.say("bob", "!ping")]).collect();
    assert_eq!(bot.ended(), 0);
    let [handed_on, lost, cut_off] = left(&home);
    let answered = discord.bot_messages().len();
    assert!(handed_on >= 20 && (lost, cut_off) == (0, 0), "{handed_on} handed on, {lost} lost, {cut_off} cut off");

    let bot = home.start();
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= asked.len() as u64;
    discord.wait_until(PATIENCE, |stats, _| all(stats)); // what is missing is named below
    assert_answers(&discord); // whatever was doubled would have come before this
    assert_once_each(&discord, &asked);
    let stats = discord.stats();
    println!(
        "drain commands={} answered_before={answered} handed_on={handed_on} lost=0 doubled=0 identifies={} resumes={}",
        asked.len(),
        stats.identifies,
        stats.resumes
    );
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, 1, 0), "{stats:?}");
    assert_eq!(bot.json(&["status"])["shards"][0]["lost"], 0);
    assert_eq!(bot.terminate(), 0);
}

/// What had begun may have had its effect: it is not done again, answered or not. All the rest is.
#[test]
fn a_second_signal_ends_what_runs_and_hands_on_what_waits() {
    const COMMANDS: usize = 100;
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.drain_ms = 60000").set("shutdown.total_ms = 70000");
    let home = home.set("cog_host.deadline_ms = 100000").set("rest.deadline_ms = 100000");
    let mut bot = home.start();
    let mut asked = burst(&discord, COMMANDS);
    discord.fault(Fault::Clear);
    discord.fault(Fault::RestDelay { route: POST.into(), millis: 120_000, times: 1_000 });
    bot.signal(Signal::TERM);
    bot.log.wait_message("nothing begins any more");
    bot.signal(Signal::INT);
    assert_eq!(bot.ended(), 0);
    let [handed_on, lost, cut_off] = left(&home);
    assert!(handed_on > 0 && lost == 0 && cut_off > 0, "{handed_on} handed on, {lost} lost, {cut_off} cut off");
    discord.fault(Fault::Clear);
    let bot = home.start();
    asked.insert(discord.say("bob", "!ping"));
    let unanswered = unanswered(&discord, &asked, cut_off);
    println!("second signal: commands={} handed_on={handed_on} cut_off={cut_off} unanswered={unanswered}", asked.len());
    assert!(unanswered <= cut_off as usize, "{unanswered} unanswered, {cut_off} had begun");
    assert_eq!(discord.stats().identifies, 1);
    assert_eq!(bot.terminate(), 0);
}

/// Waits until all of `asked` but `cut_off` are answered, none of them twice; how many are not.
fn unanswered(discord: &Sandbox, asked: &BTreeSet<MessageId>, cut_off: u64) -> usize {
    let expected = asked.len() - cut_off as usize;
    let answered = || discord.bot_messages().iter().filter_map(answers).collect::<Vec<_>>();
    until("all but those are answered", || (answered().len() >= expected).then_some(()));
    assert_answers(discord); // whatever was doubled would have come before this
    let answered = answered();
    let once: BTreeSet<MessageId> = answered.iter().copied().collect();
    assert_eq!(once.len(), answered.len(), "none is answered twice");
    asked.difference(&once).count()
}

#[test]
fn a_process_that_gives_up_hands_on_what_waits_and_tells_it() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.database.restarts = 0");
    let mut bot = home.start();
    let asked = burst_of(&discord, 100, 500);
    bot.cli(&["kill", "database"]);
    assert_eq!(bot.ended(), 70);
    let [handed_on, lost, cut_off] = left(&home);
    assert!(handed_on > 0 && lost == 0, "{handed_on} handed on, {lost} lost, {cut_off} cut off");
    discord.fault(Fault::Clear);
    let socket = home.socket();
    let bot = Bot::spawn(&home, home.command(&["run", "--ignore-budgets", "--socket", socket.to_str().unwrap()]));
    bot.wait_ready();
    let unanswered = unanswered(&discord, &asked, cut_off);
    println!("gave up: commands=100 handed_on={handed_on} lost={lost} cut_off={cut_off} unanswered={unanswered}");
    assert!(unanswered <= cut_off as usize, "{unanswered} unanswered, {cut_off} had begun");
    assert_eq!(discord.stats().identifies, 1);
    assert_eq!(bot.terminate(), 0);
}

/// What a process has left can be taken up once only: whoever begins to must see it through, or leave it as it was.
#[test]
fn signals_at_any_moment_of_the_next_starts_lose_nothing_that_was_left() {
    const COMMANDS: usize = 100;
    const BOOT_MS: u64 = 200;
    let starts = if full_tier() { 100 } else { 20 };
    let discord = discord_with(|config| config.message_bucket = Rate { requests: 5, window_ms: 1_000 });
    let home = Home::new(&discord).set("cog_host.lane_commands = 1"); // few are done in each life
    let home = home.set("shutdown.drain_ms = 30000").set("shutdown.total_ms = 60000");
    let mut bot = home.start();
    let asked = burst(&discord, COMMANDS);
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    drop(bot);
    for start in 0..starts {
        let mut bot = home.run();
        // Not to wait for anything: the moment is what differs.
        thread::sleep(Duration::from_micros(BOOT_MS * 1_000 * start / starts));
        bot.signal(Signal::TERM);
        let code = bot.ended();
        // Before it listens to signals it is as if it had not been started.
        let untouched = code == -1 && bot.log.tail().is_empty();
        assert!(code == 0 || untouched, "start {start}: {code}");
    }
    let before = discord.bot_messages().len();
    discord.fault(Fault::Clear);
    let bot = home.start();
    assert_eq!(unanswered(&discord, &asked, 0), 0);
    let stats = discord.stats();
    println!(
        "signals at boot: starts={starts} resumes={} answered_before={before} of {COMMANDS} lost=0 identifies={}",
        stats.resumes, stats.identifies
    );
    assert_eq!((stats.identifies, stats.resumes_refused), (1, 0), "{stats:?}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn what_was_handed_on_in_a_session_that_discord_has_forgotten_is_counted_as_lost() {
    let discord = discord();
    let home = Home::new(&discord);
    let mut bot = home.start();
    burst(&discord, 100);
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let [handed_on, ..] = left(&home);
    assert!(handed_on > 0);
    discord.fault(Fault::RefuseSessions { times: 1, resumable: false });
    let bot = home.start();
    bot.log.wait_message(&format!("{handed_on} event(s) that the process before had not begun are lost"));
    assert_eq!(bot.json(&["status"])["shards"][0]["lost"], handed_on);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn thirty_unclean_restarts_in_a_row_stay_inside_the_budget() {
    // Each start waits until Discord takes its IDENTIFY, five seconds after the last.
    let budget = if full_tier() { 20 } else { 3 };
    // The bot keeps 5.1 s between two grants; how long a disk takes to note one and the network to carry it is the machine's.
    let discord = discord_with(|config| config.identify_interval_ms = 4_500);
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
