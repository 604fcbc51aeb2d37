//! Discord's rate limits: what is sent while they last, and in which order after.

use super::fake::{self, Asked, Bucketed, Fake, answer, message};
use crate::{Rest, RestConfig, RestError, Send, answer::Answer};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use serenity::{
    builder::{CreateInteractionResponse, CreateMessage},
    model::id::{ChannelId, InteractionId},
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, advance, sleep};

fn patient(seconds: u64) -> RestConfig {
    RestConfig { deadline_ms: seconds * 1_000, ..fake::config() }
}

async fn post(rest: &Rest, channel: u64, text: &str) -> Result<(), RestError> {
    let message = CreateMessage::new().content(text);
    rest.create_message(ChannelId::new(channel), message, Send::default()).await.map(|_| ())
}

/// The texts that were taken, in order: of a text that was sent again, the last time counts.
fn taken(asked: &[Asked]) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in asked.iter().map(|asked| asked.body["content"].as_str().unwrap_or_default()) {
        texts.retain(|earlier| earlier != text);
        texts.push(text.to_owned());
    }
    texts
}

/// The most within any one second.
fn most_in_a_second(times: &[Instant]) -> usize {
    let within =
        |first: usize| times[first..].iter().take_while(|&&at| at - times[first] < Duration::from_secs(1)).count();
    (0..times.len()).map(within).max().unwrap_or_default()
}

/// 500 posts to one channel of 5 in 5 s; `used` of its window were used by somebody else before.
async fn five_hundred_posts(skew: i64, used: u32) -> (usize, bool, Duration) {
    let mut server = Bucketed::new(5, Duration::from_secs(5));
    Arc::get_mut(&mut server).unwrap().skew = skew;
    let (rest, fake) = Fake::rest(patient(2_000), {
        let server = Arc::clone(&server);
        move |number, asked| {
            for _ in 0..if number == 0 { used } else { 0 } {
                server.answer(asked, &Value::Null).unwrap();
            }
            server.answer(asked, &message(1))
        }
    });
    let began = Instant::now();
    let texts: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let done = join_all(texts.iter().map(|text| post(&rest, 1, text))).await;
    assert!(done.iter().all(Result::is_ok), "a caller saw no success");
    (server.limited(), taken(&fake.asked()) == texts, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn five_hundred_posts_to_one_bucket_bring_at_most_one_429_and_keep_their_order() {
    for used in [0, 5] {
        let (limited, order_kept, took) = five_hundred_posts(0, used).await;
        println!("R1 used_before={used} sends=500 429s={limited} order_kept={order_kept} took_s={}", took.as_secs());
        assert!(limited <= usize::from(used > 0) && order_kept);
        assert!(took < Duration::from_secs(515), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_by_an_hour_change_nothing() {
    let mut all = Vec::new();
    for skew in [-3_600, 0, 3_600] {
        let (limited, order_kept, took) = five_hundred_posts(skew, 0).await;
        println!("R14 skew_s={skew} 429s={limited} took_ms={}", took.as_millis());
        assert!(limited == 0 && order_kept);
        all.push(took);
    }
    assert!(all.iter().all(|took| *took == all[0]), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_during_a_global_429_and_no_burst_follows_it() {
    let (rest, fake) = Fake::rest(patient(60), |number, _| match number {
        30 => answer(
            429,
            &[("retry-after", "3"), ("x-ratelimit-global", "true")],
            &json!({"retry_after": 3.0, "global": true}),
        ),
        _ => fake::ok(&message(1)),
    });
    let done = join_all((1..=400).map(|channel| post(&rest, channel, "x"))).await;
    assert!(done.iter().all(Result::is_ok));
    let asked = fake.asked();
    let stop = asked[30].at + Duration::from_millis(1);
    let during = asked.iter().filter(|a| a.at > stop && a.at < stop + Duration::from_secs(3)).count();
    let times: Vec<Instant> = asked.iter().map(|asked| asked.at).collect();
    println!("R2 requests_during_window={during} max_per_s_after={}", most_in_a_second(&times));
    assert_eq!(during, 0);
    assert!(most_in_a_second(&times) <= 50, "those that waited burst out together");
}

#[tokio::test(start_paused = true)]
async fn a_shared_limit_of_1337_seconds_fails_everybody_fast() {
    let headers = [("x-ratelimit-bucket", "b1"), ("x-ratelimit-scope", "shared"), ("retry-after", "1337")];
    let (rest, fake) = Fake::rest(fake::config(), move |_, _| answer(429, &headers, &json!({"retry_after": 1337.0})));
    let began = Instant::now();
    let done = join_all((0..50).map(|_| post(&rest, 1, "x"))).await;
    let latency = began.elapsed();
    println!(
        "R3 callers=50 slowest_ms={} asked={} counted_as_ours={}",
        latency.as_millis(),
        fake.asked().len(),
        rest.status().invalid_10_min
    );
    assert!(
        done.iter()
            .all(|done| matches!(done, Err(RestError::RateLimited { retry_after }) if retry_after.as_secs() >= 1336))
    );
    assert!(latency < Duration::from_secs(1), "{latency:?}");
    assert_eq!((fake.asked().len(), rest.status().invalid_10_min), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_page_of_html_in_place_of_an_answer_silences_everything_for_longer_each_time() {
    let html = || Answer {
        status: 429,
        headers: [].into_iter().collect(),
        body: b"<html>1015</html>".to_vec(),
        body_lost: false,
    };
    let (rest, fake) = Fake::rest(fake::config(), move |_, _| Ok(html()));
    let began = Instant::now();
    assert!(join_all((1..=30).map(|channel| post(&rest, channel, "x"))).await.iter().all(Result::is_err));
    while began.elapsed() < Duration::from_secs(500) {
        // Interactions are outside the global limit, but not outside the edge's.
        let acknowledge = CreateInteractionResponse::Acknowledge;
        let respond = rest.respond(
            InteractionId::new(7),
            "tok",
            acknowledge,
            Send::interaction().within(Duration::from_millis(1)),
        );
        let both = join(
            respond,
            rest.create_message(
                ChannelId::new(1),
                CreateMessage::new(),
                Send::default().within(Duration::from_millis(1)),
            ),
        );
        let (first, second) = both.await;
        assert!(first.is_err() && second.is_err());
        advance(Duration::from_secs(1)).await;
    }
    let after: Vec<u64> = fake.asked().iter().skip(30).map(|asked| (asked.at - began).as_secs()).collect();
    let next_60 = after.iter().filter(|&&at| at < 60).count();
    println!("R4 requests_in_next_60_s={next_60} later_probes_at_s={after:?}");
    // Each round asks twice, so that two may go out before the first is answered.
    let rounds: Vec<&[u64]> = after.chunk_by(|one, next| next - one < 2).collect();
    let [60..=62, 180..=184, 420..=426] = rounds.iter().map(|round| round[0]).collect::<Vec<_>>()[..] else {
        panic!("not silent for 60 s, then for twice as long each time: {after:?}")
    };
    assert!(rounds.iter().all(|round| round.len() <= 2), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_burst_on_an_unknown_bucket_sends_one_pioneer_and_then_what_the_bucket_holds() {
    let server = Bucketed::new(10, Duration::from_secs(1));
    let (rest, fake) = Fake::slow(patient(60), |_| Duration::from_millis(100), {
        let server = Arc::clone(&server);
        move |_, asked| {
            server.answer(
                asked,
                &json!({"id": "1", "type": 0, "name": "general", "position": 0, "permission_overwrites": []}),
            )
        }
    });
    let began = Instant::now();
    let asks = join_all((0..100).map(|_| rest.get_channel(ChannelId::new(1), Send::default())));
    assert!(asks.await.iter().all(|done| !matches!(done, Err(RestError::RateLimited { .. } | RestError::Deadline))));
    let asked = fake.asked();
    let pioneers = asked.iter().filter(|asked| asked.at < began + Duration::from_millis(100)).count();
    println!(
        "R5 burst=100 in_flight_before_headers={pioneers} most_later={} 429s={} took_ms={}",
        fake.most_under_way(),
        server.limited(),
        began.elapsed().as_millis()
    );
    assert_eq!((pioneers, server.limited(), asked.len()), (1, 0, 100));
    assert!((2..=10).contains(&fake.most_under_way()));
}

#[tokio::test(start_paused = true)]
async fn buckets_that_change_and_are_shared_leave_nothing_behind() {
    let config = RestConfig { global_per_second: 10_000, deadline_ms: 600_000, ..fake::config() };
    let (rest, fake) = Fake::rest(config, |number, asked| {
        let id = format!("bucket-{}", if asked.method == "DELETE" { number } else { number / 7 });
        let left = [
            ("x-ratelimit-bucket", &*id),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "4"),
            ("x-ratelimit-reset-after", "1"),
        ];
        if asked.method == "DELETE" { answer(204, &left, &Value::Null) } else { answer(200, &left, &message(1)) }
    });
    for round in 0..6_u64 {
        let posts = (1..=300).map(|channel| post(&rest, channel, "x"));
        let deletes = (1..=300).map(|channel| {
            rest.delete_message(ChannelId::new(channel), round.saturating_add(1).into(), Send::default())
        });
        let (posted, deleted) = join(join_all(posts), join_all(deletes)).await;
        assert!(posted.iter().all(Result::is_ok) && deleted.iter().all(Result::is_ok));
        sleep(Duration::from_secs(2)).await;
    }
    let status = rest.status();
    println!(
        "R6 requests={} routes={} buckets={} (at most {})",
        fake.asked().len(),
        status.routes,
        status.buckets,
        crate::buckets::KEPT_MAX
    );
    assert_eq!(status.routes, 600, "a route is kept once however often its bucket changes");
    assert!(status.buckets <= crate::buckets::KEPT_MAX);
    assert_eq!((status.in_flight, status.waiting), (0, [0; 4]));
}

#[tokio::test(start_paused = true)]
async fn the_budget_of_50_a_second_is_kept_under_200_a_second_and_interactions_pass_it() {
    let (rest, fake) =
        Fake::rest(
            patient(120),
            |_, asked| {
                if asked.authorized { fake::ok(&message(1)) } else { answer(204, &[], &Value::Null) }
            },
        );
    let mut callers = Vec::new();
    for tick in 0..2_000_u64 {
        let handle = rest.clone();
        callers.push(tokio::spawn(async move { post(&handle, tick + 1, "x").await.map(|()| Duration::ZERO) }));
        if tick % 10 == 0 {
            let handle = rest.clone();
            callers.push(tokio::spawn(async move {
                let (began, acknowledge) = (Instant::now(), CreateInteractionResponse::Acknowledge);
                handle.respond(InteractionId::new(tick + 1), "tok", acknowledge, Send::interaction()).await?;
                Ok(began.elapsed())
            }));
        }
        sleep(Duration::from_millis(5)).await;
    }
    let mut slowest = Duration::ZERO;
    for caller in callers {
        slowest = slowest.max(caller.await.unwrap().unwrap());
    }
    let times: Vec<Instant> = fake.asked().iter().filter(|asked| asked.authorized).map(|asked| asked.at).collect();
    println!(
        "R7 load=200/s max_per_1_s_window={} slowest_interaction_ms={}",
        most_in_a_second(&times),
        slowest.as_millis()
    );
    assert!(times.len() == 2_000 && most_in_a_second(&times) <= 50);
    assert!(slowest < Duration::from_millis(20), "{slowest:?}");
}
