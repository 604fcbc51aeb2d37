//! `system`: upkeep, and a word about how the bot is.

mod report;
mod upkeep;

use cog_host::{Capability, Cog, Command, Priority, Setting};

/// The cog.
pub fn system() -> Cog {
    let setting = |key, about| Setting { key, about, required: false };
    Cog::new("system", "Upkeep, and a word about how the bot is")
        .priority(Priority::Low)
        .capabilities(&[Capability::SendMessages, Capability::Database, Capability::Tasks])
        .setting(setting(upkeep::KEEP_DAYS, "days that audit rows are kept; 0: for ever"))
        .setting(setting(report::GUILD, "the server of the report's channel"))
        .setting(setting(report::CHANNEL, "the channel that is told once a day how the bot is; none: nobody is"))
        .command(Command::new("report", "Posts the daily report now", report::now).owner_only().ephemeral())
        .task(upkeep::health_task(), |ctx, task| Some(upkeep::report(ctx, task)))
        .task(upkeep::identify_task(), |ctx, task| Some(upkeep::prune(ctx, task)))
        .task(upkeep::audit_task(), upkeep::prune_as_set)
        .task(report::daily_task(), report::as_set)
        .task_at_run_time(report::task_now())
}
