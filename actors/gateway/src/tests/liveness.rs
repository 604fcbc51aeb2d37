//! Heartbeats over loopback sockets with short intervals; Discord's own interval is tried in virtual time.

use super::fake::*;
use crate::{Cause, session::CLOSE_RESUMABLE};
use serde_json::json;
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(INTERVAL_MS);
const INTERVAL_MS: u64 = 1_000;

/// G3: the socket stays open, acknowledgements stop.
#[tokio::test]
async fn a_zombie_is_closed_after_one_interval_and_resumed() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(INTERVAL_MS).await;
    peer.expect(1).await;
    peer.answers = false;
    peer.expect(1).await;
    let unanswered = Instant::now();
    let code = peer.closed().await;
    let detection = unanswered.elapsed();
    let mut next = fake.accept(40_000).await;
    next.expect(6).await;
    println!("G3 detection_ms={} interval_ms={INTERVAL_MS} close_code={}", detection.as_millis(), code.unwrap_or(0));
    assert_eq!(code, Some(CLOSE_RESUMABLE));
    assert!((4000..5000).contains(&CLOSE_RESUMABLE) && detection <= INTERVAL + Duration::from_secs(5), "{detection:?}");
    let status = bot.gateway.statuses().remove(0);
    assert_eq!(status.last_disconnect.map(|last| last.cause), Some(Cause::Zombie));
    assert_eq!(status.counts.identifies, 1);
    bot.stop().await;
}

/// G4: acknowledgements are withheld for five intervals, events go on.
#[tokio::test]
async fn a_late_acknowledgement_is_no_zombie_while_events_flow() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(INTERVAL_MS).await;
    peer.answers = false;
    let (start, mut seq) = (Instant::now(), 1);
    while start.elapsed() < INTERVAL * 5 {
        seq += 1;
        peer.message(seq).await;
        bot.sink.has(usize::try_from(seq - 1).unwrap()).await;
        tokio::time::sleep(INTERVAL / 6).await;
    }
    let beats = {
        peer.expect(1).await;
        peer.expect(1).await;
        peer.heartbeats
    };
    let counts = bot.gateway.statuses()[0].counts;
    println!("G4 false_reconnects={} events={}", counts.disconnects, seq - 1);
    assert_eq!((counts.disconnects, beats), (0, 2));
    bot.stop().await;
}

/// G16: Discord asks for a heartbeat.
#[tokio::test]
async fn a_heartbeat_that_is_asked_for_comes_at_once() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    let mut took = Vec::new();
    for seq in 2..22 {
        peer.message(seq).await;
        bot.sink.has(usize::try_from(seq - 1).unwrap()).await;
        let asked = Instant::now();
        peer.send(json!({"op": 1, "d": null})).await;
        while peer.expect(1).await["d"] != seq {} // the first of its own may come at any time, also before this event
        took.push(asked.elapsed());
    }
    took.sort();
    let (median, worst) = (took[took.len() / 2], took[took.len() - 1]);
    println!("G16 heartbeat_ms_median={:.2} max={:.2}", median.as_secs_f64() * 1e3, worst.as_secs_f64() * 1e3);
    // A machine that is busy holds up one of them, not most.
    assert!(median < Duration::from_millis(100) && worst < Duration::from_secs(5), "{took:?}");
    bot.stop().await;
}
