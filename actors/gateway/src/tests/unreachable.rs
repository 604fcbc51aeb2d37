//! G22: no way to the gateway. How often it is tried over hours is shown in virtual time; here: which failures there
//! are, that each is only waited out, and that nobody else is asked.

use super::fake::*;
use crate::Phase;
use protocol::{
    BoxFuture,
    ports::{GatewayBot, GatewayDirectory, NotNow},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::net::TcpListener;

/// Answers `GET /gateway/bot` so often, then with 500.
struct Failing {
    url: String,
    answers: u32,
    asked: AtomicU32,
}

impl GatewayDirectory for Failing {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        let answers = self.asked.fetch_add(1, Relaxed) < self.answers;
        let bot =
            GatewayBot { url: self.url.clone(), shards: 1, remaining: 900, reset_after_ms: 1, max_concurrency: 1 };
        let failed = NotNow { what: "Discord answered 500".into(), retry_after: Duration::from_millis(10) };
        Box::pin(async move { answers.then_some(bot).ok_or(failed) })
    }
}

async fn retries(what: &str, bot: &Bot) -> String {
    eventually(what, || bot.gateway.statuses()[0].counts.dials_failed >= 3).await;
    let node = bot.tree.node(&"gateway/shard-0".into()).unwrap();
    assert_eq!(node.incarnation, 1, "{what}: a failed connection is no crash");
    let reports = bot.reports.0.lock().unwrap();
    reports.last().map(|report| report.message.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_name_that_is_not_found_a_broken_handshake_and_a_closed_port_are_waited_out() {
    let unknown = "wss://gateway.invalid";
    let closed = ClosedPort::hold();
    let garbage = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let no_tls = format!("wss://{}", garbage.local_addr().unwrap());
    let mut talks = tokio::task::JoinSet::new();
    talks.spawn(async move {
        while let Ok((mut stream, _)) = garbage.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 this is mail, not TLS\r\n").await.ok();
        }
    });
    for (what, url) in [("dns", unknown.to_owned()), ("tls", no_tls), ("closed port", closed.url.clone())] {
        let mut setup = Setup { hosts: vec!["127.0.0.1".into(), "gateway.invalid".into()], ..Setup::at(url) };
        setup.config.connect_ms = 1_000; // a resolver without a network may take long to say that there is no such name
        let bot = Bot::start(setup).await;
        let said = retries(what, &bot).await;
        println!("G22 fault={what} identifies={} said={said:?}", bot.gateway.statuses()[0].counts.identifies);
        assert_eq!(bot.gateway.statuses()[0].counts.identifies, 0);
        bot.stop().await;
    }
}

#[tokio::test]
async fn while_discord_does_not_say_where_the_gateway_is_the_last_answer_serves() {
    let fake = Fake::bind().await;
    let directory = |answers| Arc::new(Failing { url: fake.url.clone(), answers, asked: AtomicU32::new(0) });
    let silent = directory(0);
    let bot = Bot::start(Setup { directory: Some(silent.clone()), ..Setup::of(&fake) }).await;
    retries("REST 500", &bot).await;
    fake.sees_nobody_for(Duration::from_millis(50)).await;
    let (asked, dials) = (silent.asked.load(Relaxed), bot.gateway.statuses()[0].counts.dials_failed);
    println!("G22 fault=REST-500 requests={asked} attempts={dials}");
    assert!(asked >= 1 && u64::from(asked) <= dials, "a request that failed stands for all within a second");
    bot.stop().await;

    let bot = Bot::start(Setup { directory: Some(directory(1)), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    peer.expect(2).await; // and dies before READY: no resume address
    drop(peer);
    let mut peer = fake.begin(40_000).await;
    peer.message(2).await;
    bot.sink.has(1).await;
    assert_eq!(bot.gateway.statuses()[0].state, Phase::Online);
    println!("G22 fault=REST-500 hosts_contacted=1 (the last known)");
    bot.stop().await;
}
