//! X1: closed pipes, and signals under load. Nobody reads any more: the bot goes on, and the command line ends quietly.

use crate::{
    gateway::assert_once_each,
    harness::{Bot, Home, PATIENCE, assert_answers, discord, signal, until, wait},
};
use rustix::process::Signal;
use sandbox::{Fault, Sandbox};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    process::{Child, Command},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

/// Says `!ping` from several users and keeps their ids.
fn ask_many(discord: &Sandbox, commands: u32, asked: &mut BTreeSet<sandbox::MessageId>) {
    for n in 0..commands {
        asked.insert(discord.say(&format!("user{}", n % 10), "!ping"));
    }
}

/// A bot whose standard output and error are pipes that nobody reads, or closed.
struct Mute {
    child: Child,
}

impl Mute {
    fn start(home: &Home) -> Self {
        let socket = home.socket();
        let mut child = home.command(&["run", "--socket", socket.to_str().unwrap()]).spawn().unwrap();
        // Both ends are closed as soon as the first line is there.
        let mut log = BufReader::new(child.stderr.take().unwrap());
        drop(child.stdout.take());
        log.read_line(&mut String::new()).unwrap();
        Self { child }
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have ended
        self.child.wait().ok();
    }
}

#[test]
fn x1_a_log_that_nobody_reads_any_more_costs_its_lines_and_nothing_else() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let mut bot = Mute::start(&home);
    let status = || home.json(&["status"]);
    until("it is ready", || (status().code == 0).then_some(()));
    let mut asked = BTreeSet::new();
    ask_many(&discord, 30, &mut asked);
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= asked.len() as u64;
    assert!(discord.wait_until(PATIENCE, |stats, _| all(stats)), "{:?}", discord.stats());
    // Counted, where somebody can see it: no line of the log says so.
    let dropped = home.json(&["ctl", "log.get"]).exits(0).json()["dropped"].as_u64().unwrap();
    assert!(dropped > 0);
    assert_eq!(status().json()["degraded"], serde_json::json!([]));
    // A panic's report and the last words go the same way.
    signal(&bot.child, Signal::TERM);
    assert_eq!(wait(&mut bot.child), Some(0), "an orderly end, and no signal's");
    println!("X1 closed pipe: commands={} lost=0 lines_dropped={dropped} exit=0", asked.len());
    assert_once_each(&discord, &asked);
    home.cli(&["status", "--last-shutdown"]).exits(0);
}

#[test]
fn x1_a_command_line_whose_reader_leaves_ends_quietly() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let socket = home.socket();
    let commands: [&[&str]; 5] =
        [&["events", "-n", "1000"], &["tree"], &["status"], &["--json", "status"], &["events", "--follow"]];
    for args in commands {
        let mut command = home.command(&[&["--socket", socket.to_str().unwrap()], args].concat());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take()); // before it has written anything
        if args.contains(&"--follow") {
            // It finds out when there is something to tell.
            bot.cli(&["tell", "control", "look"]).exits(0);
            bot.cli(&["kill", "emoji-cache"]).exits(0);
        }
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(wait(&mut child), Some(0), "{args:?}: {said}");
        assert_eq!(said, "", "{args:?}");
    }
    // As a shell does it.
    let binary = crate::harness::BINARY;
    let script = format!("set -o pipefail; {binary} --socket {} events -n 1000 | head -1", socket.display());
    let done = Command::new("bash").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout);
    assert_eq!((done.status.code(), text.lines().count()), (Some(0), 1), "{done:?}");
    assert!(done.stderr.is_empty(), "{done:?}");
    bot.wait_well();
    assert_eq!(bot.terminate(), 0);
}

/// Talks to the bot without a pause while `during` runs; every command that was said, and how many were before.
fn under_load<T>(discord: &Sandbox, during: impl FnOnce() -> T) -> (BTreeSet<sandbox::MessageId>, T) {
    let over = AtomicBool::new(false);
    let before = discord.stats().messages_received_from_bot;
    thread::scope(|scope| {
        let talking = scope.spawn(|| {
            let (mut asked, mut n) = (BTreeSet::new(), 0_u32);
            while !over.load(Relaxed) {
                asked.insert(discord.say(&format!("user{}", n % 10), "!ping"));
                n += 1;
                thread::sleep(Duration::from_millis(30)); // a pace below 50 requests a second, not a wait
            }
            asked
        });
        assert!(discord.wait_until(PATIENCE, |stats, _| stats.messages_received_from_bot >= before + 20));
        let done = during();
        over.store(true, Relaxed);
        (talking.join().unwrap(), done)
    })
}

#[test]
fn x1_sighup_under_load_reloads_and_loses_no_command() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let file = home.path("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    const RELOADS: u32 = 10;
    let (asked, slowest) = under_load(&discord, || {
        (0..RELOADS).map(|n| reload(&bot, &file, &format!("{text}shutdown.drain_ms = {}\n", 3000 + n))).max().unwrap()
    });
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= asked.len() as u64;
    assert!(discord.wait_until(PATIENCE, |stats, _| all(stats)), "{:?}", discord.stats());
    assert_once_each(&discord, &asked);
    assert_eq!(discord.stats().identifies, 1, "the connection is untouched");
    println!(
        "X1 SIGHUP under load: reloads={RELOADS} commands={} lost=0 slowest_ms={}",
        asked.len(),
        slowest.as_millis()
    );
    assert_eq!(bot.terminate(), 0);
}

/// One reload, and how long it took until the log said so.
fn reload(bot: &Bot<'_>, file: &std::path::Path, text: &str) -> Duration {
    std::fs::write(file, text).unwrap();
    let (mark, begun) = (bot.log.mark(), Instant::now());
    bot.signal(Signal::HUP);
    bot.log.wait_after(mark, "the reload", |record| {
        record["message"].as_str().is_some_and(|text| text.starts_with("the configuration was reloaded"))
    });
    begun.elapsed()
}

/// What was said before the signal or after it: the process that took the signal answers it, or the next one does.
#[test]
fn x1_sigterm_under_load_ends_in_time_and_loses_no_command() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.drain_ms = 30000").set("shutdown.total_ms = 40000");
    let mut bot = home.start();
    // Answers to one channel go out one after the other: some are always under way, and many when the signal comes.
    discord.fault(Fault::RestDelay {
        route: "POST /channels/{channel_id}/messages".into(),
        millis: 10,
        times: 100_000,
    });
    let mut burst = BTreeSet::new();
    let (mut asked, (took, second)) = under_load(&discord, || {
        ask_many(&discord, 40, &mut burst);
        let begun = Instant::now();
        bot.signal(Signal::TERM);
        assert_eq!(bot.ended(), 0);
        (begun.elapsed(), home.start())
    });
    asked.extend(burst);
    let all = |stats: &sandbox::SandboxStats| stats.messages_received_from_bot >= asked.len() as u64;
    assert!(discord.wait_until(PATIENCE, |stats, _| all(stats)), "{:?} of {}", discord.stats(), asked.len());
    assert_once_each(&discord, &asked);
    let stats = discord.stats();
    assert_eq!((stats.identifies, stats.resumes), (1, 1), "the second one resumes");
    println!("X1 SIGTERM under load: exit_ms={} commands={} lost=0 doubled=0", took.as_millis(), asked.len());
    assert!(took < Duration::from_secs(30), "it did not wait for its deadline: {took:?}");
    assert_answers(&discord);
    assert_eq!(second.terminate(), 0);
}
