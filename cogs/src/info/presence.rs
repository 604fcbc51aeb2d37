//! Rotates what the bot is shown to be doing.

use cog_host::{
    CogCtx, show_duration,
    task::{Category, Run, RunError, RunOutcome, Schedule, TaskSpec},
};
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

/// How often it changes. Discord takes 5 presence updates in 20 s and connection.
const EVERY: Duration = Duration::from_secs(60);

/// Which activity comes next.
#[derive(Debug, Default)]
pub(super) struct Rotation(AtomicUsize);

pub(super) fn task() -> TaskSpec {
    let mut task = TaskSpec::declared("info", "presence", Schedule::Every(EVERY));
    task.category = Category::Gateway;
    task.run_at_start = true;
    task.jitter = Duration::from_secs(5);
    task
}

pub(super) fn equip(ctx: &CogCtx, task: TaskSpec) -> TaskSpec {
    let ctx = ctx.clone();
    task.doing(move |_: Run| show(ctx.clone()))
}

async fn show(ctx: CogCtx) -> Result<RunOutcome, RunError> {
    let turn = ctx.state::<Rotation>().map_or(0, |rotation| rotation.0.fetch_add(1, Relaxed));
    match ctx.presence.show(&activity(&ctx, turn)).await {
        Ok(0) => Ok(RunOutcome::Skipped { reason: "no shard is connected".to_owned() }),
        Ok(shards) => Ok(RunOutcome::Done { operations: u64::from(shards) }),
        Err(problem) => Err(RunError(problem)),
    }
}

fn activity(ctx: &CogCtx, turn: usize) -> String {
    match turn % 3 {
        0 => format!("{}help", ctx.prefixes.default_prefix()),
        1 => match ctx.cache.counts().guilds {
            1 => "in 1 server".to_owned(),
            guilds => format!("in {guilds} servers"),
        },
        _ => {
            let up = (ctx.clock.now() - ctx.bot.started()).to_std().unwrap_or_default();
            format!("up for {}", show_duration(up))
        }
    }
}
