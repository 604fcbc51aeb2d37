//! A tree and what happens to it, drawn from a seed.

use super::{
    stage::Stage,
    worker::{Do, Worker},
};
use crate::{ActorPath, Backoff, ChildSpec, Criticality, Flags, Intensity, Restart, Shutdown, Strategy, Verb};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Duration;

/// How deep supervisors stand in each other.
const DEPTH_MAX: usize = 3;
/// A supervisor's first children.
const CHILDREN_MAX: usize = 4;
/// What happens before the end.
const HAPPENINGS_MAX: usize = 24;
/// Within this time.
const TIME_MS: u64 = 30_000;
/// A worker that obeys needs no longer than this to stop, whatever it is doing.
const OBEYS_WITHIN: Duration = Duration::from_millis(1_200);
/// Of those that are added, the one that shares its supervisor's intensity.
const SHARES: i32 = 1;
/// A kill and an abort take this long at most before a child is left behind.
const LADDER: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(super) struct Scenario {
    pub(super) seed: u64,
    pub(super) root: Group,
    pub(super) happenings: Vec<(Duration, Happening)>,
    pub(super) last_within: Duration,
}

#[derive(Debug, Clone)]
pub(super) enum Happening {
    Say(String, Do),
    Order(String, Verb),
    Remove(String),
    Start(Box<Plan>, String),
    Drain,
    Shutdown(Option<Duration>),
}

/// A supervisor: its rules and its first children.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) flags: Flags,
    pub(super) children: Vec<Plan>,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) id: String,
    pub(super) group: Option<Group>,
    pub(super) restart: Restart,
    pub(super) shutdown: Shutdown,
    pub(super) criticality: Criticality,
    pub(super) budget: Option<Intensity>,
    pub(super) backoff: Option<Backoff>,
    pub(super) cooldown: Option<Duration>,
    pub(super) retry_parked: Option<Backoff>,
    pub(super) needs: Option<String>,
    /// A sibling that it needs.
    pub(super) sibling: Option<String>,
    pub(super) rank: i32,
}

impl Scenario {
    pub(super) fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut root = group(&mut rng, 1);
        root.flags.intensity = Intensity::new(rng.random_range(2..30), Duration::from_secs(5));
        let mut places = Vec::new();
        root.places("", &mut places);
        let count = rng.random_range(0..=HAPPENINGS_MAX);
        let happening = |rng: &mut StdRng| (Duration::from_millis(rng.random_range(0..TIME_MS)), some(rng, &places));
        let mut happenings: Vec<_> = (0..count).map(|_| happening(&mut rng)).collect();
        happenings.sort_by_key(|(at, _)| *at);
        let last_within = Duration::from_millis(rng.random_range(500..15_000));
        Self { seed, root, happenings, last_within }
    }
}

/// The paths of workers and of supervisors.
type Places = Vec<(String, bool)>;

fn some(rng: &mut StdRng, places: &Places) -> Happening {
    let any = |rng: &mut StdRng| places[rng.random_range(0..places.len())].0.clone();
    match rng.random_range(0..40) {
        0 => Happening::Shutdown(rng.random_bool(0.6).then(|| Duration::from_millis(rng.random_range(200..12_000)))),
        1 => Happening::Drain,
        2..=5 => {
            let groups: Vec<&String> = places.iter().filter(|(_, group)| *group).map(|(path, _)| path).collect();
            let under =
                groups.get(rng.random_range(0..=groups.len())).map_or("root".to_owned(), |path| (*path).clone());
            let mut plan = plan(rng, 9, DEPTH_MAX);
            let n = rng.random_range(0..3);
            // Whenever it comes again, it is of that rank, and needs that or nothing.
            (plan.id, plan.rank) = (format!("new{n}"), n - 1);
            plan.needs = (n == 2).then(|| "w0".to_owned());
            // And has a budget of its own or none.
            plan.budget = (n != SHARES).then(|| plan.budget.unwrap_or(Intensity::new(2, Duration::from_secs(10))));
            Happening::Start(Box::new(plan), under)
        }
        6 => Happening::Remove(any(rng)),
        7..=18 => {
            let force = rng.random();
            let verbs = [Verb::Restart { force }, Verb::Stop, Verb::Start, Verb::Kill, Verb::Kill];
            Happening::Order(any(rng), verbs[rng.random_range(0..verbs.len())])
        }
        _ => Happening::Say(any(rng), Do::ALL[rng.random_range(0..Do::ALL.len())]),
    }
}

fn group(rng: &mut StdRng, depth: usize) -> Group {
    let strategies = [Strategy::OneForOne, Strategy::OneForAll, Strategy::RestForOne, Strategy::Dynamic];
    let mut flags = Flags::new(strategies[rng.random_range(0..4)]);
    flags.intensity = Intensity::new(rng.random_range(0..6), Duration::from_secs(rng.random_range(1..20)));
    flags.by_needs = rng.random_bool(0.5);
    let count = rng.random_range(1..=CHILDREN_MAX);
    let mut children: Vec<Plan> = (0..count).map(|n| plan(rng, n, depth)).collect();
    for n in 1..count {
        let needed = children[rng.random_range(0..n)].id.clone();
        children[n].sibling = rng.random_bool(0.3).then_some(needed);
    }
    Group { flags, children }
}

fn plan(rng: &mut StdRng, n: usize, depth: usize) -> Plan {
    let delay = |rng: &mut StdRng, ms: u64| {
        let mut growing = Backoff::doubling(Duration::from_millis(ms), Duration::from_millis(ms * 10));
        growing.jitter = 0.0; // its seed is not the scenario's
        rng.random_bool(0.4).then_some(growing)
    };
    let nested = depth < DEPTH_MAX && rng.random_bool(0.3);
    let vital = rng.random_bool(0.2);
    Plan {
        id: format!("{}{n}", if nested { 's' } else { 'w' }),
        group: nested.then(|| group(rng, depth + 1)),
        restart: [Restart::Permanent, Restart::Permanent, Restart::Transient, Restart::Temporary]
            [rng.random_range(0..4)],
        shutdown: match rng.random_range(0..5) {
            _ if nested => Shutdown::Infinity,
            0 => Shutdown::Brutal,
            1 => Shutdown::Infinity,
            _ => Shutdown::Within(Duration::from_millis(rng.random_range(50..2_000))),
        },
        criticality: if vital { Criticality::Vital } else { Criticality::Important },
        budget: rng.random_bool(0.6).then(|| Intensity::new(rng.random_range(0..4), Duration::from_secs(10))),
        backoff: delay(rng, 100),
        cooldown: rng.random_bool(0.2).then(|| Duration::from_secs(2)),
        retry_parked: delay(rng, 1_000),
        sibling: None,
        needs: (n > 0 && rng.random_bool(0.2)).then(|| "w0".to_owned()),
        rank: if rng.random_bool(0.4) { rng.random_range(-1..=1) } else { 0 },
    }
}

impl Group {
    pub(super) fn specs(&self, at: &ActorPath, stage: &Stage) -> Vec<ChildSpec> {
        self.children.iter().map(|plan| plan.spec(at, stage)).collect()
    }

    /// Whether the child at `path`, which stands at `at`, in this group or below it, counts against a budget of its own.
    pub(super) fn has_own_budget(&self, at: &ActorPath, path: &ActorPath) -> bool {
        let known = self.children.iter().find(|plan| path.is_within(&at.child(&plan.id)));
        match known.map(|plan| (at.child(&plan.id), plan)) {
            Some((it, plan)) if it == *path => plan.budget.is_some(),
            Some((it, Plan { group: Some(group), .. })) => group.has_own_budget(&it, path),
            _ => path.id() != format!("new{SHARES}"),
        }
    }

    fn places(&self, prefix: &str, into: &mut Places) {
        for plan in &self.children {
            let path = format!("{prefix}{}", plan.id);
            into.push((path.clone(), plan.group.is_some()));
            if let Some(group) = &plan.group {
                group.places(&format!("{path}/"), into);
            }
        }
    }

    /// What stopping all of it may take when nobody sets a limit: the sum of what its children are given.
    pub(super) fn stop_time(&self) -> Duration {
        // Three may have been added, each of them a worker.
        let added = (LADDER + Duration::from_secs(2) + OBEYS_WITHIN) * 3;
        self.children.iter().map(Plan::stop_time).sum::<Duration>() + added
    }
}

impl Plan {
    pub(super) fn spec(&self, at: &ActorPath, stage: &Stage) -> ChildSpec {
        let path = at.child(&self.id);
        let spec = match &self.group {
            Some(group) => ChildSpec::supervisor(&self.id, group.flags, group.specs(&path, stage)),
            None => {
                let (stage, path) = (stage.clone(), path.to_string());
                let obeys = self.shutdown == Shutdown::Infinity;
                ChildSpec::worker(&stage.addr(&path), move || {
                    let (stage, path) = (stage.clone(), path.clone());
                    Worker { stage, path, obeys, token: None }
                })
            }
        };
        spec.with(|policy| {
            policy.restart = self.restart;
            policy.shutdown = self.shutdown;
            policy.criticality = self.criticality;
            policy.required = false;
            policy.budget = self.budget;
            policy.backoff = self.backoff;
            policy.cooldown = self.cooldown;
            policy.retry_parked = self.retry_parked;
            policy.start_timeout = Duration::from_secs(3);
            policy.rank = self.rank;
            policy.needs = self.needs.iter().filter(|need| **need != path.to_string()).cloned().collect();
            policy.needs.extend(self.sibling.iter().map(|sibling| at.child(sibling).to_string()));
        })
    }

    fn stop_time(&self) -> Duration {
        match (&self.group, self.shutdown) {
            (Some(group), _) => group.stop_time(),
            (None, Shutdown::Within(within)) => within + LADDER,
            (None, Shutdown::Brutal) => LADDER,
            (None, Shutdown::Infinity) => OBEYS_WITHIN,
        }
    }
}
