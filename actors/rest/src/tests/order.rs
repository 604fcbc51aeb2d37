//! Order where people see one, and nothing held up where they see none.

use super::fake::{self, Asked, Bucketed, Fake, answer, message};
use crate::{Rest, RestConfig, RestError, Send};
use futures_util::future::{join, join_all};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::Value;
use serenity::{
    builder::CreateMessage,
    http::{LightMethod, Request, Route},
    model::id::{ChannelId, GuildId, MessageId, UserId},
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

fn patient() -> RestConfig {
    RestConfig { deadline_ms: 60_000, ..fake::config() }
}

async fn post(rest: &Rest, channel: u64, text: &str) -> Result<(), RestError> {
    let message = CreateMessage::new().content(text);
    rest.create_message(ChannelId::new(channel), message, Send::default()).await.map(|_| ())
}

async fn ban(rest: &Rest, user: u64) -> Result<(), RestError> {
    let route = Route::GuildBan { guild_id: GuildId::new(1), user_id: UserId::new(user) };
    rest.request(Request::new(route, LightMethod::Put), Send::moderation()).await
}

async fn unban(rest: &Rest, user: u64) -> Result<(), RestError> {
    let route = Route::GuildBan { guild_id: GuildId::new(1), user_id: UserId::new(user) };
    rest.request(Request::new(route, LightMethod::Delete), Send::moderation()).await
}

async fn react(rest: &Rest, reaction: &str) -> Result<(), RestError> {
    let (channel_id, message_id) = (ChannelId::new(1), MessageId::new(2));
    let route = Route::ChannelMessageReactionMe { channel_id, message_id, reaction };
    rest.request(Request::new(route, LightMethod::Put), Send::default()).await
}

/// Each request was answered before the next of them was sent.
fn one_by_one(asked: &[&Asked], latency: &[Duration]) -> bool {
    asked.iter().zip(latency).zip(&asked[1..]).all(|((earlier, latency), later)| later.at >= earlier.at + *latency)
}

#[tokio::test(start_paused = true)]
async fn posts_to_a_channel_stay_in_order_however_slow_some_answers_are() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let latency: Vec<Duration> = (0..60).map(|_| Duration::from_millis(dice.random_range(1..300))).collect();
    let (rest, fake) = Fake::slow(
        patient(),
        {
            let latency = latency.clone();
            move |n| latency[n]
        },
        |_, _| fake::ok(&message(1)),
    );
    let texts: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    assert!(join_all(texts.iter().map(|text| post(&rest, 1, text))).await.iter().all(Result::is_ok));
    let asked = fake.asked();
    assert!(asked.iter().zip(&texts).all(|(asked, text)| asked.body["content"] == **text));
    assert!(one_by_one(&asked.iter().collect::<Vec<_>>(), &latency), "two were under way at once");
}

#[tokio::test(start_paused = true)]
async fn reactions_and_changes_of_one_thing_stay_in_order() {
    let latency = Duration::from_millis(100);
    let (rest, fake) = Fake::slow(patient(), move |_| latency, |_, _| answer(204, &[], &Value::Null));
    let reactions = async { join_all(["🥇", "🥈", "🥉"].map(|emoji| react(&rest, emoji))).await };
    let bans = async { join(ban(&rest, 5), unban(&rest, 5)).await };
    let (reacted, (banned, unbanned)) = join(reactions, bans).await;
    assert!(reacted.iter().all(Result::is_ok) && banned.is_ok() && unbanned.is_ok());
    let asked = fake.asked();
    for prefix in ["channels/", "guilds/"] {
        let these: Vec<&Asked> = asked.iter().filter(|asked| asked.path.starts_with(prefix)).collect();
        assert!(one_by_one(&these, &[latency; 5]), "{prefix} went side by side");
    }
    let methods: Vec<_> = asked.iter().filter(|a| a.path.starts_with("guilds/")).map(|a| a.method.as_str()).collect();
    assert_eq!(methods, ["PUT", "DELETE"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_holds_its_own_channel_only() {
    let latency = |number| Duration::from_secs(if number == 0 { 10 } else { 0 });
    let (rest, _fake) = Fake::slow(patient(), latency, |_, _| fake::ok(&message(1)));
    let began = Instant::now();
    let slow = async { post(&rest, 1, "slow").await.map(|()| began.elapsed()) };
    let others = async { join_all((2..=40).map(|channel| post(&rest, channel, "x"))).await.len() };
    let other_routes = async {
        rest.delete_message(ChannelId::new(1), 5.into(), Send::default()).await.ok();
        began.elapsed()
    };
    let (slow, (others, same_channel)) =
        join(slow, join(async { (others.await, began.elapsed()) }, other_routes)).await;
    println!(
        "slow post {:?}, 39 other channels {:?}, a deletion in the same channel {same_channel:?}",
        slow.unwrap(),
        others.1
    );
    assert!(others.1 < Duration::from_millis(10) && same_channel < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn the_bans_of_a_raid_do_not_wait_for_each_others_answers() {
    let server = Bucketed::new(10, Duration::from_secs(1));
    let latency = Duration::from_millis(400);
    let (rest, fake) = Fake::slow(patient(), move |_| latency, {
        let server = Arc::clone(&server);
        move |_, asked| server.answer(asked, &Value::Null)
    });
    let began = Instant::now();
    assert!(join_all((1..=100).map(|user| ban(&rest, user))).await.iter().all(Result::is_ok));
    let took = began.elapsed();
    println!(
        "order: 100 bans, answers after 400 ms, bucket 10 in 1 s: {} ms, one at a time {} ms; 429s={} most_under_way={}",
        took.as_millis(),
        (latency * 100).as_millis(),
        server.limited(),
        fake.most_under_way()
    );
    assert_eq!(server.limited(), 0);
    assert!(took < latency * 100 / 2, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn callers_that_give_up_at_any_moment_hold_nothing() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let server = Bucketed::new(5, Duration::from_secs(1));
    let (rest, fake) = Fake::slow(patient(), |_| Duration::from_millis(20), {
        let server = Arc::clone(&server);
        move |_, asked| server.answer(asked, &if asked.method == "PUT" { Value::Null } else { message(1) })
    });
    let callers: Vec<_> = (0..600_u64)
        .map(|n| {
            let (rest, patience) = (rest.clone(), Duration::from_millis(dice.random_range(0..8_000)));
            tokio::spawn(async move {
                let one =
                    async { if n % 3 == 0 { ban(&rest, n + 1).await } else { post(&rest, n % 10 + 1, "x").await } };
                tokio::time::timeout(patience, one).await.is_ok()
            })
        })
        .collect();
    let served = join_all(callers).await.into_iter().filter(|done| *done.as_ref().unwrap()).count();
    let status = rest.status();
    println!(
        "order: 600 callers, {served} served, the rest gave up; sent={} 429s={}",
        fake.asked().len(),
        server.limited()
    );
    assert_eq!((status.in_flight, status.waiting), (0, [0; 4]));
    let again = join_all((1..=10).map(|channel| post(&rest, channel, "y"))).await;
    assert!(again.iter().all(Result::is_ok) && ban(&rest, 1).await.is_ok(), "somebody who gave up still holds a place");
    assert!(served > 50 && server.limited() <= 5, "{served} served, {} 429s", server.limited());
}
