//! Opcode 8: chunks, their limits, and what can go wrong with them.

use std::time::{Duration, Instant};

use sandbox::{ChunkTrouble, Fault, Sandbox, SandboxEvent, Strict};
use serde_json::{Value, json};

use crate::client::{ALL, Line, SOON, start, start_with};

/// Members of the one big guild.
const PEOPLE: u32 = 2_500;

/// A sandbox with one big guild, its id, and a connection that may ask for its members.
async fn crowd() -> (Strict, u64, Line) {
    let sandbox = start_with(|config| {
        config.guilds = 1;
        config.members_per_guild = PEOPLE;
        config.member_request_interval_ms = 0;
    });
    let guild = *sandbox.guild_ids().last().unwrap();
    // Without GUILDS, so that the guilds' own members are not sent.
    let line = Line::ready(&sandbox, 1 << 1 | 1 << 8).await;
    (sandbox, guild, line)
}

async fn ask(line: &mut Line, guild: u64, more: Value) {
    let mut data = json!({ "guild_id": guild.to_string(), "limit": 0 });
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    line.say(json!({ "op": 8, "d": data })).await;
}

/// Index, count and members of the next chunk.
async fn chunk(line: &mut Line) -> (u64, u64, usize) {
    let chunk = line.event("GUILD_MEMBERS_CHUNK").await;
    let number = |field: &str| chunk[field].as_u64().unwrap();
    (number("chunk_index"), number("chunk_count"), chunk["members"].as_array().unwrap().len())
}

#[tokio::test]
async fn all_members_come_in_chunks_of_a_thousand() {
    let (sandbox, guild, mut line) = crowd().await;
    ask(&mut line, guild, json!({ "query": "", "nonce": "n".repeat(32), "presences": true })).await;
    let mut names = std::collections::BTreeSet::new();
    for index in 0..3 {
        let chunk = line.event("GUILD_MEMBERS_CHUNK").await;
        assert_eq!((&chunk["chunk_index"], &chunk["chunk_count"]), (&json!(index), &json!(3)));
        assert_eq!(chunk["nonce"], "n".repeat(32));
        let members = chunk["members"].as_array().unwrap();
        assert_eq!(members.len(), if index < 2 { 1_000 } else { 500 });
        assert_eq!(chunk["presences"].as_array().unwrap().len(), members.len());
        names.extend(members.iter().map(|member| member["user"]["username"].as_str().unwrap().to_owned()));
    }
    assert_eq!(names.len(), PEOPLE as usize);
    ask(&mut line, guild, json!({ "query": "", "nonce": "n".repeat(33) })).await;
    let chunk = line.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!((chunk.get("nonce"), chunk.get("presences")), (None, None), "a nonce that is too long is dropped");
    let sent = u64::from(PEOPLE);
    assert!(sandbox.wait_for(SOON, |event| *event == SandboxEvent::MembersRequested { guild, sent }).is_some());
}

#[tokio::test]
async fn some_members_are_had_by_id_or_name_at_most_a_hundred() {
    let (_sandbox, guild, mut line) = crowd().await;
    ask(&mut line, guild, json!({ "query": "member", "limit": 5_000 })).await;
    assert_eq!(chunk(&mut line).await, (0, 1, 100));
    ask(&mut line, guild, json!({ "query": "member0123", "limit": 50 })).await;
    assert_eq!(chunk(&mut line).await, (0, 1, 10));
    ask(&mut line, guild, json!({ "query": "nobody", "limit": 50 })).await;
    assert_eq!(chunk(&mut line).await, (0, 1, 0));
    ask(&mut line, guild, json!({ "user_ids": (0..101).map(|n| n.to_string()).collect::<Vec<_>>() })).await;
    assert_eq!(line.closed().await, Some(4002));
}

#[tokio::test]
async fn all_members_of_one_guild_are_had_once_in_thirty_seconds() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let guild = sandbox.guild_id();
    ask(&mut line, guild, json!({ "query": "" })).await;
    assert_eq!(chunk(&mut line).await, (0, 1, 4));
    ask(&mut line, guild, json!({ "query": "", "nonce": "again" })).await;
    let limited = line.event("RATE_LIMITED").await;
    assert_eq!(limited["opcode"], 8);
    assert_eq!(limited["meta"], json!({ "guild_id": guild.to_string(), "nonce": "again" }));
    let wait = limited["retry_after"].as_f64().unwrap();
    assert!(wait > 0.0 && wait <= 30.0, "{wait} s");
    ask(&mut line, guild, json!({ "user_ids": [sandbox.owner_id().to_string()] })).await;
    assert_eq!(chunk(&mut line).await, (0, 1, 1), "a few members are not limited");
    assert_eq!(sandbox.stats().member_requests_refused, 1);
}

#[tokio::test]
async fn what_the_intents_do_not_allow_is_closed() {
    let sandbox = start();
    for (intents, more) in
        [(1 | 1 << 8, json!({ "query": "" })), (1 | 1 << 1, json!({ "query": "a", "presences": true }))]
    {
        let mut line = Line::ready(&sandbox, intents).await;
        ask(&mut line, sandbox.guild_id(), more).await;
        assert_eq!(line.closed().await, Some(4014));
    }
}

#[tokio::test]
async fn chunks_are_lost_late_and_out_of_order_once_each() {
    let (sandbox, guild, mut line) = crowd().await;
    let trouble = |sandbox: &Sandbox, trouble| sandbox.fault(Fault::MemberChunks { trouble, times: 1 });
    let mut indices = Vec::new();

    trouble(&sandbox, ChunkTrouble::Missing { index: 1 });
    ask(&mut line, guild, json!({ "query": "" })).await;
    indices.extend([chunk(&mut line).await.0, chunk(&mut line).await.0]);
    assert_eq!(line.beat().await["op"], 11, "nothing else comes");

    trouble(&sandbox, ChunkTrouble::Late { index: 0, millis: 200 });
    let asked = Instant::now();
    ask(&mut line, guild, json!({ "query": "" })).await;
    indices.extend([chunk(&mut line).await.0, chunk(&mut line).await.0]);
    let before = line.seq;
    indices.push(chunk(&mut line).await.0);
    assert!(asked.elapsed() >= Duration::from_millis(190), "{:?}", asked.elapsed());
    assert_eq!(line.seq, before + 1, "numbers stay in order");

    trouble(&sandbox, ChunkTrouble::Reversed);
    for _ in 0..2 {
        ask(&mut line, guild, json!({ "query": "" })).await;
        for _ in 0..3 {
            indices.push(chunk(&mut line).await.0);
        }
    }
    assert_eq!(indices, [0, 2, 1, 2, 0, 2, 1, 0, 0, 1, 2]);
}

/// The figure of a guild of 200,000; run it with `--ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn two_hundred_thousand_members_measured() {
    let begin = Instant::now();
    let sandbox = start_with(|config| {
        config.guilds = 1;
        config.members_per_guild = 200_000;
        config.judge_payloads = false;
    });
    let guild = *sandbox.guild_ids().last().unwrap();
    let mut line = Line::ready(&sandbox, 1 << 1).await;
    let built = begin.elapsed();
    ask(&mut line, guild, json!({ "query": "" })).await;
    let mut members = 0;
    for _ in 0..200 {
        members += chunk(&mut line).await.2;
    }
    assert_eq!(members, 200_000);
    println!("the world took {built:?}, the chunks {:?}", begin.elapsed() - built);
}

/// Above the threshold those who are offline are left out, and found by asking.
#[tokio::test]
async fn a_large_guild_is_introduced_without_those_who_are_offline() {
    let sandbox = start_with(|config| {
        config.guilds = 1;
        config.members_per_guild = 60;
    });
    let guild = *sandbox.guild_ids().last().unwrap();
    sandbox.set_presence(guild, "member00001", "offline").unwrap();
    sandbox.set_presence(sandbox.guild_id(), "bob", "offline").unwrap();
    for (threshold, large, members) in [(None, true, 59), (Some(60), false, 60), (Some(1), true, 59)] {
        let mut line = Line::open(&sandbox).await;
        let mut data = json!({
            "token": sandbox.token(), "intents": 1 | 1 << 8, "shard": [0, 1],
            "properties": { "os": "linux", "browser": "test", "device": "test" },
        });
        if let Some(threshold) = threshold {
            data["large_threshold"] = json!(threshold);
        }
        line.say(json!({ "op": 2, "d": data })).await;
        line.event("READY").await;
        let small = line.event("GUILD_CREATE").await;
        let count = |guild: &Value, field: &str| guild[field].as_array().unwrap().len();
        assert_eq!((&small["large"], count(&small, "members"), count(&small, "presences")), (&json!(false), 4, 3));
        let big = line.event("GUILD_CREATE").await;
        assert_eq!((&big["large"], count(&big, "members"), count(&big, "presences")), (&json!(large), members, 59));
        assert_eq!(big["member_count"], 60);
    }
}

#[tokio::test]
async fn a_request_for_sounds_is_answered_for_each_guild_that_is_there() {
    let sandbox = start_with(|config| config.guilds = 1);
    let ids = sandbox.guild_ids();
    let mut line = Line::ready(&sandbox, 1).await;
    let asked: Vec<String> = ids.iter().chain(&[1]).map(u64::to_string).collect();
    line.say(json!({ "op": 31, "d": { "guild_ids": asked } })).await;
    for id in &ids {
        let sounds = line.event("SOUNDBOARD_SOUNDS").await;
        assert_eq!(sounds, json!({ "guild_id": id.to_string(), "soundboard_sounds": [] }));
    }
    assert_eq!(line.beat().await["op"], 11, "nothing of the guild that nobody knows");
    line.say(json!({ "op": 31, "d": { "guild_ids": "all" } })).await;
    assert_eq!(line.closed().await, Some(4002));
}
