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
        .tasks(|ctx| {
            let always = [upkeep::health_task(ctx), upkeep::identify_task(ctx)];
            always.into_iter().chain(upkeep::audit_task(ctx)).chain(report::daily(ctx)).collect()
        })
}
