//! Events on their way: cuts, replays, back-pressure, what cannot be read.

use super::fake::*;
use crate::Phase;
use protocol::{cache::CacheView, id::GuildId};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::time::Duration;
use supervision::Verb;

#[tokio::test]
async fn cut_connections_are_resumed_and_nothing_is_lost_or_doubled() {
    const MESSAGES: u64 = 400;
    let seed = 20;
    let mut rng = StdRng::seed_from_u64(seed);
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    let (mut log, mut seq, mut cuts) = (Vec::new(), 1, 0);
    while seq < MESSAGES {
        for _ in 0..rng.random_range(1..30) {
            seq += 1;
            log.push(seq);
            peer.message(seq).await;
        }
        // Some die with data on the way, some after it has arrived, some during the replay.
        if rng.random() {
            bot.sink.has(log.len()).await;
        }
        drop(peer);
        cuts += 1;
        peer = fake.accept(40_000).await;
        let resume = peer.expect(6).await;
        assert_eq!(resume["d"]["session_id"], "session-1");
        let from = resume["d"]["seq"].as_u64().unwrap();
        assert!(from <= seq);
        // Discord may replay more than it was asked for.
        let overlap = rng.random_range(0..3);
        for replayed in log.iter().filter(|sent| **sent + overlap > from) {
            peer.message(*replayed).await;
        }
        seq += 1;
        peer.resumed(seq).await;
    }
    let taken = bot.sink.has(log.len()).await;
    assert_eq!(taken, log, "seed {seed}: lost, doubled or out of order");
    let status = bot.gateway.statuses().remove(0);
    println!("seed {seed}: {cuts} cuts, {} messages, {} replayed and dropped", log.len(), status.counts.replayed);
    assert_eq!((status.counts.identifies, status.counts.disconnects), (1, cuts));
    assert_eq!(*bot.ledger.taken.lock().unwrap(), 1);
    bot.stop().await;
}

#[tokio::test]
async fn heartbeats_go_out_while_the_sink_is_full() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(500).await;
    bot.sink.shut.send_replace(true);
    for seq in 2..=100 {
        peer.message(seq).await;
    }
    // No acknowledgement can be read meanwhile: the reader waits. That is no zombie.
    let first = peer.heartbeats;
    while peer.heartbeats < first + 4 {
        let beat = peer.expect(1).await;
        assert!(beat["d"].as_u64() <= Some(2), "what was not read was not received: {beat}");
    }
    let status = bot.gateway.statuses().remove(0);
    assert!(status.pushed_back && status.seq_accepted == Some(1), "{status:?}");
    assert!(bot.sink.taken.borrow().is_empty());
    bot.sink.shut.send_replace(false);
    assert_eq!(bot.sink.has(99).await, (2..=100).collect::<Vec<_>>());
    let status = bot.gateway.statuses().remove(0);
    assert_eq!((status.counts.disconnects, status.state), (0, Phase::Online));
    bot.stop().await;
}

#[tokio::test]
async fn what_waited_for_the_sink_when_the_connection_was_cut_comes_once() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    bot.sink.shut.send_replace(true);
    peer.message(2).await;
    peer.message(3).await;
    eventually("the reader waits", || bot.gateway.statuses()[0].pushed_back).await;
    bot.gateway.reconnect(protocol::ShardId(0), true).await.unwrap();
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 1);
    for seq in 2..=4 {
        peer.message(seq).await;
    }
    peer.resumed(5).await;
    // Time enough for the new connection to be read, if it did not wait for the old one's last delivery.
    for _ in 0..2_000 {
        tokio::task::yield_now().await;
    }
    bot.sink.shut.send_replace(false);
    assert_eq!(bot.sink.has(3).await, [2, 3, 4]);
    eventually("seq 5", || bot.gateway.statuses()[0].seq_accepted == Some(5)).await;
    assert_eq!(bot.sink.taken.borrow().len(), 3);
    bot.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_stops_nothing() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    for odd in [
        "",
        "null",
        "{",
        r#"{"op":"0"}"#,
        r#"{"op":99,"d":1}"#,
        r#"{"op":0,"d":{}}"#,
        r#"{"op":10,"d":{"heartbeat_interval":"soon"}}"#,
        r#"{"t":"MESSAGE_CREATE","s":2,"op":0,"d":{"id":"not complete"}}"#,
        r#"{"t":"BRAND_NEW_EVENT","s":3,"op":0,"d":{"x":[1]}}"#,
        r#"{"t":"GUILD_CREATE","s":4,"op":0,"d":{"id":[]}}"#,
        r#"{"t":"TYPING_START","s":5,"op":0,"d":"nobody reads this"}"#,
    ] {
        peer.raw(odd).await;
    }
    peer.ws.get_mut(); // still open
    futures_util::SinkExt::send(&mut peer.ws, vec![0xffu8, 0xfe].into()).await.unwrap();
    peer.message(6).await;
    assert_eq!(bot.sink.has(1).await, [6]);
    eventually("seq 6", || bot.gateway.statuses()[0].seq_accepted == Some(6)).await;
    let counts = bot.gateway.statuses()[0].counts;
    assert_eq!((counts.malformed, counts.unknown, counts.unwanted), (9, 2, 1), "{counts:?}");
    assert_eq!(counts.disconnects, 0);
    bot.stop().await;
}

#[tokio::test]
async fn a_sink_that_panics_costs_one_event() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    *bot.sink.panics_at.lock().unwrap() = Some(3);
    let mut peer = fake.begin(40_000).await;
    for seq in 2..=4 {
        peer.message(seq).await;
    }
    assert_eq!(bot.sink.has(2).await, [2, 4]);
    assert_eq!(bot.gateway.statuses()[0].counts.disconnects, 0);
    bot.stop().await;
}

#[tokio::test]
async fn the_cache_fills_although_nobody_subscribes_to_guilds() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    let guild = json!({
        "id": "100", "name": "g", "owner_id": "7", "member_count": 2, "roles": [], "channels": [],
        "members": [{"user": {"id": "900"}, "roles": ["5"]}],
    });
    peer.raw(&format!(r#"{{"t":"GUILD_CREATE","s":2,"op":0,"d":{guild}}}"#)).await;
    let cache = bot.gateway.cache();
    eventually("the guild", || cache.guild(GuildId::new(100)).is_some_and(|guild| guild.own_roles.len() == 1)).await;
    assert_eq!(cache.own_name().as_deref(), Some("bot"));
    bot.stop().await;
}

#[tokio::test]
async fn a_guild_that_comes_anew_may_have_other_permissions_and_whoever_watches_is_told() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    for seq in [2, 3] {
        let guild = r#"{"id":"100","name":"g","owner_id":"7","member_count":2}"#;
        peer.raw(&format!(r#"{{"t":"GUILD_CREATE","s":{seq},"op":0,"d":{guild}}}"#)).await;
    }
    peer.message(4).await;
    bot.sink.has(1).await;
    assert_eq!(*bot.sink.permissions.lock().unwrap(), [100, 100]);
    bot.stop().await;
}

#[tokio::test]
async fn a_member_that_joined_while_the_shard_was_killed_is_delivered_and_counted_once() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    peer.raw(r#"{"t":"GUILD_CREATE","s":2,"op":0,"d":{"id":"100","name":"g","owner_id":"7","member_count":2}}"#).await;
    bot.sink.shut.send_replace(true);
    let member = json!({
        "guild_id": "100", "user": {"id": "5", "username": "new", "discriminator": "0", "avatar": null}, "roles": [],
        "joined_at": "2026-01-01T00:00:00Z", "deaf": false, "mute": false, "flags": 0,
    });
    let joined = format!(r#"{{"t":"GUILD_MEMBER_ADD","s":3,"op":0,"d":{member}}}"#);
    peer.raw(&joined).await;
    eventually("it is in the cache and waits for the sink", || bot.gateway.statuses()[0].pushed_back).await;
    bot.tree.order(&"gateway/shard-0".into(), Verb::Kill, None, false).await.unwrap();
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2);
    peer.raw(&joined).await;
    bot.sink.shut.send_replace(false);
    peer.message(4).await;
    assert_eq!(bot.sink.has(2).await, [3, 4]);
    assert_eq!(bot.gateway.cache().guild(GuildId::new(100)).unwrap().member_count, 3);
    bot.stop().await;
}

#[tokio::test]
async fn what_comes_during_a_drain_is_left_to_the_next_process() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(500).await;
    peer.message(2).await;
    bot.sink.has(1).await;
    assert!(bot.tree.drain(&["gateway".into()], Duration::from_secs(5)).await.is_empty());
    peer.message(3).await;
    eventually("seq 3 was received", || bot.gateway.statuses()[0].seq_received == Some(3)).await;
    while peer.expect(1).await["d"] != 3 {} // heartbeats go on
    let gateway = bot.gateway.clone();
    bot.tree.shutdown(Some(Duration::from_secs(5)));
    assert_eq!(peer.closed().await, Some(crate::session::CLOSE_RESUMABLE));
    soon("the end", bot.tree.ended()).await;
    assert_eq!(*bot.sink.taken.borrow(), [2]);

    let saved = gateway.sessions().remove(0);
    assert_eq!(saved.seq, 2);
    let next = Bot::start(Setup { saved: Some(saved), ledger: Ledger::down(), ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(6).await["d"]["seq"], 2, "the next process resumes, without IDENTIFY or database");
    peer.message(3).await;
    peer.resumed(4).await;
    assert_eq!(next.sink.has(1).await, [3]);
    next.gateway.wait_ready().await;
    next.stop().await;
}
