//! Trouble on order: each fault does what it says, and ends.

use reqwest::Method;
use sandbox::{Fault, Sandbox, SandboxEvent, Side};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;

use crate::client::{ALL, Heard, Line, SOON, call, get, messages, post, start};

const CREATE: &str = "POST /channels/{channel_id}/messages";

#[tokio::test]
async fn faults_of_the_gateway_reach_the_connection() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.fault(Fault::AskHeartbeat);
    assert_eq!(line.frame().await["op"], 1);
    sandbox.fault(Fault::SendRaw { text: "{\"op\":0,\"t\":\"BRAND_NEW\",\"s\":null,\"d\":{}}".into() });
    assert_eq!(line.frame().await["t"], "BRAND_NEW");
    sandbox.fault(Fault::SendBinary { bytes: vec![1, 2, 3] });
    assert_eq!(line.heard().await, Heard::Binary(vec![1, 2, 3]));
    sandbox.fault(Fault::Dispatch { name: "MESSAGE_CREATE".into(), data: "{\"id\":\"bad\"}".into() });
    let before = line.seq;
    assert_eq!(line.event("MESSAGE_CREATE").await["id"], "bad");
    assert_eq!(line.seq, before + 1);
    sandbox.fault(Fault::Reconnect);
    assert_eq!(line.frame().await["op"], 7);
    sandbox.fault(Fault::InvalidSession { resumable: true });
    assert_eq!(line.frame().await, json!({ "op": 9, "d": true, "s": null, "t": null }));
    line.resume(&line.session.clone(), line.seq).await;
    line.event("RESUMED").await;
    sandbox.fault(Fault::CloseWith { code: 4000 });
    assert_eq!(line.closed().await, Some(4000));
    let mut next = Line::resumed(&sandbox, &line).await;
    next.event("RESUMED").await;
    sandbox.fault(Fault::CloseWith { code: 4009 });
    assert_eq!(next.closed().await, Some(4009));
    let mut last = Line::resumed(&sandbox, &line).await;
    assert_eq!(last.frame().await["op"], 9, "4009 ends the session");
}

#[tokio::test]
async fn acks_stop_and_events_still_flow() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.fault(Fault::StopAcks);
    line.say(json!({ "op": 1, "d": line.seq })).await;
    sandbox.wait_for(SOON, |event| matches!(event, SandboxEvent::Heartbeat { .. })).unwrap();
    sandbox.say("alice", "still here");
    line.event("MESSAGE_CREATE").await;
    sandbox.fault(Fault::ResumeAcks);
    assert_eq!(line.beat().await["op"], 11);
}

#[tokio::test]
async fn connections_are_refused_and_hello_is_held_back() {
    let sandbox = start();
    sandbox.fault(Fault::RefuseConnections { n: 2 });
    for _ in 0..2 {
        assert!(connect_async(sandbox.gateway_url()).await.is_err());
    }
    sandbox.fault(Fault::HoldHello);
    let mut line = Line::open_silently(&sandbox, "v=10").await;
    assert_eq!(line.beat().await["op"], 11, "no HELLO came before the answer");
    sandbox.fault(Fault::ReleaseHello);
    Line::open(&sandbox).await;
}

#[tokio::test]
async fn sessions_are_refused_closed_and_replayed_twice() {
    let sandbox = start();
    sandbox.fault(Fault::RefuseSessions { times: 1, resumable: false });
    sandbox.fault(Fault::CloseOnIdentify { code: 4008, times: 1 });
    let mut line = Line::open(&sandbox).await;
    line.identify(1, json!([0, 1])).await;
    assert_eq!(line.closed().await, Some(4008));
    let mut line = Line::open(&sandbox).await;
    line.identify(1, json!([0, 1])).await;
    assert_eq!(line.frame().await["op"], 9);
    let mut line = Line::ready(&sandbox, ALL).await;
    for n in 0..4 {
        sandbox.say("alice", &n.to_string());
        line.event("MESSAGE_CREATE").await;
    }
    sandbox.fault(Fault::CutConnection { shard: Some(0) });
    sandbox.fault(Fault::ReplayOverlap { events: 2, times: 1 });
    sandbox.fault(Fault::CloseAfterResume { code: 4000, times: 1 });
    let mut next = Line::resumed(&sandbox, &line).await;
    assert_eq!(next.event("MESSAGE_CREATE").await["content"], "2");
    assert_eq!(next.event("MESSAGE_CREATE").await["content"], "3");
    next.event("RESUMED").await;
    assert_eq!(next.closed().await, Some(4000));
    assert_eq!(sandbox.stats().disconnects.get(&(Some(4000), Side::Sandbox)), Some(&1));
}

#[tokio::test]
async fn gateway_bot_tells_the_session_starts_it_is_told_to() {
    let sandbox = start();
    sandbox.fault(Fault::SessionStartLimit { remaining: 3, reset_after_ms: 60_000 });
    let limit = get(&sandbox, "/gateway/bot").await.1["session_start_limit"].take();
    assert_eq!(limit["remaining"], 3);
    assert!((1..=60_000).contains(&limit["reset_after"].as_u64().unwrap()));
}

async fn raw_post(sandbox: &Sandbox) -> reqwest::Result<(u16, Option<String>, String)> {
    let answer = reqwest::Client::new()
        .post(format!("{}{}", sandbox.api_base(), messages(sandbox)))
        .header("Authorization", format!("Bot {}", sandbox.token()))
        .json(&json!({ "content": "x" }))
        .send()
        .await?;
    let retry = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    Ok((answer.status().as_u16(), retry, answer.text().await?))
}

#[tokio::test]
async fn faults_of_rest_answer_as_told_and_then_stop() {
    let sandbox = start();
    sandbox.fault(Fault::RestStatus { route: CREATE.into(), status: 503, body: "{}".into(), times: 1 });
    assert_eq!(post(&sandbox, &messages(&sandbox), json!({ "content": "x" })).await, (503, json!({})));
    assert_eq!(sandbox.bot_messages().len(), 0, "a refused request has no effect");
    let limited = |html| Fault::Rest429 {
        route: "*".into(),
        retry_after_ms: 1_500,
        global: true,
        scope: "shared".into(),
        html,
        times: 1,
    };
    sandbox.fault(limited(false));
    let (status, retry, body) = raw_post(&sandbox).await.unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, retry.as_deref(), &body["retry_after"], &body["global"]),
        (429, Some("2"), &json!(1.5), &json!(true))
    );
    sandbox.fault(limited(true));
    let (status, retry, body) = raw_post(&sandbox).await.unwrap();
    assert!(status == 429 && retry.is_none() && body.starts_with("<!DOCTYPE html>"));
    sandbox.fault(Fault::RestMalformed { route: CREATE.into(), times: 1 });
    let (status, _, body) = raw_post(&sandbox).await.unwrap();
    assert!(status == 200 && serde_json::from_str::<Value>(&body).is_err());
    sandbox.fault(Fault::RestCutBody { route: CREATE.into(), times: 1 });
    assert!(raw_post(&sandbox).await.is_err());
    assert_eq!(sandbox.bot_messages().len(), 2, "both were carried out");
    assert_eq!(raw_post(&sandbox).await.unwrap().0, 200);
    assert_eq!(sandbox.stats().requests_by_route.get(CREATE), Some(&6));
}

#[tokio::test]
async fn a_delayed_answer_comes_later_than_another_request() {
    let sandbox = start();
    sandbox.fault(Fault::RestDelay { route: "/users/@me".into(), millis: 2_000, times: 1 });
    let begin = std::time::Instant::now();
    let (slow, quick) =
        tokio::join!(async { (call(&sandbox, Method::GET, "/users/@me", None).await.0, begin.elapsed()) }, async {
            (get(&sandbox, "/gateway").await.0, begin.elapsed())
        });
    assert_eq!((slow.0, quick.0), (200, 200));
    assert!(slow.1.as_millis() >= 2_000 && quick.1 < slow.1);
}

#[tokio::test]
async fn a_body_comes_slowly_or_never_ends() {
    let sandbox = start();
    let url = format!("{}/gateway", sandbox.api_base());
    sandbox.fault(Fault::RestSlowBody { route: "/gateway".into(), millis: 1, times: 1 });
    let begin = std::time::Instant::now();
    let body = reqwest::get(&url).await.unwrap().bytes().await.unwrap();
    assert!(begin.elapsed().as_millis() >= body.len() as u128 && body.len() > 20);
    sandbox.fault(Fault::RestEndlessBody { route: "/gateway".into(), times: 1 });
    let mut answer = reqwest::get(&url).await.unwrap();
    let mut bytes = 0;
    while bytes < 10_000_000 {
        bytes += answer.chunk().await.unwrap().expect("it never ends").len();
    }
    drop(answer);
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_clock_that_is_off_tells_another_time_of_day_and_the_same_durations() {
    let sandbox = start();
    let told = async || {
        let authorization = format!("Bot {}", sandbox.token());
        let url = format!("{}/users/@me", sandbox.api_base());
        let answer = reqwest::Client::new().get(url).header("Authorization", authorization).send().await.unwrap();
        let text = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let seconds = |name: &str| text(name).parse::<f64>().unwrap();
        let date = chrono::DateTime::parse_from_rfc2822(&text("date")).unwrap().timestamp() as f64;
        (date, seconds("x-ratelimit-reset"), seconds("x-ratelimit-reset-after"))
    };
    sandbox.hold_clock();
    let (now, reset, after) = told().await;
    sandbox.fault(Fault::ClockSkew { millis: -3_600_000 });
    let (skewed, skewed_reset, skewed_after) = told().await;
    assert_eq!((now - skewed, (reset - skewed_reset).round()), (3_600.0, 3_600.0));
    assert_eq!((after, skewed_after), (1.0, 1.0), "the clock stands");
    sandbox.fault(Fault::ClockSkew { millis: 0 });
    sandbox.pass(std::time::Duration::from_millis(400));
    assert_eq!(told().await.2, 0.6);
    sandbox.pass(std::time::Duration::from_secs(86_400));
    let (later, _, again) = told().await;
    assert!((86_400.0..=86_401.0).contains(&(later - now)) && again == 1.0, "{later} {now} {again}");
}
