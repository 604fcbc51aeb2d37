//! Answers whose body breaks off or never ends: what their head says counts all the same.

use super::{
    fake::{self, Fake, access, answer, config, message, preflight},
    wire::{post, serve},
};
use crate::{Past, Preflight, Rest, RestError, Send, answer::Answer, transport::Broken};
use axum::{body::Body, extract::Request, http::StatusCode, response::Response};
use serde_json::Value;
use serenity::{builder::CreateMessage, model::id::ChannelId};
use std::time::Duration;

/// The beginning of an answer: its head, and a body that never comes.
fn stalled(status: u16, headers: &[(&'static str, &str)]) -> Response {
    let mut response =
        Response::new(Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}

/// One post that is answered by `head` and stalls until its deadline, then what a second one comes to, and how many were
/// sent.
async fn after_a_stall(
    head: impl Fn(&Request) -> Response + Clone + std::marker::Send + Sync + 'static,
) -> (Result<u64, RestError>, usize, Rest) {
    let (base, seen) = serve(head).await;
    let rest = Rest::standalone(config(), &access(&base)).unwrap();
    let send = Send::default().within(Duration::from_secs(2));
    let stalled = rest.create_message(ChannelId::new(1), CreateMessage::new().content("x"), send).await;
    assert!(matches!(stalled, Err(RestError::Deadline)), "{stalled:?}");
    let second = tokio::time::timeout(Duration::from_secs(3), post(&rest)).await.unwrap_or(Err(RestError::Deadline));
    let sent = seen.lock().unwrap().len();
    (second, sent, rest)
}

#[tokio::test]
async fn a_401_that_stalls_is_a_refused_token() {
    let (second, sent, rest) = after_a_stall(|_| stalled(401, &[])).await;
    assert_eq!((second, sent), (Err(RestError::Unauthorized), 1));
    assert!(*rest.token_refused().borrow());
    let (base, _) = serve(|_| stalled(401, &[])).await;
    assert_eq!(preflight(&access(&base)).await, Preflight::Refused);
}

#[tokio::test]
async fn a_refusal_that_stalls_before_anything_has_started_counts() {
    let (base, _) = serve(|_| stalled(403, &[])).await;
    let (rest, _) = crate::child(config(), access(&base), Past::none());
    let unknown = rest.preflight(&access(&base)).await;
    assert!(matches!(&unknown, Preflight::Unknown(reason) if reason.contains("403")), "{unknown:?}");
    assert_eq!(rest.status().invalid_10_min, 1);
}

#[tokio::test]
async fn a_429_that_stalls_closes_its_bucket_and_counts() {
    let headers = [("x-ratelimit-bucket", "b"), ("x-ratelimit-scope", "user"), ("retry-after", "60")];
    let (second, sent, rest) = after_a_stall(move |_| stalled(429, &headers)).await;
    assert!(matches!(second, Err(RestError::RateLimited { retry_after }) if retry_after.as_secs() >= 55), "{second:?}");
    assert_eq!((sent, rest.status().invalid_10_min), (1, 1));
}

#[tokio::test]
async fn a_success_that_stalls_tells_of_its_bucket() {
    let headers = [
        ("x-ratelimit-bucket", "b"),
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset-after", "60"),
    ];
    let (second, sent, _) = after_a_stall(move |_| stalled(200, &headers)).await;
    assert!(matches!(second, Err(RestError::RateLimited { .. })), "{second:?}");
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn a_429_whose_body_breaks_off_silences_one_bucket_for_as_long_as_its_head_says() {
    let (rest, fake) = Fake::rest(fake::config(), |number, _| match number {
        0 => answer(429, &[("retry-after", "7")], &Value::Null).map(|answer| Answer { body_lost: true, ..answer }),
        _ => fake::ok(&message(1)),
    });
    let began = tokio::time::Instant::now();
    assert_eq!(post(&rest).await, Ok(1), "it was taken for the edge's ban");
    assert_eq!((began.elapsed().as_secs(), fake.asked().len()), (7, 2));
    assert_eq!(rest.status().invalid_10_min, 1);
}

#[tokio::test(start_paused = true)]
async fn a_success_whose_body_breaks_off_is_unknown_but_its_bucket_is_not() {
    let headers = [
        ("x-ratelimit-bucket", "b"),
        ("x-ratelimit-limit", "5"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset-after", "9"),
    ];
    let (rest, fake) = Fake::rest(fake::config(), move |number, asked| {
        assert_eq!(asked.body["enforce_nonce"], true, "it may be there already");
        match number {
            0 => answer(200, &headers, &Value::Null).map(|answer| Answer { body_lost: true, ..answer }),
            1 => Err(Broken::Lost("reset".to_owned())),
            _ => fake::ok(&message(1)),
        }
    });
    assert_eq!(post(&rest).await, Ok(1));
    let asked = fake.asked();
    assert!(asked.len() == 3 && (asked[1].at - asked[0].at).as_secs() >= 8, "its bucket was empty");
}
