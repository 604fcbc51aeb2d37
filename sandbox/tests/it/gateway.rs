//! Sessions: beginning, losing, resuming, ending.

use sandbox::{SandboxEvent, Side};
use serde_json::json;

use crate::client::{ALL, Heard, Line, SOON, get, start, start_with};

#[tokio::test]
async fn a_cut_session_resumes_with_exactly_what_was_missed() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.say("alice", "heard");
    assert_eq!(line.event("MESSAGE_CREATE").await["content"], "heard");
    for round in 0..20 {
        sandbox.fault(sandbox::Fault::CutConnection { shard: None });
        for n in 0..3 {
            sandbox.say("bob", &format!("missed {round} {n}"));
        }
        let mut next = Line::resumed(&sandbox, &line).await;
        for n in 0..3 {
            assert_eq!(next.event("MESSAGE_CREATE").await["content"], format!("missed {round} {n}"));
        }
        next.event("RESUMED").await;
        sandbox.say("carol", "live again");
        assert_eq!(next.event("MESSAGE_CREATE").await["content"], "live again");
        line = next;
    }
    let stats = sandbox.stats();
    assert_eq!((stats.identifies, stats.resumes, stats.replayed), (1, 20, 60));
    assert_eq!(stats.disconnects.get(&(None, Side::Sandbox)), Some(&20));
}

#[tokio::test]
async fn a_wrong_token_closes_with_4004() {
    let sandbox = start();
    let mut line = Line::open(&sandbox).await;
    let properties = json!({ "os": "linux", "browser": "test", "device": "test" });
    line.say(json!({ "op": 2, "d": { "token": "wrong", "intents": 1, "properties": properties } })).await;
    assert_eq!(line.closed().await, Some(4004));
    assert_eq!(sandbox.stats().identifies, 0);
}

#[tokio::test]
async fn closing_with_1000_ends_the_session_and_4900_keeps_it() {
    let sandbox = start();
    for (code, resumable) in [(1000, false), (1001, false), (4900, true)] {
        let mut line = Line::ready(&sandbox, ALL).await;
        line.close(code).await;
        sandbox
            .wait_for(
                SOON,
                |event| matches!(event, SandboxEvent::Disconnected { code: Some(c), by: Side::Peer, .. } if *c == code),
            )
            .unwrap();
        let mut next = Line::resumed(&sandbox, &line).await;
        let frame = next.frame().await;
        if resumable {
            assert_eq!(frame["t"], "RESUMED");
        } else {
            assert_eq!((&frame["op"], &frame["d"]), (&json!(9), &json!(false)));
        }
    }
}

#[tokio::test]
async fn a_resume_that_cannot_be_had_gets_op_9_and_may_identify_on_the_same_connection() {
    let sandbox = start_with(|config| config.replay_events = 20);
    let mut line = Line::ready(&sandbox, ALL).await;
    for (session, seq) in [("nobody".to_owned(), 1), (line.session.clone(), line.seq + 100)] {
        let mut other = Line::open(&sandbox).await;
        other.resume(&session, seq).await;
        assert_eq!(other.frame().await["op"], 9);
        other.identify(ALL, json!([0, 1])).await;
        other.event("READY").await;
    }
    line = Line::ready(&sandbox, ALL).await;
    sandbox.fault(sandbox::Fault::CutConnection { shard: None });
    for n in 0..30 {
        sandbox.say("alice", &n.to_string());
    }
    let mut late = Line::resumed(&sandbox, &line).await;
    assert_eq!(late.frame().await["op"], 9, "the buffer of 20 cannot hold 30 events");
}

#[tokio::test]
async fn a_session_expires_after_its_time() {
    let sandbox = start_with(|config| config.session_life_ms = 0);
    let line = Line::ready(&sandbox, ALL).await;
    sandbox.fault(sandbox::Fault::CutConnection { shard: None });
    let mut late = Line::resumed(&sandbox, &line).await;
    assert_eq!(late.frame().await["op"], 9);
}

#[tokio::test]
async fn intents_decide_what_is_heard_and_whether_content_is_shown() {
    let sandbox = start();
    let (guilds, messages, content) = (1, 1 << 9, 1 << 15);
    let mut deaf = Line::ready(&sandbox, guilds).await;
    let mut blind = Line::ready(&sandbox, messages).await;
    let mut full = Line::ready(&sandbox, messages | content).await;
    sandbox.say("alice", "secret");
    sandbox.say("alice", &format!("<@{}> not secret", sandbox.bot_user_id()));
    sandbox.types("alice").unwrap();
    assert_eq!(blind.event("MESSAGE_CREATE").await["content"], "");
    assert!(blind.event("MESSAGE_CREATE").await["content"].as_str().unwrap().ends_with("not secret"));
    assert_eq!(full.event("MESSAGE_CREATE").await["content"], "secret");
    full.event("MESSAGE_CREATE").await;
    for line in [&mut deaf, &mut blind, &mut full] {
        assert_eq!(line.beat().await["op"], 11, "nothing else was sent");
    }
}

#[tokio::test]
async fn bad_identifies_are_closed_with_their_code() {
    let sandbox = start_with(|config| config.allowed_intents = 1);
    let cases = [
        (json!([2, 2]), 1, 4010),
        (json!([0, 0]), 1, 4010),
        (json!([0, 1]), 1 << 40, 4013),
        (json!([0, 1]), 1 << 8, 4014),
    ];
    for (shard, intents, code) in cases {
        let mut line = Line::open(&sandbox).await;
        line.identify(intents, shard).await;
        assert_eq!(line.closed().await, Some(code));
    }
}

#[tokio::test]
async fn misbehaviour_is_closed_with_its_code() {
    let sandbox = start();
    let mut line = Line::open(&sandbox).await;
    line.say(json!({ "op": 3, "d": {} })).await;
    assert_eq!(line.closed().await, Some(4003));
    for (frame, code) in [("{", 4002), ("{\"op\":99,\"d\":null}", 4001), ("{\"d\":1}", 4002)] {
        let mut line = Line::ready(&sandbox, 1).await;
        line.say_text(frame).await;
        assert_eq!(line.closed().await, Some(code), "{frame}");
    }
    let mut line = Line::ready(&sandbox, 1).await;
    line.say_text(&format!("{{\"op\":1,\"d\":null,\"x\":\"{}\"}}", "x".repeat(4_096))).await;
    assert_eq!(line.closed().await, Some(4002));
    let mut line = Line::ready(&sandbox, 1).await;
    line.identify(1, json!([0, 1])).await;
    assert_eq!(line.closed().await, Some(4005));
}

#[tokio::test]
async fn more_than_120_frames_a_minute_close_with_4008() {
    let sandbox = start();
    let mut line = Line::open(&sandbox).await;
    for _ in 0..120 {
        assert_eq!(line.beat().await["op"], 11);
    }
    line.say(json!({ "op": 1, "d": null })).await;
    assert_eq!(line.closed().await, Some(4008));
}

#[tokio::test]
async fn shards_hear_of_their_own_guilds_only() {
    let sandbox = start_with(|config| {
        config.guilds = 10;
        config.members_per_guild = 5;
    });
    let mut heard = Vec::new();
    for shard in 0..3 {
        let mut line = Line::open(&sandbox).await;
        line.identify(1, json!([shard, 3])).await;
        let ready = line.event("READY").await;
        for listed in ready["guilds"].as_array().unwrap() {
            assert_eq!(listed["unavailable"], true);
            let id: u64 = line.event("GUILD_CREATE").await["id"].as_str().unwrap().parse().unwrap();
            assert_eq!((id >> 22) % 3, shard);
            heard.push(id);
        }
        assert_eq!(line.beat().await["op"], 11);
    }
    heard.sort_unstable();
    assert_eq!(heard, sandbox.guild_ids());
}

#[tokio::test]
async fn a_guild_is_introduced_before_anything_happens_in_it() {
    let sandbox = start_with(|config| config.guilds = 200);
    let mut line = Line::open(&sandbox).await;
    line.identify(ALL, json!([0, 1])).await;
    let last = *sandbox.guild_ids().last().unwrap();
    sandbox.wait_for(SOON, |event| matches!(event, SandboxEvent::Identify { .. })).unwrap();
    let channel = sandbox.channel_id(last, "general").unwrap();
    sandbox.say_in(last, channel, "alice", "early").unwrap();
    let (mut guilds, mut spoken) = (Vec::new(), false);
    while guilds.len() < 201 || !spoken {
        let frame = line.frame().await;
        match frame["t"].as_str().unwrap() {
            "GUILD_CREATE" => guilds.push(frame["d"]["id"].as_str().unwrap().to_owned()),
            "MESSAGE_CREATE" => {
                spoken = true;
                assert!(guilds.contains(&last.to_string()));
            }
            _ => {}
        }
    }
    guilds.sort_unstable();
    guilds.dedup();
    assert_eq!(guilds.len(), 201);
}

#[tokio::test]
async fn heartbeats_presence_and_member_requests_are_answered_and_noted() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    assert_eq!(line.beat().await["op"], 11);
    let activities = json!([{ "name": "tests", "type": 0 }]);
    line.say(json!({ "op": 3, "d": { "since": null, "afk": false, "status": "idle", "activities": activities } }))
        .await;
    sandbox
        .wait_for(SOON, |event| {
            matches!(event, SandboxEvent::Presence { status, activities, .. }
            if status == "idle" && activities == &["tests"])
        })
        .unwrap();
    let guild = sandbox.guild_id().to_string();
    line.say(json!({ "op": 8, "d": { "guild_id": guild, "query": "", "limit": 0, "nonce": "n1" } })).await;
    let chunk = line.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!((chunk["members"].as_array().unwrap().len(), &chunk["nonce"]), (4, &json!("n1")));
    assert_eq!((&chunk["chunk_index"], &chunk["chunk_count"]), (&json!(0), &json!(1)));
    let alice = sandbox.user_id("alice").unwrap().to_string();
    // Some clients write ids as numbers, which Discord takes as well.
    line.say(json!({ "op": 8, "d": { "guild_id": sandbox.guild_id(), "user_ids": [alice, 1], "limit": 0 } })).await;
    let chunk = line.event("GUILD_MEMBERS_CHUNK").await;
    assert_eq!((chunk["members"][0]["user"]["username"].as_str(), &chunk["not_found"]), (Some("alice"), &json!(["1"])));
}

#[tokio::test]
async fn session_starts_run_out_and_reset_the_token() {
    let sandbox = start_with(|config| config.session_starts = 2);
    let mut lines = vec![Line::ready(&sandbox, 1).await, Line::ready(&sandbox, 1).await];
    let (_, bot) = get(&sandbox, "/gateway/bot").await;
    assert_eq!(
        (&bot["session_start_limit"]["remaining"], &bot["session_start_limit"]["total"]),
        (&json!(0), &json!(2))
    );
    let mut third = Line::open(&sandbox).await;
    third.identify(1, json!([0, 1])).await;
    assert_eq!(third.closed().await, Some(4004));
    for line in &mut lines {
        assert_eq!(line.closed().await, Some(4004));
    }
    assert_eq!(get(&sandbox, "/users/@me").await.0, 401);
}

#[tokio::test]
async fn a_session_taken_over_by_a_second_resume_leaves_its_first_connection() {
    let sandbox = start();
    let mut first = Line::ready(&sandbox, ALL).await;
    let mut second = Line::resumed(&sandbox, &first).await;
    second.event("RESUMED").await;
    assert_eq!(first.closed().await, None);
    sandbox.say("alice", "once");
    assert_eq!(second.event("MESSAGE_CREATE").await["content"], "once");
}

#[tokio::test]
async fn a_thousand_messages_survive_twenty_cuts_in_order() {
    let sandbox = std::sync::Arc::new(start());
    let mut line = Line::ready(&sandbox, 1 << 9 | 1 << 15).await;
    let speaking = std::sync::Arc::clone(&sandbox);
    let speaker = std::thread::spawn(move || {
        for n in 0..1_000 {
            speaking.say("alice", &n.to_string());
            if n % 50 == 49 {
                // Each cut meets a connection, so that twenty resumes are made.
                assert!(speaking.wait_until(SOON, |stats, _| stats.resumes == n / 50));
                speaking.fault(sandbox::Fault::CutConnection { shard: None });
            }
        }
    });
    let mut heard = Vec::new();
    while heard.len() < 1_000 || sandbox.stats().resumes < 20 {
        match line.heard().await {
            Heard::Frame(frame) if frame["t"] == "MESSAGE_CREATE" => {
                heard.push(frame["d"]["content"].as_str().unwrap().parse::<u32>().unwrap());
            }
            Heard::Closed(_) => line = Line::resumed(&sandbox, &line).await,
            _ => {}
        }
    }
    speaker.join().unwrap();
    assert_eq!(heard, (0..1_000).collect::<Vec<_>>());
    let stats = sandbox.stats();
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, 20, 0));
}

#[tokio::test]
async fn a_bot_that_does_not_read_loses_its_connection_not_our_memory() {
    let sandbox = start_with(|config| config.replay_events = 100);
    let line = Line::ready(&sandbox, 1 << 9 | 1 << 15).await;
    let text = "x".repeat(100_000);
    let cut = |sandbox: &sandbox::Sandbox| sandbox.stats().disconnects.contains_key(&(None, Side::Sandbox));
    let mut said = 0;
    while !cut(&sandbox) {
        sandbox.say("alice", &text);
        said += 1;
        assert!(said < 10_000, "a gigabyte is not waiting anywhere");
    }
    let mut late = Line::resumed(&sandbox, &line).await;
    assert_eq!(late.frame().await["op"], 9, "it missed more than is kept");
}
