//! `info`: whether the bot is there, what it can do, what it is.

mod about;
mod help;
mod presence;

use cog_host::{Capability, Cog, Command, Ctx, Outcome, Priority, Reply, show_duration};
use std::time::Duration;

/// Longer than this, the two clocks disagree and the figure would mislead.
const BELIEVABLE: Duration = Duration::from_secs(60);

/// The cog.
pub fn info() -> Cog {
    Cog::new("info", "Whether the bot is there, what it can do, what it is")
        .priority(Priority::High)
        .capabilities(&[Capability::SendMessages, Capability::Tasks])
        .command(Command::new("ping", "Says whether the bot is there, and how long your message took", ping))
        .command(Command::new("help", "Lists the commands, or explains one", help::help))
        .command(Command::new("about", "Says what this bot is", about::about))
        .command(Command::new("uptime", "Says how long the bot has been running", uptime))
        .state(presence::Rotation::default)
        .task(presence::task(), |ctx, task| Some(presence::equip(ctx, task)))
}

async fn ping(ctx: &Ctx, (): ()) -> Outcome {
    Ok(Reply::text(match ctx.age().filter(|age| *age < BELIEVABLE) {
        Some(age) => format!("Pong! ({} ms)", age.as_millis()),
        None => "Pong!".to_owned(),
    }))
}

async fn uptime(ctx: &Ctx, (): ()) -> Outcome {
    let started = ctx.bot.started();
    let up = (ctx.clock.now() - started).to_std().unwrap_or_default();
    // Discord shows this form in the reader's own time zone.
    Ok(Reply::text(format!("Up for {}, since <t:{}:f>.", show_duration(up), started.timestamp())))
}
