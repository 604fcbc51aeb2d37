//! Rows of the fault table against the stand-in for Discord, which nobody here wrote for this client: what the other tests
//! drive by hand or through hours of virtual time, done once by somebody who keeps Discord's side of the protocol.

use super::fake::*;
use crate::{Cause, Intents, OnlineStatus, Phase, PresenceData};
use protocol::ports::ReportLevel;
use sandbox::{Fault, Sandbox, SandboxConfig, SandboxStats, Side, Strict, VirtualTime};
use serenity::model::gateway::GatewayIntents;
use std::time::{Duration, Instant};
use supervision::Status;

fn setup(sandbox: &Sandbox) -> Setup {
    Setup { token: sandbox.token(), ..Setup::at(sandbox.gateway_url()) }
}

async fn start(config: SandboxConfig) -> (Strict, Bot) {
    let sandbox = stand_in(config);
    let bot = Bot::start(setup(&sandbox)).await;
    soon("ready", bot.gateway.wait_ready()).await;
    (sandbox, bot)
}

/// Makes trouble, waits until the session is back, and has it take one word more.
async fn survived(sandbox: &Sandbox, bot: &Bot, fault: Fault, is_back: impl Fn(&SandboxStats) -> bool) {
    let taken = bot.sink.taken.borrow().len();
    sandbox.fault(fault.clone());
    eventually(&format!("back after {fault:?}"), || is_back(&sandbox.stats())).await;
    if fault == Fault::StopAcks {
        sandbox.fault(Fault::ResumeAcks);
    }
    sandbox.say("alice", "still there?");
    bot.sink.has(taken + 1).await;
    eventually("online", || bot.gateway.statuses()[0].state == Phase::Online).await;
}

/// G2 and G5: four closes without a code, twenty requests to reconnect.
#[tokio::test]
async fn closes_without_a_code_and_requests_to_reconnect_are_resumed() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    for (fault, times) in [(Fault::CloseEmpty, 4), (Fault::Reconnect, 20)] {
        for _ in 0..times {
            let resumes = sandbox.stats().resumes;
            survived(&sandbox, &bot, fault.clone(), |stats| stats.resumes > resumes).await;
        }
    }
    let stats = sandbox.stats();
    println!("G2 G5 sandbox: resumes={} identifies={}", stats.resumes, stats.identifies);
    assert_eq!((stats.identifies, stats.resumes, stats.resumes_refused), (1, 24, 0), "{stats:?}");
    bot.stop().await;
}

/// G3, G4 and G16: heartbeats that are not answered, or late while events flow, and one that is asked for.
#[tokio::test]
async fn heartbeats_are_sent_when_asked_for_and_missed_when_unanswered() {
    let (sandbox, bot) = start(SandboxConfig { heartbeat_interval_ms: 40_000, ..SandboxConfig::default() }).await;
    let (beats, asked) = (sandbox.stats().heartbeats, Instant::now());
    sandbox.fault(Fault::AskHeartbeat);
    eventually("a heartbeat", || sandbox.stats().heartbeats > beats).await;
    println!("G16 sandbox: after_ms={:.1}", asked.elapsed().as_secs_f64() * 1e3);
    bot.stop().await;

    let (sandbox, bot) = start(SandboxConfig { heartbeat_interval_ms: 1_000, ..SandboxConfig::default() }).await;
    sandbox.fault(Fault::DelayAcks { millis: 1_700 });
    let (beats, mut said) = (sandbox.stats().heartbeats, 0);
    while sandbox.stats().heartbeats < beats + 3 {
        sandbox.say("alice", "events flow");
        said += 1;
        bot.sink.has(said).await;
        tokio::time::sleep(Duration::from_millis(5)).await; // a busy guild, not a flood
    }
    assert_eq!(bot.gateway.statuses()[0].counts.disconnects, 0, "G4: late is not dead");
    sandbox.fault(Fault::DelayAcks { millis: 0 });
    survived(&sandbox, &bot, Fault::StopAcks, |stats| stats.resumes > 0).await;
    let lost = bot.gateway.statuses()[0].last_disconnect.clone().unwrap();
    assert_eq!((lost.cause, sandbox.stats().identifies), (Cause::Zombie, 1));
    bot.stop().await;
}

/// G6 and G11: sessions that are over begin anew, and are not tried again.
#[tokio::test]
async fn sessions_that_are_over_begin_anew_and_are_not_resumed() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    let told = Instant::now();
    survived(&sandbox, &bot, Fault::InvalidSession { resumable: false }, |stats| stats.identifies == 2).await;
    println!("G6 sandbox: wait_s={:.2}", told.elapsed().as_secs_f64());
    assert!(told.elapsed() >= Duration::from_secs(1), "Discord asks for 1 to 5 s");
    bot.stop().await;
    for code in [4007, 4009] {
        let (sandbox, bot) = start(SandboxConfig::default()).await;
        survived(&sandbox, &bot, Fault::CloseWith { code }, |stats| stats.identifies == 2).await;
        let stats = sandbox.stats();
        assert_eq!((stats.resumes, stats.resumes_refused), (0, 0), "{code}: {stats:?}");
        bot.stop().await;
    }
}

/// G9 and G10: parked at the first close, by what the stand-in refuses of its own accord and by the other codes on order;
/// and then nothing for ten minutes.
#[tokio::test(start_paused = true)]
async fn what_discord_refuses_for_good_is_tried_once() {
    let privileged = GatewayIntents::GUILD_MEMBERS;
    let without = SandboxConfig::default().allowed_intents & !privileged.bits();
    for code in [4004, 4010, 4011, 4012, 4013, 4014] {
        let mut config = SandboxConfig::default();
        match code {
            4011 => (config.guilds, config.guilds_per_shard_max) = (2, 1),
            4014 => config.allowed_intents = without,
            _ => {}
        }
        let sandbox = stand_in(config);
        let mut setup = setup(&sandbox);
        match code {
            4004 => setup.token = "wrong".into(),
            4014 => setup.intents = Intents::Exactly(privileged),
            4011 => {}
            code => sandbox.fault(Fault::CloseOnIdentify { code, times: u32::MAX }),
        }
        let time = VirtualTime::of(&sandbox);
        let bot = Bot::start(setup).await;
        let is_parked = || bot.tree.node(&"gateway/shard-0".into()).is_some_and(|node| node.status == Status::Parked);
        time.until("parked", is_parked).await;
        for _ in 0..600 {
            time.pass(Duration::from_secs(1)).await;
        }
        assert!(is_parked());
        let said = bot.gateway.statuses()[0].parked.clone().unwrap();
        assert!(said.contains(&code.to_string()), "{said}");
        let alerts = bot.reports.all().iter().filter(|report| report.level == ReportLevel::Fatal).count();
        let stats = sandbox.stats();
        println!("G9/G10 sandbox: code={code} connections_in_10_min={} alerts={alerts}", stats.connections);
        assert_eq!((stats.connections, alerts), (1, 1), "{code}");
        assert_eq!(stats.disconnects.get(&(Some(code), Side::Sandbox)), Some(&1), "{:?}", stats.disconnects);
        drop(time);
        bot.stop().await;
    }
}

/// G21: a thousand changes of presence, counted by somebody who closes with 4008 beyond 120 a minute.
#[tokio::test]
async fn a_thousand_presences_do_not_make_discord_close_the_connection() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    for number in 0..1_000 {
        let status = if number % 2 == 0 { OnlineStatus::Idle } else { OnlineStatus::Online };
        bot.gateway.presence().set(PresenceData { status, activity: None }).unwrap();
        if number % 5 == 0 {
            tokio::task::yield_now().await; // so that the shard sees many of them, one by one
        }
    }
    eventually("no more is sent", || bot.gateway.statuses()[0].throttled).await;
    sandbox.say("alice", "still there?");
    bot.sink.has(1).await;
    let stats = sandbox.stats();
    println!("G21 sandbox: frames={} limit=120 disconnects={:?}", stats.frames_received, stats.disconnects);
    assert!((60..=120).contains(&stats.frames_received), "{}", stats.frames_received);
    assert!(stats.disconnects.is_empty(), "{:?}", stats.disconnects);
    bot.stop().await;
}

/// G22: nobody takes the connection for a while.
#[tokio::test]
async fn a_gateway_that_takes_no_connections_for_a_while_is_waited_out_and_resumed() {
    let (sandbox, bot) = start(SandboxConfig::default()).await;
    sandbox.fault(Fault::RefuseConnections { n: 5 });
    survived(&sandbox, &bot, Fault::CutConnection { shard: None }, |stats| stats.resumes == 1).await;
    let (stats, counts) = (sandbox.stats(), bot.gateway.statuses()[0].counts);
    println!("G22 sandbox: refused=5 dials_failed={}", counts.dials_failed);
    assert_eq!((stats.identifies, counts.dials_failed), (1, 5), "{stats:?}");
    bot.stop().await;
}
