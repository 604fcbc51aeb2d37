//! Connections that end: what it costs in time, events and IDENTIFYs. Over loopback sockets, with the shipped waits
//! where time is measured.

use super::fake::*;
use crate::{Cause, GatewayConfig, Phase};
use futures_util::SinkExt;
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::Message;

/// The waits of the shipped configuration.
fn shipped(setup: Setup) -> Setup {
    let config = GatewayConfig { reconnect_min_ms: 500, reconnect_max_ms: 300_000, ..setup.config.clone() };
    Setup { config, ..setup }
}

/// Time that this thread, and so everything in a test, has spent on a core.
pub(super) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// G1: the TCP connection is gone in the middle of a session.
#[tokio::test]
async fn cut_connections_are_back_within_two_seconds_with_everything() {
    const CUTS: u64 = 20;
    let fake = Fake::bind().await;
    let bot = Bot::start(shipped(Setup::of(&fake))).await;
    let mut peer = fake.begin(40_000).await;
    let (mut sent, mut seq, mut times) = (Vec::new(), 1, Vec::new());
    for cut in 0..CUTS {
        for _ in 0..=cut % 7 {
            seq += 1;
            sent.push(seq);
            peer.message(seq).await;
        }
        if cut % 2 == 0 {
            bot.sink.has(sent.len()).await;
        }
        let start = Instant::now();
        drop(peer);
        peer = fake.accept(40_000).await;
        let from = peer.expect(6).await["d"]["seq"].as_u64().unwrap();
        for replayed in sent.iter().filter(|sent| **sent > from) {
            peer.message(*replayed).await;
        }
        seq += 1;
        peer.resumed(seq).await;
        eventually("online", || bot.gateway.statuses()[0].seq_accepted == Some(seq)).await;
        times.push(start.elapsed());
    }
    let taken = bot.sink.has(sent.len()).await;
    times.sort_unstable();
    let lost = sent.iter().filter(|id| !taken.contains(id)).count();
    println!(
        "G1 cuts={CUTS} events={} lost={lost} doubled={} recovery_p50_ms={} recovery_p99_ms={}",
        sent.len(),
        taken.len() + lost - sent.len(),
        times[times.len() / 2].as_millis(),
        times[times.len() - 1].as_millis()
    );
    assert_eq!(taken, sent);
    assert!(times.iter().all(|time| *time < Duration::from_secs(2)), "{times:?}");
    assert_eq!(bot.gateway.statuses()[0].counts.identifies, 1);
    bot.stop().await;
}

/// G2: a close frame without a code, again and again, then nobody there.
#[tokio::test]
async fn an_empty_close_is_resumed_without_a_hot_loop() {
    let fake = Fake::bind().await;
    let bot = Bot::start(shipped(Setup::of(&fake))).await;
    let mut peer = fake.begin(40_000).await;
    for nth in 0..4 {
        peer.ws.send(Message::Close(None)).await.unwrap();
        peer = fake.accept(40_000).await;
        peer.expect(6).await;
        peer.message(2 + nth).await; // so that the resume was of use
        peer.resumed(2 + nth).await;
        eventually("online", || bot.gateway.statuses()[0].state == Phase::Online).await;
    }
    let last = bot.gateway.statuses()[0].last_disconnect.clone().unwrap();
    assert_eq!((last.cause, last.code), (Cause::Cut, None), "a close without a code is a cut");
    // Nobody there: the time on the core while it waits.
    drop(fake);
    peer.ws.send(Message::Close(None)).await.unwrap();
    let (start, before) = (Instant::now(), cpu());
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (gap, busy) = (start.elapsed(), cpu() - before);
    let counts = bot.gateway.statuses()[0].counts;
    println!(
        "G2 reconnects={} dials_in_gap={} cpu_ms={} gap_ms={}",
        counts.resumes,
        counts.dials_failed,
        busy.as_millis(),
        gap.as_millis()
    );
    assert_eq!((counts.resumes, counts.identifies, counts.disconnects), (4, 1, 5));
    assert!(counts.dials_failed <= 4 && busy < gap / 5, "{counts:?} {busy:?}");
    bot.stop().await;
}
