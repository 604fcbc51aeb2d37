//! What Discord and the network do to a connection, and what follows.

use super::fake::*;
use crate::{Cause, Phase, session::CLOSE_RESUMABLE};
use protocol::ports::ReportLevel;
use serde_json::json;
use std::time::Duration;
use supervision::{Status, Verb};

#[tokio::test]
async fn a_fatal_close_code_parks_the_shard_and_nothing_is_tried_again() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.accept(40_000).await;
    let identify = peer.expect(2).await;
    assert_eq!(identify["d"]["shard"], json!([0, 1]));
    assert_eq!(identify["d"]["intents"], (1u64 << 0) | (1 << 1) | (1 << 9) | (1 << 12) | (1 << 15));
    peer.close(4004).await;
    let shard = "gateway/shard-0".into();
    eventually("parked", || bot.tree.node(&shard).is_some_and(|node| node.status == Status::Parked)).await;
    fake.sees_nobody_for(Duration::from_millis(300)).await;
    let node = bot.tree.node(&shard).unwrap();
    assert_eq!((node.incarnation, node.until), (1, None), "no restart, no try while parked");
    let said = node.last_exit.unwrap().to_string();
    assert!(said.contains("4004") && said.contains("DISCORD_TOKEN"), "{said}");
    let fatal = |report: &&protocol::ports::Report| report.level == ReportLevel::Fatal;
    assert_eq!(bot.reports.0.lock().unwrap().iter().filter(fatal).count(), 1);
    let status = bot.gateway.statuses().remove(0);
    assert_eq!((status.state, status.counts.identifies), (Phase::Parked, 1));
    bot.stop().await;
}

#[tokio::test]
async fn a_host_that_is_not_allowed_is_never_connected_to() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup { hosts: vec!["gateway.discord.gg".into()], ..Setup::of(&fake) }).await;
    let shard = "gateway/shard-0".into();
    eventually("parked", || bot.tree.node(&shard).is_some_and(|node| node.status == Status::Parked)).await;
    fake.sees_nobody_for(Duration::from_millis(100)).await;
    let said = bot.tree.node(&shard).unwrap().last_exit.unwrap().to_string();
    assert!(said.contains("allow_hosts"), "{said}");
    bot.stop().await;
}

#[tokio::test]
async fn a_forbidden_resume_address_is_not_dialled_and_the_session_resumes_at_the_general_one() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(2).await;
    peer.ready("wss://gateway-us-east1-b.discord.gg").await;
    peer.message(2).await;
    bot.sink.has(1).await;
    drop(peer);
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2);
    bot.stop().await;
}

#[tokio::test]
async fn a_silent_connection_is_closed_resumably_and_resumed() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(500).await;
    peer.answers = false;
    assert_eq!(peer.closed().await, Some(CLOSE_RESUMABLE));
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    assert_eq!(bot.gateway.statuses()[0].last_disconnect.as_ref().map(|last| last.cause), Some(Cause::Zombie));
    bot.stop().await;
}

#[tokio::test]
async fn requests_of_discord_are_met() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    peer.message(2).await;
    bot.sink.has(1).await;
    peer.send(json!({"op": 1, "d": null})).await;
    assert_eq!(peer.expect(1).await["d"], 2, "at once, and with what was received");
    peer.send(json!({"op": 7, "d": null})).await;
    assert_eq!(peer.closed().await, Some(CLOSE_RESUMABLE));
    let mut peer = fake.accept(600_000).await;
    peer.expect(6).await;
    peer.resumed(3).await;
    peer.send(json!({"op": 9, "d": true})).await;
    let mut peer = fake.accept(600_000).await;
    peer.expect(6).await;
    peer.send(json!({"op": 9, "d": false})).await;
    let mut peer = fake.accept(600_000).await;
    peer.expect(2).await;
    assert_eq!(bot.gateway.statuses()[0].counts.identifies, 2);
    bot.stop().await;
}

#[tokio::test]
async fn a_killed_shard_resumes() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    bot.sink.has(1).await;
    bot.tree.order(&"gateway/shard-0".into(), Verb::Kill, None, false).await.unwrap();
    assert_eq!(peer.closed().await, None, "a kill sends no close frame");
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2);
    peer.message(3).await;
    peer.resumed(4).await;
    assert_eq!(bot.sink.has(2).await, [2, 3]);
    assert_eq!(bot.gateway.statuses()[0].counts.identifies, 1);
    bot.stop().await;
}

#[tokio::test]
async fn without_its_ledger_a_shard_does_not_identify_until_it_is_back() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup { ledger: Ledger::down(), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.closed().await, Some(CLOSE_RESUMABLE), "it hangs up instead of identifying");
    *bot.ledger.down.lock().unwrap() = false;
    loop {
        let mut peer = fake.accept(40_000).await;
        if let Some(Ok(message)) = futures_util::StreamExt::next(&mut peer.ws).await
            && message.to_text().is_ok_and(|text| text.contains(r#""op":2"#))
        {
            break;
        }
    }
    assert_eq!(*bot.ledger.taken.lock().unwrap(), 1);
    bot.stop().await;
}

#[tokio::test]
async fn a_gateway_that_cannot_be_reached_is_tried_again() {
    let closed = ClosedPort::hold();
    let bot = Bot::start(Setup::at(closed.url.clone())).await;
    eventually("three attempts", || bot.gateway.statuses()[0].counts.dials_failed >= 3).await;
    let node = bot.tree.node(&"gateway/shard-0".into()).unwrap();
    assert_eq!(node.incarnation, 1, "a failed connection is no crash");
    bot.stop().await;
}
