//! What operators and the rest of the bot may ask for.

use super::fake::*;
use crate::{Activity, ActivityKind, OnlineStatus, PresenceData, methods};
use protocol::method::{Handler, Method, MethodCall, MethodError, Peer as Caller};
use serde_json::{Value, json};
use std::time::Duration;
use supervision::Role;

async fn call(methods: &[Method], name: &str, params: Value) -> Result<Value, MethodError> {
    let method = methods.iter().find(|method| method.name == name).unwrap();
    let Handler::Call(run) = &method.handler else { panic!("{name} is a stream") };
    run(MethodCall { params, peer: Caller { uid: 0, pid: None, role: Role::Admin } }).await
}

#[tokio::test]
async fn shards_are_listed_and_reconnected_by_name() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let _first = fake.begin(40_000).await;
    bot.gateway.wait_ready().await;
    let methods = methods(&bot.gateway);
    let listed = call(&methods, "shards.list", Value::Null).await.unwrap();
    assert_eq!((&listed[0]["shard"], &listed[0]["state"]), (&json!(0), &json!("online")));
    assert_eq!((&listed[0]["seq_accepted"], &listed[0]["identifies"]), (&json!(1), &json!(1)));
    let answer = call(&methods, "shards.reconnect", json!({"shard": 0})).await.unwrap();
    assert_eq!(answer, json!({"reconnecting": [0]}));
    fake.accept(40_000).await.expect(6).await;
    assert!(call(&methods, "shards.reconnect", json!({"shard": 7})).await.is_err());
    assert!(call(&methods, "shards.reconnect", json!({"shrad": 0})).await.is_err());
    bot.stop().await;
}

#[tokio::test]
async fn admin_messages_reach_the_shard() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    bot.gateway.wait_ready().await;
    let shard = "gateway/shard-0".into();
    let tell = |name: &'static str, params| bot.tree.tell(&shard, name, params, Duration::from_secs(5), None);
    let status = tell("status", Value::Null).await.unwrap();
    assert_eq!((&status["state"], &status["seq_accepted"]), (&json!("online"), &json!(1)));
    let budget = bot.tree.tell(&"gateway/identify".into(), "budget", Value::Null, LIMIT, None).await.unwrap();
    assert_eq!(
        (&budget["used"], &budget["limit"], &budget["discord_remaining"]),
        (&json!(1), &json!(900), &json!(999))
    );
    tell("reconnect", Value::Null).await.unwrap();
    assert_eq!(peer.closed().await, Some(crate::session::CLOSE_RESUMABLE));
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    peer.resumed(2).await;
    tell("reidentify", Value::Null).await.unwrap();
    assert_eq!(peer.closed().await, Some(1000));
    assert!(tell("nonsense", Value::Null).await.is_err());
    assert!(tell("presence", json!({"status": "asleep"})).await.is_err());
    bot.stop().await;
}

#[tokio::test]
async fn a_new_session_for_which_no_identify_is_left_is_refused_before_the_old_one_is_ended() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(40_000).await;
    bot.gateway.wait_ready().await;
    *bot.ledger.taken.lock().unwrap() = 990;
    let shard = "gateway/shard-0".into();
    let tell = |name: &'static str| bot.tree.tell(&shard, name, Value::Null, LIMIT, None);
    let refused = tell("reidentify").await.unwrap_err().to_string();
    assert!(refused.contains("before 2") && refused.contains("nothing was changed"), "{refused}");
    let refused = bot.gateway.reconnect(protocol::ShardId(0), false).await.unwrap_err().to_string();
    assert!(refused.starts_with("shard 0: no new session"), "{refused}");
    peer.message(2).await;
    let status = || bot.gateway.statuses().remove(0);
    eventually("the session goes on", || status().seq_received == Some(2)).await;
    assert_eq!((status().state, status().counts.disconnects), (crate::Phase::Online, 0));
    // What resumes costs nothing, and is done.
    tell("reconnect").await.unwrap();
    assert_eq!(peer.closed().await, Some(crate::session::CLOSE_RESUMABLE));
    assert_eq!(*bot.ledger.taken.lock().unwrap(), 990);
    bot.stop().await;
}

#[tokio::test]
async fn a_shard_goes_on_while_an_order_waits_and_does_nothing_that_nobody_waits_for() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    peer.answers = false;
    bot.ledger.held.send_replace(true);
    let mut given_up = Box::pin(bot.gateway.reconnect(protocol::ShardId(0), false));
    let asked = async {
        eventually("the ledger is asked", || bot.ledger.held.receiver_count() > 0).await;
        peer.send(json!({"op": 1})).await;
        peer.expect(1).await;
    };
    tokio::select! {
        biased;
        answer = &mut given_up => panic!("the shard answered nothing before the order: {answer:?}"),
        () = asked => {}
    }
    drop(given_up);
    bot.ledger.held.send_replace(false);
    eventually("the ledger has answered", || bot.ledger.held.receiver_count() == 0).await;
    for _ in 0..5 {
        peer.send(json!({"op": 1})).await;
        peer.expect(1).await;
    }
    let counts = bot.gateway.statuses()[0].counts;
    assert_eq!((counts.disconnects, counts.identifies), (0, 1), "nobody waits for that order: {counts:?}");
    bot.gateway.reconnect(protocol::ShardId(0), false).await.unwrap();
    assert_eq!(peer.closed().await, Some(1000));
    bot.stop().await;
}

#[tokio::test]
async fn a_presence_is_shown_at_once_and_after_a_resume_only_if_it_changed() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.accept(40_000).await;
    assert_eq!(peer.expect(2).await["d"]["presence"]["status"], "online");
    peer.ready(&fake.url).await;
    bot.gateway.wait_ready().await;
    let playing = |name: &str| PresenceData {
        status: OnlineStatus::Idle,
        activity: Some(Activity { kind: ActivityKind::Watching, name: name.into(), url: None }),
    };
    bot.gateway.presence().set(playing("one")).unwrap();
    let shown = peer.expect(3).await;
    assert_eq!((&shown["d"]["status"], &shown["d"]["activities"][0]["name"]), (&json!("idle"), &json!("one")));
    drop(peer);
    let mut peer = fake.accept(40_000).await;
    peer.expect(6).await;
    bot.gateway.presence().set(playing("two")).unwrap();
    peer.resumed(2).await;
    assert_eq!(peer.expect(3).await["d"]["activities"][0]["name"], "two");
    bot.stop().await;
}

#[tokio::test]
async fn a_flood_of_presences_stays_within_the_send_limit() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    let mut sent = 0;
    for number in 0..150 {
        let activity = Activity { kind: ActivityKind::Playing, name: number.to_string(), url: None };
        bot.gateway.presence().set(PresenceData { activity: Some(activity), ..PresenceData::default() }).unwrap();
        if bot.gateway.statuses()[0].throttled {
            break;
        }
        tokio::select! {
            biased;
            frame = peer.expect(3) => {
                sent += 1;
                assert_eq!(frame["d"]["activities"][0]["name"], number.to_string());
            }
            () = eventually("throttled", || bot.gateway.statuses()[0].throttled) => {}
        }
    }
    assert!((95..=110).contains(&sent), "{sent} sends before the limit");
    bot.stop().await;
}
