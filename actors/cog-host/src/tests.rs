//! The room with live actors under paused time. Each file tests one promise.

mod answers;
mod definitions;
mod hand_over;
mod life;
mod members;
mod trouble;

use crate::{Cog, Command, Ctx, Failure, Int, Outcome, Reply, Rest, args};
use serenity::model::Permissions;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;

args! {
    struct Wait {
        /// Seconds to wait
        seconds: Int<0, 60>,
    }
}

args! {
    struct Echo {
        /// What to say
        text: Rest,
    }
}

async fn ping(_: &Ctx, (): ()) -> Outcome {
    Ok(Reply::text("pong"))
}

async fn echo(_: &Ctx, args: Echo) -> Outcome {
    Ok(Reply::text(args.text.0))
}

async fn boom(_: &Ctx, (): ()) -> Outcome {
    tokio::task::yield_now().await;
    panic!("boom")
}

async fn sleep(_: &Ctx, args: Wait) -> Outcome {
    tokio::time::sleep(Duration::from_secs(args.seconds.0.unsigned_abs())).await;
    Ok(Reply::text("awake"))
}

async fn refuse(_: &Ctx, (): ()) -> Outcome {
    Err(Failure::refused("That cannot be."))
}

async fn broken(_: &Ctx, (): ()) -> Outcome {
    Err(Failure::internal("the secret cause"))
}

async fn twice(ctx: &Ctx, (): ()) -> Outcome {
    ctx.reply(Reply::text("one")).await?;
    Ok(Reply::text("two"))
}

async fn linger(ctx: &Ctx, (): ()) -> Outcome {
    ctx.reply(Reply::text("working on it")).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(Reply::text("done"))
}

async fn early(ctx: &Ctx, (): ()) -> Outcome {
    ctx.defer().await?;
    Ok(Reply::text("later"))
}

async fn database(ctx: &Ctx, (): ()) -> Outcome {
    let guild = ctx.invocation().guild.ok_or_else(|| Failure::refused("no guild"))?;
    ctx.db.guild_config(guild).await?;
    Ok(Reply::text("there"))
}

async fn gated(ctx: &Ctx, (): ()) -> Outcome {
    let gate = ctx.state::<Arc<Semaphore>>().ok_or_else(|| Failure::internal("no state"))?;
    gate.acquire().await.map_err(Failure::internal)?.forget();
    Ok(Reply::text("through"))
}

fn tool() -> Cog {
    let group = vec![
        Command::new("show", "Shows it", ping),
        Command::new("set", "Sets it", echo).requires(Permissions::MANAGE_GUILD),
    ];
    Cog::new("tool", "Things that work")
        .command(Command::new("ping", "Answers", ping).alias("p"))
        .command(Command::new("echo", "Says it back", echo))
        .command(Command::new("sleep", "Waits", sleep))
        .command(Command::new("refuse", "Refuses", refuse))
        .command(Command::new("twice", "Answers twice", twice))
        .command(Command::new("linger", "Answers, and again after a while", linger))
        .command(Command::new("early", "Defers by itself, for the caller alone", early).ephemeral())
        .command(Command::new("owned", "For owners", ping).owner_only())
        .command(Command::new("database", "Reads the database", database))
        .command(Command::group("thing", "A thing", group).bare("show"))
}

/// A cog whose commands fail; `gate` holds its `gated` command.
fn weak(gate: &Arc<Semaphore>) -> Cog {
    let gate = Arc::clone(gate);
    Cog::new("weak", "Things that do not")
        .state(move || Arc::clone(&gate))
        .command(Command::new("boom", "Panics", boom))
        .command(Command::new("broken", "Fails", broken))
        .command(Command::new("gated", "Waits at the gate", gated))
}
