//! The built-in cogs in a running room.

use crate::testing::{Bot, MEMBER, MODERATOR, OWNER, database};
use chrono::{TimeDelta, Utc};
use cog_host::task::{RunOutcome, Schedule};
use protocol::ports::{AuditLog, AuditRow, IdentifyAsk, IdentifyLedger};
use serde_json::{Value, json};
use std::{collections::HashSet, path::Path};
use supervision::Verb;

/// The database is never opened.
async fn without_database() -> Bot {
    Bot::start(database(Path::new("/nonexistent")), false).await
}

#[tokio::test]
async fn every_command_explains_itself_within_discords_limits() {
    let bot = without_database().await;
    let count = bot.host.register_commands(None).await.unwrap();
    let registered = bot.next().await;
    let commands = registered.as_array().unwrap();
    assert_eq!((count, commands.len()), (9, 9), "ping help about uptime prefix tree tell crash report");
    let mut names = HashSet::new();
    for command in commands {
        assert!(names.insert(command["name"].clone()), "{command}");
        let options = command["options"].as_array().into_iter().flatten();
        let deeper = options.clone().flat_map(|option| option["options"].as_array().into_iter().flatten());
        for named in std::iter::once(command).chain(options.clone()).chain(deeper) {
            let (name, about) = (named["name"].as_str().unwrap(), named["description"].as_str().unwrap());
            assert!((1..=32).contains(&name.len()) && name.to_lowercase() == name, "{name}");
            assert!((1..=100).contains(&about.chars().count()), "{name}: {about}");
        }
    }
    for entry in bot.host.catalogue().entries() {
        for runnable in entry.runnables() {
            assert!(runnable.usage("!").starts_with(&format!("!{}", entry.name)));
            let page = bot.ask(OWNER, &format!("!help {}", runnable.path)).await;
            assert!(page.contains(&runnable.usage("!")) && page.contains(entry.about), "{page}");
        }
    }
}

#[tokio::test]
async fn ping_works_with_the_database_down() {
    let bot = without_database().await;
    let answer = bot.ask(MEMBER, "!ping").await;
    assert!(answer.starts_with("Pong! (") && answer.ends_with(" ms)"), "{answer}");
    let answer = bot.ask(MODERATOR, "!prefix set ?").await;
    assert!(answer.starts_with("My database is not available."), "{answer}");
    assert_eq!(bot.ask(MEMBER, "!prefix").await, "My prefix here is `!`; a mention works as well.");
}

#[tokio::test]
async fn help_lists_what_the_caller_may_run() {
    let bot = without_database().await;
    let list = bot.ask(MEMBER, "!help").await;
    for command in ["ping", "help", "about", "uptime", "prefix"] {
        assert!(list.contains(&format!("`!{command}`")), "{list}");
    }
    assert!(!list.contains("crash"));
    assert!(bot.ask(OWNER, "!help").await.contains("`!crash`"));
    let page = bot.ask(MEMBER, "!help !prefix").await;
    assert!(page.contains("`!prefix set <value>`") && page.contains("You need **Manage Server** here."), "{page}");
    assert_eq!(bot.ask(4, "!help nonsense").await, "I know no such command; `!help` lists them.");
}

#[tokio::test]
async fn about_and_uptime_give_figures() {
    let bot = without_database().await;
    let about = bot.ask(MEMBER, "!about").await;
    for part in ["**Testy** runs Impresario 1.2.3", "2 shards, 1 server, 12 members, up for 1 h 30 min", "31 ms"] {
        assert!(about.contains(part), "{about}");
    }
    assert!(bot.ask(MEMBER, "!uptime").await.starts_with("Up for 1 h 30 min, since <t:"));
}

#[tokio::test]
async fn owners_reach_the_tree_and_nobody_else_does() {
    let bot = without_database().await;
    assert!(bot.ask(OWNER, "!tree").await.contains("cog-host"));
    assert_eq!(bot.ask(MEMBER, "!tree").await, "Only the bot's owners may use this command.");
    assert!(bot.ask(OWNER, "!tell cog-host/info reload {\"force\": true}").await.contains("loaded"));
    let told = bot.around.told.lock().unwrap().last().cloned().unwrap();
    let expected = ("cog-host/info".to_owned(), "reload".to_owned(), json!({"force": true}), "user 1".to_owned());
    assert_eq!(told, expected);
    assert_eq!(bot.ask(OWNER, "!tell nowhere reload").await, "There is no actor \"nowhere\".");
}

#[tokio::test]
async fn a_crash_hits_the_actor_or_the_command_that_was_named() {
    supervision::install_panic_hook();
    let bot = without_database().await;
    assert_eq!(bot.ask(OWNER, "!crash info").await, "`info` crashes; its supervisor brings it back.");
    let told = bot.around.told.lock().unwrap().last().cloned().unwrap();
    assert_eq!((told.0.as_str(), told.1.as_str(), told.2), ("cog-host/info", "crash", Value::Null));
    assert!(bot.ask(OWNER, "!crash info command").await.starts_with("Something went wrong; the incident is `"));
    assert!(bot.ask(MEMBER, "!ping").await.starts_with("Pong!"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prefix_that_was_set_survives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let bot = Bot::start(database(dir.path()), true).await;
    assert_eq!(bot.ask(MODERATOR, "!prefix set ?").await, "My prefix here is now `?`.");
    assert_eq!(bot.ask(MEMBER, "?prefix").await, "My prefix here is `?`; a mention works as well.");
    assert!(bot.ask(MEMBER, "?help").await.contains("`?ping`"), "help shows the prefix that holds");
    assert_eq!(bot.ask_in(11, MEMBER, "!prefix").await, "My prefix here is `!`; a mention works as well.");
    assert_eq!(bot.ask(5, "?prefix set x").await, "You need **Manage Server** here.");
    assert_eq!(bot.ask(MODERATOR, "<@99> prefix set @here").await, "A prefix cannot be or hold a mention.");
    bot.tree.shutdown(None);
    bot.tree.ended().await;
    let bot = Bot::start(database(dir.path()), true).await;
    // As boot does: a disk that is busy costs no prefix.
    assert_eq!(bot.host.prefixes().read_all().await.unwrap(), cog_host::PrefixReading::Done);
    assert_eq!(bot.ask(6, "?prefix show").await, "My prefix here is `?`; a mention works as well.");
    assert_eq!(bot.ask(MODERATOR, "?prefix reset").await, "My prefix here is now `!`.");
    bot.tree.order(&"cog-host/info".into(), Verb::Kill, None, false).await.unwrap();
    assert_eq!(bot.ask(MEMBER, "!prefix").await, "My prefix here is `!`; a mention works as well.");
    bot.tree.shutdown(None);
    bot.tree.ended().await;
}

#[tokio::test]
async fn the_presence_takes_turns() {
    let bot = without_database().await;
    for _ in 0..4 {
        assert_eq!(bot.run_task("presence").await, Ok(RunOutcome::Done { operations: 1 }));
    }
    let shown = bot.around.shown.lock().unwrap().clone();
    assert_eq!(shown, ["!help", "in 1 server", "up for 1 h 30 min", "!help"]);
}

#[tokio::test]
async fn upkeep_without_a_database_is_skipped_and_no_failure() {
    let bot = without_database().await;
    for name in ["database-health", "identify-prune"] {
        assert!(matches!(bot.run_task(name).await, Ok(RunOutcome::Skipped { .. })), "{name}");
    }
    let tasks = bot.around.tasks.lock().unwrap();
    let needs = |name: &str| tasks.iter().find(|task| task.name == name).map(|task| task.needs.clone());
    assert_eq!(needs("database-health"), Some(vec![]), "a report is due when the database is away as well");
    assert_eq!(needs("identify-prune"), Some(vec!["database".to_owned()]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_deletes_identifies_that_no_longer_count_and_keeps_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let bot = Bot::start(database(dir.path()), true).await;
    let now = Utc::now();
    let ask = IdentifyAsk { shard: 0, limit: 900, buckets: 1, spacing: std::time::Duration::ZERO };
    for hours in [50, 26, 23, 1] {
        bot.db.take(ask, now - TimeDelta::hours(hours)).await.unwrap();
    }
    assert_eq!(bot.run_task("database-health").await, Ok(RunOutcome::Done { operations: 1 }));
    assert_eq!(bot.run_task("identify-prune").await, Ok(RunOutcome::Done { operations: 2 }));
    assert_eq!(bot.db.identifies_since(now - TimeDelta::hours(100)).await, Ok(2));
    bot.tree.shutdown(None);
    bot.tree.ended().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_audit_rows_go_once_a_day_until_none_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let bot = Bot::start(database(dir.path()), true).await;
    let now = Utc::now();
    for days in [800, 400, 366, 300, 0] {
        let (actor, action, target) = ("uid 1".to_owned(), "actor.kill".to_owned(), "rest".to_owned());
        let at = now - TimeDelta::days(days);
        bot.db.record(AuditRow { at, actor, action, target, detail: Value::Null, outcome: "done".to_owned() }).await;
    }
    assert_eq!(bot.run_task("audit-prune").await, Ok(RunOutcome::Done { operations: 3 }));
    assert_eq!(bot.run_task("audit-prune").await, Ok(RunOutcome::Done { operations: 0 }));
    assert_eq!(bot.db.audit_rows(9).await.unwrap().len(), 2);
    {
        let tasks = bot.around.tasks.lock().unwrap();
        let prune = tasks.iter().find(|task| task.name == "audit-prune").unwrap();
        assert_eq!((&prune.schedule, &prune.needs[..]), (&Schedule::daily(4, 30, "UTC"), &["database".to_owned()][..]));
        assert!(tasks.iter().all(|task| task.name != "daily-report"), "no channel is set");
    }
    let refused = bot.ask(OWNER, "!report").await;
    assert!(refused.starts_with("No channel is set: put report_guild and report_channel into"), "{refused}");
    bot.tree.shutdown(None);
    bot.tree.ended().await;
}
