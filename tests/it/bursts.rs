//! A burst of events: it pushes back on the socket, costs no memory that stays, and no command is lost in it.

use crate::{
    gateway::assert_once_each,
    harness::{Bot, Home, PATIENCE, assert_answers, discord, discord_with, full_tier, until},
};
use sandbox::{Fault, Rate, Sandbox};
use std::collections::BTreeSet;

/// People talk; nobody calls the bot.
pub(crate) const TALK: &str = r#"{
    "id": "1180000000{n}", "channel_id": "CHANNEL", "guild_id": "GUILD", "type": 0, "content": "said {n} times",
    "author": {"id": "7", "username": "seven", "discriminator": "0", "global_name": null, "avatar": null},
    "timestamp": "2026-05-01T12:00:00.000000+00:00", "edited_timestamp": null, "tts": false,
    "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false
}"#;
/// What a burst may take beyond what was there before.
const GROWTH: f64 = 1.1;

/// Peak memory of the process since this was asked last, in kilobytes.
pub(crate) fn peak_kb(bot: &Bot<'_>) -> f64 {
    let peak = last_peak_kb(bot);
    std::fs::write(format!("/proc/{}/clear_refs", bot.id()), "5").unwrap();
    peak
}

fn last_peak_kb(bot: &Bot<'_>) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", bot.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

fn received(bot: &Bot<'_>) -> u64 {
    bot.json(&["status"])["shards"][0]["seq_received"].as_u64().unwrap()
}

/// Events, and a command for each two hundred, as fast as they are read; until all are read and answered.
fn burst(discord: &Sandbox, bot: &Bot<'_>, events: u64, asked: &mut BTreeSet<sandbox::MessageId>) {
    let guild = discord.guild_id();
    let channel = discord.channel_id(guild, "general").unwrap();
    let data = TALK.replace("CHANNEL", &channel.to_string()).replace("GUILD", &guild.to_string());
    let before = received(bot);
    discord.fault(Fault::Flood { name: "MESSAGE_CREATE".into(), data, events });
    for n in 0..events / 200 {
        asked.insert(discord.say_in(guild, channel, &format!("user{}", n % 7), "!ping").unwrap());
    }
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot > 1 + asked.len() as u64; // and the two before
    assert!(discord.wait_until(PATIENCE, |stats, _| all(stats)), "{:?}", discord.stats());
    let wanted = before + events + events / 200;
    until("the burst is read", || (received(bot) >= wanted).then_some(()));
}

#[test]
fn a_burst_loses_no_command_and_leaves_memory_as_it_was() {
    let events = if full_tier() { 200_000 } else { 20_000 };
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    assert_answers(&discord);
    let mut asked = BTreeSet::new();
    peak_kb(&bot); // that of the start
    assert_answers(&discord);
    let loaded = peak_kb(&bot);
    burst(&discord, &bot, events, &mut asked);
    let first = peak_kb(&bot);
    burst(&discord, &bot, events, &mut asked);
    let second = peak_kb(&bot);
    println!(
        "G23 events={events} commands={} lost=0 loaded_kb={loaded} first_kb={first} second_kb={second}",
        events / 200
    );
    assert_once_each(&discord, &asked);
    assert!(discord.bot_messages().iter().all(|reply| reply.content.starts_with("Pong!")), "one was cut off");
    assert!(first <= loaded * GROWTH, "{first} kB after a burst, {loaded} before");
    assert!(second <= first * GROWTH, "{second} kB after a second burst, {first} after the first");
    assert_eq!(bot.terminate(), 0);
}

/// Discord takes five messages in five seconds in one channel; here in one, and the deadline is a fifth as well.
#[test]
fn commands_that_wait_for_the_limit_of_their_channel_are_answered_all_the_same() {
    let discord = discord_with(|config| config.message_bucket = Rate { requests: 5, window_ms: 1_000 });
    let home = Home::new(&discord).set("cog_host.deadline_ms = 3000");
    let bot = home.start();
    let (guild, mut asked) = (discord.guild_id(), BTreeSet::new());
    let channel = discord.channel_id(guild, "general").unwrap();
    for n in 0..40 {
        asked.insert(discord.say_in(guild, channel, &format!("user{}", n % 7), "!ping").unwrap());
    }
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= asked.len() as u64;
    assert!(discord.wait_until(PATIENCE, |stats, _| all(stats)), "{:?}", discord.stats());
    assert_once_each(&discord, &asked);
    assert!(discord.bot_messages().iter().all(|reply| reply.content.starts_with("Pong!")), "one was cut off");
    assert_eq!(bot.terminate(), 0);
}
