//! What can be ordered on the gateway beside the simple faults: lateness, ends of every kind, floods, giants.

use std::time::Duration;

use sandbox::{Fault, SandboxEvent, Side};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{ALL, Heard, Line, SOON, start, start_with};

const MESSAGES: u64 = 1 << 9 | 1 << 15;

#[tokio::test]
async fn late_acks_come_after_the_events_that_flow_meanwhile() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.hold_clock();
    sandbox.fault(Fault::DelayAcks { millis: 300 });
    line.say(json!({ "op": 1, "d": line.seq })).await;
    sandbox.wait_for(SOON, |event| matches!(event, SandboxEvent::Heartbeat { .. })).unwrap();
    sandbox.say("alice", "meanwhile");
    line.event("MESSAGE_CREATE").await;
    sandbox.pass(Duration::from_millis(300));
    assert_eq!(line.frame().await["op"], 11);
    sandbox.fault(Fault::DelayAcks { millis: 0 });
    assert_eq!(line.beat().await["op"], 11);
}

#[tokio::test]
async fn a_connection_ends_with_an_empty_close_frame_a_reset_or_nothing_at_all() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.fault(Fault::CloseEmpty);
    assert!(matches!(line.message().await, Some(Ok(Message::Close(None)))));
    for (fault, reset) in
        [(Fault::ResetConnection { shard: None }, true), (Fault::CutConnection { shard: None }, false)]
    {
        line = Line::resumed(&sandbox, &line).await;
        line.event("RESUMED").await;
        sandbox.fault(fault);
        let end = line.message().await;
        let was_reset =
            matches!(&end, Some(Err(Error::Io(error))) if error.kind() == std::io::ErrorKind::ConnectionReset);
        assert_eq!(was_reset, reset, "{end:?}");
    }
    Line::resumed(&sandbox, &line).await.event("RESUMED").await;
    assert_eq!(sandbox.stats().disconnects.get(&(None, Side::Sandbox)), Some(&3));
}

#[tokio::test]
async fn sessions_can_be_refused_for_ever() {
    let sandbox = start();
    sandbox.fault(Fault::RefuseSessions { times: u32::MAX, resumable: false });
    let mut line = Line::open(&sandbox).await;
    for _ in 0..20 {
        line.identify(ALL, json!([0, 1])).await;
        assert_eq!(line.frame().await["op"], 9);
    }
    sandbox.fault(Fault::Clear);
    line.identify(ALL, json!([0, 1])).await;
    line.event("READY").await;
}

#[tokio::test]
async fn a_flood_waits_for_its_reader_and_loses_nothing_to_cuts() {
    let sandbox = start_with(|config| config.replay_events = 100_000);
    let mut line = Line::ready(&sandbox, MESSAGES).await;
    let events = 20_000;
    sandbox.fault(Fault::Flood { name: "FLOOD".into(), data: "{\"n\":{n}}".into(), events });
    let (mut next, mut cuts) = (0, 0);
    while next < events {
        match line.heard().await {
            Heard::Frame(frame) if frame["t"] == "FLOOD" => {
                assert_eq!(frame["d"]["n"], next);
                next += 1;
                if next % 5_000 == 2_500 && cuts < 4 {
                    cuts += 1;
                    sandbox.fault(Fault::CutConnection { shard: None });
                }
            }
            Heard::Frame(_) => {}
            Heard::Closed(_) => line = Line::resumed(&sandbox, &line).await,
            other @ Heard::Binary(_) => panic!("{other:?}"),
        }
    }
    let stats = sandbox.stats();
    assert_eq!((stats.identifies, stats.resumes_refused), (1, 0));
    assert!(stats.resumes >= 1, "the cuts came while it flowed");
}

#[tokio::test]
async fn connections_end_after_as_many_events_as_told_and_nothing_is_lost() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, MESSAGES).await;
    let cuts = 10;
    sandbox.fault(Fault::CutEvery { events: 5, times: cuts });
    for n in 0..100 {
        sandbox.say("alice", &n.to_string());
    }
    let (mut next, mut ended) = (0, 0);
    // READY was the first event of the first connection.
    let mut carried = 1;
    while next < 100 {
        match line.heard().await {
            Heard::Frame(frame) => {
                carried += 1;
                if frame["t"] == "MESSAGE_CREATE" {
                    assert_eq!(frame["d"]["content"], next.to_string());
                    next += 1;
                }
            }
            Heard::Closed(code) => {
                assert_eq!((code, carried), (None, 5), "connection {ended}");
                ended += 1;
                carried = 0;
                line = Line::resumed(&sandbox, &line).await;
            }
            other @ Heard::Binary(_) => panic!("{other:?}"),
        }
    }
    assert_eq!(ended, cuts);
    let stats = sandbox.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, u64::from(cuts)));
}

#[tokio::test]
async fn a_guild_can_be_as_large_as_wished() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let bytes = 3_000_000;
    sandbox.fault(Fault::HugeGuild { bytes });
    let Some(Ok(Message::Text(text))) = line.message().await else { panic!("a guild was expected") };
    assert!((bytes..bytes + 2_000).contains(&text.len()), "{} bytes", text.len());
    let frame: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(frame["t"], "GUILD_CREATE");
    let members = frame["d"]["members"].as_array().unwrap().len();
    assert_eq!(frame["d"]["member_count"], members);
    assert!(members > 4_000);
}

#[tokio::test]
async fn ready_tells_another_address_for_resuming_when_told_to() {
    let sandbox = start();
    let dead = "ws://127.0.0.1:9".to_owned();
    for (url, told) in [(Some(dead.clone()), dead), (None, sandbox.gateway_url())] {
        sandbox.fault(Fault::ResumeUrl { url });
        let mut line = Line::open(&sandbox).await;
        line.identify(1, json!([0, 1])).await;
        assert_eq!(line.event("READY").await["resume_gateway_url"], told);
    }
}

#[tokio::test]
async fn the_bot_joins_and_leaves_a_voice_channel() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let guild = sandbox.guild_id();
    let lounge = sandbox.channel_id(guild, "lounge").unwrap();
    let state = |channel: Option<u64>| {
        let channel = channel.map(|id| id.to_string());
        let data =
            json!({ "guild_id": guild.to_string(), "channel_id": channel, "self_mute": true, "self_deaf": false });
        json!({ "op": 4, "d": data })
    };
    line.say(state(Some(lounge))).await;
    let joined = line.event("VOICE_STATE_UPDATE").await;
    assert_eq!((&joined["channel_id"], &joined["self_mute"]), (&json!(lounge.to_string()), &json!(true)));
    assert_eq!(line.event("VOICE_SERVER_UPDATE").await["endpoint"], Value::Null, "there is no voice server");
    line.say(state(None)).await;
    assert_eq!(line.event("VOICE_STATE_UPDATE").await["channel_id"], Value::Null);
    line.say(state(Some(sandbox.general_id()))).await;
    assert_eq!(line.beat().await["op"], 11, "nobody joins a text channel");
    let left = SandboxEvent::VoiceState { guild, channel: None, self_mute: true, self_deaf: false };
    assert!(sandbox.wait_for(SOON, |event| *event == left).is_some());
    line.say(json!({ "op": 4, "d": { "guild_id": guild.to_string() } })).await;
    assert_eq!(line.closed().await, Some(4002));
}
