//! `admin`: owners reach the actor tree from Discord.

use cog_host::{Capability, Cog, Command, Ctx, Failure, Outcome, Reply, Rest, args, choices};
use serde_json::Value;

args! {
    /// What `tell` takes.
    struct TellArgs {
        /// Where the actor stands, such as cog-host/info
        path: String,
        /// What to tell it, such as reload
        message: String,
        /// The message's argument as JSON
        json: Option<Rest>,
    }
}

choices! {
    /// What is to crash.
    enum What {
        /// The cog's actor.
        Actor = "actor",
        /// The command that is running.
        Command = "command",
    }
}

args! {
    /// What `crash` takes.
    struct CrashArgs {
        /// The cog, such as info
        cog: String,
        /// The cog's actor, or only this command
        what: What = What::Actor,
    }
}

/// The cog.
pub fn admin() -> Cog {
    Cog::new("admin", "Owners reach the actor tree from Discord")
        .capabilities(&[Capability::SendMessages, Capability::Tree])
        .command(Command::new("tree", "Shows the actor tree", tree).owner_only().ephemeral())
        .command(Command::new("tell", "Sends an admin message to an actor", tell).owner_only().ephemeral())
        .command(Command::new("crash", "Crashes a cog, to see it come back", crash).owner_only().sandbox_only())
}

async fn tree(ctx: &Ctx, (): ()) -> Outcome {
    let text = ctx.tree.text().await.map_err(Failure::refused)?;
    Ok(Reply::code(&text).ephemeral())
}

async fn tell(ctx: &Ctx, args: TellArgs) -> Outcome {
    let params = match &args.json {
        None => Value::Null,
        Some(json) => serde_json::from_str(json.trim_matches('`').trim_start_matches("json"))
            .map_err(|error| Failure::refused(format!("The argument is no JSON: {error}.")))?,
    };
    let answer = ctx.tree.tell(&args.path, &args.message, params, &by(ctx)).await.map_err(sentence)?;
    Ok(match serde_json::to_string_pretty(&answer) {
        Ok(text) if !answer.is_null() => Reply::code(&text).ephemeral(),
        _ => Reply::text("Done.").ephemeral(),
    })
}

async fn crash(ctx: &Ctx, args: CrashArgs) -> Outcome {
    if args.what == What::Command {
        #[expect(clippy::panic, reason = "an owner asked for it, to see that nobody else is hurt")]
        {
            panic!("crashed on request");
        }
    }
    ctx.tree.tell(&format!("cog-host/{}", args.cog), "crash", Value::Null, &by(ctx)).await.map_err(sentence)?;
    Ok(Reply::text(format!("`{}` crashes; its supervisor brings it back.", args.cog.replace('`', ""))))
}

fn by(ctx: &Ctx) -> String {
    format!("user {}", ctx.invocation().author)
}

/// The tree's answers are sentences without a capital and a full stop.
fn sentence(text: String) -> Failure {
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    Failure::refused(format!("{first}{}.", chars.as_str().trim_end_matches('.')))
}
