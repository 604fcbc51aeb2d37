//! Sharding: who hears what, who may begin a session, and when.

use std::collections::BTreeSet;

use sandbox::{Fault, SandboxEvent};
use serde_json::{Value, json};

use crate::client::{ALL, Line, SOON, get, start_with};

/// Connects and identifies without taking anything.
async fn identified(sandbox: &sandbox::Sandbox, shard: u64, shards: u64) -> Line {
    let mut line = Line::open(sandbox).await;
    line.identify(1 | 1 << 9 | 1 << 12 | 1 << 15, json!([shard, shards])).await;
    line
}

#[tokio::test]
async fn a_thousand_guilds_are_divided_among_four_shards() {
    let sandbox = start_with(|config| {
        config.guilds = 999;
        config.members_per_guild = 3;
        config.roles_per_guild = 2;
        config.emojis_per_guild = 1;
    });
    let mut lines = Vec::new();
    for shard in 0..4 {
        lines.push(identified(&sandbox, shard, 4).await);
    }
    let mut all = BTreeSet::new();
    for (shard, line) in lines.iter_mut().enumerate() {
        let listed = line.event("READY").await["guilds"].as_array().unwrap().len();
        assert!((200..=300).contains(&listed), "shard {shard} has {listed}");
        for _ in 0..listed {
            let id: u64 = line.event("GUILD_CREATE").await["id"].as_str().unwrap().parse().unwrap();
            assert_eq!((id >> 22) % 4, shard as u64);
            assert!(all.insert(id), "told twice");
        }
    }
    assert_eq!(all.into_iter().collect::<Vec<_>>(), sandbox.guild_ids());
    assert_eq!(sandbox.connected_shards(), [0, 1, 2, 3]);

    let guild = sandbox.guild_ids()[500];
    let home = (guild >> 22) % 4;
    sandbox.say_in(guild, sandbox.channel_id(guild, "general").unwrap(), "alice", "to one shard").unwrap();
    sandbox.say_directly("bob", "to the first shard").unwrap();
    for (shard, line) in lines.iter_mut().enumerate() {
        if shard as u64 == home {
            assert_eq!(line.event("MESSAGE_CREATE").await["content"], "to one shard");
        }
        if shard == 0 {
            let direct = line.event("MESSAGE_CREATE").await;
            assert_eq!((&direct["content"], direct.get("guild_id")), (&json!("to the first shard"), None));
        }
        assert_eq!(line.beat().await["op"], 11, "shard {shard} hears nothing else");
    }
}

#[tokio::test]
async fn identifies_of_one_key_have_to_wait_for_each_other() {
    let sandbox = start_with(|config| {
        config.shards = 4;
        config.max_concurrency = 2;
        config.identify_interval_ms = 600_000;
    });
    for shard in 0..2 {
        identified(&sandbox, shard, 4).await.event("READY").await;
    }
    let mut third = identified(&sandbox, 2, 4).await;
    let refused = third.frame().await;
    assert_eq!((&refused["op"], &refused["d"]), (&json!(9), &json!(false)));
    let seen = sandbox.wait_for(SOON, |event| matches!(event, SandboxEvent::IdentifyTooSoon { shard: 2, shards: 4 }));
    assert!(seen.is_some());
    let stats = sandbox.stats();
    assert_eq!((stats.identifies, stats.identifies_too_soon), (2, 1));
    let bot = get(&sandbox, "/gateway/bot").await.1;
    let limit = &bot["session_start_limit"];
    assert_eq!((&bot["shards"], &limit["max_concurrency"], &limit["remaining"]), (&json!(4), &json!(2), &json!(998)));
}

#[tokio::test]
async fn a_shard_with_too_many_guilds_is_closed_with_4011() {
    let sandbox = start_with(|config| {
        config.guilds = 10;
        config.guilds_per_shard_max = 6;
    });
    assert_eq!(identified(&sandbox, 0, 1).await.closed().await, Some(4011));
    for shard in 0..2 {
        identified(&sandbox, shard, 2).await.event("READY").await;
    }
}

#[tokio::test]
async fn guilds_are_furnished_as_asked_and_by_the_seed() {
    async fn told(seed: u64) -> Vec<Value> {
        let sandbox = start_with(|config| {
            config.seed = seed;
            config.guilds = 2;
            config.members_per_guild = 20;
            config.roles_per_guild = 7;
            config.channels_per_guild = 9;
            config.emojis_per_guild = 11;
        });
        let mut line = Line::open(&sandbox).await;
        line.identify(ALL, json!([0, 1])).await;
        line.event("READY").await;
        let mut guilds = Vec::new();
        for _ in 0..3 {
            guilds.push(line.event("GUILD_CREATE").await);
        }
        guilds
    }
    let first = told(1).await;
    let guild = first.iter().find(|guild| guild["name"] == "Guild 1").unwrap();
    let count = |field: &str| guild[field].as_array().unwrap().len();
    assert_eq!((count("members"), count("roles"), count("channels"), count("emojis")), (20, 10, 14, 11));
    assert!(guild["members"].as_array().unwrap().iter().any(|member| member["nick"].is_string()));
    let bots = guild["roles"].as_array().unwrap().iter().find(|role| role["managed"] == true).unwrap();
    assert_eq!(bots["position"], 9, "the bot stands above the roles that were added");
    assert_eq!(told(1).await, first);
    assert_ne!(told(2).await, first);
}

#[tokio::test]
async fn a_fault_on_one_shard_leaves_the_others_alone() {
    let sandbox = start_with(|_| {});
    let mut lines = [identified(&sandbox, 0, 2).await, identified(&sandbox, 1, 2).await];
    let here = ((sandbox.guild_id() >> 22) % 2) as usize;
    for (shard, line) in lines.iter_mut().enumerate() {
        line.event("READY").await;
        if shard == here {
            line.event("GUILD_CREATE").await;
        }
    }
    sandbox.fault(Fault::OnShard { shard: 1, fault: Box::new(Fault::Reconnect) });
    assert_eq!(lines[1].frame().await["op"], 7);
    assert_eq!(lines[0].beat().await["op"], 11);
    sandbox.fault(Fault::OnShard { shard: 0, fault: Box::new(Fault::CloseWith { code: 4000 }) });
    assert_eq!(lines[0].closed().await, Some(4000));
    assert_eq!(lines[1].beat().await["op"], 11);
}
