use super::fake::{self, Asked, Fake, answer, message};
use crate::{Rest, RestConfig, RestError, Send, answer::Answer, transport::Broken};
use futures_util::future::join_all;
use serde_json::{Value, json};
use serenity::{
    builder::{CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage},
    model::id::{ChannelId, GuildId, InteractionId},
};
use std::{sync::Mutex, time::Duration};
use tokio::time::{Instant, advance};

/// Five messages per five seconds, as Discord counts them: a 429 when the bot sends more.
fn five_in_five_seconds() -> impl Fn(usize, &Asked) -> Result<Answer, Broken> + std::marker::Send + Sync {
    let window = Mutex::new((Instant::now(), 0_u32));
    move |number, asked| {
        let mut window = window.lock().unwrap();
        if asked.at - window.0 >= Duration::from_secs(5) || number == 0 {
            *window = (asked.at, 0);
        }
        window.1 += 1;
        let left = (window.0 + Duration::from_secs(5) - asked.at).as_secs_f64().to_string();
        let remaining = 5_u32.saturating_sub(window.1).to_string();
        let headers = [
            ("x-ratelimit-bucket", "b1"),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", &remaining),
            ("x-ratelimit-reset-after", &left),
            ("retry-after", &left),
        ];
        if window.1 > 5 { answer(429, &headers, &json!({})) } else { answer(200, &headers, &message(1)) }
    }
}

async fn post(rest: &Rest, channel: u64, text: &str, send: Send) -> Result<(), RestError> {
    let message = CreateMessage::new().content(text);
    rest.create_message(ChannelId::new(channel), message, send).await.map(|_| ())
}

fn texts(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| asked.body["content"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bucket_is_waited_for_without_a_single_429_and_in_order() {
    let (rest, fake) = Fake::rest(RestConfig { deadline_ms: 60_000, ..fake::config() }, five_in_five_seconds());
    let began = Instant::now();
    let wanted: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let done = join_all(wanted.iter().map(|text| post(&rest, 1, text, Send::default()))).await;
    assert!(done.iter().all(Result::is_ok));
    assert_eq!(texts(&fake.asked()), wanted);
    assert!((15..17).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_429_is_waited_out_once_and_keeps_the_order() {
    let headers = [("x-ratelimit-bucket", "b1"), ("x-ratelimit-scope", "user"), ("retry-after", "2")];
    let (rest, fake) = Fake::rest(fake::config(), move |number, _| match number {
        0 => answer(429, &headers, &json!({"retry_after": 2.0})),
        _ => fake::ok(&message(1)),
    });
    let began = Instant::now();
    let done = join_all(["a", "b", "c"].map(|text| post(&rest, 1, text, Send::default()))).await;
    assert!(done.iter().all(Result::is_ok));
    let asked = fake.asked();
    assert_eq!(texts(&asked), ["a", "a", "b", "c"]);
    assert!(asked[1].at - began >= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_global_429_stops_every_route_for_its_time() {
    let headers = [("x-ratelimit-scope", "global"), ("x-ratelimit-global", "true"), ("retry-after", "3")];
    let (rest, fake) = Fake::rest(fake::config(), move |number, _| match number {
        0 => answer(429, &headers, &json!({"retry_after": 3.0, "global": true})),
        _ => fake::ok(&message(1)),
    });
    let first = tokio::spawn({
        let rest = rest.clone();
        async move { post(&rest, 1, "first", Send::default()).await }
    });
    advance(Duration::from_millis(10)).await;
    while fake.asked().is_empty() || rest.status().stopped_ms == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stopped = Instant::now();
    let done = join_all((2..40).map(|channel| post(&rest, channel, "other", Send::default()))).await;
    assert!(done.iter().all(Result::is_ok));
    first.await.unwrap().unwrap();
    let during = fake.asked().iter().skip(1).filter(|asked| asked.at < stopped + Duration::from_millis(2_980)).count();
    assert_eq!(during, 0, "requests went out during the stop");
}

#[tokio::test(start_paused = true)]
async fn who_was_in_line_when_the_stop_began_waits_it_out_too() {
    let (rest, fake) = Fake::rest(RestConfig { global_per_second: 1, ..fake::config() }, |number, _| match number {
        0 => answer(429, &[("retry-after", "5")], &json!({"retry_after": 5.0, "global": true})),
        _ => fake::ok(&message(1)),
    });
    let done = join_all((1..4).map(|channel| post(&rest, channel, "x", Send::default()))).await;
    assert!(done.iter().all(Result::is_ok));
    let asked = fake.asked();
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(5), "{:?} later", asked[1].at - asked[0].at);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_token_has_a_bucket_of_its_own() {
    let (rest, fake) = Fake::rest(fake::config(), |_, asked| {
        let left = [
            ("x-ratelimit-bucket", "w"),
            ("x-ratelimit-limit", "1"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "2"),
        ];
        if asked.path.contains("busy") { answer(200, &left, &message(1)) } else { fake::ok(&message(1)) }
    });
    let follow_up = |token: &'static str| {
        rest.follow_up(4.into(), token, CreateInteractionResponseFollowup::new(), Send::interaction())
    };
    let began = Instant::now();
    assert!(join_all([follow_up("busy"), follow_up("busy")]).await.iter().all(Result::is_ok));
    let asked = fake.asked();
    assert!(asked[1].at - asked[0].at >= Duration::from_secs(2));
    assert!(began.elapsed() < Duration::from_secs(3));
    let began = Instant::now();
    follow_up("other").await.unwrap();
    assert!(began.elapsed() < Duration::from_millis(100), "another token waited too");
}

#[tokio::test(start_paused = true)]
async fn interactions_go_on_during_a_global_stop_and_past_the_budget() {
    let (rest, fake) = Fake::rest(RestConfig { global_per_second: 1, ..fake::config() }, |number, _| match number {
        0 => answer(429, &[("retry-after", "9")], &json!({"retry_after": 9.0, "global": true})),
        _ => answer(204, &[], &Value::Null),
    });
    let short = Send::default().within(Duration::from_secs(2));
    assert_eq!(
        post(&rest, 1, "x", short.clone()).await,
        Err(RestError::RateLimited { retry_after: Duration::from_secs(9) })
    );
    assert!(matches!(post(&rest, 2, "x", short).await, Err(RestError::RateLimited { .. })));
    let began = Instant::now();
    let answers = (1..100).map(|id| {
        let acknowledge = CreateInteractionResponse::Acknowledge;
        rest.respond(InteractionId::new(id), "tok", acknowledge, Send::interaction())
    });
    assert!(join_all(answers).await.iter().all(Result::is_ok));
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    assert!(fake.asked().iter().skip(1).all(|asked| !asked.authorized), "the bot's token went along");
}

#[tokio::test(start_paused = true)]
async fn a_429_from_the_edge_silences_everything_for_a_minute() {
    let (rest, fake) = Fake::rest(fake::config(), |number, _| match number {
        0 => Ok(Answer {
            status: 429,
            headers: [].into_iter().collect(),
            body: b"<html>1015</html>".to_vec(),
            body_lost: false,
        }),
        _ => fake::ok(&message(1)),
    });
    let silent =
        |error: RestError| matches!(error, RestError::RateLimited { retry_after } if retry_after.as_secs() >= 44);
    assert!(silent(post(&rest, 1, "x", Send::default()).await.unwrap_err()));
    for _ in 0..3 {
        assert!(silent(post(&rest, 2, "x", Send::default()).await.unwrap_err()));
        advance(Duration::from_secs(5)).await;
    }
    assert_eq!(fake.asked().len(), 1);
    advance(Duration::from_secs(45)).await;
    assert_eq!(post(&rest, 2, "x", Send::default()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_shared_limit_beyond_the_deadline_fails_at_once() {
    let headers = [("x-ratelimit-bucket", "b1"), ("x-ratelimit-scope", "shared"), ("retry-after", "1337")];
    let (rest, fake) = Fake::rest(fake::config(), move |_, _| answer(429, &headers, &json!({"retry_after": 1337.0})));
    let began = Instant::now();
    for _ in 0..2 {
        let error = post(&rest, 1, "x", Send::default()).await.unwrap_err();
        assert!(matches!(error, RestError::RateLimited { retry_after } if retry_after.as_secs() >= 1336), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(fake.asked().len(), 1, "it was asked again in spite of the limit");
    assert_eq!(rest.status().invalid_10_min, 0, "shared limits do not count as ours");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_bounds_every_wait() {
    let (rest, _fake) = Fake::rest(RestConfig { global_per_second: 1, ..fake::config() }, |_, _| fake::ok(&message(1)));
    let began = Instant::now();
    let send = Send::default().within(Duration::from_millis(2_500));
    let done = join_all((1..20).map(|channel| post(&rest, channel, "x", send.clone()))).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 3);
    let waits = |error: &&RestError| matches!(error, RestError::Deadline | RestError::RateLimited { .. });
    assert!(done.iter().flat_map(|done| done.as_ref().err()).all(|error| waits(&error)));
    assert!(began.elapsed() <= Duration::from_millis(2_501), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_is_told_at_once() {
    let (rest, _fake) = Fake::rest(RestConfig { global_per_second: 1, ..fake::config() }, |_, _| fake::ok(&message(1)));
    let queue = tokio::spawn({
        let rest = rest.clone();
        async move { join_all((1..10).map(|channel| post(&rest, channel, "x", Send::default()))).await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    let late = post(&rest, 20, "x", Send::default().within(Duration::from_secs(3))).await;
    assert!(matches!(late, Err(RestError::RateLimited { retry_after }) if retry_after.as_secs() >= 7), "{late:?}");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(post(&rest, 21, "x", Send::moderation().within(Duration::from_secs(3))).await, Ok(()));
    assert!(queue.await.unwrap().iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn the_urgent_go_first() {
    let (rest, fake) = Fake::rest(RestConfig { global_per_second: 1, ..fake::config() }, |_, _| fake::ok(&message(1)));
    let sends = [
        ("first", Send::background()),
        ("background", Send::background()),
        ("normal", Send::default()),
        ("moderation", Send::moderation()),
    ];
    let posts = sends.into_iter().zip(1..).map(|((text, send), channel)| post(&rest, channel, text, send));
    assert!(join_all(posts).await.iter().all(Result::is_ok));
    assert_eq!(texts(&fake.asked()), ["first", "moderation", "normal", "background"]);
}

#[tokio::test(start_paused = true)]
async fn the_global_budget_is_never_exceeded() {
    let (rest, fake) = Fake::rest(fake::config(), |_, _| fake::ok(&message(1)));
    let done = join_all((1..400).map(|channel| post(&rest, channel, "x", Send::default()))).await;
    assert!(done.iter().all(Result::is_ok));
    let asked = fake.asked();
    for (n, first) in asked.iter().enumerate() {
        let within = asked[n..].iter().take_while(|other| other.at - first.at < Duration::from_secs(1)).count();
        assert!(within <= 50, "{within} within one second");
    }
}

#[tokio::test(start_paused = true)]
async fn the_breaker_opens_and_one_probe_closes_it() {
    let (rest, fake) = Fake::rest(RestConfig { invalid_limit: 10, ..fake::config() }, |number, _| match number {
        0..10 => answer(403, &[], &json!({"code": 50007, "message": "no"})),
        _ => fake::ok(&message(1)),
    });
    for _ in 0..10 {
        assert!(matches!(post(&rest, 1, "x", Send::default()).await, Err(RestError::Forbidden { code: 50007, .. })));
    }
    assert!(matches!(post(&rest, 1, "x", Send::default()).await, Err(RestError::Breaker { .. })));
    assert_eq!(fake.asked().len(), 10, "something was sent while the breaker was open");
    advance(Duration::from_secs(61)).await;
    let done = join_all((1..10).map(|channel| post(&rest, channel, "x", Send::default()))).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1, "one probe goes out: {done:?}");
    assert_eq!(fake.asked().len(), 11);
    assert_eq!(post(&rest, 1, "x", Send::default()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_stops_everything() {
    let (rest, fake) =
        Fake::rest(fake::config(), |_, _| answer(401, &[], &json!({"message": "401: Unauthorized", "code": 0})));
    for _ in 0..5 {
        assert_eq!(post(&rest, 1, "x", Send::default()).await, Err(RestError::Unauthorized));
    }
    assert_eq!(fake.asked().len(), 1);
    assert!(rest.status().token_refused);
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_not_asked_for_again_until_something_changed() {
    let (rest, fake) = Fake::rest(fake::config(), |_, asked| {
        let refused = asked.path.starts_with("channels/1/");
        if refused {
            answer(403, &[], &json!({"code": 50013, "message": "Missing Permissions"}))
        } else {
            fake::ok(&message(1))
        }
    });
    let refused = Err(RestError::Forbidden { code: 50013, message: "Missing Permissions".to_owned() });
    for _ in 0..5 {
        assert_eq!(post(&rest, 1, "x", Send::default()).await, refused);
    }
    assert_eq!(fake.asked().len(), 1);
    assert_eq!(post(&rest, 2, "x", Send::default()).await, Ok(()));
    rest.forget_refusals("channels/1");
    assert_eq!(post(&rest, 1, "x", Send::default()).await, refused);
    assert_eq!(fake.asked().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_outlive_a_change_of_permissions_in_its_guild() {
    let (rest, fake) = Fake::rest(fake::config(), |nth, _| match nth {
        0..3 => answer(403, &[], &json!({"code": 50013, "message": "Missing Permissions"})),
        _ => fake::ok(&message(1)),
    });
    let refused = Err(RestError::Forbidden { code: 50013, message: "Missing Permissions".to_owned() });
    for channel in 1..=3 {
        assert_eq!(post(&rest, channel, "x", Send::default()).await, refused);
    }
    rest.permissions_changed(GuildId::new(9), [ChannelId::new(1), ChannelId::new(3)]);
    assert_eq!(post(&rest, 1, "x", Send::default()).await, Ok(()));
    assert_eq!(post(&rest, 2, "x", Send::default()).await, refused, "another guild's channel was forgotten");
    assert_eq!(post(&rest, 3, "x", Send::default()).await, Ok(()));
    assert_eq!(fake.asked().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn one_pioneer_explores_an_unknown_bucket() {
    let (rest, fake) = Fake::rest(fake::config(), |_, _| fake::ok(&message(1)));
    assert!(join_all((0..40).map(|_| post(&rest, 1, "x", Send::default()))).await.iter().all(Result::is_ok));
    assert_eq!((fake.asked().len(), fake.most_under_way()), (40, 1));
    assert!(
        join_all((0..40).map(|channel| post(&rest, channel + 2, "x", Send::default()))).await.iter().all(Result::is_ok)
    );
    assert!(fake.most_under_way() > 1, "channels wait for each other");
}
