//! Which actors there can be and what they are declared with: known before any of them is made, so that rules about them
//! can be judged before anything starts. Each crate says what its own are declared with; a test holds all of it against a
//! tree that runs.

use super::{sections::Config, tasks};
use crate::rules::rulebook;
use cog_host::Cog;
use protocol::ports::Actors;
use std::collections::BTreeSet;
use supervision::{ActorPath, Policy};
use task_supervisor::TaskRegistry;

/// Who stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// An actor that is declared with these rules.
    Known(Box<Policy>),
    /// Perhaps one: of a cog or a task that is not built in.
    Open,
    /// Nobody.
    Nobody,
}

/// The supervisor of shards; those are numbered, not listed.
const GATEWAY: &str = "gateway";

/// Who stands at `path`, with `cogs` beside the built-in ones.
pub fn standing(path: &ActorPath, config: &Config, cogs: &[String]) -> Standing {
    let known = |policy| Standing::Known(Box::new(policy));
    if let Some((_, policy)) = declared(config, cogs).into_iter().find(|(at, _)| at == path.as_str()) {
        return known(policy);
    }
    let open = !cogs.is_empty() || !config.plugins.dir.as_os_str().is_empty();
    match path.as_str().split_once('/') {
        Some((GATEWAY, id)) if shard(id) => known(gateway::policy_below(id)),
        Some((cog_host::PATH | task_supervisor::PATH, name)) if open && !name.contains('/') => Standing::Open,
        _ => Standing::Nobody,
    }
}

/// Every path that is known by name, for suggestions.
pub(super) fn paths(config: &Config, cogs: &[String]) -> impl Iterator<Item = String> {
    declared(config, cogs).into_iter().map(|(path, _)| path)
}

/// Which actors there can be, for whoever needs one: those that are declared, the tasks of cogs beside the built-in ones
/// among them, and any shard.
#[derive(Debug)]
pub struct KnownActors(BTreeSet<String>);

impl KnownActors {
    /// As `config` has it, with `cogs` beside the built-in ones.
    pub fn of(config: &Config, cogs: &[Cog]) -> Self {
        let names: Vec<String> = cogs.iter().map(|cog| cog.name().to_owned()).collect();
        let tasks = cogs.iter().flat_map(Cog::declared_tasks).map(|task| TaskRegistry::path(&task.name).to_string());
        Self(paths(config, &names).chain(tasks).collect())
    }
}

impl Actors for KnownActors {
    fn may_stand(&self, path: &str) -> bool {
        let numbered = || path.strip_prefix(GATEWAY)?.strip_prefix('/').map(shard);
        self.0.contains(path) || numbered() == Some(true)
    }

    fn paths(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}

/// Who is declared, and with which rules; of the shards the first one.
fn declared(config: &Config, cogs: &[String]) -> Vec<(String, Policy)> {
    let top = [
        telemetry::policy(),
        control::policy(),
        rest::policy(),
        database::policy(&config.database),
        emoji_cache::policy(),
        cog_host::policy(),
        gateway::policy(),
        task_supervisor::policy(),
    ];
    let built_in = cogs::builtin().into_iter().map(|cog| cog.name().to_owned());
    let all = built_in.chain(cogs.iter().cloned()).map(|name| cog_host::cog_policy(&name, true));
    let (book, tasks) = (rulebook(config), tasks::declared());
    let rooms = [
        (cog_host::PATH, all.chain([cog_host::dispatch_policy()]).collect::<Vec<_>>()),
        (GATEWAY, vec![gateway::policy_below("identify"), gateway::policy_below("shard-0")]),
        (
            task_supervisor::PATH,
            tasks.iter().map(|task| book.policy(task)).chain([task_supervisor::monitor_policy()]).collect(),
        ),
    ];
    let below = rooms
        .into_iter()
        .flat_map(|(room, children)| children.into_iter().map(move |policy| (format!("{room}/{}", policy.id), policy)));
    top.into_iter().map(|policy| (policy.id.clone(), policy)).chain(below).collect()
}

/// Any of all the bot's shards: one that runs elsewhere may be ruled by the same file.
fn shard(id: &str) -> bool {
    id.strip_prefix("shard-").is_some_and(|number| number.parse::<u32>().is_ok_and(|it| it.to_string() == number))
}
