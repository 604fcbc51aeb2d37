//! The system cog's work: by the calendar, with preconditions, and registered at run time.

use crate::harness::{Home, ask, discord, until};
use chrono::{Timelike, Utc};
use serde_json::Value;

const MANAGE: u64 = 1 << 5;

fn last(task: &Value) -> String {
    let last = &task["figures"]["last"];
    format!("{} {}", last["outcome"].as_str().unwrap_or("-"), last["reason"].as_str().unwrap_or_default())
}

#[test]
fn audit_rows_are_pruned_by_the_calendar_and_when_an_operator_asks() {
    let discord = discord();
    // Half a day away, or thereabouts: it must not run by itself here.
    let at = if (0..6).contains(&Utc::now().hour()) { "15:15" } else { "03:15" };
    let home = Home::new(&discord)
        .set(&format!("tasks.audit-prune.daily_at = \"{at}\""))
        .set("tasks.audit-prune.zone = \"Europe/Berlin\"")
        .set("cogs.system.audit_keep_days = 30");
    let bot = home.start();
    bot.wait_state("task-supervisor/audit-prune", "running");
    bot.cli(&["tasks", "list"]).exits(0).shows(&["audit-prune", &format!("daily at {at} (Europe/Berlin)")]);
    let task = bot.json(&["tasks", "show", "audit-prune"]);
    let next_h = task["figures"]["next_in_ms"].as_f64().unwrap() / 3_600_000.0;
    assert!((0.0..25.2).contains(&next_h), "{task}");
    assert_eq!((&task["needs"][0], &task["figures"]["runs"]), (&"database".into(), &0.into()), "{task}");
    bot.cli(&["tasks", "run", "audit-prune"]).exits(0);
    let task = until("it has run", || {
        let task = bot.json(&["tasks", "show", "audit-prune"]);
        (task["figures"]["done"] == 1).then_some(task)
    });
    assert_eq!(task["figures"]["last"]["operations"], 0, "all rows are young: {task}");
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_report_is_posted_when_the_owner_asks_and_skipped_with_the_reason_while_it_cannot_be() {
    let discord = discord();
    let guild = discord.guild_id();
    let channel = discord.channel_id(guild, "general").unwrap();
    let home = Home::new(&discord)
        .set(&format!("cogs.system.report_guild = \"{guild}\""))
        .set(&format!("cogs.system.report_channel = \"{channel}\""));
    let bot = home.start();
    bot.cli(&["tasks", "list"]).exits(0).shows(&["daily-report", "daily at 08:00 (UTC)"]);
    bot.cli(&["tasks", "show", "report-now"]).exits(1); // nobody has asked yet
    let posted = || discord.bot_messages().iter().filter(|message| message.content.starts_with("Up for ")).count();

    let said = ask(&discord, "alice", "!report");
    assert!(said.starts_with(&format!("On its way to <#{channel}>")), "{said}");
    until("it is posted", || (posted() == 1).then_some(()));
    let task = until("it is over", || {
        let task = bot.json(&["tasks", "show", "report-now"]);
        (task["figures"]["done"] == 1).then_some(task)
    });
    assert_eq!((&task["category"], &task["cog"]), (&"command".into(), &"system".into()), "{task}");

    // Without the permission nothing is tried.
    discord.set_role_permissions(guild, guild, MANAGE).unwrap();
    for role in ["impresario", "bot"].iter().filter_map(|name| discord.role_id(guild, name)) {
        discord.set_role_permissions(guild, role, MANAGE).unwrap();
    }
    let skipped = until("it is skipped", || {
        bot.cli(&["tasks", "run", "daily-report"]);
        let task = bot.json(&["tasks", "show", "daily-report"]);
        last(&task).starts_with("skipped").then_some(task)
    });
    assert!(last(&skipped).contains("the bot lacks") && last(&skipped).contains(&guild.to_string()), "{skipped}");
    assert_eq!(skipped["figures"]["errors"], 0, "{skipped}");
    assert_eq!(bot.terminate(), 0);
}
