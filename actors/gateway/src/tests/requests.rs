//! What Discord asks for or says of a session: op 7, op 9, the close codes that end a session.

use super::fake::*;
use crate::session::CLOSE_RESUMABLE;
use protocol::ports::ReportLevel;
use serde_json::json;
use std::time::{Duration, Instant};

/// G5: twenty requests to reconnect.
#[tokio::test]
async fn twenty_requests_to_reconnect_cost_no_identify() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    for nth in 0..20 {
        peer.send(json!({"op": 7, "d": null})).await;
        assert_eq!(peer.closed().await, Some(CLOSE_RESUMABLE));
        peer = fake.accept(40_000).await;
        peer.expect(6).await;
        peer.message(2 + nth).await;
        peer.resumed(2 + nth).await;
        bot.sink.has(usize::try_from(nth + 1).unwrap()).await;
    }
    let counts = bot.gateway.statuses()[0].counts;
    println!("G5 reconnects={} identifies={}", counts.resumes, counts.identifies - 1);
    assert_eq!((counts.resumes, counts.identifies), (20, 1));
    bot.stop().await;
}

/// G6 over sockets: the wait before the new session, and that the old one is not resumed.
#[tokio::test]
async fn an_invalid_session_that_can_be_resumed_is_and_another_begins_anew() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.send(json!({"op": 9, "d": true})).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    peer.resumed(2).await;
    let told = Instant::now();
    peer.send(json!({"op": 9, "d": false})).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(2).await;
    let waited = told.elapsed();
    // What the shard waits on Discord's word. That IDENTIFYs are kept apart besides may make it longer.
    let reports = bot.reports.all();
    let next = reports.iter().find_map(|report| report.message.split_once("will begin a new session in "));
    let wait_ms: u64 = next.and_then(|(_, wait)| wait.strip_suffix(" ms")).unwrap().parse().unwrap();
    println!("G6 wait_ms={wait_ms} waited_s={:.2} identifies=1", waited.as_secs_f64());
    assert!((1_000..=5_000).contains(&wait_ms), "{wait_ms} ms");
    assert!(waited >= Duration::from_millis(wait_ms), "{waited:?}, not {wait_ms} ms");
    bot.stop().await;
}

/// G8 over sockets: accepted, and closed at once, three times.
#[tokio::test]
async fn a_resume_that_is_accepted_and_closed_three_times_is_given_up() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    let mut tries = 0;
    peer.ws.get_mut();
    drop(peer);
    peer = loop {
        let mut peer = fake.accept(40_000).await;
        let first = peer.first().await;
        if first["op"] == 2 {
            break peer;
        }
        assert_eq!(first["op"], 6);
        tries += 1;
        peer.resumed(2 + tries).await;
        peer.close(4000).await;
    };
    peer.ready(&fake.url).await;
    eventually("a new session", || bot.gateway.statuses()[0].counts.identifies == 2).await;
    println!("G8 tries={tries} identifies=1");
    assert_eq!(tries, 3);
    bot.stop().await;
}

/// G11: codes that end the session.
#[tokio::test]
async fn a_session_that_timed_out_or_lost_count_begins_anew_from_zero() {
    let mut resumes = 0;
    for code in [4007, 4009] {
        let fake = Fake::bind().await;
        let bot = Bot::start(Setup::of(&fake)).await;
        let mut peer = fake.begin(40_000).await;
        peer.message(900).await;
        bot.sink.has(1).await;
        peer.close(code).await;
        let mut peer = fake.accept(40_000).await;
        peer.expect(2).await;
        peer.ready(&fake.url).await;
        eventually("a session from the start", || bot.gateway.statuses()[0].seq_accepted == Some(1)).await;
        peer.message(2).await;
        assert_eq!(bot.sink.has(2).await, [900, 2], "a lower number than the old session's is new");
        resumes += bot.gateway.statuses()[0].counts.resumes;
        bot.stop().await;
    }
    println!("G11 resumes_with_old_session={resumes}");
    assert_eq!(resumes, 0);
}

/// G13, and what is told of each disconnect.
#[tokio::test]
async fn each_disconnect_is_reported_with_its_shard_and_code() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    let codes = [4999, 4000, 1011, 4005];
    let mut seq = 1;
    for code in codes {
        peer.close(code).await;
        peer = fake.accept(40_000).await;
        peer.expect(6).await;
        seq += 2;
        peer.resumed(seq - 1).await;
        peer.message(seq).await;
        eventually("online", || bot.gateway.statuses()[0].seq_accepted == Some(seq)).await;
    }
    peer.send(json!({"op": 7, "d": null})).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    let reports = bot.reports.all();
    let told: Vec<&str> = reports
        .iter()
        .map(|report| {
            assert_eq!((report.level, report.tags[0].1.as_str()), (ReportLevel::Warning, "0"), "{report:?}");
            report.tags.iter().find(|(name, _)| *name == "close_code").map_or("", |(_, code)| code)
        })
        .collect();
    println!("G13 reports={told:?}");
    assert_eq!(told, ["4999", "4000", "1011", "4005", "none"]);
    bot.stop().await;
}
