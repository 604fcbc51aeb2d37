//! A process that is killed and started again counts on, and stays silent.

use super::fake::{self, Asked, Fake, answer};
use crate::{
    Past, Preflight, Rest, RestConfig, RestError, Send,
    answer::Answer,
    conduct::{Seen, Target, breaker::Pass},
    keep::Keeper,
    transport::Broken,
};
use chrono::{DateTime, Utc};
use protocol::{Clock, Uptime};
use serde_json::{Value, json};
use serenity::{builder::CreateMessage, model::id::ChannelId};
use std::{
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, advance, sleep},
};

/// The machine of paused time: it runs on from process to process, and somebody may set its clock.
struct Machine {
    began: Instant,
    set_s: i64,
}

impl Clock for Machine {
    fn now(&self) -> DateTime<Utc> {
        let since = i64::try_from(self.began.elapsed().as_secs()).unwrap();
        DateTime::from_timestamp(1_800_000_000 + since + self.set_s, 0).unwrap()
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn uptime(&self) -> Uptime {
        Uptime { boot: "one".to_owned(), since: self.began.elapsed() }
    }
}

struct Home {
    dir: tempfile::TempDir,
    began: Instant,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), began: Instant::now() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("invalid-answers.json")
    }

    async fn past(&self, bot: &str, set_s: i64) -> Past {
        Past::read(self.dir.path(), Some(bot.to_owned()), Arc::new(Machine { began: self.began, set_s })).await
    }

    /// A process of the bot 900, to which Discord answers by `script`.
    async fn process(&self, script: impl Script) -> (Process, Arc<Fake>) {
        Process::after(self.past("900", 0).await, script)
    }

    /// What stands in the file, once it is as wanted.
    async fn written(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..100_000 {
            let page = fs::read_to_string(self.file()).ok().and_then(|text| serde_json::from_str(&text).ok());
            let page: Value = page.unwrap_or_default();
            if wanted(&page) {
                return page;
            }
            sleep(Duration::from_millis(1)).await;
        }
        panic!("it never stood in the file");
    }
}

trait Script: Fn(usize, &Asked) -> Result<Answer, Broken> + std::marker::Send + Sync + 'static {}

impl<F: Fn(usize, &Asked) -> Result<Answer, Broken> + std::marker::Send + Sync + 'static> Script for F {}

/// A client and what writes for it. Dropped it is a process that was killed: what has not been written is lost.
struct Process {
    rest: Rest,
    writes: JoinHandle<()>,
}

impl Process {
    fn after(past: Past, script: impl Script) -> (Self, Arc<Fake>) {
        let (rest, fake) = Fake::after(past, config(), |_| Duration::from_millis(1), script);
        let writes = tokio::spawn(Keeper::run(Arc::clone(&rest.shared)));
        (Self { rest, writes }, fake)
    }
}

impl Deref for Process {
    type Target = Rest;

    fn deref(&self) -> &Rest {
        &self.rest
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.writes.abort();
    }
}

fn config() -> RestConfig {
    RestConfig { invalid_limit: 5, ..fake::config() }
}

fn forbidden(_: usize, _: &Asked) -> Result<Answer, Broken> {
    answer(403, &[], &json!({"code": 50_007, "message": "Cannot send messages to this user"}))
}

fn edge(_: usize, _: &Asked) -> Result<Answer, Broken> {
    let body = b"<html>1015</html>".to_vec();
    Ok(Answer { status: 429, headers: [].into_iter().collect(), body, body_lost: false })
}

async fn post(rest: &Rest) -> Result<(), RestError> {
    let send = Send::default().within(Duration::from_millis(100));
    rest.create_message(ChannelId::new(1), CreateMessage::new().content("x"), send).await.map(|_| ())
}

fn counted(page: &Value) -> u64 {
    page["invalid"].as_array().into_iter().flatten().filter_map(|slice| slice[1].as_u64()).sum()
}

#[tokio::test(start_paused = true)]
async fn a_process_after_a_kill_counts_on_and_is_silent_for_the_rest_of_the_silence() {
    let home = Home::new();
    let (first, _) = home.process(forbidden).await;
    for _ in 0..4 {
        assert!(matches!(post(&first).await, Err(RestError::Forbidden { .. })));
    }
    home.written(|page| counted(page) == 4).await;
    drop(first);

    advance(Duration::from_secs(100)).await;
    let (second, _) = home.process(forbidden).await;
    assert_eq!((second.status().invalid_10_min, second.status().breaker_silence_ms), (4, 0));
    assert!(matches!(post(&second).await, Err(RestError::Forbidden { .. })));
    assert!(second.status().breaker_silence_ms > 59_000 && second.status().silence_from_before_ms == 0);
    home.written(|page| page["breaker"]["silence_ms"] == 60_000).await;
    drop(second);

    advance(Duration::from_secs(15)).await;
    let (third, fake) = home.process(|number, asked| if number == 0 { forbidden(number, asked) } else { ok() }).await;
    let status = third.status();
    println!("R12 after_a_kill invalid={} silence_ms={}", status.invalid_10_min, status.breaker_silence_ms);
    assert!(status.invalid_10_min == 5 && (40_000..=45_000).contains(&status.breaker_silence_ms), "{status:?}");
    assert_eq!(status.silence_from_before_ms, status.breaker_silence_ms);
    let unknown = third.preflight(&fake::access("http://127.0.0.1:1/api/v10")).await;
    assert!(matches!(&unknown, Preflight::Unknown(reason) if reason.contains("invalid answers")), "{unknown:?}");
    assert!(matches!(post(&third).await, Err(RestError::Breaker { .. })) && fake.asked().is_empty());

    advance(Duration::from_secs(46)).await;
    assert!(matches!(post(&third).await, Err(RestError::Forbidden { .. })), "a probe");
    home.written(|page| page["breaker"]["silence_ms"] == 120_000).await;
    drop(third);
    let (fourth, fake) = home.process(|_, _| ok()).await;
    assert!(matches!(post(&fourth).await, Err(RestError::Breaker { .. })) && fake.asked().is_empty());
    advance(Duration::from_secs(120)).await;
    assert_eq!(post(&fourth).await, Ok(()));
    home.written(|page| page["breaker"].is_null() && counted(page) == 6).await;
    Keeper::finish(Arc::clone(&fourth.shared)).await;
    advance(Duration::from_secs(600)).await;
    Keeper::finish(Arc::clone(&fourth.shared)).await;
    assert!(!home.file().exists(), "nothing is left to know");
}

#[tokio::test(start_paused = true)]
async fn the_edges_silence_and_its_doubling_outlive_the_process_however_its_clock_is_set() {
    for set_s in [0, -86_400, 86_400] {
        let home = Home::new();
        let (first, _) = home.process(edge).await;
        assert!(matches!(post(&first).await, Err(RestError::RateLimited { .. })));
        home.written(|page| page["edge"]["strikes"] == 1).await;
        drop(first);
        advance(Duration::from_secs(20)).await;
        let past = home.past("900", set_s).await;
        let (second, fake) = Process::after(past, edge);
        let silent = second.status().silence_from_before_ms;
        println!("R4 after_a_kill clock_set_s={set_s} silence_ms={silent}");
        assert!((30_000..=40_000).contains(&silent), "{silent}");
        assert!(matches!(post(&second).await, Err(RestError::RateLimited { .. })) && fake.asked().is_empty());
        advance(Duration::from_secs(41)).await;
        assert!(post(&second).await.is_err() && fake.asked().len() == 1);
        assert!((110_000..=120_000).contains(&second.status().stopped_ms), "it did not double");
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_forgets_no_process_remembers() {
    let home = Home::new();
    let (rest, _) = home.process(edge).await;
    assert!(post(&rest).await.is_err());
    home.written(|page| page["edge"]["strikes"] == 1).await;
    rest.shared.reset();
    home.written(Value::is_null).await;
    assert!(!home.file().exists());
    drop(rest);
    let (next, fake) = home.process(|_, _| ok()).await;
    assert_eq!((post(&next).await, fake.asked().len()), (Ok(()), 1));
}

#[tokio::test(start_paused = true)]
async fn an_ordered_end_writes_what_no_write_was_due_for() {
    let home = Home::new();
    let (rest, _) = crate::child(config(), fake::access("http://127.0.0.1:1/api/v10"), home.past("900", 0).await);
    let seen = Seen::Forbidden { code: 50_007, message: String::new() };
    rest.shared.observe(Instant::now(), &Target::PLAIN, Pass { probe: false }, &seen);
    assert!(!home.file().exists(), "nobody has written yet");
    Keeper::finish(Arc::clone(&rest.shared)).await;
    assert_eq!(home.process(forbidden).await.0.status().invalid_10_min, 1);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_missing_damaged_or_another_bots_costs_nobody_anything() {
    let home = Home::new();
    let (other, _) = Process::after(home.past("901", 0).await, edge);
    assert!(post(&other).await.is_err());
    home.written(|page| page["edge"]["strikes"] == 1).await;
    drop(other);
    let (rest, _) = home.process(|_, _| ok()).await;
    assert_eq!(post(&rest).await, Ok(()), "it was another bot that was stopped");
    Keeper::finish(Arc::clone(&rest.shared)).await;
    assert_eq!(home.written(|_| true).await["bot"], "901", "there was no reason to touch it");

    let nonsense: [&[u8]; 6] = [b"", b"\xff\xfe", b"3", b"{}", br#"{"bot":"900","written":7}"#, &[b'['; 100_000]];
    for text in nonsense {
        fs::write(home.file(), text).unwrap();
        let (rest, _) = home.process(|_, _| ok()).await;
        assert_eq!((post(&rest).await, rest.status().invalid_10_min), (Ok(()), 0));
    }
    fs::remove_file(home.file()).unwrap();
    fs::create_dir(home.file()).unwrap(); // neither read nor written
    unwritable(&home, home.dir.path()).await;
    unwritable(&home, &home.dir.path().join("none")).await;
}

/// Where nothing can be written, requests go on as ever, and it is told once.
async fn unwritable(home: &Home, folder: &Path) {
    let clock = Arc::new(Machine { began: home.began, set_s: 0 });
    let past = Past::read(folder, Some("900".to_owned()), clock).await;
    let (rest, _) = Process::after(past, forbidden);
    for round in 0..4 {
        assert!(matches!(post(&rest).await, Err(RestError::Forbidden { .. })), "{round}");
        sleep(Duration::from_secs(11)).await;
    }
    Keeper::finish(Arc::clone(&rest.shared)).await;
    assert_eq!(rest.status().invalid_10_min, 4);
}

fn ok() -> Result<Answer, Broken> {
    fake::ok(&fake::message(1))
}
