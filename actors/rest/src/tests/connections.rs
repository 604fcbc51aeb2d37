//! How many connections requests need, over real sockets, counted on the way to the stand-in for Discord.

use super::fake;
use crate::{Access, Past, Rest, RestConfig, Send};
use futures_util::{StreamExt, stream};
use protocol::Secret;
use sandbox::{Rate, SandboxConfig, Strict, description_at};
use serenity::{builder::CreateMessage, model::id::ChannelId};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

const REQUESTS: usize = 1_000;

/// Every request has to fit Discord's own OpenAPI description, where that is at hand.
fn start(config: SandboxConfig) -> Strict {
    let description = description_at(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/discord-openapi.json"));
    Strict::start(SandboxConfig { description: Some(description), ..config }).unwrap()
}

/// Passes connections on to `target` and counts them.
async fn counting(target: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (here, count) = (listener.local_addr().unwrap().to_string(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            let target = target.clone();
            tokio::spawn(async move {
                let mut far = TcpStream::connect(target).await.unwrap();
                near.set_nodelay(true).unwrap();
                far.set_nodelay(true).unwrap();
                copy_bidirectional(&mut near, &mut far).await.ok(); // how a connection ends does not matter here
            });
        }
    });
    (here, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_need_no_more_connections_than_go_side_by_side() {
    let rate = Rate { requests: 1_000_000, window_ms: 1_000 };
    let sandbox = start(SandboxConfig { bucket: rate, message_bucket: rate, ..SandboxConfig::default() });
    let target = sandbox.api_base();
    let address = target.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    for (side_by_side, posts) in [(1, false), (50, false), (50, true)] {
        let (here, connections) = counting(address.clone()).await;
        let access = Access {
            api_base: target.replace(&address, &here),
            token: Secret::new(sandbox.token()),
            allow_hosts: vec!["127.0.0.1".to_owned()],
        };
        let config = RestConfig { global_per_second: u16::MAX, deadline_ms: 60_000, ..fake::config() };
        let rest = Rest::standalone(config, &access).unwrap();
        let channel = ChannelId::new(sandbox.general_id());
        let began = Instant::now();
        let all = stream::iter(0..REQUESTS).map(|_| async {
            if posts {
                rest.create_message(channel, CreateMessage::new().content("x"), Send::default()).await.map(|_| ())
            } else {
                rest.get_channel(channel, Send::default()).await.map(|_| ())
            }
        });
        let done: Vec<_> = all.buffer_unordered(side_by_side).collect().await;
        assert!(done.iter().all(Result::is_ok));
        let (took, opened) = (began.elapsed(), connections.load(Relaxed));
        let kind = if posts { "posts to one channel" } else { "reads" };
        println!(
            "keep-alive: {REQUESTS} {kind}, {side_by_side} callers: {opened} connections opened, {:.2} ms a request",
            took.as_secs_f64() * 1e3 / REQUESTS as f64
        );
        let needed = if posts { 1 } else { side_by_side };
        assert!(opened <= needed, "{opened} connections");
    }
}

/// Each request is one write, so that waiting for more to send (Nagle's algorithm) neither helps nor hurts; switched off
/// all the same, for bodies that take more than one.
#[tokio::test(flavor = "multi_thread")]
async fn small_packets_do_not_wait() {
    let rate = Rate { requests: 1_000_000, window_ms: 1_000 };
    let sandbox = start(SandboxConfig { message_bucket: rate, ..SandboxConfig::default() });
    let access = Access {
        api_base: sandbox.api_base(),
        token: Secret::new(sandbox.token()),
        allow_hosts: vec!["127.0.0.1".to_owned()],
    };
    let base = access.api_base.parse().unwrap();
    for (kind, nodelay) in [("off", false), ("on", true)] {
        let config = RestConfig { global_per_second: u16::MAX, deadline_ms: 60_000, ..fake::config() };
        let wire = crate::wire::Wire::with(&base, nodelay).unwrap();
        let rest = Rest::connect(config, &access, Arc::new(wire), Past::none()).unwrap();
        let mut times = Vec::new();
        for size in 0..250 {
            let text = "x".repeat(size * 7 + 1);
            let began = Instant::now();
            let message = CreateMessage::new().content(text);
            rest.create_message(ChannelId::new(sandbox.general_id()), message, Send::default()).await.unwrap();
            times.push(began.elapsed());
        }
        times.drain(..50); // warming up
        times.sort_unstable();
        println!("keep-alive: TCP_NODELAY {kind}: median {:?}, slowest of 200 {:?}", times[100], times[199]);
        assert!(times[100] < std::time::Duration::from_millis(40), "each waits for an acknowledgement");
    }
}
