//! G9 and G10 over sockets and in a real tree: the shard is parked, one alert is raised, nothing is tried, nothing
//! spins. That it stays so for hours is tried in virtual time; here the supervisor plans no try at all.

use super::{cuts::cpu, fake::*};
use protocol::ports::ReportLevel;
use std::time::{Duration, Instant};
use supervision::Status;

const LOOK: Duration = Duration::from_millis(400);

/// Waits until the shard is parked and looks on for a while. Gives alerts, IDENTIFYs and the core's share in percent.
async fn parked(fake: &Fake, bot: &Bot) -> (usize, u64, f64) {
    let shard = "gateway/shard-0".into();
    eventually("parked", || bot.tree.node(&shard).is_some_and(|node| node.status == Status::Parked)).await;
    let (start, before) = (Instant::now(), cpu());
    fake.sees_nobody_for(LOOK).await;
    let share = (cpu() - before).as_secs_f64() / start.elapsed().as_secs_f64() * 100.0;
    let node = bot.tree.node(&shard).unwrap();
    assert_eq!((node.incarnation, node.until), (1, None), "no restart, and no try is planned");
    let beside = bot.tree.node(&"gateway/identify".into()).unwrap();
    assert_eq!((beside.status, beside.incarnation), (Status::Running, 1), "the rest stands");
    let reports = bot.reports.0.lock().unwrap();
    let alerts = reports.iter().filter(|report| report.level == ReportLevel::Fatal).count();
    (alerts, bot.gateway.statuses()[0].counts.identifies, share)
}

#[tokio::test]
async fn every_fatal_code_parks_with_one_alert_and_one_identify() {
    let mut worst = 0f64;
    for code in [4004, 4010, 4011, 4012, 4013, 4014] {
        let fake = Fake::bind().await;
        let bot = Bot::start(Setup::of(&fake)).await;
        let mut peer = fake.accept(40_000).await;
        peer.expect(2).await;
        peer.close(code).await;
        let (alerts, identifies, share) = parked(&fake, &bot).await;
        println!("G9/G10 code={code} identifies={identifies} alerts={alerts} attempts_after=0 cpu_percent={share:.1}");
        assert_eq!((alerts, identifies), (1, 1), "{code}");
        worst = worst.max(share);
        bot.stop().await;
    }
    assert!(worst < 20.0, "it spins: {worst:.1} % of a core");
}

#[tokio::test]
async fn an_unauthenticated_shard_tries_one_new_session_and_is_parked() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    fake.begin(40_000).await.close(4003).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(2).await;
    peer.close(4003).await;
    let (alerts, identifies, share) = parked(&fake, &bot).await;
    println!(
        "G10 code=4003 identifies_after={} alerts={alerts} attempts_after=0 cpu_percent={share:.1}",
        identifies - 1
    );
    assert_eq!((alerts, identifies), (1, 2));
    bot.stop().await;
}
