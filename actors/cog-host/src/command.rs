//! A command's declaration: one for prefix, slash and help.

use crate::{
    args::{Args, Param, Values},
    context::Ctx,
    guard::Guard,
    reply::{Failure, Outcome},
};
use protocol::BoxFuture;
use serenity::model::Permissions;
use std::{fmt, future::Future, sync::Arc, time::Duration};

pub(crate) type RunFn = dyn Fn(Ctx, Values) -> BoxFuture<'static, Outcome> + Send + Sync;

/// A command function: `async fn ping(ctx: &Ctx, args: PingArgs) -> Outcome`. Implemented for every such function.
pub trait Run<'a, A>: Send + Sync {
    /// What it returns.
    type Future: Future<Output = Outcome> + Send + 'a;

    /// Runs it.
    fn run(&self, ctx: &'a Ctx, args: A) -> Self::Future;
}

impl<'a, A, F, Fut> Run<'a, A> for F
where
    F: Fn(&'a Ctx, A) -> Fut + Send + Sync,
    Fut: Future<Output = Outcome> + Send + 'a,
{
    type Future = Fut;

    fn run(&self, ctx: &'a Ctx, args: A) -> Fut {
        self(ctx, args)
    }
}

/// A command, or a group of subcommands.
#[derive(Clone)]
pub struct Command {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) aliases: Vec<&'static str>,
    pub(crate) guard: Guard,
    pub(crate) deadline: Option<Duration>,
    pub(crate) serial: bool,
    pub(crate) ephemeral: bool,
    pub(crate) body: Body,
}

#[derive(Clone)]
pub(crate) enum Body {
    Run { params: Vec<Param>, run: Arc<RunFn> },
    Group { subs: Vec<Command>, bare: Option<&'static str> },
}

impl Command {
    /// A command. `name` is lower case, 1 to 32 characters; `about` is one sentence of 1 to 100 characters.
    pub fn new<A: Args, F>(name: &'static str, about: &'static str, run: F) -> Self
    where
        F: for<'a> Run<'a, A> + 'static,
    {
        let run = Arc::new(run);
        let run: Arc<RunFn> = Arc::new(move |ctx, mut values| {
            let run = Arc::clone(&run);
            Box::pin(async move {
                let args = A::take(&mut values);
                let args = args.ok_or_else(|| Failure::internal("the arguments are not of the declared kinds"))?;
                run.run(&ctx, args).await
            })
        });
        Self::of(name, about, Body::Run { params: A::params(), run })
    }

    /// A group: `name sub …` runs one of `subs`, which are plain commands.
    pub fn group(name: &'static str, about: &'static str, subs: Vec<Command>) -> Self {
        Self::of(name, about, Body::Group { subs, bare: None })
    }

    /// In a message, the group's name alone means the subcommand `sub`; as a slash command it has to be named.
    #[must_use]
    pub fn bare(mut self, sub: &'static str) -> Self {
        if let Body::Group { bare, .. } = &mut self.body {
            *bare = Some(sub);
        }
        self
    }

    /// Another name for it in messages.
    #[must_use]
    pub fn alias(mut self, alias: &'static str) -> Self {
        self.aliases.push(alias);
        self
    }

    /// Only for the bot's owners.
    #[must_use]
    pub fn owner_only(mut self) -> Self {
        self.guard.owner_only = true;
        self
    }

    /// Only against the sandbox; elsewhere it does not exist.
    #[must_use]
    pub fn sandbox_only(mut self) -> Self {
        self.guard.sandbox_only = true;
        self
    }

    /// Not in direct messages.
    #[must_use]
    pub fn guild_only(mut self) -> Self {
        self.guard.guild_only = true;
        self
    }

    /// Only for members with `permissions` in the channel; implies a guild.
    #[must_use]
    pub fn requires(mut self, permissions: Permissions) -> Self {
        self.guard.permissions |= permissions;
        self.guild_only()
    }

    /// How long one invocation may take, instead of `[cog_host].deadline_ms`.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// One invocation at a time per guild, in order; the next ones wait.
    #[must_use]
    pub fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// As a slash command, its deferred answer is shown to the caller alone.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    fn of(name: &'static str, about: &'static str, body: Body) -> Self {
        let (aliases, guard) = (Vec::new(), Guard::OPEN);
        Self { name, about, aliases, guard, deadline: None, serial: false, ephemeral: false, body }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command").field("name", &self.name).field("guard", &self.guard).finish_non_exhaustive()
    }
}
