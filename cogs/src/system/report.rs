//! A word a day to those who run the bot: that it is there, and how it is.

use cog_host::{
    CogCtx, Ctx, Failure, Mentions, Outbox, Outcome, Reply, Services, ShardId, show_duration,
    task::{Category, Permissions, Precondition, Run, RunError, RunOutcome, Schedule, TaskSpec},
};
use serde_json::Value;
use serenity::{
    builder::CreateMessage,
    model::id::{ChannelId, GuildId},
};
use std::{fmt::Write, time::Duration};

/// The setting for the server.
pub(super) const GUILD: &str = "report_guild";
/// The setting for the channel.
pub(super) const CHANNEL: &str = "report_channel";
/// When the report comes; `[tasks.daily-report]` sets another time, and its zone.
const AT: (u8, u8) = (8, 0);
/// The task of `report`, registered when somebody asks.
const NOW: &str = "report-now";

/// Where reports go.
#[derive(Clone, Copy)]
struct Place {
    guild: GuildId,
    channel: ChannelId,
}

impl Place {
    /// As configured; none: nobody is told.
    fn read<'a>(setting: impl Fn(&str) -> Option<&'a Value>) -> Option<Self> {
        let id = |key: &str| {
            let said = setting(key)?;
            said.as_u64().or_else(|| said.as_str()?.parse().ok()).filter(|id| *id != 0)
        };
        Some(Self { guild: GuildId::new(id(GUILD)?), channel: ChannelId::new(id(CHANNEL)?) })
    }

    /// Has `task` post one report there. It is skipped, with the reason, while the bot could not post.
    fn told_by(self, task: TaskSpec, services: CogCtx) -> TaskSpec {
        let mut task = task.doing(move |run: Run| post(services.clone(), self, run.number));
        task.guild = Some(self.guild);
        task.requires = vec![
            Precondition::Ready,
            Precondition::Guild(self.guild),
            Precondition::Permissions {
                guild: self.guild,
                needed: Permissions::VIEW_CHANNEL | Permissions::SEND_MESSAGES,
            },
        ];
        task
    }
}

/// The daily report.
pub(super) fn daily_task() -> TaskSpec {
    TaskSpec::declared("system", "daily-report", Schedule::daily(AT.0, AT.1, "UTC"))
}

/// None where no channel is set.
pub(super) fn as_set(ctx: &CogCtx, task: TaskSpec) -> Option<TaskSpec> {
    Some(Place::read(|key| ctx.setting(key))?.told_by(task, ctx.clone()))
}

/// What `report` registers.
pub(super) fn task_now() -> TaskSpec {
    let mut task = TaskSpec::declared("system", NOW, Schedule::Once(Duration::ZERO));
    task.category = Category::Command;
    task
}

/// `report`: work that outlives its command is a task. It is shown and told why it waits like any other, and one that
/// fails is tried again by its restart rule.
pub(super) async fn now(ctx: &Ctx, (): ()) -> Outcome {
    let place = Place::read(|key| ctx.setting(key)).ok_or_else(|| {
        Failure::refused(format!("No channel is set: put {GUILD} and {CHANNEL} into `[cogs.system]` and restart."))
    })?;
    ctx.tasks().unregister(NOW).await; // the one before has run, or is overtaken
    let mut task = place.told_by(task_now(), ctx.of_cog());
    task.user = Some(ctx.invocation().author);
    ctx.tasks().register(task).await.map_err(|error| Failure::refused(format!("{error}.")))?;
    Ok(Reply::text(format!("On its way to <#{}>; `tasks show {NOW}` tells what became of it.", place.channel))
        .ephemeral())
}

async fn post(ctx: CogCtx, place: Place, number: u64) -> Result<RunOutcome, RunError> {
    let text = text(&ctx).await;
    let nonce = format!("report{}n{number}", ctx.clock.now().timestamp());
    match Outbox::post(&ctx.rest, place.channel, CreateMessage::new().content(text), Mentions::None, nonce).await {
        Ok(()) => Ok(RunOutcome::Done { operations: 1 }),
        Err(error) => Err(RunError(error.to_string())),
    }
}

/// How the bot is, in a few lines.
async fn text(services: &Services) -> String {
    let counts = services.cache.counts();
    let up = (services.clock.now() - services.bot.started()).to_std().unwrap_or_default();
    let shards = services.bot.shards();
    let heard = (0..shards).filter(|shard| services.bot.heartbeat(ShardId(*shard)).is_some()).count();
    let mut text = format!("Up for {}, version {}.", show_duration(up), services.bot.version());
    let servers = if counts.guilds == 1 { "server" } else { "servers" };
    let told = write!(text, "\n{} {servers}, {heard} of {shards} shards answered their last heartbeat.", counts.guilds);
    told.ok(); // writing to a string cannot fail
    text.push_str(&match services.db.health().await {
        Ok(health) => format!("\nDatabase: it answered within {:.1} ms.", health.latency_ms),
        Err(error) => format!("\nDatabase: {error}."),
    });
    text
}
