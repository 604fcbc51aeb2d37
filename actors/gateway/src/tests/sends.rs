//! What goes out: at most so many a minute, and nothing that Discord would close the connection for. The minute itself
//! is tried in the budget's own tests; here the windows are shorter than a minute and the counts are what matters.

use super::fake::*;
use crate::{
    Activity, ActivityKind, OnlineStatus, Presence, PresenceData,
    members::{MembersError, Want},
};
use futures_util::StreamExt;
use protocol::id::{GuildId, UserId};
use serde_json::Value;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;

fn playing(name: String) -> PresenceData {
    PresenceData {
        status: OnlineStatus::Idle,
        activity: Some(Activity { kind: ActivityKind::Playing, name, url: None }),
    }
}

/// Sets a presence again and again; gives the sends, of any kind, until the shard says that it waits.
async fn flood(bot: &Bot, peer: &mut Peer, times: u32) -> usize {
    let mut sent = 0;
    for number in 0..times {
        bot.gateway.presence().set(playing(format!("{number}"))).unwrap();
        while let Ok(Some(Ok(Message::Text(text)))) =
            tokio::time::timeout(Duration::from_millis(if sent < 200 { 1 } else { 0 }), peer.ws.next()).await
        {
            assert!(text.len() <= 4096);
            sent += 1;
        }
    }
    sent
}

/// G21: a thousand changes of presence.
#[tokio::test]
async fn a_thousand_presences_are_no_more_sends_than_a_minute_allows() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let mut peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    let sent = flood(&bot, &mut peer, 1_000).await;
    println!("G21 calls=1000 sends_per_minute={sent} limit=110");
    assert!((90..=110).contains(&sent), "{sent}");
    assert!(bot.gateway.statuses()[0].throttled);
    let want = Want::Ids(vec![UserId::new(7)]);
    let asked = bot.gateway.request_members(GuildId::new(100), &want, Duration::from_secs(1));
    assert!(matches!(asked.await, Err(MembersError::TooSoon { .. })), "told at once, not after the minute");
    bot.stop().await;
}

/// G12: Discord found us too fast.
#[tokio::test]
async fn after_4008_half_as_much_is_sent() {
    let fake = Fake::bind().await;
    let bot = Bot::start(Setup::of(&fake)).await;
    let peer = fake.begin(600_000).await;
    bot.gateway.wait_ready().await;
    peer.close(4008).await;
    let mut peer = fake.accept(600_000).await;
    peer.expect(6).await;
    peer.resumed(2).await;
    eventually("online", || bot.gateway.is_online()).await;
    let sent = flood(&bot, &mut peer, 300).await;
    println!("G12 sends_per_minute={sent} limit=55");
    assert!((35..=55).contains(&sent), "{sent}");
    assert_eq!(bot.gateway.statuses()[0].counts.identifies, 1);
    bot.stop().await;
}

/// G21: what is larger than Discord takes never leaves.
#[tokio::test]
async fn payloads_over_4096_bytes_are_refused_here() {
    let fake = Fake::bind().await;
    let activity = Activity { kind: ActivityKind::Streaming, name: "x".into(), url: Some("u".repeat(8_000)) };
    let presence = Presence::new(PresenceData { activity: Some(activity), ..PresenceData::default() });
    let bot = Bot::start(Setup { presence, ..Setup::of(&fake) }).await;
    let mut peer = fake.accept(600_000).await;
    let identify = peer.expect(2).await;
    assert!(identify.to_string().len() <= 4096 && identify["d"]["presence"]["activities"] == Value::Array(Vec::new()));
    peer.ready(&fake.url).await;
    bot.gateway.wait_ready().await;
    let want = Want::Named { prefix: "ü".repeat(2_100), limit: 10 };
    let asked = bot.gateway.request_members(GuildId::new(100), &want, Duration::from_secs(5)).await;
    assert!(matches!(asked, Err(MembersError::Refused(_))), "{asked:?}");
    bot.gateway.presence().set(playing("fits".into())).unwrap();
    assert_eq!(peer.expect(3).await["d"]["activities"][0]["name"], "fits");
    let counts = bot.gateway.statuses()[0].counts;
    println!("G21 refused=2 closes_4002={}", counts.disconnects);
    assert_eq!(counts.disconnects, 0);
    bot.stop().await;
}
