//! The list of commands, and the page of one: both follow from the declarations.

use cog_host::{Ctx, Entry, Failure, Outcome, Reply, Rest, Runnable, args};
use std::sync::Arc;

args! {
    /// What `help` takes.
    pub(super) struct HelpArgs {
        /// The command to explain
        command: Option<Rest>,
    }
}

pub(super) async fn help(ctx: &Ctx, args: HelpArgs) -> Outcome {
    let prefix = ctx.prefix().await;
    let Some(asked) = args.command else { return Ok(list(ctx, &prefix)) };
    // People type the command as they know it, prefix and all.
    let asked = asked.trim();
    let asked = asked.strip_prefix(&*prefix).or(asked.strip_prefix('/')).unwrap_or(asked);
    let mut words = asked.split_whitespace();
    let name = words.next().unwrap_or_default();
    let unknown = || Failure::refused(format!("I know no such command; `{prefix}help` lists them."));
    let entry = ctx.catalogue().find(name).ok_or_else(unknown)?;
    let sub = words.next();
    let wanted = |runnable: &&Arc<Runnable>| {
        sub.is_none_or(|sub| runnable.path.rsplit(' ').next().is_some_and(|last| last.eq_ignore_ascii_case(sub)))
    };
    let runnables: Vec<&Arc<Runnable>> = entry.runnables().filter(wanted).collect();
    if runnables.is_empty() {
        return Err(unknown());
    }
    Ok(page(ctx, entry, &runnables, &prefix))
}

/// The commands that the caller could run here, a line each.
fn list(ctx: &Ctx, prefix: &str) -> Reply {
    let entries = ctx.catalogue().entries().iter();
    let allowed = entries.filter(|entry| entry.runnables().any(|runnable| ctx.verdict(runnable).allowed()));
    let mut lines: Vec<String> = allowed.map(|entry| format!("`{prefix}{}` {}", entry.name, entry.about)).collect();
    lines.push(format!("`{prefix}help COMMAND` explains one; a mention works instead of `{prefix}`, and so does `/`."));
    Reply::text(lines.join("\n"))
}

fn page(ctx: &Ctx, entry: &Entry, runnables: &[&Arc<Runnable>], prefix: &str) -> Reply {
    let mut lines = vec![format!("**{}**: {}.", entry.name, entry.about)];
    for runnable in runnables {
        let verdict = ctx.verdict(runnable);
        let denial = verdict.denial().map(|check| format!(" {}", check.because)).unwrap_or_default();
        let about = if runnables.len() > 1 { format!(" {}.", runnable.about) } else { String::new() };
        lines.push(format!("`{}`{about}{denial}", runnable.usage(prefix)));
        for param in &runnable.params {
            lines.push(format!("- `{}`: {}; {}", param.name, param.about, param.kind.expected()));
        }
    }
    if !entry.aliases.is_empty() {
        lines.push(format!("Also: {}", entry.aliases.join(", ")));
    }
    Reply::text(lines.join("\n"))
}
