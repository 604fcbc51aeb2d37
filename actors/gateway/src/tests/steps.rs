//! Dispatches that cannot be the next ones: what is told, what is kept, and that the shard hears on.

use super::fake::*;
use crate::Cause;
use serde_json::json;

/// An event that nobody wants, under this number.
async fn stray(peer: &mut Peer, seq: u64) {
    peer.raw(&format!(r#"{{"t":"TYPING_START","s":{seq},"op":0,"d":{{}}}}"#)).await;
}

/// READY of another session.
async fn other_ready(peer: &mut Peer) {
    let data = json!({
        "v": 10, "user": {"id": "900", "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
        "guilds": [], "session_id": "session-2", "resume_gateway_url": "ws://127.0.0.1:1", "shard": [0, 1],
        "application": {"id": "1", "flags": 0},
    });
    peer.raw(&format!(r#"{{"t":"READY","s":1,"op":0,"d":{data}}}"#)).await;
}

/// The next connection, which asks for the first session from `seq` on.
async fn resumes(fake: &Fake, seq: u64) -> Peer {
    let mut peer = fake.accept(40_000).await;
    let resume = peer.expect(6).await;
    assert_eq!((&resume["d"]["session_id"], &resume["d"]["seq"]), (&json!("session-1"), &json!(seq)));
    peer
}

fn is_told(bot: &Bot, malformed: u64) {
    let status = bot.gateway.statuses().remove(0);
    assert_eq!((status.counts.malformed, status.counts.identifies), (malformed, 1), "{status:?}");
    assert_eq!(status.last_disconnect.map(|last| last.cause), Some(Cause::OutOfStep));
    assert!(bot.reports.all().iter().any(|report| report.message.contains("out of step")));
}

#[tokio::test]
async fn a_frame_with_an_impossible_number_deafens_nobody() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    stray(&mut peer, 900_000).await;
    peer.message(3).await;
    stray(&mut peer, u64::MAX).await;
    peer.message(4).await;
    assert_eq!(bot.sink.has(3).await, [2, 3, 4]);
    let status = bot.gateway.statuses().remove(0);
    assert_eq!((status.seq_received, status.counts.malformed, status.counts.disconnects), (Some(4), 2, 0));
    bot.stop().await;
}

#[tokio::test]
async fn numbers_that_stay_far_away_are_asked_about_and_taken_from_the_replay() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    for seq in 900_000..900_003 {
        stray(&mut peer, seq).await;
    }
    let mut peer = resumes(&fake, 2).await;
    is_told(&bot, 3);
    peer.message(900_000).await;
    peer.resumed(900_001).await;
    peer.message(900_002).await;
    assert_eq!(bot.sink.has(3).await, [2, 900_000, 900_002]);
    bot.stop().await;
}

#[tokio::test]
async fn what_comes_again_outside_of_a_replay_is_told_and_resumed() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    for seq in [2, 3, 2] {
        peer.message(seq).await;
    }
    let mut peer = resumes(&fake, 3).await;
    is_told(&bot, 1);
    for seq in [2, 3, 4] {
        peer.message(seq).await;
    }
    peer.resumed(5).await;
    peer.message(6).await;
    assert_eq!(bot.sink.has(4).await, [2, 3, 4, 6]);
    assert_eq!((bot.gateway.statuses()[0].counts.replayed, bot.gateway.statuses()[0].counts.malformed), (2, 1));
    bot.stop().await;
}

#[tokio::test]
async fn a_false_leap_loses_nothing() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    stray(&mut peer, 500).await;
    peer.message(3).await;
    peer.message(4).await;
    let mut peer = resumes(&fake, 2).await;
    is_told(&bot, 1);
    peer.message(3).await;
    peer.message(4).await;
    peer.resumed(5).await;
    peer.message(6).await;
    assert_eq!(bot.sink.has(4).await, [2, 3, 4, 6]);
    bot.stop().await;
}

#[tokio::test]
async fn a_ready_out_of_turn_replaces_no_session() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    other_ready(&mut peer).await;
    let mut peer = resumes(&fake, 2).await;
    is_told(&bot, 1);
    other_ready(&mut peer).await; // in place of RESUMED
    let mut peer = resumes(&fake, 2).await;
    is_told(&bot, 2);
    peer.message(3).await;
    peer.resumed(4).await;
    assert_eq!(bot.sink.has(2).await, [2, 3]);
    bot.stop().await;
}
