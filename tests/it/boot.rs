//! Boot to the letter: its phases, what a signal in any of them does, what happens once, and how the last process ended.

use crate::harness::{Bot, Home, assert_answers, discord, nobody, until};
use rustix::process::Signal;
use sandbox::Fault;
use serde_json::{Value, json};
use std::net::TcpListener;

/// Each phase, in order, and the child of the root that it brings, if any.
const PHASES: [(&str, &str); 15] = [
    ("configuration", ""),
    ("data-folder", ""),
    ("control-socket", ""),
    ("token", ""),
    ("telemetry", "telemetry"),
    ("control", "control"),
    ("rest", "rest"),
    ("database", "database"),
    ("emoji-cache", "emoji-cache"),
    ("prefixes", ""),
    ("cogs", "cog-host"),
    ("shards", ""),
    ("handover", ""),
    ("gateway", "gateway"),
    ("tasks", "task-supervisor"),
];

/// The end report's steps that are children of the root, in the order of the way down.
fn steps(report: &str) -> Vec<String> {
    let steps = report.lines().skip(1).filter_map(|line| line.split_whitespace().next().map(str::to_owned));
    steps.filter(|step| PHASES.iter().any(|(_, child)| child == step)).collect()
}

fn up(record: &Value) -> Option<&str> {
    let ended = record["target"] == "boot" && record["fields"]["duration_seconds"].is_number();
    record["fields"]["phase"].as_str().filter(|_| ended)
}

#[test]
fn every_phase_is_told_in_order_in_the_log_and_by_status() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    // What happens once after the first READY is the last of them, and nobody waits for it.
    let names: Vec<&str> = PHASES.iter().map(|(name, _)| *name).chain(["post-ready"]).collect();
    bot.log.wait("post-ready", |record| up(record) == Some("post-ready"));
    let records = bot.log.records();
    let logged: Vec<&str> = records.iter().filter_map(up).collect();
    assert_eq!(logged, names);
    let status = bot.json(&["status", "--boot"]);
    let shown: Vec<&str> =
        status["boot"].as_array().unwrap().iter().map(|row| row["phase"].as_str().unwrap()).collect();
    assert_eq!(shown, names);
    assert!(status["boot"].as_array().unwrap().iter().all(|row| row["took_ms"].is_u64()), "{status}");
    assert!(status["ready_after_ms"].is_u64() && status["phase"].is_null(), "{status}");
    let text = bot.cli(&["status", "--boot"]).exits(0).shows(&names).shows(&["in all", "ready after"]);
    assert_eq!(text.out.lines().count(), names.len() + 2, "{}", text.out);
    // What happens once has happened, and stands there.
    let flags = json!({
        "setup_complete": true, "first_ready": true, "guilds_registered": true, "instrumented": true,
        "shutting_down": false,
    });
    assert_eq!(status["flags"], flags);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_slow_phase_is_warned_about_while_it_lasts() {
    let discord = discord();
    discord.fault(Fault::RestDelay { route: "*".into(), millis: 120_000, times: 1 });
    let home = Home::new(&discord).set("boot.slow_ms = 50");
    let bot = home.run();
    let slow = bot.log.wait_message("token is slow: not up after 50 ms");
    assert_eq!((&slow["level"], &slow["target"]), (&json!("warn"), &json!("boot")));
    assert!(bot.log.records().iter().filter_map(up).all(|phase| phase != "token"), "it is told before the end");
    drop(bot);
}

#[test]
fn the_banner_comes_once_although_registering_takes_several_tries() {
    let discord = discord();
    let route = "PUT /applications/{application_id}/commands".to_owned();
    discord.fault(Fault::RestStatus { route, status: 400, body: "{}".into(), times: 1 });
    let home = Home::new(&discord);
    let bot = home.run();
    bot.log.wait_message("slash commands could not be registered");
    until("they are registered", || (bot.home_json(&["status"])?["flags"]["guilds_registered"] == true).then_some(()));
    let banner = |record: &&Value| record["message"].as_str().is_some_and(|text| text.contains(" is ready: "));
    let records = bot.log.records();
    let banners: Vec<&Value> = records.iter().filter(banner).collect();
    assert_eq!(banners.len(), 1, "{banners:?}");
    for field in [
        "version",
        "library",
        "database",
        "shards",
        "guilds",
        "cogs.loaded",
        "cogs.skipped",
        "cogs.failed",
        "prefix",
        "boot_ms",
    ] {
        assert!(!banners[0]["fields"][field].is_null(), "{field} in {}", banners[0]);
    }
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_signal_after_any_phase_unwinds_what_has_started_in_reverse() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.total_ms = 60000");
    for (phase, _) in PHASES {
        let mut bot = home.run();
        bot.log.wait(phase, |record| up(record) == Some(phase));
        bot.signal(Signal::TERM);
        assert_eq!(bot.ended(), 0, "{phase}");
        unwound(&bot, phase);
        assert!(!home.socket().exists(), "{phase}");
    }
    let identifies = discord.stats().identifies;
    assert!(identifies <= 2, "nobody identifies who is on the way down: {identifies}");
}

/// Everything that came up before or at `phase` stands in the report in reverse order, and nothing was cut off.
fn unwound(bot: &Bot<'_>, phase: &str) {
    let records = bot.log.records();
    let report = records.iter().find_map(|record| {
        let text = record["message"].as_str().filter(|text| text.starts_with("stopped by SIGTERM"))?;
        (record["target"] == "shutdown").then(|| text.to_owned())
    });
    let report = report.unwrap_or_else(|| panic!("{phase}: no report in\n{}", bot.log.tail()));
    assert!(!report.contains("CUT OFF"), "{phase}: {report}");
    let up: Vec<&str> = records.iter().filter_map(up).collect();
    let children: Vec<&str> = PHASES.iter().filter(|(_, child)| !child.is_empty()).map(|(_, child)| *child).collect();
    let reverse: Vec<&str> = children.iter().rev().copied().collect();
    let steps = steps(&report);
    let places: Vec<_> = steps.iter().map(|step| reverse.iter().position(|child| child == step)).collect();
    assert!(places.is_sorted(), "{phase}: {report}");
    for (_, child) in PHASES.iter().filter(|(name, child)| !child.is_empty() && up.contains(name)) {
        assert!(steps.iter().any(|step| step == child), "{phase}: {child} was up and is not in {report}");
    }
}

#[test]
fn a_signal_while_the_database_server_says_nothing_unwinds_what_has_started() {
    let discord = discord();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let home = Home::new(&discord).set(&format!("database.url = \"postgres://bot:secret@127.0.0.1:{port}/bot\""));
    let home = home.set("database.connect_ms = 120000").set("shutdown.total_ms = 20000");
    let mut bot = home.run();
    bot.log.wait("the phase before", |record| up(record) == Some("rest"));
    let (_held, _) = silent.accept().unwrap(); // it is being asked, and will not be answered
    bot.signal(Signal::TERM);
    assert_eq!(bot.ended(), 0);
    let log = bot.log.lines().join("\n");
    assert!(!log.contains("secret"), "{log}");
    let report = bot.log.wait_message("stopped by SIGTERM");
    let text = report["message"].as_str().unwrap();
    let at: Vec<_> = ["rest", "control", "telemetry"].iter().map(|step| text.find(&format!("  {step} "))).collect();
    assert!(at.iter().all(Option::is_some) && at.is_sorted(), "{text}");
    // It never came as far as keeping anything.
    home.cli(&["status", "--last-shutdown"]).exits(3);
}

#[test]
fn a_phase_that_fails_names_the_remedy_and_unwinds() {
    let discord = discord();
    let (_held, nobody) = nobody();
    let home = Home::new(&discord).set(&format!("database.url = \"postgres://bot@{nobody}/bot\""));
    let home = home.set("database.connect_ms = 100");
    let ended =
        home.run_to_end().exits(69).says(&["database cannot start", "start the PostgreSQL server", "database.url"]);
    assert!(ended.err.contains("stopped by failed boot"), "{}", ended.err);
}

#[test]
fn an_orderly_end_is_told_by_the_next_process_and_when_none_runs() {
    let discord = discord();
    let home = Home::new(&discord);
    home.cli(&["status", "--last-shutdown"]).exits(3);
    assert_eq!(home.start().terminate(), 0);
    let ask = |text: &str| home.cli(&["status", "--last-shutdown"]).exits(0).shows(&[text]);
    ask("ended in order: stopped by SIGTERM").shows(&["task-supervisor", "telemetry", "in all", "signal: SIGTERM"]);
    let last = home.json(&["status", "--last-shutdown"]).exits(0).json();
    let report = &last["report"];
    assert_eq!((&last["clean"], &report["code"], &report["signal"]), (&json!(true), &json!(0), &json!("SIGTERM")));
    assert_eq!(report["drained"], json!(["task-supervisor", "gateway", "cog-host"]), "{report}");
    assert!(report["took_ms"].as_u64() <= report["deadline_ms"].as_u64(), "{report}");
    let steps: Vec<&str> =
        report["steps"].as_array().unwrap().iter().map(|step| step["path"].as_str().unwrap()).collect();
    assert_eq!(steps.first(), Some(&"drain"));
    assert_eq!(steps.last(), Some(&"session"));

    let bot = home.start();
    bot.log.wait_message("ended in order: stopped by SIGTERM");
    assert_eq!(bot.json(&["status", "--last-shutdown"]), last);
    bot.cli(&["shutdown"]).exits(0);
    let mut bot = bot;
    assert_eq!(bot.ended(), 0);
    ask("stopped by admin");
}

#[test]
fn an_end_that_was_none_in_order_is_told_as_such() {
    let discord = discord();
    let home = Home::new(&discord);
    drop(home.start()); // SIGKILL
    let told = home.cli(&["status", "--last-shutdown"]).exits(0).shows(&["did not end in order: last alive at 20"]);
    assert!(!told.out.contains("in all"), "{}", told.out);
    let bot = home.start();
    let warned = bot.log.wait_message("did not end in order: last alive at");
    assert_eq!(warned["level"], "warn");
    assert_eq!(bot.json(&["status", "--last-shutdown"])["clean"], false);
    assert_eq!(bot.terminate(), 0);
    let last = home.json(&["status", "--last-shutdown"]).exits(0).json();
    assert_eq!(last["clean"], true, "{last}");
}

#[test]
fn what_ends_with_another_code_is_on_record_with_it() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.database.restarts = 0");
    let mut bot = home.start();
    bot.cli(&["kill", "database"]);
    assert_eq!(bot.ended(), 70);
    let last = home.json(&["status", "--last-shutdown"]).exits(0).json();
    assert_eq!((&last["clean"], &last["report"]["code"]), (&json!(true), &json!(70)), "{last}");
    assert!(last["report"]["reason"].as_str().unwrap().contains("an escalation"), "{last}");
}

#[test]
fn the_plan_tells_order_deadlines_and_the_worst_case_beforehand() {
    let discord = discord();
    let home = Home::new(&discord).set("shutdown.total_ms = 8000").set("shutdown.drain_ms = 2000");
    let bot = home.start();
    let plan = bot.json(&["shutdown", "--plan"]);
    let steps = plan["steps"].as_array().unwrap();
    let sum: u64 = steps.iter().map(|step| step["within_ms"].as_u64().unwrap()).sum();
    assert!(sum <= 8_000 && sum > 7_900, "the shares are the total: {plan}");
    assert_eq!(plan["worst_case_ms"], 9_000);
    assert_eq!(plan["order"][0], "task-supervisor");
    bot.cli(&["shutdown", "--plan"]).exits(0).shows(&[
        "drain task-supervisor",
        "stop telemetry (within",
        "at the worst",
    ]);
    assert!(!bot.json(&["status"])["flags"]["shutting_down"].as_bool().unwrap(), "it was only a plan");
    assert_eq!(bot.terminate(), 0);
}
