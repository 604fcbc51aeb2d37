//! Each command of the command line, its exit code and its JSON.

use crate::harness::{Home, Log, assert_answers, discord, signal, until, wait};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;

#[test]
fn what_only_looks_is_answered_for_people_and_as_json() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("task-supervisor/identify-prune", "running");
    // A command line, a word of its answer for people, a pointer into its JSON.
    for (args, word, pointer) in [
        (&["status"][..], "ready", "/ready"),
        (&["status", "--boot"], "database", "/boot/0/took_ms"),
        (&["tree"], "one_for_one", "/nodes/0/path"),
        (&["explain", "database"], "came up", "/decisions/0/rule"),
        (&["messages", "emoji-cache"], "refresh", "/messages/0/name"),
        (&["tell", "emoji-cache", "refresh"], "application", "/answer/application"),
        (&["tell", "database", "health"], "latency", "/answer/latency_ms"),
        (&["restart", "emoji-cache", "--dry-run"], "could be done", "/dry_run"),
        (&["shutdown", "--plan"], "task-supervisor", "/order/0"),
        (&["reload", "--dry-run"], "", "/changes"),
        (&["ctl", "tree.get"], "one_for_one", "/nodes/0/strategy"),
        (&["ctl", "actor.messages", "{\"path\":\"database\"}"], "messages", "/messages"),
        (&["ctl", "rpc.discover"], "events.subscribe", "/methods/0/params"),
        (&["ctl", "hello"], "version", "/version"),
        (&["cogs", "list"], "settings", ""),
        (&["cogs", "show", "info"], "info", "/name"),
        (&["tasks", "list"], "identify-prune", "/tasks/0/name"),
        (&["tasks", "show", "presence"], "presence", "/name"),
        (&["shards", "list"], "online", "/0/shard"),
        (&["emoji", "list"], "sandbox", ""),
        (&["emoji", "list", "--application"], "impresario", ""),
        (&["emoji", "refresh"], "", ""),
        (&["db", "health"], "latency", "/latency_ms"),
        (&["db", "status"], "sqlite", ""),
        (&["db", "history"], "", ""),
        (&["db", "migrate"], "", ""),
        (&["ping"], "a heartbeat", "/gateway/ms"),
        (&["check"], "discord.prefix", ""),
        (&["tree", "--log"], "", ""),
    ] {
        let people = home.cli(args).exits(0);
        assert!(people.out.to_lowercase().contains(word), "{args:?}: no {word:?} in\n{}", people.out);
        let json = home.json(args).exits(0).json();
        assert!(json.pointer(pointer).is_some(), "{args:?}: no {pointer} in {json}");
    }
    let events = home.json(&["events", "-n", "5"]).exits(0).json_lines();
    assert_eq!(events.len(), 5);
    assert!(events.iter().all(|event| event["seq"].is_u64() && event["rule"].is_string()));
    home.cli(&["events"]).exits(0).shows(&["root", "came up"]);
    let wanted = ["path", "state", "incarnation", "uptime_ms", "restarts", "mailbox", "last_exit", "strategy"];
    for node in bot.nodes() {
        assert!(wanted.iter().all(|field| node.get(field).is_some()), "{node}");
    }
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn what_orders_changes_something() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();

    let incarnation = |path: &str| bot.node(path).unwrap()["incarnation"].as_u64().unwrap();
    let before = incarnation("emoji-cache");
    bot.cli(&["restart", "emoji-cache", "--if-incarnation", "99"]).exits(1);
    assert_eq!(incarnation("emoji-cache"), before);
    bot.cli(&["restart", "emoji-cache"]).exits(0).shows(&["emoji-cache"]);
    until("it is restarted", || (incarnation("emoji-cache") > before).then_some(()));
    bot.cli(&["stop", "emoji-cache"]).exits(0);
    bot.wait_state("emoji-cache", "down");
    bot.cli(&["start", "emoji-cache"]).exits(0);
    bot.wait_state("emoji-cache", "running");
    bot.cli(&["kill", "emoji-cache"]).exits(0);
    bot.wait_state("emoji-cache", "running");

    bot.cli(&["log", "debug"]).exits(0);
    assert_answers(&discord);
    bot.log.wait("a line of the new level", |record| record["level"] == "debug");
    bot.cli(&["log", "rest=trace,info"]).exits(0);
    bot.cli(&["log", "loud"]).exits(1);
    bot.cli(&["tell", "cog-host/info", "reload"]).exits(0);

    bot.cli(&["cogs", "unload", "info"]).exits(0);
    assert_eq!(bot.json(&["cogs", "show", "info"])["state"], "unloaded");
    bot.cli(&["cogs", "load", "info"]).exits(0);
    bot.cli(&["cogs", "reload", "info"]).exits(0);
    bot.cli(&["cogs", "disable", "info"]).exits(0);
    bot.cli(&["cogs", "enable", "info"]).exits(0);
    assert_answers(&discord);

    bot.wait_state("task-supervisor/presence", "running");
    let paused = |wanted: bool| {
        until("the pause is seen", || {
            (bot.json(&["tasks", "show", "presence"])["figures"]["paused"] == wanted).then_some(())
        });
    };
    bot.cli(&["tasks", "pause", "presence"]).exits(0);
    paused(true);
    bot.cli(&["tasks", "resume", "presence"]).exits(0);
    paused(false);
    let runs = |figures: &Value| figures["figures"]["runs"].as_u64().unwrap();
    let before = runs(&bot.json(&["tasks", "show", "presence"]));
    bot.cli(&["tasks", "run", "presence"]).exits(0);
    until("it has run", || (runs(&bot.json(&["tasks", "show", "presence"])) > before).then_some(()));

    let resumes = discord.stats().resumes;
    bot.cli(&["shards", "reconnect", "0"]).exits(0);
    assert!(discord.wait_until(crate::harness::PATIENCE, |stats, _| stats.resumes > resumes));
    bot.wait_well();
    bot.cli(&["tell", "gateway/shard-0", "reconnect"]).exits(0);
    assert!(discord.wait_until(crate::harness::PATIENCE, |stats, _| stats.resumes > resumes + 1));

    // An order leaves an audit line that says who gave it.
    bot.log.wait("the audit of the kill", |record| {
        let fields = &record["fields"];
        fields["audit.action"] == "actor.kill"
            && fields["audit.target"] == "emoji-cache"
            && fields["audit.actor"].is_string()
    });
    assert_answers(&discord);
    let mut bot = bot;
    bot.cli(&["shutdown"]).exits(0);
    assert_eq!(bot.ended(), 0);
}

#[test]
fn every_mutation_takes_a_dry_run_and_an_incarnation() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.wait_state("task-supervisor/presence", "running");
    let mutations: Vec<Value> = bot.json(&["ctl", "rpc.discover"])["methods"].as_array().unwrap().to_vec();
    // What is parked as poison there is none of here: its dry run is in the command line's own tests.
    let asks = |method: &Value| method["mutates"] == true && !method["name"].as_str().unwrap().starts_with("poison.");
    let mutations: Vec<Value> = mutations.into_iter().filter(asks).collect();
    // What each is asked, and what it is asked that it refuses in a dry run as well.
    let asked = |name: &str| match name.split_once('.').unwrap() {
        ("actor", "send") => (json!({"path": "emoji-cache", "message": "refresh"}), "message", json!("dance")),
        ("actor", "start") => (json!({"path": "cog-host/settings"}), "path", json!("database")), // which is running
        ("actor", _) => (json!({"path": "emoji-cache"}), "path", json!("nobody")),
        ("cogs", _) => (json!({"name": "info"}), "name", json!("nobody")),
        ("tasks", "restart") => (json!({"name": "presence", "force": true}), "name", json!("nobody")),
        ("tasks", _) => (json!({"name": "presence"}), "name", json!("nobody")),
        ("shards", _) => (json!({"shard": 0}), "shard", json!(9)),
        ("log", _) => (json!({"filter": "debug"}), "filter", json!("loud")),
        _ => (json!({}), "nonsense", json!(1)),
    };
    bot.cli(&["stop", "cog-host/settings"]).exits(0);
    let incarnations = || {
        let nodes = bot.nodes().into_iter();
        nodes.map(|node| (node["path"].to_string(), node["incarnation"].clone())).collect::<Vec<_>>()
    };
    let (before, filter) = (incarnations(), bot.json(&["ctl", "log.get"])["filter"].clone());
    assert!(mutations.len() >= 19, "{mutations:?}");
    for method in &mutations {
        let name = method["name"].as_str().unwrap();
        for key in ["if_incarnation", "dry_run"] {
            assert!(method["params"]["properties"].get(key).is_some(), "{method}");
        }
        let (mut params, wrong, with) = asked(name);
        params["dry_run"] = true.into();
        let answer = bot.json(&["ctl", name, &params.to_string()]);
        assert!(answer["dry_run"] == true && answer["path"].is_string(), "{name}: {answer}");
        let refused = |params: &Value| -> Value {
            let answer = home.json(&["ctl", name, &params.to_string()]).exits(1);
            serde_json::from_str(&answer.err).unwrap()
        };
        let mut bad = params.clone();
        bad[wrong] = with;
        assert!(refused(&bad)["error"]["message"].is_string(), "{name}");
        for dry_run in [true, false] {
            params["dry_run"] = dry_run.into();
            params["if_incarnation"] = 99.into();
            let error = refused(&params);
            assert_eq!(error["error"]["data"]["error"], "stale_incarnation", "{name}: {error}");
            assert_eq!(error["error"]["data"]["wanted"], 99, "{name}: {error}");
        }
    }
    assert_eq!(incarnations(), before, "nothing has been changed");
    assert_eq!(bot.json(&["ctl", "log.get"])["filter"], filter);
    assert_eq!(bot.json(&["tasks", "show", "presence"])["figures"]["paused"], false);
    assert_eq!(bot.json(&["cogs", "show", "info"])["state"], "loaded");
    assert_eq!(discord.stats().resumes, 0);
    let dry = bot.log.records().into_iter().filter(|record| record["fields"]["audit.action"].is_string());
    let dry: Vec<Value> = dry.filter(|record| record["fields"]["audit.outcome"] == "done").collect();
    assert!(dry.iter().all(|record| record["fields"]["audit.target"] == "cog-host/settings"), "{dry:?}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_supervisor_says_that_it_takes_no_messages_and_what_acts_on_it() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    for (path, verb) in [("root", "shutdown"), ("gateway", "restart")] {
        bot.cli(&["tell", path, "refresh"]).exits(1).says(&[path, "takes no messages itself", verb]);
        bot.cli(&["messages", path]).exits(0).shows(&[path, "takes no messages itself", verb]);
        let answer = bot.json(&["messages", path]);
        assert!(answer["messages"].as_array().unwrap().is_empty() && answer["note"].is_string(), "{answer}");
    }
    // An unknown path has the same detail whichever command met it, also where only decisions are asked for.
    for args in [&["kill", "databse"][..], &["explain", "databse"], &["events", "--path", "databse"]] {
        let error: Value = serde_json::from_str(&home.json(args).exits(1).err).unwrap();
        let reason = json!({"error": "unknown_path", "path": "databse", "suggestion": "database"});
        assert_eq!(error["error"]["data"], reason, "{args:?}");
    }
    bot.cli(&["log", ""]).exits(1).says(&["level"]);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn what_goes_on_follows_until_ctrl_c() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    let socket = home.socket();
    let follow = |args: &[&str]| {
        let mut child =
            home.command(&[&["--socket", socket.to_str().unwrap(), "--json"], args].concat()).spawn().unwrap();
        (Log::follow(child.stdout.take().unwrap()), child)
    };
    let (events, mut events_process) = follow(&["events", "--follow", "-n", "1"]);
    let (trees, mut trees_process) = follow(&["tree", "--watch"]);
    events.wait("the past", |event| event["seq"].is_u64());
    trees.wait("a tree", |tree| tree["nodes"].is_array());
    bot.cli(&["kill", "emoji-cache"]).exits(0);
    events.wait("the restart", |event| event["path"] == "emoji-cache" && event["incarnation"] == 2);
    trees.wait("the new incarnation", |tree| {
        let mut nodes = tree["nodes"].as_array().unwrap().iter();
        nodes.any(|node| node["path"] == "emoji-cache" && node["incarnation"] == 2)
    });
    for process in [&mut events_process, &mut trees_process] {
        signal(process, Signal::INT);
        assert_eq!(wait(process), Some(0));
    }
    // Each decision is shown once, though the past and the stream overlap.
    let numbers: Vec<_> = events.records().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn an_unknown_actor_is_1_with_the_nearest_name() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    for args in [
        &["kill", "databse"][..],
        &["stop", "databse"],
        &["start", "databse"],
        &["restart", "databse"],
        &["explain", "databse"],
        &["messages", "databse"],
        &["tell", "databse", "health"],
    ] {
        bot.cli(args).exits(1).says(&["databse", "did you mean \"database\""]);
        let error: Value = serde_json::from_str(&home.json(args).exits(1).err).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains("database"), "{error}");
    }
    // The name at the end of a path is enough to guess it.
    for args in [&["explain", "info"][..], &["messages", "info"], &["kill", "info"], &["events", "--path", "info"]] {
        bot.cli(args).exits(1).says(&["did you mean \"cog-host/info\""]);
    }
    bot.cli(&["tell", "database", "helth"]).exits(1).says(&["helth", "health"]);
    bot.cli(&["tasks", "show", "presense"]).exits(1).says(&["presense"]);
    bot.cli(&["cogs", "show", "inf"]).exits(1).says(&["inf"]);
    bot.cli(&["ctl", "no.such"]).exits(1).says(&["no.such"]);
    bot.cli(&["ctl", "tree.get", "{"]).exits(2);
    bot.cli(&["tell", "database", "health", "{"]).exits(2);
    bot.cli(&["kill", "root"]).exits(1);
    bot.cli(&["status"]).exits(0);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn without_an_instance_it_is_3() {
    let discord = discord();
    let home = Home::new(&discord);
    for args in [
        &["status"][..],
        &["tree"],
        &["tree", "--watch"],
        &["events"],
        &["explain", "database"],
        &["messages", "database"],
        &["tell", "database", "health"],
        &["kill", "database"],
        &["log", "debug"],
        &["shutdown"],
        &["reload"],
        &["ctl", "hello"],
        &["cogs", "list"],
        &["tasks", "list"],
        &["shards", "list"],
        &["emoji", "refresh"],
        &["db", "health"],
    ] {
        home.cli(args).exits(3).says(&["control.sock"]);
        let error: Value = serde_json::from_str(&home.json(args).exits(3).err).unwrap();
        assert_eq!(error["error"]["code"], "not_running", "{args:?}");
    }
    // Round trips are measured without one as well.
    let measured = home.json(&["ping"]).exits(0).json();
    assert_eq!(measured["running"], false);
    for step in ["token", "rest", "gateway"] {
        assert_eq!(measured[step]["ok"], true, "{measured}");
    }
}

#[test]
fn what_needs_no_instance_works_without_one() {
    let discord = discord();
    let home = Home::new(&discord);
    for shell in ["bash", "zsh", "fish"] {
        home.plain(&["completions", shell], "").exits(0).shows(&["impresario", "shutdown"]);
    }
    home.plain(&["man"], "").exits(0).shows(&[".TH", "emoji"]);
    home.plain(&["--help"], "").exits(0).shows(&["Exit: 0 done", "shutdown"]);
    home.plain(&["--version"], "").exits(0);

    let checked = home.plain(&["check"], "").exits(0);
    assert!(!checked.out.contains(&discord.token()), "secrets are not shown");
    let checked = checked.shows(&["discord.api_base", "config.toml", "default"]);
    assert!(checked.out.contains("DISCORD_TOKEN"), "{}", checked.out);

    fs::remove_file(home.path("config.toml")).unwrap();
    home.plain(&["init"], "").exits(0).shows(&["config.toml"]);
    let written = fs::read(home.path("config.toml")).unwrap();
    assert_eq!(String::from_utf8(written.clone()).unwrap(), include_str!("../../config.toml"));
    home.plain(&["init"], "").exits(1).says(&["config.toml", "there already"]);
    assert_eq!(fs::read(home.path("config.toml")).unwrap(), written, "nothing is overwritten");
    home.plain(&["check"], "").exits(0);
}

#[test]
fn a_tree_in_a_log_can_be_drawn_again() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    bot.cli(&["tree", "--log"]).exits(0);
    bot.log.wait("the tree that was asked for", |record| {
        record["target"] == "tree" && record["fields"]["why"] == "asked for"
    });
    let log = bot.log.clone();
    assert_eq!(bot.terminate(), 0);
    fs::write(home.path("log"), log.lines().join("\n")).unwrap();
    home.plain(&["tree", "--from-log", "log"], "").exits(0).shows(&["root", "shard-0", "running"]);
    let early = ["tree", "--from-log", "log", "--at", "2001-01-01T00:00:00Z"];
    home.plain(&early, "").exits(1);
}
