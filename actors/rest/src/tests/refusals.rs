//! What Discord refuses for good is not asked for again.

use super::fake::{self, Fake, answer, message};
use crate::{Rest, RestError, Send};
use futures_util::future::join_all;
use serde_json::{Value, json};
use serenity::{
    builder::{CreateInteractionResponseFollowup, CreateMessage},
    http::{LightMethod, Request, Route},
    model::id::{ApplicationId, ChannelId, GuildId, UserId, WebhookId},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, advance, sleep, timeout};

async fn post(rest: &Rest, channel: u64) -> Result<(), RestError> {
    let message = CreateMessage::new().content("x");
    rest.create_message(ChannelId::new(channel), message, Send::default()).await.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn after_a_401_nothing_is_sent_and_who_watches_is_told() {
    let unauthorized = json!({"message": "401: Unauthorized", "code": 0});
    let latency = |_| Duration::from_millis(50);
    let (rest, fake) = Fake::slow(fake::config(), latency, move |_, _| answer(401, &[], &unauthorized));
    let mut watch = rest.token_refused();
    assert!(!*watch.borrow_and_update());
    let began = Instant::now();
    let done = join_all((1..=500).map(|channel| post(&rest, channel))).await;
    assert!(done.iter().all(|done| *done == Err(RestError::Unauthorized)));
    for channel in 1..=100 {
        assert_eq!(post(&rest, channel).await, Err(RestError::Unauthorized));
        advance(Duration::from_secs(10)).await;
    }
    let asked = fake.asked();
    let after = asked.iter().filter(|asked| asked.at >= began + Duration::from_millis(51)).count();
    println!(
        "R8 under_way_at_the_401={} requests_after={after} watcher_told={}",
        asked.len() - after,
        watch.has_changed().unwrap()
    );
    assert_eq!(after, 0);
    assert!(watch.has_changed().unwrap() && *watch.borrow_and_update());
}

#[tokio::test(start_paused = true)]
async fn a_loop_on_a_missing_permission_costs_six_403s_an_hour() {
    let refusal = json!({"code": 50013, "message": "Missing Permissions"});
    let (rest, fake) = Fake::rest(fake::config(), move |_, _| answer(403, &[], &refusal));
    let began = Instant::now();
    let mut tries = 0;
    while began.elapsed() < Duration::from_secs(3_600) {
        assert!(matches!(post(&rest, 1).await, Err(RestError::Forbidden { code: 50013, .. })));
        tries += 1;
        advance(Duration::from_secs(1)).await;
    }
    println!("R9 tries_per_h={tries} 403s_per_h={}", fake.asked().len());
    assert!(fake.asked().len() <= 6 && tries > 3_500);
}

async fn ban(rest: &Rest, user: u64) -> Result<(), RestError> {
    let route = Route::GuildBan { guild_id: GuildId::new(1), user_id: UserId::new(user) };
    rest.request(Request::new(route, LightMethod::Put), Send::moderation()).await
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_bans_without_the_permission_costs_five_403s_a_minute() {
    let refusal = json!({"code": 50013, "message": "Missing Permissions"});
    let (rest, fake) = Fake::rest(fake::config(), move |_, _| answer(403, &[], &refusal));
    for user in 1..=3_600 {
        assert!(matches!(ban(&rest, user).await, Err(RestError::Forbidden { code: 50013, .. })));
        advance(Duration::from_secs(1)).await;
    }
    println!("R9 targets_per_h=3600 403s_per_h={} believed={}", fake.asked().len(), rest.status().permissions_missing);
    assert!((250..=300).contains(&fake.asked().len()), "{}", fake.asked().len());
}

#[tokio::test(start_paused = true)]
async fn five_targets_above_the_bot_in_a_row_hold_up_the_others_for_ten_seconds() {
    let refusal = json!({"code": 50013, "message": "Missing Permissions"});
    let (rest, _) = Fake::rest(fake::config(), move |_, asked| {
        let above = asked.path.len() == "guilds/1/bans/100".len();
        if above { answer(403, &[], &refusal) } else { answer(204, &[], &Value::Null) }
    });
    for user in 100..105 {
        assert!(ban(&rest, user).await.is_err());
    }
    let began = Instant::now();
    let mut refused = 0;
    while ban(&rest, 10 + refused).await.is_err() {
        refused += 1;
        advance(Duration::from_secs(1)).await;
    }
    println!("R9 above_in_a_row=5 others_held_up_s={}", began.elapsed().as_secs());
    assert!(refused == 10 && began.elapsed() < Duration::from_secs(11), "{refused}, {:?}", began.elapsed());
    for user in 30..60 {
        assert_eq!(ban(&rest, user).await, Ok(()));
    }
}

/// Members 100 to 104 stand above the bot; each answer takes 50 ms.
fn five_above() -> (Rest, Arc<Fake>) {
    let refusal = json!({"code": 50013, "message": "Missing Permissions"});
    Fake::slow(
        fake::config(),
        |_| Duration::from_millis(50),
        move |_, asked| {
            let above = asked.path.len() == "guilds/1/bans/100".len();
            let roomy = [
                ("x-ratelimit-bucket", "bans"),
                ("x-ratelimit-limit", "1000"),
                ("x-ratelimit-remaining", "900"),
                ("x-ratelimit-reset-after", "1"),
            ];
            if above { answer(403, &roomy, &refusal) } else { answer(204, &roomy, &Value::Null) }
        },
    )
}

#[tokio::test(start_paused = true)]
async fn five_above_the_bot_and_later_a_raid_with_one_of_them_in_it_stop_no_other_ban() {
    for pause in [11, 60, 4 * 24 * 3_600].map(Duration::from_secs) {
        let (rest, _) = five_above();
        for user in 100..105 {
            assert!(ban(&rest, user).await.is_err());
        }
        advance(pause).await;
        let raid = [105].into_iter().chain(10..60);
        let done = join_all(raid.map(|user| ban(&rest, user))).await;
        let refused = done.iter().filter(|done| done.is_err()).count();
        println!("R9 above_in_a_row=5 raid_after_s={} raid=51 above=1 refused={refused}", pause.as_secs());
        assert_eq!(refused, 1);
        assert_eq!(rest.status().permissions_missing, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn five_above_the_bot_at_the_head_of_a_queue_fail_nobody_behind_them() {
    let (rest, _) = five_above();
    assert_eq!(ban(&rest, 9).await, Ok(()), "from now on its bucket is known");
    let done = join_all((100..105).chain(10..99).map(|user| ban(&rest, user))).await;
    let refused = done.iter().filter(|done| done.is_err()).count();
    println!("R9 queue={} above_at_its_head=5 refused={refused}", done.len());
    assert_eq!(refused, 5);
}

#[tokio::test(start_paused = true)]
async fn who_tries_and_is_never_heard_of_leaves_the_way_open() {
    let (rest, _) = five_above();
    for user in 100..105 {
        assert!(ban(&rest, user).await.is_err());
    }
    advance(Duration::from_secs(11)).await;
    assert!(timeout(Duration::from_millis(5), ban(&rest, 105)).await.is_err(), "it was answered");
    assert_eq!(ban(&rest, 10).await, Ok(()));
}

async fn edit_member(rest: &Rest, user: u64, body: &Value) -> Result<(), RestError> {
    let route = Route::GuildMember { guild_id: GuildId::new(1), user_id: UserId::new(user) };
    let body = Some(body.to_string().into_bytes());
    rest.request::<Value>(Request::new(route, LightMethod::Patch).body(body), Send::moderation()).await.map(|_| ())
}

#[tokio::test(start_paused = true)]
async fn who_may_not_rename_members_can_still_time_them_out() {
    let refusal = json!({"code": 50013, "message": "Missing Permissions"});
    let (rest, fake) = Fake::rest(fake::config(), move |_, asked| {
        if asked.body.get("nick").is_some() { answer(403, &[], &refusal) } else { fake::ok(&json!({})) }
    });
    for user in 1..=20 {
        assert!(edit_member(&rest, user, &json!({"nick": "welcome"})).await.is_err());
    }
    assert_eq!(fake.asked().len(), 5);
    for user in 1..=20 {
        let timeout = json!({"communication_disabled_until": "2030-01-01T00:00:00Z"});
        assert_eq!(edit_member(&rest, user, &timeout).await, Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn who_may_not_delete_the_messages_of_others_still_deletes_its_own() {
    let refusal = json!({"code": 50013, "message": "Missing Permissions"});
    let (rest, fake) = Fake::rest(fake::config(), move |_, asked| {
        let own = asked.path.ends_with("/7");
        if own { answer(204, &[], &Value::Null) } else { answer(403, &[], &refusal) }
    });
    let delete = |id: u64| rest.delete_message(ChannelId::new(1), id.into(), Send::default());
    for round in 0..10 {
        assert!(delete(100 + round % 4).await.is_err());
    }
    assert_eq!(fake.asked().len(), 4, "each is asked for once");
    assert_eq!(delete(7).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_gone_is_asked_for_once() {
    let gone = json!({"code": 10003, "message": "Unknown Channel"});
    let (rest, fake) = Fake::rest(fake::config(), move |_, asked| {
        if asked.path.starts_with("channels/1/") { answer(404, &[], &gone) } else { fake::ok(&message(1)) }
    });
    let mut tries = 0;
    for _ in 0..3_500 {
        assert!(matches!(post(&rest, 1).await, Err(RestError::NotFound { code: 10003, .. })));
        let other = rest.delete_message(ChannelId::new(1), 5.into(), Send::default()).await;
        assert!(matches!(other, Err(RestError::NotFound { code: 10003, .. })), "another route of the same channel");
        tries += 2;
        advance(Duration::from_secs(1)).await;
    }
    println!("R10 target=channel tries={tries} repeats={} remembered={}", fake.asked().len() - 1, rest.status().gone);
    assert_eq!((fake.asked().len(), rest.status().gone), (1, 1));
    assert_eq!(post(&rest, 2).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_gone_is_asked_for_once_but_an_interaction_goes_on() {
    let gone = json!({"code": 10015, "message": "Unknown Webhook"});
    let (rest, fake) = Fake::rest(fake::config(), move |_, _| answer(404, &[], &gone));
    for _ in 0..50 {
        let route = Route::WebhookWithToken { webhook_id: WebhookId::new(8), token: "hook" };
        let request = Request::new(route, LightMethod::Post).body(Some(br#"{"content":"x"}"#.to_vec()));
        let done = rest.request::<Value>(request, Send::default()).await;
        assert!(matches!(done, Err(RestError::NotFound { code: 10015, .. })), "{done:?}");
    }
    println!("R10 target=webhook tries=50 repeats={}", fake.asked().len() - 1);
    assert_eq!(fake.asked().len(), 1);
    // Before its first answer an interaction's webhook is unknown too.
    for _ in 0..3 {
        let follow_up = CreateInteractionResponseFollowup::new();
        rest.follow_up(ApplicationId::new(4), "tok", follow_up, Send::interaction()).await.unwrap_err();
    }
    assert_eq!(fake.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_but_403s_stay_far_below_discords_ban() {
    let refusal = json!({"code": 50007, "message": "Cannot send messages to this user"});
    const LATENCY: Duration = Duration::from_millis(80);
    let (rest, fake) = Fake::slow(fake::config(), |_| LATENCY, move |_, _| answer(403, &[], &refusal));
    let began = Instant::now();
    let callers = (1..=40_u64).map(|channel| {
        let rest = rest.clone();
        tokio::spawn(async move {
            let mut tries = 0_u32;
            while began.elapsed() < Duration::from_secs(600) {
                post(&rest, channel).await.unwrap_err();
                tries += 1;
                sleep(Duration::from_millis(700)).await;
            }
            tries
        })
    });
    let tries: u32 = join_all(callers).await.into_iter().map(Result::unwrap).sum();
    let asked = fake.asked();
    let opened = asked[4_999].at + LATENCY; // when the answer was there that makes it 5,000
    let probes: Vec<u64> = asked.iter().filter(|a| a.at > opened).map(|a| (a.at - opened).as_secs()).collect();
    println!("R12 tries_in_10_min={tries} invalid_sent={} probes_after_s={probes:?} ban_at=10000", asked.len());
    assert!(tries > 20_000, "{tries}");
    assert!(asked.len() <= 5_000 + 40 + probes.len(), "beside the probes only what was under way: {}", asked.len());
    // The wall is at 60, then twice as long each time; the callers ask every 0.7 s.
    assert!(matches!(probes[..], [60..=61, 180..=183, 420..=425]), "{probes:?}");
}
