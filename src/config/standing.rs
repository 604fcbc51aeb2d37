//! Which actors there can be and what they are declared with: known before any of them is made, so that rules about them
//! can be judged before anything starts. A test holds it against a tree that runs.

use super::{sections::Config, tasks};
use crate::rules::rulebook;
use std::time::Duration;
use supervision::{ActorPath, Backoff, Intensity, Kind, Policy};

/// Who stands at a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// An actor that is declared with these rules, as far as rules about it are judged by them: kind, budget, backoff,
    /// cooldown, tries while parked, needs.
    Known(Box<Policy>),
    /// Perhaps one: of a cog or a task that is not built in.
    Open,
    /// Nobody.
    Nobody,
}

/// Actors below the root and the fixed ones below them.
const FIXED: [&str; 11] = [
    "telemetry",
    "control",
    "rest",
    "database",
    "emoji-cache",
    "cog-host",
    "cog-host/dispatch",
    "gateway",
    "gateway/identify",
    "task-supervisor",
    "task-supervisor/monitor",
];

/// Restarts within seconds.
type Budget = Option<(u32, u64)>;
/// First and longest delay in milliseconds.
type Delays = Option<(u64, u64)>;

/// Who stands at `path`, with `cogs` beside the built-in ones.
pub fn standing(path: &ActorPath, config: &Config, cogs: &[String]) -> Standing {
    let open = || !cogs.is_empty() || !config.plugins.dir.as_os_str().is_empty();
    let (worker, supervisor) = (Kind::Worker, Kind::Supervisor);
    let known = |kind, budget: Budget, backoff: Delays, parked: Delays, needs: &[&str]| {
        let delays = |(min, max)| Backoff::doubling(Duration::from_millis(min), Duration::from_millis(max));
        Standing::Known(Box::new(Policy {
            budget: budget.map(|(restarts, window)| Intensity::new(restarts, Duration::from_secs(window))),
            backoff: backoff.map(delays),
            retry_parked: parked.map(delays),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            ..Policy::new(path.id(), kind)
        }))
    };
    let ten_minutes = Some((30_000, 600_000));
    let quarter = Some((60_000, 900_000));
    match path.as_str() {
        "telemetry" => known(worker, Some((5, 60)), Some((100, 5_000)), ten_minutes, &[]),
        "control" => known(worker, Some((10, 60)), Some((10, 5_000)), Some((10_000, 300_000)), &[]),
        "rest" => known(worker, Some((5, 60)), None, ten_minutes, &[]),
        "database" => known(worker, Some((5, 60)), None, None, &[]),
        "emoji-cache" => known(worker, Some((5, 60)), None, ten_minutes, &["rest"]),
        "cog-host" => known(supervisor, Some((5, 600)), None, None, &[]),
        "gateway" => known(supervisor, Some((5, 600)), None, quarter, &[]),
        "task-supervisor" => known(supervisor, Some((5, 600)), Some((200, 30_000)), quarter, &[]),
        "cog-host/dispatch" | "task-supervisor/monitor" => known(worker, None, None, None, &[]),
        other => match other.split_once('/') {
            Some(("gateway", id)) if id == "identify" || shard(id) => {
                known(worker, Some((5, 3_600)), Some((1_000, 300_000)), Some((300_000, 3_600_000)), &[])
            }
            Some(("cog-host", name)) if cog(name, cogs) => {
                known(worker, Some((3, 600)), Some((250, 30_000)), Some((300_000, 3_600_000)), &[])
            }
            Some(("task-supervisor", name)) => match tasks::declared().into_iter().find(|task| task.name == name) {
                Some(task) => Standing::Known(Box::new(rulebook(config).policy(&task))),
                None if open() && !name.contains('/') => Standing::Open,
                None => Standing::Nobody,
            },
            Some(("cog-host", name)) if open() && !name.contains('/') => Standing::Open,
            _ => Standing::Nobody,
        },
    }
}

/// Every path that is known by name, for suggestions.
pub(super) fn paths(cogs: &[String]) -> impl Iterator<Item = String> {
    let fixed = FIXED.into_iter().chain(["gateway/shard-0"]).map(str::to_owned);
    let built_in = cogs::builtin().into_iter().map(|cog| cog.name().to_owned());
    let all = built_in.chain(cogs.iter().cloned()).map(|name| format!("cog-host/{name}"));
    fixed.chain(all).chain(tasks::declared().into_iter().map(|task| format!("task-supervisor/{}", task.name)))
}

/// Any of all the bot's shards: one that runs elsewhere may be ruled by the same file.
fn shard(id: &str) -> bool {
    id.strip_prefix("shard-").is_some_and(|number| number.parse::<u32>().is_ok_and(|it| it.to_string() == number))
}

fn cog(name: &str, more: &[String]) -> bool {
    cogs::builtin().iter().any(|cog| cog.name() == name) || more.iter().any(|cog| cog == name)
}
