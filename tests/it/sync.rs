//! `sync`: what Discord has of the commands against what the cogs declare.

use crate::harness::{Bot, Home, audited, discord};
use sandbox::{Fault, Sandbox};
use serde_json::{Value, json};

const LIST: &str = "GET /applications/{application_id}/commands";
const REPLACE: &str = "PUT /applications/{application_id}/commands";

fn registrations(discord: &Sandbox) -> u64 {
    discord.stats().requests_by_route.get(REPLACE).copied().unwrap_or_default()
}

fn registered(discord: &Sandbox) -> Vec<String> {
    discord.commands(None).iter().map(|command| command["name"].as_str().unwrap().to_owned()).collect()
}

fn wait_registered(bot: &Bot<'_>) {
    crate::harness::until("they are registered", || {
        (bot.json(&["status"])["flags"]["guilds_registered"] == true).then_some(())
    });
}

#[test]
fn a_start_registers_only_what_differs() {
    let discord = discord();
    let home = Home::new(&discord);
    for start in 1..=2 {
        let bot = home.start();
        wait_registered(&bot);
        assert_eq!(registrations(&discord), 1, "start {start}");
        assert_eq!(bot.terminate(), 0);
    }
}

#[test]
fn sync_tells_what_differs_and_registers_it() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    wait_registered(&bot);
    let all = registered(&discord);
    let told = home.cli(&["sync"]).exits(0);
    assert!(told.out.contains(&format!("Discord has all {} commands everywhere", all.len())), "{}", told.out);
    assert_eq!(registrations(&discord), 1);

    bot.cli(&["cogs", "unload", "settings"]).exits(0);
    let dry = bot.json(&["sync", "--dry-run"]);
    let expected = json!({
        "dry_run": true, "path": "cog-host", "guild": null, "added": [], "changed": [], "removed": ["prefix"],
        "unchanged": all.len() - 1, "registered": null,
    });
    assert_eq!(dry, expected);
    assert_eq!((registered(&discord), registrations(&discord)), (all.clone(), 1));
    let done = bot.json(&["sync"]);
    assert_eq!((&done["dry_run"], &done["registered"]), (&json!(false), &json!(all.len() - 1)));
    assert!(!registered(&discord).contains(&"prefix".to_owned()));

    bot.cli(&["cogs", "load", "settings"]).exits(0);
    let told = home.cli(&["sync"]).exits(0);
    let whole = format!(
        "+ prefix\nregistered everywhere: 1 new, 0 changed, 0 gone, {} as they were; Discord has {} now",
        all.len() - 1,
        all.len()
    );
    assert_eq!(told.out, whole);
    let mut now = registered(&discord);
    now.sort_unstable();
    let mut before = all;
    before.sort_unstable();
    assert_eq!((now, registrations(&discord)), (before, 3));
    assert_eq!(bot.terminate(), 0);
    let rows = audited(&home, "commands.sync");
    let outcomes: Vec<_> = rows.iter().map(|row| row.outcome.as_str()).collect();
    assert_eq!(outcomes, ["begun", "done"].repeat(3), "three were ordered; the dry run leaves no row");
    assert!(rows.iter().all(|row| row.actor.starts_with("uid ")), "{rows:?}");
}

#[test]
fn a_command_that_discord_has_otherwise_is_told_field_by_field() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    wait_registered(&bot);
    let mut known = discord.commands(None);
    let ping = known.iter_mut().find(|command| command["name"] == "ping").unwrap();
    let declared = ping["description"].clone();
    ping["description"] = "Said otherwise".into();
    let body = Value::Array(known).to_string();
    discord.fault(Fault::RestStatus { route: LIST.to_owned(), status: 200, body, times: 2 });
    let dry = bot.json(&["sync", "--dry-run"]);
    let fields = json!([{"field": "description", "from": "Said otherwise", "to": declared}]);
    assert_eq!(dry["changed"], json!([{"name": "ping", "fields": fields}]));
    assert_eq!(registrations(&discord), 1);
    let told = home.cli(&["sync"]).exits(0);
    assert!(told.out.contains("~ ping\n    description: \"Said otherwise\" -> "), "{}", told.out);
    assert_eq!(registrations(&discord), 2);
    assert_eq!(bot.terminate(), 0);
}

/// One sentence each, with what to do about it; the commands that Discord has stay.
#[test]
fn a_refusal_names_the_remedy() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    wait_registered(&bot);
    let before = registered(&discord);
    let refused = |remedy: &[&str]| {
        let answer = home.cli(&["sync"]).exits(1).says(remedy);
        assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
    };
    let status = |status: u16, body: Value| Fault::RestStatus {
        route: LIST.to_owned(),
        status,
        body: body.to_string(),
        times: 1,
    };
    discord.fault(status(403, json!({"code": 50001, "message": "Missing Access"})));
    refused(&["Discord lets the bot have no commands", "developer portal"]);
    let long = Fault::Rest429 {
        route: LIST.to_owned(),
        retry_after_ms: 120_000,
        global: false,
        scope: "user".to_owned(),
        html: false,
        times: 1,
    };
    discord.fault(long);
    refused(&["run sync again in 1"]);
    assert_eq!(registered(&discord), before);
    assert_eq!(bot.terminate(), 0);
    let row = audited(&home, "commands.sync").pop().unwrap();
    assert!(row.outcome.contains("run sync again in 1"), "a refusal is kept with its reason: {row:?}");

    // A guild that the bot was not invited to with commands.
    let home = home.set(&format!("discord.guild = {}", discord.guild_id()));
    let route = "GET /applications/{application_id}/guilds/{guild_id}/commands".to_owned();
    let body = json!({"code": 50001, "message": "Missing Access"}).to_string();
    discord.fault(Fault::RestStatus { route, status: 403, body, times: u32::MAX });
    let bot = home.start();
    let answer = home.cli(&["sync"]).exits(1).says(&["applications.commands", "discord.guild"]);
    assert_eq!(answer.err.lines().count(), 1, "{}", answer.err);
    bot.cli(&["stop", "rest"]).exits(0);
    home.cli(&["sync"]).exits(1).says(&["the HTTP client is not up", "impresario explain rest"]);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_refused_token_is_said_as_such() {
    let discord = discord();
    let home = Home::new(&discord);
    let bot = home.start();
    wait_registered(&bot);
    discord.fault(Fault::Unauthorized(true));
    home.cli(&["sync"]).exits(1).says(&["refuses the bot's token", "restart"]);
    home.cli(&["sync", "--dry-run"]).exits(1).says(&["refuses the bot's token"]);
    drop(bot);
}
