//! Shutdown always ends, in order, inside its deadline, whenever it is asked for.

use crate::harness::{Bot, Home, PATIENCE, assert_answers, discord, until};
use rustix::process::Signal;
use sandbox::{Fault, Sandbox, SandboxEvent, Side};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

/// The exact reverse of the order of start.
const DOWN: [&str; 9] =
    ["task-supervisor", "gateway", "cog-host", "emoji-cache", "database", "rest", "control", "telemetry", ""];
pub(crate) const POST: &str = "POST /channels/{channel_id}/messages";

/// The end report.
fn report(bot: &Bot<'_>) -> String {
    let line = bot.log.wait("the end report", |record| {
        record["target"] == "shutdown" && record["message"].as_str().is_some_and(|text| text.starts_with("stopped by"))
    });
    line["message"].as_str().unwrap().to_owned()
}

/// Asserts that the report lists every step, in the order of the way down, each with its time.
#[track_caller]
fn in_order(report: &str) {
    let at: Vec<_> = DOWN[..8].iter().map(|step| report.find(&format!("  {step} "))).collect();
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{report}");
    let steps = report.lines().skip(1).filter(|line| !line.contains("cut off:") && !line.contains("events:"));
    assert!(steps.clone().count() >= 9 && steps.clone().all(|line| line.contains(" ms")), "{report}");
}

/// A command that runs until its reply gets through: not for a long time.
pub(crate) fn slow_command(discord: &Sandbox) {
    discord.fault(Fault::RestDelay { route: POST.into(), millis: 120_000, times: 1 });
    let before = discord.stats().requests_by_route.get(POST).copied().unwrap_or_default();
    discord.say("bob", "!ping");
    let counted = |stats: &sandbox::SandboxStats| stats.requests_by_route.get(POST).is_some_and(|n| *n > before);
    assert!(discord.wait_until(PATIENCE, |stats, _| counted(stats)), "the reply is not under way");
}

#[test]
fn sigterm_sigint_and_an_admin_stop_an_idle_bot_in_order_with_0() {
    let discord = discord();
    // On a machine under load a cog's small share of the usual ten seconds may pass before it is its turn to run.
    let home = Home::new(&discord).set("shutdown.total_ms = 60000");
    for how in ["SIGTERM", "SIGINT", "admin"] {
        let mark = discord.mark();
        let mut bot = home.start();
        match how {
            "SIGTERM" => bot.signal(Signal::TERM),
            "SIGINT" => bot.signal(Signal::INT),
            _ => drop(bot.cli(&["shutdown"]).exits(0)),
        }
        assert_eq!(bot.ended(), 0, "{how}");
        let report = report(&bot);
        assert!(report.starts_with(&format!("stopped by {how}")), "{report}");
        assert!(!report.contains("CUT OFF"), "{report}");
        in_order(&report);
        assert!(!home.socket().exists());
        // Closed with a code that keeps the session, by the bot.
        let closed = discord.wait_after(mark, PATIENCE, |event| matches!(event, SandboxEvent::Disconnected { .. }));
        match closed {
            Some(SandboxEvent::Disconnected { code, by, .. }) => {
                assert!(by == Side::Peer && !matches!(code, Some(1000 | 1001)), "{how}: {code:?} by {by:?}");
            }
            _ => panic!("{how}: the connection was left open"),
        }
    }
}

#[test]
fn sigterm_while_the_token_is_checked_ends_it_with_0() {
    let discord = discord();
    discord.fault(Fault::RestDelay { route: "*".into(), millis: 120_000, times: 1 });
    let home = Home::new(&discord);
    let mut bot = home.run();
    bot.log.wait("the first phase", |record| record["fields"]["phase"] == "control-socket");
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    assert!(!home.socket().exists());
    assert!(!home.path("data/impresario.db").exists());
}

#[test]
fn sigterm_in_the_middle_of_boot_unwinds_what_has_started() {
    let discord = discord();
    discord.fault(Fault::RestDelay { route: "GET /gateway/bot".into(), millis: 120_000, times: 100 });
    let home = Home::new(&discord);
    let mut bot = home.run();
    bot.log.wait("the phase of the cogs", |record| record["target"] == "boot" && record["fields"]["phase"] == "cogs");
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let report = report(&bot);
    let at = ["cog-host", "emoji-cache", "database", "rest", "control", "telemetry"];
    let at: Vec<_> = at.iter().map(|step| report.find(&format!("  {step} "))).collect();
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{report}");
    assert!(!report.contains("gateway"), "{report}");
    assert_eq!(discord.stats().identifies, 0);
}

#[test]
fn sigterm_before_the_gateway_says_hello_ends_it_with_0() {
    let discord = discord();
    discord.fault(Fault::HoldHello);
    let home = Home::new(&discord);
    let mut bot = home.run();
    until("boot is over", || home.json(&["status"]).out.contains("\"setup_complete\":true").then_some(()));
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    in_order(&report(&bot));
    assert_eq!(discord.stats().identifies, 0);
}

#[test]
fn sigterm_under_load_finishes_what_has_begun() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.drain_ms = 30000").set("shutdown.total_ms = 40000");
    let mut bot = home.start();
    // Each reply takes a while, so that some are under way when the signal comes.
    discord.fault(Fault::RestDelay { route: POST.into(), millis: 100, times: 1_000 });
    for n in 0..50 {
        discord.say(&format!("user{}", n % 10), "!ping");
    }
    assert!(discord.wait_until(PATIENCE, |stats, _| stats.messages_received_from_bot >= 5));
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let report = report(&bot);
    in_order(&report);
    assert!(!report.contains("CUT OFF"), "{report}");
    // Every message that was sent was sent whole: as many arrived as were asked for.
    let stats = discord.stats();
    assert_eq!(stats.messages_received_from_bot, stats.requests_by_route[POST], "{report}");
    assert_eq!(stats.identifies, 1);
}

/// A bot that waits for a command for as long as its way down, of `total_ms`, allows.
fn patient(home: Home, total_ms: u32) -> Home {
    home.set("shutdown.drain_ms = 500")
        .set(&format!("shutdown.total_ms = {total_ms}"))
        .set("cog_host.deadline_ms = 100000")
        .set("rest.deadline_ms = 100000")
}

#[test]
fn a_command_that_does_not_finish_is_cut_off_at_the_deadline_and_named() {
    let discord = discord();
    let home = patient(Home::new(&discord), 3_000);
    let mut bot = home.start();
    slow_command(&discord);
    let begun = Instant::now();
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    let report = report(&bot);
    let cut = report.lines().find(|line| line.contains("cut off:")).unwrap_or_else(|| panic!("{report}"));
    assert!(cut.contains("cog-host"), "{report}");
    in_order(&report);
}

#[test]
fn a_second_signal_shortens_a_shutdown_that_is_held_up() {
    let discord = discord();
    let home = held_up(&discord);
    let mut bot = home.start();
    slow_command(&discord);
    bot.signal(Signal::TERM);
    bot.log.wait_message("shutting down");
    assert!(bot.is_running());
    let begun = Instant::now();
    bot.signal(Signal::INT);
    assert_eq!(bot.ended(), 0);
    assert!(begun.elapsed().as_secs() < 30, "a minute was given, and taken back: {:?}", begun.elapsed());
    bot.log.wait_message("asked again: one second is left");
    let report = report(&bot);
    assert!(report.contains("drain (asked again)"), "{report}");
    in_order(&report);
}

#[test]
fn a_third_signal_ends_it_at_once_with_130() {
    let discord = discord();
    let home = held_up(&discord);
    let mut bot = home.start();
    slow_command(&discord);
    bot.signal(Signal::TERM);
    bot.log.wait_message("shutting down");
    bot.signal(Signal::INT);
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 130);
    // Forced or not, the account is whole: what was under way, and what nobody got round to.
    let report = report(&bot);
    assert!(report.contains("forced by a third signal"), "{report}");
    for cut in ["drain (asked again)", "cog-host", "telemetry (not told to stop)"] {
        assert!(report.lines().any(|line| line.contains("cut off:") && line.contains(cut)), "{cut} in {report}");
    }
}

/// A minute for the running commands.
fn held_up(discord: &Sandbox) -> Home {
    let home = Home::new(discord).set("shutdown.drain_ms = 60000").set("shutdown.total_ms = 70000");
    home.set("cog_host.deadline_ms = 100000").set("rest.deadline_ms = 100000")
}

/// A stand-in for Sentry: what it has been told; one that is deaf takes connections and says nothing.
fn sentry(deaf: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let told = Arc::<Mutex<Vec<String>>>::default();
    let shared = Arc::clone(&told);
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            if deaf {
                held.push(stream);
                continue;
            }
            let told = Arc::clone(&shared);
            thread::spawn(move || listen(stream, &told));
        }
    });
    (format!("http://0123456789abcdef0123456789abcdef@127.0.0.1:{port}/1"), told)
}

/// Takes envelopes until the connection is closed.
fn listen(mut stream: std::net::TcpStream, told: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let (mut length, mut line) = (0, String::new());
        while reader.read_line(&mut line).ok()? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        told.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").ok()?;
    }
}

// D5 to D8 are defects of the bot that this one takes after: what a signal, a stop from inside and a task without end did
// there, and do here.

/// D5: a signal closed the gateway, and with that skipped the tasks, the pools and the HTTP client.
#[test]
fn d5_a_signal_takes_every_part_down_and_not_only_the_gateway() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.total_ms = 60000");
    let mut bot = home.start();
    assert!(home.path("data/impresario.db-wal").exists(), "the database is open");
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let report = report(&bot);
    in_order(&report);
    assert!(!report.contains("CUT OFF"), "{report}");
    assert!(!home.path("data/impresario.db-wal").exists(), "every connection was closed: SQLite's log is gone");
}

/// D7: a stop from inside a command cancelled everything there was, the closing itself included.
#[test]
fn d7_a_stop_while_a_command_runs_lets_it_finish_and_ends_with_0() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.drain_ms = 30000").set("shutdown.total_ms = 60000");
    let mut bot = home.start();
    discord.fault(Fault::RestDelay { route: POST.into(), millis: 1_000, times: 1 });
    discord.say("bob", "!ping");
    let asked = |stats: &sandbox::SandboxStats| stats.requests_by_route.contains_key(POST);
    assert!(discord.wait_until(PATIENCE, |stats, _| asked(stats)), "the reply is under way");
    bot.cli(&["shutdown"]).exits(0);
    assert_eq!(bot.ended(), 0);
    assert_eq!(discord.stats().messages_received_from_bot, 1, "the command was answered");
    let report = report(&bot);
    in_order(&report);
    assert!(!report.contains("CUT OFF"), "{report}");
}

/// D6: the report of the signal was never sent.
#[test]
fn d6_the_signal_is_reported_and_reports_are_flushed_last() {
    let discord = discord();
    let (dsn, told) = sentry(false);
    let home = patient(Home::new(&discord).with_env("SENTRY_DSN", &dsn), 5_000);
    let mut bot = home.start();
    slow_command(&discord);
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let report = report(&bot);
    let last = report.lines().rfind(|line| line.ends_with(" ms")).unwrap();
    assert!(last.starts_with("  flush "), "{report}");
    let told = told.lock().unwrap().join("\n");
    for message in ["SIGTERM: shutting down", "shutdown had to cut off"] {
        assert!(told.contains(message), "delivered before the process was gone: {told}");
    }
}

#[test]
fn a_deaf_report_server_does_not_hold_up_the_end() {
    let discord = discord();
    let (dsn, _) = sentry(true);
    let home = patient(Home::new(&discord).with_env("SENTRY_DSN", &dsn), 3_000);
    let mut bot = home.start();
    slow_command(&discord);
    let begun = Instant::now();
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let took = begun.elapsed();
    assert!(report(&bot).contains("flush (reports were not delivered)"), "{}", report(&bot));
    // Delivering is tried for five seconds at a time: none of that is waited for. The rest is a loaded machine's.
    assert!(took < Duration::from_secs(3) + impresario::shutdown::OVERRUN + Duration::from_secs(2), "{took:?}");
}

#[test]
fn sighup_reloads_all_or_nothing() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let file = home.path("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}shutdown.total_ms = 9000\ntelemetry.lgo = \"debug\"\n")).unwrap();
    bot.signal(Signal::HUP);
    let refused = bot.log.wait_message("the configuration was not reloaded");
    assert!(refused["message"].as_str().unwrap().contains("telemetry.lgo"), "{refused}");
    std::fs::write(&file, format!("{text}telemetry.log = \"debug\"\n")).unwrap();
    bot.signal(Signal::HUP);
    bot.log.wait_message("the configuration was reloaded");
    assert_answers(&discord);
    bot.log.wait("a line of the new level", |record| record["level"] == "debug");
    bot.cli(&["status"]).exits(0);
    assert_eq!(bot.terminate(), 0);
}
