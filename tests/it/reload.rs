//! `reload` and SIGHUP: what changes at once, what waits, and that what is refused changes nothing.

use crate::harness::{Bot, Home, assert_answers, audited, discord};
use rustix::process::Signal;
use serde_json::Value;

fn budget(bot: &Bot<'_>, path: &str) -> Value {
    bot.node(path).unwrap()["restarts"]["allowed"].clone()
}

fn task(bot: &Bot<'_>, name: &str) -> Value {
    bot.json(&["tasks", "show", name])
}

#[test]
fn supervision_rules_and_task_rules_change_as_the_actors_run() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let file = home.path("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let lives = || {
        let mut lives: Vec<_> =
            bot.nodes().iter().map(|node| (node["path"].clone(), node["incarnation"].clone())).collect();
        lives.sort_by_key(|(path, _)| path.to_string());
        lives
    };
    bot.wait_state("task-supervisor/presence", "running");
    let (before, was) = (lives(), budget(&bot, "rest"));
    let more = "supervision.rest.restarts = 17\nsupervision.gateway.intensity = 9\ntasks.presence.every_s = 77\n\
                tasks.database-health.restarts = 2\nrest.attempts = 4\nsupervision.\"cog-host/info\".cooldown_ms = 250\n";
    std::fs::write(&file, format!("{text}{more}")).unwrap();

    let planned = bot.json(&["reload", "--dry-run"]);
    assert_eq!(planned["waiting_for_restart"], 1, "{planned}");
    let actors: Vec<_> = planned["actors"].as_array().unwrap().iter().map(|it| it["path"].as_str().unwrap()).collect();
    assert_eq!(actors, ["rest", "cog-host/info", "gateway", "task-supervisor/database-health"], "{planned}");
    assert_eq!(planned["tasks"].as_array().unwrap().len(), 2, "{planned}");
    assert_eq!(budget(&bot, "rest"), was, "a dry run changes nothing");

    bot.cli(&["reload"]).exits(0).shows(&[
        "supervision.rest.restarts",
        "rest.attempts",
        "at the next start",
        "rest: budget ",
        "gateway: intensity ",
        "presence: schedule ",
    ]);
    assert_eq!(budget(&bot, "rest"), 17);
    assert_eq!(budget(&bot, "task-supervisor/database-health"), 2);
    let presence = task(&bot, "presence");
    assert_eq!((&presence["schedule"]["every_ms"], &presence["generation"]), (&77_000.into(), &2.into()), "{presence}");
    assert_eq!(lives(), before, "nobody was restarted");
    let said = bot.events("rest").pop().unwrap();
    assert_eq!(said["rule"], "respec", "{said}");
    bot.log.wait_message("configuration changed: supervision.rest.restarts from - to 17, at once");
    bot.cli(&["reload"]).exits(0).shows(&["rest.attempts"]); // what waits is told again, what holds is not
    assert!(bot.json(&["reload"])["actors"].as_array().unwrap().is_empty());

    // What comes later lives by the rules too.
    bot.cli(&["cogs", "unload", "info"]).exits(0);
    bot.cli(&["cogs", "load", "info"]).exits(0);
    bot.wait_state("cog-host/info", "running");

    // Taken back, by a signal.
    std::fs::write(&file, &text).unwrap();
    bot.signal(Signal::HUP);
    bot.log.wait_message("the configuration was reloaded");
    assert_eq!(budget(&bot, "rest"), was, "as it was declared");
    assert_answers(&discord);
    assert_eq!(bot.terminate(), 0);
    let rows = audited(&home, "config.reload");
    let (signalled, ordered) = rows.split_last().unwrap();
    let who = (signalled.actor.as_str(), signalled.target.as_str(), signalled.outcome.as_str());
    assert_eq!(who, ("SIGHUP", "root", "done"));
    let changed: Vec<_> = signalled.detail.as_array().unwrap().iter().map(|it| it["key"].as_str().unwrap()).collect();
    assert!(changed.contains(&"supervision.rest.restarts") && changed.len() == 5, "{changed:?}");
    let outcomes: Vec<_> = ordered.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, ["begun", "done"].repeat(3), "three were ordered; the dry run leaves no row");
    assert!(ordered.iter().all(|row| row.actor.starts_with("uid ")), "{ordered:?}");
}

#[test]
fn a_task_is_switched_off_and_on_again() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("task-supervisor/presence", "running");
    let file = home.path("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    // Whatever is said of one that is on its way down is in nobody's way.
    let rare = "supervision.\"task-supervisor/presence\".cooldown_ms = 800000\n";
    std::fs::write(&file, format!("{text}tasks.presence.enabled = false\n{rare}")).unwrap();
    bot.cli(&["reload"]).exits(0).shows(&["presence: switched off"]);
    assert!(bot.node("task-supervisor/presence").is_none());
    bot.cli(&["tasks", "show", "presence"]).exits(1);
    std::fs::write(&file, &text).unwrap();
    bot.cli(&["reload"]).exits(0).shows(&["presence: switched on"]);
    bot.wait_state("task-supervisor/presence", "running");
    assert_eq!(bot.terminate(), 0);
}

/// What `check` and `run` accept, since it may stand later or elsewhere, `reload` accepts too.
#[test]
fn rules_for_what_is_declared_and_does_not_stand_here_now_are_no_hindrance() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let file = home.path("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let later = "tasks.report-now.timeout_s = 300\ntasks.daily-report.timeout_s = 300\n\
                 supervision.\"task-supervisor/report-now\".restarts = 3\nsupervision.\"gateway/shard-17\".restarts = 3\n\
                 shutdown.total_ms = 9000\n";
    std::fs::write(&file, format!("{text}{later}")).unwrap();
    home.cli(&["check"]).exits(0);
    bot.cli(&["reload"]).exits(0).shows(&["shutdown.total_ms"]);
    assert_eq!(bot.terminate(), 0);
    let bot = home.start();
    let warned = |record: &Value| record["message"].as_str().is_some_and(|said| said.contains("there is no such"));
    assert!(!bot.log.records().iter().any(warned), "{}", bot.log.tail());
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn one_rule_that_does_not_hold_refuses_all_with_the_reason() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("task-supervisor/presence", "running");
    let file = home.path("config.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let good = "shutdown.total_ms = 9000\nsupervision.rest.restarts = 17\ntasks.presence.every_s = 77\n";
    let was = budget(&bot, "rest");
    for (line, words) in [
        ("supervision.gatway.restarts = 3", "there is no actor \"gatway\"; did you mean \"gateway\"?"),
        ("supervision.rest.needs = [\"databse\"]", "there is no actor \"databse\"; did you mean \"database\"?"),
        (
            "supervision.emoji-cache.needs = [\"gateway/shard-17\"]",
            "there is no actor \"gateway/shard-17\"; did you mean \"gateway/shard-0\"?",
        ),
        ("supervision.rest.intensity = 3", "rest is a worker"),
        ("supervision.gateway.intensity_window_s = 0", "must be at least 1"),
        ("supervision.rest.window_s = 0", "must be at least 1"),
        ("supervision.rest.restart = \"sometimes\"", "supervision.rest.restart: "),
        (
            "supervision.rest.needs = [\"emoji-cache\"]",
            "config.toml:9: supervision.rest.needs: its needs go in a circle: rest needs emoji-cache, that needs rest",
        ),
        ("tasks.presense.every_s = 3", "there is no task \"presense\"; there are "),
        (
            "tasks.presence.cooldown_s = 3000",
            "config.toml:9: tasks.presence.cooldown_s: 5 restarts with a cooldown of 3000 s do not fit into 3600 s: its \
             restart limit would never be reached",
        ),
    ] {
        std::fs::write(&file, format!("{text}{good}{line}\n")).unwrap();
        for args in [&["reload", "--dry-run"][..], &["reload"]] {
            bot.cli(args).exits(1).says(&[words]);
        }
        assert_eq!(budget(&bot, "rest"), was, "{line}");
        assert_eq!(task(&bot, "presence")["generation"], 1, "{line}");
    }
    bot.cli(&["ctl", "config.reload", "--json"])
        .exits(1)
        .says(&["\"error\":\"configuration\"", "\"key\":\"tasks.presence.cooldown_s\""]);
    bot.signal(Signal::HUP);
    bot.log.wait_message("the configuration was not reloaded");
    assert_eq!(bot.terminate(), 0);
    // Rows of what was ordered before may be written after it: they wait in a line of their own.
    let row = audited(&home, "config.reload").into_iter().find(|row| row.actor == "SIGHUP").unwrap();
    assert_eq!((row.target.as_str(), &row.detail), ("root", &Value::Null));
    assert!(row.outcome.contains("its restart limit would never be reached"), "{row:?}");
}
