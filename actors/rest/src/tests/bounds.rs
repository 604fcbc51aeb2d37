//! Answers that are slow, endless or larger than they look hold nothing beyond the deadline and the cap.

use super::{
    fake::{self, Fake, access, config, message},
    wire::{json_answer, post, serve},
};
use crate::{Rest, RestError, Send};
use axum::{
    body::Body,
    extract::Request,
    http::header::CONTENT_ENCODING,
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use futures_util::future::join_all;
use serenity::{builder::CreateMessage, model::id::ChannelId};
use std::{
    io::Write,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};
use tokio::time::Instant;

/// The bomb's size once unpacked: 16 times the cap.
const BOMB: usize = 128 * 1024 * 1024;

#[tokio::test(start_paused = true)]
async fn a_slow_answer_ends_at_the_deadline_and_leaves_everything_free() {
    let latency = |number| Duration::from_secs(if number < 40 { 60 } else { 0 });
    let (rest, fake) = Fake::slow(fake::config(), latency, |_, _| fake::ok(&message(1)));
    let post = |channel: u64| rest.create_message(ChannelId::new(channel), CreateMessage::new(), Send::default());
    let began = Instant::now();
    let slow = join_all((1..=40).map(post)).await;
    let took = began.elapsed();
    assert!(slow.iter().all(|done| matches!(done, Err(RestError::Deadline))));
    let status = rest.status();
    let held = status.in_flight + status.waiting.iter().sum::<usize>() + fake.most_under_way().saturating_sub(40);
    println!("R13 slow_answers=40 deadline_ms=15000 slowest_caller_ms={} held_after={held}", took.as_millis());
    assert!(took <= Duration::from_millis(15_001) && held == 0, "{status:?}");
    let again = join_all((1..=40).map(post)).await;
    assert!(again.iter().all(Result::is_ok), "a slow answer still holds its channel");
}

/// Whether the test `name` of `module` is to run here. It measures memory, to which its neighbours add theirs: it runs in a
/// process of its own, which this one starts and waits for.
fn runs_alone(module: &str, name: &str) -> bool {
    const ALONE: &str = "RUNS_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let (_, module) = module.split_once("::").unwrap();
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", &format!("{module}::{name}"), "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    print!("{said}");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(said.contains("1 passed"), "there is no test {module}::{name}");
    false
}

fn resident_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Asks once for what `hostile` answers, then for a plain message: is the first cut off and the second served?
async fn survives(what: &str, hostile: impl Fn() -> Response + Clone + std::marker::Send + Sync + 'static) {
    let first = Arc::new(AtomicBool::new(true));
    let (base, _) =
        serve(move |_: &Request| if first.swap(false, Relaxed) { hostile() } else { json_answer(&message(9)) }).await;
    let rest = Rest::standalone(config(), &access(&base)).unwrap();
    let before = resident_kb();
    let began = std::time::Instant::now();
    let done = post(&rest).await;
    let (took, grown) = (began.elapsed(), resident_kb() - before);
    assert!(matches!(&done, Err(RestError::Malformed(reason)) if reason.contains("8 MiB")), "{done:?}");
    let status = rest.status();
    println!(
        "R13 {what}: cut off after {} ms, {grown} KB more resident, held_after={}",
        took.as_millis(),
        status.in_flight
    );
    assert_eq!((status.in_flight, status.waiting), (0, [0; 4]));
    assert!(grown < 100 * 1024, "{grown} KB");
    assert_eq!(post(&rest).await, Ok(9));
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_at_the_cap() {
    if !runs_alone(module_path!(), "an_endless_answer_is_cut_off_at_the_cap") {
        return;
    }
    survives("endless body", || {
        let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
        Body::from_stream(endless).into_response()
    })
    .await;
}

#[tokio::test]
async fn a_gzip_bomb_is_cut_off_at_the_cap() {
    if !runs_alone(module_path!(), "a_gzip_bomb_is_cut_off_at_the_cap") {
        return;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..BOMB / (1024 * 1024) {
        encoder.write_all(&vec![b' '; 1024 * 1024]).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let what = format!("gzip bomb of {} KB that unpacks to {} MB", bomb.len() / 1024, BOMB / 1024 / 1024);
    survives(&what, move || ([(CONTENT_ENCODING, "gzip")], bomb.clone()).into_response()).await;
}
