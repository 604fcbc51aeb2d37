//! A connection that is cut loses nothing and doubles nothing.

use crate::harness::{Home, PATIENCE, answers, assert_answers, discord, nobody, until};
use sandbox::{Fault, MessageId, Sandbox};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const MESSAGES: usize = 1_000;
const CUTS: usize = 20;
/// Messages that may wait for their replies: a command's deadline is generous, but not endless.
const WINDOW: usize = 100;
/// How long what must not come is waited for.
const STILL: Duration = Duration::from_millis(300);

#[test]
fn a_thousand_messages_survive_twenty_cuts_of_the_connection() {
    let discord = discord();
    let guild = discord.guild_id();
    let channels = ["general", "random"].map(|name| discord.channel_id(guild, name).unwrap());
    let home = Home::new(&discord).set("gateway.reconnect_min_ms = 50").set("gateway.reconnect_max_ms = 200");
    let bot = home.start();

    let mut asked = BTreeSet::new();
    for n in 0..MESSAGES {
        let room = |stats: &sandbox::SandboxStats| n < WINDOW + stats.messages_received_from_bot as usize;
        assert!(discord.wait_until(PATIENCE, |stats, _| room(stats)), "after {n} messages the replies stopped");
        let user = format!("user{}", n % 7);
        asked.insert(discord.say_in(guild, channels[n % 2], &user, "!ping").unwrap());
        if n % (MESSAGES / CUTS) == MESSAGES / CUTS / 2 {
            // A cut of a connection that is not there would be none. Meanwhile people go on talking.
            let resumes = (n / (MESSAGES / CUTS)) as u64;
            assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes >= resumes), "resume {resumes}");
            discord.fault(Fault::CutConnection { shard: None });
        }
    }
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= MESSAGES as u64;
    assert!(discord.wait_until(PATIENCE, |stats, _| all(stats)), "{:?}", discord.stats());
    assert_answers(&discord); // whatever was doubled would have come before this

    assert_once_each(&discord, &asked);
    let stats = discord.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, CUTS as u64), "{stats:?}");
    assert_eq!(stats.resumes_refused, 0);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_token_that_is_refused_later_silences_everything_and_says_so() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    assert_answers(&discord);
    discord.fault(Fault::RestStatus {
        route: "*".into(),
        status: 401,
        body: r#"{"message": "401: Unauthorized", "code": 0}"#.into(),
        times: u32::MAX,
    });
    discord.say("bob", "!ping");
    bot.wait_state("gateway", "down");
    let status = bot.cli(&["status"]).exits(1);
    assert!(status.out.contains("Discord refuses the token (401)"), "{}", status.out);
    let requests = discord.stats().requests;
    discord.say("bob", "!ping");
    let stirs = |stats: &sandbox::SandboxStats| (stats.requests, stats.identifies) != (requests, 1);
    assert!(!discord.wait_until(STILL, |stats, _| stirs(stats)), "{:?}", discord.stats());
    assert!(discord.connected_shards().is_empty());

    // Somebody starts it all the same: what is said is what is.
    bot.cli(&["start", "gateway"]).exits(0);
    until("the shard is back", || (!discord.connected_shards().is_empty()).then_some(()));
    let told = until("no shard is missing", || {
        let told = bot.cli(&["status"]).exits(1).out;
        (!told.contains("is not connected")).then_some(told)
    });
    assert!(told.contains("Discord refuses the token (401)") && told.contains("started again"), "{told}");
    assert!(!told.contains("gateway is stopped"), "{told}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn status_says_why_no_connection_can_be_opened() {
    let discord = discord();
    let (_held, nobody) = nobody();
    let home = Home::new(&discord).set(&format!("discord.gateway_url = \"ws://{nobody}\""));
    let bot = home.run();
    let told = until("status tells of it", || {
        let told = bot.cli(&["status"]).out;
        told.contains("could not connect").then_some(told)
    });
    assert!(told.contains("refused"), "{told}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn an_operators_order_may_use_the_identifies_that_are_kept_for_humans() {
    let discord = discord();
    discord.fault(Fault::SessionStartLimit { remaining: 101, reset_after_ms: 7_200_000 });
    let home = Home::new(&discord);
    let bot = home.start();
    bot.cli(&["tell", "gateway/shard-0", "reidentify"]).exits(0);
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.identifies == 2), "{:?}", discord.stats());
    bot.wait_well();
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

/// Each message that asks has one reply, and there is no other.
pub(crate) fn assert_once_each(discord: &Sandbox, asked: &BTreeSet<MessageId>) {
    let mut replies: BTreeMap<MessageId, usize> = BTreeMap::new();
    let messages = discord.bot_messages();
    for message in &messages {
        *replies.entry(answers(message).expect("it answers nobody")).or_default() += 1;
    }
    let lost: Vec<_> = asked.iter().enumerate().filter(|(_, id)| !replies.contains_key(id)).collect();
    let doubled: Vec<_> = replies.iter().filter(|(_, count)| **count > 1).collect();
    assert!(lost.is_empty() && doubled.is_empty(), "lost {lost:?}, doubled {doubled:?}");
    // Discord drops a second message with the same nonce, and so does the stand-in: not even a try was made.
    let stats = discord.stats();
    let tried =
        stats.requests_by_route["POST /channels/{channel_id}/messages"] - stats.statuses.get(&429).unwrap_or(&0);
    assert_eq!(tried, messages.len() as u64, "{stats:?}");
}
