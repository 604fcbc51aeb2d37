//! A shard that loses its connection again and again says so once, and not that it is well.

use super::fake::*;
use protocol::ports::ReportLevel;

#[tokio::test]
async fn ten_lost_connections_are_told_once_and_shown() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    for lost in 1..=14u64 {
        match lost {
            10 => peer.close(4000).await,
            _ => drop(peer), // Discord itself closing each of them would end the session
        }
        peer = fake.accept(40_000).await;
        peer.expect(6).await;
        peer.message(2 * lost).await;
        peer.resumed(2 * lost + 1).await;
        eventually("online", || bot.gateway.is_online()).await;
        assert_eq!(bot.gateway.statuses()[0].unstable.is_some(), lost >= 10, "after {lost}");
    }
    let said = bot.gateway.statuses()[0].unstable.clone().unwrap();
    assert!(said.contains("10 connections") && said.contains("10 minutes") && said.contains("4000"), "{said}");
    let reports = bot.reports.all();
    let errors: Vec<_> = reports.iter().filter(|report| report.level == ReportLevel::Error).collect();
    println!("disconnects=14 reports={} warnings_of_instability={}", reports.len() - errors.len(), errors.len());
    assert_eq!((reports.len() - errors.len(), errors.len()), (14, 1));
    assert!(errors[0].message.contains("shard 0") && errors[0].message.contains(&said), "{:?}", errors[0]);
    bot.stop().await;
}
