//! Dispatches that cannot be the next ones: what is told, what is kept, and that the shard hears on.

use super::fake::*;
use crate::{Cause, SavedSession};
use protocol::ShardId;
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

#[tokio::test]
async fn the_last_event_twice_is_dropped_and_counted_and_costs_no_connection() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    for seq in [2, 3, 3, 4, 4, 5] {
        peer.message(seq).await;
    }
    assert_eq!(bot.sink.has(4).await, [2, 3, 4, 5]);
    let counts = bot.gateway.statuses()[0].counts;
    assert_eq!((counts.replayed, counts.malformed, counts.disconnects), (2, 0, 0), "{counts:?}");
    bot.stop().await;
}

/// The bot of a process that takes a session over: number 2 is done, what waits up to `accepted` is not.
async fn goes_on(fake: &Fake, accepted: u64, waiting: Vec<u64>) -> Bot {
    let saved = SavedSession {
        shard: ShardId(0),
        total: 1,
        session_id: "session-1".into(),
        resume_url: fake.url.as_str().into(),
        seq: 2,
        accepted,
        waiting,
        applied: accepted,
        intents: 0,
        since: None,
    };
    Bot::start(Setup { saved: Some(saved), ledger: Ledger::down(), ..Setup::of(fake) }).await
}

#[tokio::test]
async fn a_false_leap_in_the_replay_of_a_hand_over_makes_nothing_run_twice() {
    let fake = Fake::bind().await;
    let bot = goes_on(&fake, 6, vec![3, 5]).await;
    let mut peer = resumes(&fake, 2).await;
    peer.message(3).await;
    stray(&mut peer, 500).await;
    for seq in 4..=6 {
        peer.message(seq).await;
    }
    peer.resumed(7).await;
    peer.message(8).await;
    assert_eq!(bot.sink.has(3).await, [3, 5, 8], "4 and 6 had begun in the process before");
    assert_eq!(bot.gateway.statuses()[0].counts.lost, 0);
    bot.stop().await;
}

/// The last number of the process before was false: what lies below it has yet to come.
#[tokio::test]
async fn a_false_number_that_a_process_left_as_its_last_hides_nothing_from_the_next() {
    let fake = Fake::bind().await;
    let bot = goes_on(&fake, 500, vec![3]).await;
    let mut peer = resumes(&fake, 2).await;
    for seq in [3, 4] {
        peer.message(seq).await;
    }
    peer.resumed(5).await;
    for seq in [6, 7, 8] {
        peer.message(seq).await;
    }
    assert_eq!(bot.sink.has(4).await, [3, 6, 7, 8], "4 may have been done by the process before");
    bot.stop().await;
}

#[tokio::test]
async fn a_stream_that_always_leaves_some_out_is_believed_in_the_end() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    let sent: Vec<u64> = (1..=30).map(|nth| nth * 2).collect();
    for seq in &sent {
        peer.message(*seq).await;
    }
    bot.sink.has(30).await;
    drop(peer);
    let mut peer = resumes(&fake, 54).await;
    for seq in [56, 58, 60] {
        peer.message(seq).await;
    }
    peer.resumed(63).await;
    peer.message(65).await;
    assert_eq!(bot.sink.has(31).await, [sent, vec![65]].concat());
    bot.stop().await;
}

/// Message `id` under a number that is not its own.
async fn misnumbered(peer: &mut Peer, id: u64, seq: u64) {
    let text = message(id).replace(&format!(r#""s":{id},"#), &format!(r#""s":{seq},"#));
    peer.raw(&text).await;
}

#[tokio::test]
async fn what_came_under_a_false_number_runs_once() {
    for false_number in [500, 4] {
        let fake = Fake::bind().await;
        let bot = Bot::start(Setup::of(&fake)).await;
        let mut peer = fake.begin(40_000).await;
        peer.message(2).await;
        misnumbered(&mut peer, 3, false_number).await;
        peer.message(4).await;
        let mut peer = resumes(&fake, 2).await;
        is_told(&bot, 1);
        for seq in 3..=5 {
            peer.message(seq).await;
        }
        peer.resumed(6).await;
        peer.message(7).await;
        assert_eq!(bot.sink.has(5).await, [2, 3, 4, 5, 7], "as number {false_number}");
        bot.stop().await;
    }
}

#[tokio::test]
async fn what_came_under_a_number_that_cannot_be_is_asked_for() {
    for false_number in [900_000, 2, 1] {
        let fake = Fake::bind().await;
        let bot = Bot::start(Setup::of(&fake)).await;
        let mut peer = fake.begin(40_000).await;
        peer.message(2).await;
        misnumbered(&mut peer, 3, false_number).await;
        peer.message(4).await;
        let mut peer = resumes(&fake, 2).await;
        peer.message(3).await;
        peer.message(4).await;
        peer.resumed(5).await;
        peer.message(6).await;
        assert_eq!(bot.sink.has(4).await, [2, 3, 4, 6], "as number {false_number}");
        bot.stop().await;
    }
}
