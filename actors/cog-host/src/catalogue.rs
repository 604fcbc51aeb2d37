//! Every command of every cog, ready to be found by name, explained and registered.

mod check;
mod slash;

pub use check::DefinitionError;

use crate::{
    args::{ArgError, Param, Tokens},
    cell::{CogCell, Phase},
    command::{Body, Command, RunFn},
    guard::Guard,
};
use metering::Name;
use protocol::{EventKind, KindSet};
use serenity::builder::CreateCommand;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// A command that can be run: a plain one, or a subcommand with what its group demands.
pub struct Runnable {
    /// `prefix set`.
    pub path: String,
    /// One sentence.
    pub about: &'static str,
    /// Its arguments.
    pub params: Vec<Param>,
    /// What it demands.
    pub guard: Guard,
    /// How long it may take.
    pub deadline: Duration,
    /// One at a time per guild.
    pub serial: bool,
    /// Whether a deferred slash answer is for the caller alone.
    pub ephemeral: bool,
    /// Its path, checked for metrics.
    pub(crate) metric: Name,
    pub(crate) cell: Arc<CogCell>,
    pub(crate) run: Arc<RunFn>,
}

impl Runnable {
    /// How it is typed: `!prefix set <value>`.
    pub fn usage(&self, prefix: &str) -> String {
        let mut usage = format!("{prefix}{}", self.path);
        for param in &self.params {
            usage.push(' ');
            usage.push_str(&param.usage());
        }
        usage
    }

    /// The cog it belongs to.
    pub fn cog(&self) -> &'static str {
        self.cell.cog.name
    }
}

/// A name that can be called.
pub struct Entry {
    /// The name.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Other names for it in messages.
    pub aliases: Vec<&'static str>,
    /// What it demands, whichever subcommand.
    pub guard: Guard,
    /// The subcommand that the name alone means in a message.
    bare: Option<&'static str>,
    /// One without a name of its own, or the subcommands by theirs.
    runs: Vec<(Option<&'static str>, Arc<Runnable>)>,
}

impl Entry {
    /// What it can run: one, or its subcommands.
    pub fn runnables(&self) -> impl Iterator<Item = &Arc<Runnable>> {
        self.runs.iter().map(|(_, runnable)| runnable)
    }

    /// The one that `tokens` call, the subcommand's name taken off them.
    pub(crate) fn called(&self, tokens: &mut Tokens<'_>) -> Result<&Arc<Runnable>, ArgError> {
        if let [(None, only)] = self.runs.as_slice() {
            return Ok(only);
        }
        let typed = tokens.peek();
        let sub = typed.or(self.bare).and_then(|name| self.sub(name));
        if sub.is_some() && typed.is_some() {
            tokens.next_word().map_err(|_| ArgError::UnclosedQuote)?;
        }
        sub.ok_or_else(|| ArgError::Subcommand { known: self.runs.iter().filter_map(|(name, _)| *name).collect() })
    }

    fn is_taken_out(&self) -> bool {
        self.runnables().next().is_some_and(|runnable| matches!(*runnable.cell.phase(), Phase::Unloaded))
    }

    pub(crate) fn sub(&self, name: &str) -> Option<&Arc<Runnable>> {
        let named = |sub: &Option<&str>| sub.is_some_and(|sub| sub.eq_ignore_ascii_case(name));
        self.runs.iter().find(|(sub, _)| named(sub)).map(|(_, runnable)| runnable)
    }
}

/// The commands.
pub struct Catalogue {
    entries: Vec<Arc<Entry>>,
    by_name: HashMap<String, Arc<Entry>>,
    subscribers: Vec<Arc<CogCell>>,
    reads_members: bool,
    sandbox: bool,
}

impl Catalogue {
    /// The commands of `cells`, each checked. Sandbox-only commands exist only with `sandbox`.
    pub(crate) fn new(cells: &[Arc<CogCell>], deadline: Duration, sandbox: bool) -> Result<Self, DefinitionError> {
        let mut catalogue = Self {
            entries: Vec::new(),
            by_name: HashMap::new(),
            subscribers: cells.iter().filter(|cell| cell.cog.on_event.is_some()).map(Arc::clone).collect(),
            reads_members: cells.iter().any(|cell| cell.cog.members),
            sandbox,
        };
        for cell in cells {
            for command in &cell.cog.commands {
                check::command(command, cell.cog.name)?;
                if sandbox || !command.guard.sandbox_only {
                    catalogue.add(Arc::new(entry(cell, command, deadline, sandbox)), cell.cog.name)?;
                }
            }
        }
        Ok(catalogue)
    }

    fn add(&mut self, entry: Arc<Entry>, cog: &'static str) -> Result<(), DefinitionError> {
        for name in std::iter::once(&entry.name).chain(&entry.aliases) {
            if self.by_name.insert((*name).to_owned(), Arc::clone(&entry)).is_some() {
                return Err(DefinitionError::new(cog, name, "another command has that name"));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The command called `name`, in any case.
    pub fn find(&self, name: &str) -> Option<&Arc<Entry>> {
        match self.by_name.get(name) {
            Some(entry) => Some(entry),
            None => self.by_name.get(&name.to_ascii_lowercase()),
        }
    }

    /// Every command, in the order of cogs.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The commands as Discord is to have them: without those of cogs that an operator has taken out. Those of a cog that
    /// is down stay, lest they come and go with its restarts.
    pub fn declared_commands(&self) -> Vec<CreateCommand> {
        self.entries.iter().filter(|entry| !entry.is_taken_out()).map(|entry| slash::command(entry)).collect()
    }

    /// Every command as Discord wants it registered.
    pub fn slash_commands(&self) -> Vec<CreateCommand> {
        self.entries.iter().map(|entry| slash::command(entry)).collect()
    }

    /// Whether this process talks to the sandbox.
    pub fn sandbox(&self) -> bool {
        self.sandbox
    }

    pub(crate) fn subscribers(&self, kind: EventKind) -> impl Iterator<Item = &Arc<CogCell>> {
        self.subscribers.iter().filter(move |cell| cell.cog.events.contains(kind))
    }

    /// Whether a cog reads members from the cache.
    pub(crate) fn reads_members(&self) -> bool {
        self.reads_members
    }

    pub(crate) fn events(&self) -> KindSet {
        self.subscribers.iter().fold(KindSet::default(), |all, cell| all | cell.cog.events)
    }
}

fn entry(cell: &Arc<CogCell>, command: &Command, deadline: Duration, sandbox: bool) -> Entry {
    let runs = match &command.body {
        Body::Run { .. } => vec![(None, runnable(cell, command, None, deadline))],
        Body::Group { subs, .. } => subs
            .iter()
            .filter(|sub| sandbox || !sub.guard.sandbox_only)
            .map(|sub| (Some(sub.name), runnable(cell, sub, Some(command), deadline)))
            .collect(),
    };
    let bare = if let Body::Group { bare, .. } = &command.body { *bare } else { None };
    let (name, about, guard) = (command.name, command.about, command.guard);
    Entry {
        name,
        about,
        aliases: command.aliases.clone(),
        guard,
        bare,
        runs: runs.into_iter().flat_map(flat).collect(),
    }
}

/// A subcommand is a plain command, which the check has made sure of; anything else has nothing to run.
fn flat((name, run): (Option<&'static str>, Option<Arc<Runnable>>)) -> Option<(Option<&'static str>, Arc<Runnable>)> {
    run.map(|run| (name, run))
}

fn runnable(
    cell: &Arc<CogCell>,
    command: &Command,
    group: Option<&Command>,
    deadline: Duration,
) -> Option<Arc<Runnable>> {
    let Body::Run { params, run } = &command.body else { return None };
    let path = group.map_or_else(|| command.name.to_owned(), |group| format!("{} {}", group.name, command.name));
    let above = group.map_or(Guard::OPEN, |group| group.guard);
    let below = command.guard;
    Some(Arc::new(Runnable {
        metric: Name::from(path.as_str()),
        path,
        about: command.about,
        params: params.clone(),
        guard: Guard {
            owner_only: above.owner_only || below.owner_only,
            sandbox_only: above.sandbox_only || below.sandbox_only,
            guild_only: above.guild_only || below.guild_only,
            permissions: above.permissions | below.permissions,
        },
        deadline: command.deadline.or(group.and_then(|group| group.deadline)).unwrap_or(deadline),
        serial: command.serial || group.is_some_and(|group| group.serial),
        ephemeral: command.ephemeral || group.is_some_and(|group| group.ephemeral),
        cell: Arc::clone(cell),
        run: Arc::clone(run),
    }))
}
