//! What the bot is, in figures.

use cog_host::{Ctx, Outcome, Reply, show_duration};

pub(super) async fn about(ctx: &Ctx, (): ()) -> Outcome {
    let counts = ctx.cache.counts();
    let name = ctx.cache.own_name();
    let up = (ctx.clock.now() - ctx.bot.started()).to_std().unwrap_or_default();
    let heartbeat = ctx.bot.heartbeat(ctx.invocation().shard);
    let mut lines = vec![
        format!("**{}** runs Impresario {}.", name.as_deref().unwrap_or("This bot"), ctx.bot.version()),
        format!(
            "{}, {}, {}, up for {}.",
            counted(u64::from(ctx.bot.shards()), "shard"),
            counted(counts.guilds, "server"),
            counted(counts.members, "member"),
            show_duration(up)
        ),
    ];
    if let Some(heartbeat) = heartbeat {
        lines.push(format!(
            "Shard {} hears Discord's heartbeat in {} ms.",
            ctx.invocation().shard,
            heartbeat.as_millis()
        ));
    }
    lines.push(
        "Written in Rust: supervised actors on ractor and tokio, Discord's types from serenity, data through diesel."
            .to_owned(),
    );
    Ok(Reply::text(lines.join("\n")))
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
