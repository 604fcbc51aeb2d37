//! X6: a process that was stopped for a while (SIGSTOP, a debugger, a hypervisor) and goes on: what is dead by then is
//! resumed, what is overdue is done once, and nobody is taken for stuck because time has passed.

use crate::{
    gateway::assert_once_each,
    harness::{Bot, Home, PATIENCE, assert_answers, discord_with, until},
    signals::POST,
};
use rustix::process::Signal;
use sandbox::{Fault, SandboxStats};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    thread::sleep,
    time::{Duration, Instant},
};

/// Ten heartbeats.
const STOPPED: Duration = Duration::from_secs(10);
const INTERVAL_MS: u64 = 1_000;
const TASK: &str = "database-health";

/// Every actor with its incarnation.
fn incarnations(bot: &Bot<'_>) -> BTreeMap<String, u64> {
    let of = |node: &Value| Some((node["path"].as_str()?.to_owned(), node["incarnation"].as_u64()?));
    bot.nodes().iter().filter_map(of).collect()
}

fn runs(bot: &Bot<'_>) -> u64 {
    let task = bot.json(&["tasks", "show", TASK]);
    task["figures"]["runs"].as_u64().unwrap_or_else(|| panic!("{task}"))
}

#[test]
fn a_process_that_was_stopped_resumes_once_and_does_nothing_twice() {
    let discord = discord_with(|config| config.heartbeat_interval_ms = INTERVAL_MS);
    let home = Home::new(&discord)
        .set("gateway.reconnect_min_ms = 20")
        .set("supervision.probe_ms = 1000")
        .set("supervision.stall_ms = 8000")
        .set(&format!("tasks.{TASK}.every_s = 1"));
    let bot = home.start();
    assert_answers(&discord);
    until("the task runs", || (runs(&bot) > 0).then_some(()));
    let (before, running) = (incarnations(&bot), Instant::now());
    let done = runs(&bot);

    let mut asked = BTreeSet::new();
    // Some are in the middle of their reply when it stops.
    discord.fault(Fault::RestDelay { route: POST.into(), millis: 100, times: 100 });
    asked.extend((0..10).map(|n| discord.say(&format!("user{n}"), "!ping")));
    bot.signal(Signal::STOP);
    let stopped = Instant::now();
    asked.extend((0..10).map(|n| discord.say(&format!("user{n}"), "!ping")));
    sleep(STOPPED.saturating_sub(stopped.elapsed())); // the fault itself; nothing is waited for
    bot.signal(Signal::CONT);
    asked.extend((0..10).map(|n| discord.say(&format!("user{n}"), "!ping")));

    let resumed = |stats: &SandboxStats| stats.resumes >= 1;
    assert!(discord.wait_until(PATIENCE, |stats, _| resumed(stats)), "the dead connection is used on");
    let took = stopped.elapsed() - STOPPED;
    let all = |stats: &SandboxStats| stats.messages_received_from_bot > asked.len() as u64;
    discord.wait_until(PATIENCE, |stats, _| all(stats)); // what is missing is named below
    let runs_since = runs(&bot) - done;
    let awake = (running.elapsed() - STOPPED).as_secs();
    assert_answers(&discord); // whatever was doubled would have come before this
    let stats = discord.stats();
    println!(
        "X6 stopped_ms={} interval_ms={INTERVAL_MS} resumes={} identifies={} resumed_after_ms={} commands={} lost=0 doubled=0 \
         task_runs={runs_since} awake_s={awake}",
        STOPPED.as_millis(),
        stats.resumes,
        stats.identifies,
        took.as_millis(),
        asked.len(),
    );
    assert_once_each(&discord, &asked);
    assert_eq!((stats.identifies, stats.resumes_refused), (1, 0), "{stats:?}");
    assert!(stats.resumes <= 2, "a loop of reconnects: {stats:?}");
    assert!(runs_since <= awake + 2, "{runs_since} runs in {awake} s: what was overdue ran more than once");
    assert_eq!(incarnations(&bot), before, "nobody was restarted because time had passed");
    let doubted = |event: &Value| matches!(event["rule"].as_str(), Some("slow" | "stalled"));
    let doubted: Vec<Value> = bot.events("root").into_iter().filter(doubted).collect();
    assert!(doubted.is_empty(), "{doubted:?}");
    bot.wait_well();
    assert_eq!(bot.terminate(), 0);
}
