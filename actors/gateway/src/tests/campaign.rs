//! Against the stand-in for Discord, which knows nothing of this code: long runs of faults, nothing lost, nothing
//! doubled.

use super::fake::*;
use crate::Phase;
use protocol::{
    cache::{CacheView, CachedGuild},
    id::GuildId,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use sandbox::{Fault, SandboxConfig, Strict};
use serde_json::json;
use serenity::model::id::RoleId;

async fn start(config: SandboxConfig) -> (Strict, Bot) {
    let sandbox = stand_in(config);
    let bot = Bot::start(Setup { token: sandbox.token(), ..Setup::at(sandbox.gateway_url()) }).await;
    soon("ready", bot.gateway.wait_ready()).await;
    (sandbox, bot)
}

fn online(bot: &Bot) -> bool {
    bot.gateway.statuses()[0].state == Phase::Online
}

#[tokio::test]
async fn a_thousand_messages_through_twenty_cuts_come_once_each_with_one_identify() {
    let seed = 1_020;
    let mut rng = StdRng::seed_from_u64(seed);
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    let mut said = Vec::new();
    for cut in 1..=20u32 {
        for _ in 0..50 {
            said.push(sandbox.say("alice", "hello").0);
        }
        if rng.random() {
            sandbox.fault(Fault::ReplayOverlap { events: rng.random_range(1..30), times: 1 });
        }
        sandbox.fault(Fault::CutConnection { shard: None });
        if rng.random() {
            bot.sink.has(said.len()).await;
        }
        // The next cut must meet a connection.
        eventually("resumed", || sandbox.stats().resumes >= u64::from(cut)).await;
    }
    let taken = bot.sink.has(said.len()).await;
    assert_eq!(taken, said, "seed {seed}: lost, doubled or out of order");
    let (stats, counts) = (sandbox.stats(), bot.gateway.statuses()[0].counts);
    println!("G18 seed={seed} replayed={} dropped_as_seen={} doubled=0", stats.replayed, counts.replayed);
    assert_eq!((stats.identifies, stats.resumes_refused, counts.disconnects), (1, 0, 20));
    assert!(counts.replayed > 0, "the dedupe was exercised");
    bot.stop().await;
}

#[tokio::test]
async fn every_resumable_fault_is_survived_without_identify() {
    let (sandbox, bot) = start(SandboxConfig { heartbeat_interval_ms: 1_000, ..SandboxConfig::default() }).await;
    let mut said = Vec::new();
    for fault in [
        Fault::CloseWith { code: 4000 },
        Fault::CloseWith { code: 4001 },
        Fault::CloseWith { code: 4002 },
        Fault::CloseWith { code: 4005 },
        Fault::CloseWith { code: 4008 },
        Fault::CloseWith { code: 4999 },
        Fault::Reconnect,
        Fault::InvalidSession { resumable: true },
        Fault::RefuseConnections { n: 2 },
        Fault::StopAcks,
    ] {
        let resumes = sandbox.stats().resumes;
        said.push(sandbox.say("alice", "before").0);
        bot.sink.has(said.len()).await;
        let (silent, refused) = (fault == Fault::StopAcks, matches!(fault, Fault::RefuseConnections { .. }));
        sandbox.fault(fault);
        if refused {
            sandbox.fault(Fault::CutConnection { shard: None });
        }
        eventually("resumed", || sandbox.stats().resumes > resumes).await;
        if silent {
            sandbox.fault(Fault::ResumeAcks);
        }
        said.push(sandbox.say("alice", "after").0);
        bot.sink.has(said.len()).await;
        eventually("online", || online(&bot)).await;
    }
    assert_eq!(*bot.sink.taken.borrow(), said);
    assert_eq!(sandbox.stats().identifies, 1);
    bot.stop().await;
}

#[tokio::test]
async fn a_session_that_resumes_and_dies_three_times_is_given_up() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    sandbox.fault(Fault::CloseAfterResume { code: 4000, times: 10 });
    sandbox.fault(Fault::CutConnection { shard: None });
    eventually("a new session", || sandbox.stats().identifies == 2).await;
    eventually("online", || online(&bot)).await;
    assert_eq!(sandbox.stats().resumes, 3);
    bot.stop().await;
}

#[tokio::test]
async fn mutated_frames_and_events_stop_nothing() {
    let seed = 99;
    let mut rng = StdRng::seed_from_u64(seed);
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    let guild = sandbox.guild_id();
    let shapes = [
        r#"{"id":"5","channel_id":"3","guild_id":"100","author":{"id":"7","username":"a"},"content":"x","type":0}"#,
        r#"{"guild_id":"100","role":{"id":"9","name":"r","position":1,"permissions":"8"},"user":{"id":"7"}}"#,
        r#"{"id":"100","name":"g","roles":[{"id":"1"}],"channels":[{"id":"2","type":0}],"members":[{}],"emojis":[1]}"#,
    ];
    let names = ["MESSAGE_CREATE", "GUILD_CREATE", "GUILD_ROLE_UPDATE", "CHANNEL_UPDATE", "GUILD_MEMBER_UPDATE", "NEW"];
    for _ in 0..1_500 {
        let shape = shapes.choose(&mut rng).copied().unwrap_or_default();
        let mut bytes = shape.as_bytes().to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = br#"{}[]",:0n\ x"#[rng.random_range(0..12)];
        }
        let data = String::from_utf8_lossy(&bytes).into_owned();
        let name = names.choose(&mut rng).copied().unwrap_or_default();
        if rng.random() {
            // Without a sequence number, and perhaps no JSON at all.
            sandbox.fault(Fault::SendRaw { text: format!(r#"{{"t":"{name}","s":null,"op":0,"d":{data}}}"#) });
        } else if serde_json::from_str::<serde_json::Value>(&data).is_ok() {
            sandbox.fault(Fault::Dispatch { name: name.to_owned(), data });
        }
    }
    let said = sandbox.say("alice", "still there?").0;
    soon("the message", bot.sink.taken.subscribe().wait_for(|taken| taken.contains(&said))).await.unwrap();
    let counts = bot.gateway.statuses()[0].counts;
    println!("G17 seed={seed} frames=1500 malformed={} unknown={} disconnects=0", counts.malformed, counts.unknown);
    assert!(counts.malformed > 500 && counts.unknown > 20, "{counts:?}");
    assert_eq!((counts.disconnects, counts.identifies), (0, 1));
    assert!(bot.gateway.cache().guild(GuildId::new(guild)).is_some());
    bot.stop().await;
}

/// G17: the largest guild that anybody has seen, from somebody else's hand.
#[tokio::test]
async fn a_guild_of_twenty_megabytes_from_the_stand_in_is_read_and_events_go_on() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    let bytes = 20_000_000;
    sandbox.fault(Fault::HugeGuild { bytes });
    let said = sandbox.say("alice", "still there?").0;
    assert_eq!(bot.sink.has(1).await, [said]);
    let counts = bot.gateway.statuses()[0].counts;
    println!("G17 sandbox: guild_bytes={bytes} malformed={} disconnects={}", counts.malformed, counts.disconnects);
    assert_eq!((counts.malformed, counts.disconnects), (0, 0));
    assert_eq!(bot.gateway.counts().guilds, sandbox.guild_ids().len() as u64 + 1);
    bot.stop().await;
}

/// All that the cache has of a guild, but for whether it is there.
fn told(guild: &CachedGuild) -> String {
    format!("{:#?}", CachedGuild { unavailable: false, ..guild.clone() })
}

#[tokio::test]
async fn an_outage_keeps_the_guild_and_its_end_refreshes_it() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    let (cache, id) = (bot.gateway.cache(), GuildId::new(sandbox.guild_id()));
    let role = RoleId::new(sandbox.role_id(id.get(), "moderators").unwrap());
    eventually("the guild", || cache.guild(id).is_some_and(|guild| guild.own_roles.len() == 1)).await;
    let before = cache.guild(id).unwrap();
    // A role that the bot was told wrongly of: kept like everything else, until all is told anew.
    let wrong = json!({"id": role, "name": "moderators", "position": 1, "permissions": "64"});
    let data = json!({"guild_id": id, "role": wrong}).to_string();
    sandbox.fault(Fault::Dispatch { name: "GUILD_ROLE_UPDATE".into(), data });
    let is_wrong = |guild: &CachedGuild| guild.roles.iter().any(|known| known.id == role && known.permissions == 64);
    eventually("the change", || cache.guild(id).is_some_and(|guild| is_wrong(&guild))).await;
    let changed = cache.guild(id).unwrap();
    sandbox.remove_guild(id.get(), true).unwrap();
    eventually("the outage", || cache.guild(id).is_some_and(|guild| guild.unavailable)).await;
    let during = cache.guild(id).unwrap();
    assert_eq!(told(&during), told(&changed));
    assert!(sandbox.restore_guild(id.get()));
    eventually("its end", || cache.guild(id).is_some_and(|guild| !guild.unavailable)).await;
    let after = cache.guild(id).unwrap();
    assert_eq!(told(&after), told(&before));
    println!(
        "G19 roles={} kept={} after={}; channels={} kept={} after={}",
        before.roles.len(),
        during.roles.len(),
        after.roles.len(),
        before.channels.len(),
        during.channels.len(),
        after.channels.len()
    );
    assert!(before.roles.len() >= 3 && before.channels.len() >= 3, "there is something to keep");
    sandbox.remove_guild(id.get(), false).unwrap();
    eventually("the goodbye", || cache.guild(id).is_none()).await;
    bot.stop().await;
}
