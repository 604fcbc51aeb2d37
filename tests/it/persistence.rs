//! What supervisors know outlives the process: budgets, parking, decisions; and a journal can be decided again.

use crate::harness::{Answer, Bot, Home, discord, until};
use rustix::process::Signal;
use serde_json::Value;

const JOURNAL: &str = "data/supervision.journal";

/// Kills an actor, and waits until its rule has brought it back.
fn kill(bot: &Bot<'_>, path: &str) {
    let before = bot.wait_state(path, "running")["incarnation"].as_u64();
    bot.json(&["kill", path]);
    until(&format!("{path} is back"), || {
        bot.node(path).filter(|node| node["state"] == "running" && node["incarnation"].as_u64() > before).map(|_| ())
    });
}

/// SIGKILL, once what the next process is to know stands in the journal.
fn killed(home: &Home, mut bot: Bot<'_>, known: impl Fn(&str) -> bool) {
    until("it is in the journal", || {
        std::fs::read_to_string(home.path(JOURNAL)).ok().filter(|text| known(text)).map(|_| ())
    });
    bot.signal(Signal::KILL);
    bot.ended();
}

fn replayed(home: &Home) -> Answer {
    let file = home.path(JOURNAL);
    home.plain(&["replay", file.to_str().unwrap()], "").exits(0).shows(&[" supervisors, identical"])
}

fn restarts(bot: &Bot<'_>, path: &str) -> (u64, u64) {
    let node = bot.wait_state(path, "running");
    let of = |key: &str| node["restarts"][key].as_u64().unwrap();
    (of("used"), of("total"))
}

#[test]
fn a_budget_used_before_a_kill_of_the_process_is_used_after_it_and_its_decisions_are_known() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.\"cog-host/info\".window_s = 3600");
    let bot = home.start();
    kill(&bot, "cog-host/info");
    assert_eq!(restarts(&bot, "cog-host/info"), (1, 1));
    killed(&home, bot, |text| text.contains("\"id\":\"info\",\"incarnation\":2"));

    let bot = home.start();
    assert_eq!(restarts(&bot, "cog-host/info"), (1, 1));
    let explained = bot.json(&["explain", "cog-host/info"]);
    let decisions = explained["decisions"].as_array().unwrap();
    let (earlier, now): (Vec<_>, Vec<_>) = decisions.iter().partition(|it| it["earlier_process"] == true);
    let rules = |all: &[&Value]| all.iter().map(|it| it["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert!(rules(&earlier).contains(&"operator".to_owned()), "{explained:#}");
    assert_eq!(rules(&now), ["carried", "up"], "{explained:#}");
    assert!(now[0]["rejected"][0].as_str().unwrap().contains("fresh budget"), "{explained:#}");
    assert!(now[0]["budget_left"]["left"].is_u64(), "{explained:#}");
    bot.cli(&["explain", "cog-host/info"]).exits(0).shows(&["(an earlier process)", " left]", "not: "]);
    replayed(&home); // while it runs
    assert_eq!(bot.terminate(), 0);
    replayed(&home);
}

#[test]
fn a_parked_actor_stays_parked_after_a_kill_of_the_process_and_not_after_an_end_in_order() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.\"cog-host/info\".restarts = 0");
    let bot = home.start();
    bot.json(&["kill", "cog-host/info"]);
    bot.wait_state("cog-host/info", "parked");
    killed(&home, bot, |text| text.contains("\"parked\":{"));

    let bot = home.run();
    bot.log.wait_message("still parked from the process before");
    let node = bot.wait_state("cog-host/info", "parked");
    assert!(node["reason"].as_str().unwrap().contains("killed by operator"), "{node}");
    assert!(node["waiting_ms"].as_u64() > Some(0), "its one try comes: {node}");
    bot.wait_state("task-supervisor", "running"); // boot goes on without it
    assert_eq!(bot.terminate(), 0);

    let bot = home.start();
    bot.wait_state("cog-host/info", "running");
    assert_eq!(bot.terminate(), 0);
    replayed(&home);
}

#[test]
fn a_vital_actors_crash_loop_over_processes_ends_in_a_refusal_that_asks_nobody() {
    let discord = discord();
    let home = Home::new(&discord).set("supervision.database.restarts = 2").set("supervision.database.window_s = 3600");
    let bot = home.start();
    kill(&bot, "database");
    killed(&home, bot, |text| text.contains("\"kept\":[[\"database\""));

    let mut bot = home.start();
    kill(&bot, "database");
    bot.json(&["kill", "database"]);
    assert_eq!(bot.ended(), 70, "the third in an hour, over two processes");
    drop(bot);

    let asked = discord.stats();
    for _ in 0..2 {
        home.run_to_end().exits(70).says(&[
            "database has spent its restart budget",
            "--ignore-budgets",
            "killed by operator",
        ]);
    }
    assert_eq!((discord.stats().requests, discord.stats().identifies), (asked.requests, asked.identifies));

    let socket = home.socket();
    let bot = Bot::spawn(&home, home.command(&["run", "--ignore-budgets", "--socket", socket.to_str().unwrap()]));
    bot.wait_ready();
    assert_eq!(restarts(&bot, "database").0, 0);
    bot.log.wait("who did that", |record| {
        let fields = &record["fields"];
        fields["audit.action"] == "run --ignore-budgets" && fields["audit.actor"].is_string()
    });
    assert_eq!(bot.terminate(), 0);
    let row = b"run --ignore-budgets";
    let read = |file: &str| std::fs::read(home.path(file)).unwrap_or_default();
    let kept = [read("data/impresario.db"), read("data/impresario.db-wal")].concat();
    assert!(kept.windows(row.len()).any(|bytes| bytes == row), "it is an audit row in the database");
    assert_eq!(home.start().terminate(), 0);
    replayed(&home);
}

#[test]
fn what_is_no_journal_is_told_in_one_sentence() {
    let discord = discord();
    let home = Home::new(&discord);
    home.plain(&["replay", "nowhere"], "").exits(2).says(&["nowhere: it cannot be read"]);
    home.plain(&["replay", "config.toml"], "").exits(2).says(&["config.toml: it is no journal of supervision"]);
}
