//! `settings`: what a server may choose for itself.

use cog_host::{Capability, Cog, Command, Ctx, Failure, Outcome, Priority, Reply, SetPrefixError, args};
use serenity::model::{Permissions, id::GuildId};

args! {
    /// What `prefix set` takes.
    struct SetArgs {
        /// The new prefix, up to 16 characters; in double quotes when it has a space
        value: String,
    }
}

/// The cog.
pub fn settings() -> Cog {
    let subs = vec![
        Command::new("show", "Shows the prefix", show),
        Command::new("set", "Sets the prefix of this server", set).requires(Permissions::MANAGE_GUILD).serial(),
        Command::new("reset", "Goes back to the default prefix", reset).requires(Permissions::MANAGE_GUILD).serial(),
    ];
    Cog::new("settings", "What a server may choose for itself")
        .priority(Priority::High)
        .capabilities(&[Capability::SendMessages, Capability::Database])
        .command(Command::group("prefix", "Shows or changes what commands begin with", subs).bare("show"))
}

async fn show(ctx: &Ctx, (): ()) -> Outcome {
    let prefix = ctx.prefix().await;
    Ok(Reply::text(format!("My prefix here is `{prefix}`; a mention works as well.")))
}

async fn set(ctx: &Ctx, args: SetArgs) -> Outcome {
    change(ctx, Some(&args.value)).await
}

async fn reset(ctx: &Ctx, (): ()) -> Outcome {
    change(ctx, None).await
}

async fn change(ctx: &Ctx, prefix: Option<&str>) -> Outcome {
    let now = ctx.prefixes.set(guild(ctx)?, prefix).await.map_err(|error| match error {
        SetPrefixError::Bad(reason) => Failure::refused(reason.to_string()),
        SetPrefixError::Database(error) => Failure::from(error),
    })?;
    Ok(Reply::text(format!("My prefix here is now `{now}`.")))
}

fn guild(ctx: &Ctx) -> Result<GuildId, Failure> {
    ctx.invocation().guild.ok_or_else(|| Failure::internal("a server's command was run outside of one"))
}
