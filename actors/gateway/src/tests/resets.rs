//! G1 with a TCP reset: unlike an end in order, it throws away what is still on its way to the bot.

use super::fake::*;
use crate::GatewayConfig;
use sandbox::{Fault, SandboxConfig};
use std::time::{Duration, Instant};

#[tokio::test]
async fn reset_connections_are_back_within_two_seconds_with_everything() {
    const RESETS: u64 = 20;
    let sandbox = stand_in(SandboxConfig::default());
    let setup = Setup { token: sandbox.token(), ..Setup::at(sandbox.gateway_url()) };
    // The waits of the shipped configuration.
    let config = GatewayConfig { reconnect_min_ms: 500, reconnect_max_ms: 300_000, ..setup.config.clone() };
    let bot = Bot::start(Setup { config, ..setup }).await;
    soon("ready", bot.gateway.wait_ready()).await;
    let (mut said, mut times) = (Vec::new(), Vec::new());
    for nth in 1..=RESETS {
        // Right behind the words: some are read by then, others are lost with the connection.
        said.extend((0..50).map(|_| sandbox.say("alice", "hello").0));
        let start = Instant::now();
        sandbox.fault(Fault::ResetConnection { shard: None });
        eventually("resumed", || sandbox.stats().resumes >= nth).await;
        bot.sink.has(said.len()).await;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let (taken, stats) = (bot.sink.taken.borrow().clone(), sandbox.stats());
    println!(
        "G1 resets={RESETS} events={} replayed={} recovery_p50_ms={} recovery_p99_ms={}",
        said.len(),
        stats.replayed,
        times[times.len() / 2].as_millis(),
        times[times.len() - 1].as_millis()
    );
    assert_eq!(taken, said, "lost, doubled or out of order");
    assert!(stats.replayed > 0, "a reset lost something on its way");
    assert!(times.iter().all(|time| *time < Duration::from_secs(2)), "{times:?}");
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, RESETS, 0), "{stats:?}");
    let resets = bot.reports.all().iter().filter(|report| report.message.to_lowercase().contains("reset")).count();
    assert_eq!(resets as u64, RESETS, "each is told of as what it is: {:?}", bot.reports.all().last());
    bot.stop().await;
}
