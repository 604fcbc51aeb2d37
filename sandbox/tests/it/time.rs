//! Time that a test moves, for the sandbox and for a client on tokio's paused clock.

use std::time::Duration;

use sandbox::{Fault, VirtualTime};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::client::{ALL, Line, get, start, start_with};

/// Without it the paused clock would run to the next timer while the answer is on its way.
#[tokio::test(start_paused = true)]
async fn time_stands_while_an_answer_is_on_its_way() {
    let sandbox = start();
    let time = VirtualTime::of(&sandbox);
    let begun = Instant::now();
    sandbox.fault(Fault::RestDelay { route: "*".into(), millis: 50, times: 1 });
    let answer = timeout(Duration::from_millis(1), get(&sandbox, "/gateway")).await;
    assert_eq!((answer.expect("no time has passed").0, begun.elapsed()), (200, Duration::ZERO));
    time.pass(Duration::from_secs(3600)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3600));
}

#[tokio::test(start_paused = true)]
async fn both_clocks_move_together() {
    let sandbox = start_with(|config| config.session_life_ms = 180_000);
    let time = VirtualTime::of(&sandbox);
    let mut resumes = Vec::new();
    for seconds in [179, 181] {
        let line = Line::ready(&sandbox, ALL).await;
        sandbox.fault(Fault::CutConnection { shard: None });
        time.pass(Duration::from_secs(seconds)).await;
        let mut next = Line::open(&sandbox).await;
        next.resume(&line.session, line.seq).await;
        resumes.push(next.frame().await);
    }
    assert_eq!((&resumes[0]["t"], &resumes[1]["op"]), (&json!("RESUMED"), &json!(9)), "{resumes:?}");
}

/// What the sandbox holds back is sent when it is due by a clock that is moved.
#[tokio::test(start_paused = true)]
async fn what_is_held_back_comes_when_its_time_has_been_let_pass() {
    let sandbox = start();
    let time = VirtualTime::of(&sandbox);
    let mut line = Line::ready(&sandbox, ALL).await;
    sandbox.fault(Fault::DelayAcks { millis: 10_000 });
    line.say(json!({ "op": 1, "d": line.seq })).await;
    time.until("it has come", || sandbox.stats().heartbeats == 1).await;
    time.pass(Duration::from_millis(9_999)).await;
    assert_eq!(sandbox.undelivered(), 1);
    time.pass(Duration::from_millis(1)).await;
    assert_eq!(line.frame().await["op"], 11);
}
