//! Payloads that no client expects, on the wire and off it.

use sandbox::{Fault, Sandbox, mutate, oddities};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::client::{ALL, Line, start};

async fn text(line: &mut Line) -> String {
    match line.message().await {
        Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
        other => panic!("a text was expected, not {other:?}"),
    }
}

#[tokio::test]
async fn changed_events_come_in_order_and_are_not_repeated_by_a_resume() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let events = 3_000;
    sandbox.fault(Fault::Mutated { seed: 5, events });
    let mut readable = 0;
    for n in 1..=events {
        let text = text(&mut line).await;
        assert!(text.contains(&format!("\"s\":{},", line.seq + n)), "seed 5, event {n}: {text}");
        readable += u64::from(serde_json::from_str::<Value>(&text).is_ok());
    }
    assert!((events / 2..events).contains(&readable), "{readable} of {events} are JSON");
    line.seq += events;
    assert_eq!(line.beat().await["op"], 11);
    line.seq -= 100;
    sandbox.fault(Fault::CutConnection { shard: None });
    Line::resumed(&sandbox, &line).await.event("RESUMED").await;
}

#[tokio::test]
async fn oddities_reach_the_bot_one_by_one() {
    let sandbox: &Sandbox = &start();
    let mut line = Line::ready(sandbox, ALL).await;
    let odd = oddities();
    assert!(odd.len() >= 20);
    let mut frames = Vec::new();
    for fault in odd {
        sandbox.fault(fault);
        frames.push(line.frame().await);
    }
    let unknown = |frame: &&Value| frame["t"] == "BRAND_NEW_EVENT";
    assert_eq!(frames.iter().filter(unknown).count(), 3);
    assert!(frames.iter().any(|frame| frame["op"] == 42));
    assert!(frames.iter().any(|frame| frame["d"]["type"] == 250));
    assert!(frames.iter().any(|frame| frame["t"] == "MESSAGE_CREATE" && frame["d"]["author"].is_null()));
    assert!(frames.iter().all(|frame| frame["t"] != "MESSAGE_CREATE" || frame["d"]["id"].is_string()));
    line.say(json!({ "op": 1, "d": line.seq })).await;
    assert_eq!(line.frame().await["op"], 11);
}

/// The figure of how affordable they are; run it with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement, not a check"]
fn a_million_changed_frames_measured() {
    let begin = std::time::Instant::now();
    let bytes: usize = mutate(1).take(1_000_000).map(|frame| frame.len()).sum();
    println!("1,000,000 frames, {} MB, {:?}", bytes / 1_000_000, begin.elapsed());
}

/// As above, over a socket and as fast as a reader takes them that does nothing with them.
#[tokio::test]
#[ignore = "a measurement, not a check"]
async fn a_million_changed_events_over_a_socket_measured() {
    let sandbox = start();
    let mut line = Line::ready(&sandbox, ALL).await;
    let events = 1_000_000;
    let begin = std::time::Instant::now();
    sandbox.fault(Fault::Mutated { seed: 1, events });
    let mut bytes = 0;
    for _ in 0..events {
        bytes += text(&mut line).await.len();
    }
    println!("{events} events, {} MB, {:?}", bytes / 1_000_000, begin.elapsed());
}
