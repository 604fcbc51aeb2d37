//! `[supervision."PATH"]`: whether the actors exist, and whether each could live by its rules. Judged by what is known
//! before anything starts, and so alike for `check`, for boot and for `reload`, which then asks the running tree besides.

use super::{
    actors::SupervisionRules,
    key::Key,
    problem::Problem,
    sections::Config,
    standing::{self, Standing, standing},
    tasks,
    values::{Origin, Values},
};
use crate::rules::{lay, task_of};
use supervision::{
    ActorPath, Criticality, Kind, Policy, ROOT,
    core::{self, PolicyRule},
};

/// Rules of who has code of its own.
const WATCH: [&str; 8] =
    ["probe", "probe_ms", "stall_ms", "kill_awaiting", "poison", "poison_deaths", "poison_window_s", "crash_records"];
/// The only rules that the root has: it is nobody's child.
const OF_SUPERVISORS: [&str; 2] = ["intensity", "intensity_window_s"];

struct Judge<'c> {
    config: &'c Config,
    values: &'c Values,
    cogs: &'c [String],
    problems: &'c mut Vec<Problem>,
}

/// Judges every actor's rules; `cogs` are those beside the built-in ones. What is wrong goes to `problems`.
pub(super) fn check(config: &Config, values: &Values, cogs: &[String], problems: &mut Vec<Problem>) {
    let mut judge = Judge { config, values, cogs, problems };
    for (path, rules) in &config.supervision {
        judge.actor(path, rules);
    }
}

impl Judge<'_> {
    fn actor(&mut self, name: &str, rules: &SupervisionRules) {
        let path = ActorPath::from(name);
        let given: Vec<Key> = self.given(name);
        let known = match self.standing(name) {
            _ if name == ROOT => {
                for key in given.iter().filter(|key| !OF_SUPERVISORS.contains(&key.name())) {
                    let reason = "the root is nobody's child: it takes intensity and intensity_window_s alone";
                    self.refuse(key, reason.to_owned(), None);
                }
                return;
            }
            Standing::Nobody => {
                if let Some(key) = given.first() {
                    self.nobody(key, name);
                }
                return;
            }
            Standing::Known(policy) => Some(policy),
            Standing::Open => None,
        };
        let kind = known.as_ref().map(|policy| policy.kind);
        for key in given {
            match kind {
                Some(Kind::Worker) if OF_SUPERVISORS.contains(&key.name()) => {
                    self.refuse(&key, format!("{path} is a worker: only a supervisor has children to count"), None);
                }
                Some(Kind::Supervisor) if WATCH.contains(&key.name()) => {
                    let reason =
                        format!("{path} is a supervisor: no code but the kernel's runs in it, and nobody looks");
                    self.refuse(&key, reason, None);
                }
                _ => {
                    let vital = || known.as_ref().is_some_and(|declared| never_parks(rules, declared));
                    if let Some(switch) = switched_off(rules, key.name()) {
                        self.refuse(&key, format!("has no effect beside {switch} = false"), None);
                    } else if key.name().starts_with("retry_parked") && vital() {
                        let reason = "has no effect on an actor that is vital: it is never parked";
                        self.refuse(&key, reason.to_owned(), None);
                    }
                }
            }
        }
        self.needs(name, rules);
        // What has been refused already, e.g. for a zero, would only be refused again.
        let refused = |problem: &Problem| matches!(problem.key.parts(), [section, of, _] if section == "supervision" && of == name);
        let off = |task: &str| tasks::is_off(self.config, task);
        if task_of(&path).is_some_and(|task| off(task) || tasks::is_refused(self.problems, task)) {
            return; // nobody lives by them; or what they are laid over does not hold by itself
        }
        if let Some(mut policy) = known.filter(|_| !self.problems.iter().any(refused)) {
            self.config.watch.apply(&mut policy);
            lay(rules, &path, &mut policy);
            if let Err(said) = core::check(None, &policy) {
                let whole = || (Key::of(["supervision", name]), Origin::Default);
                let (key, origin) = place(self.values, name, said.rule).unwrap_or_else(whole);
                self.problems.push(Problem::new(&origin, &key, said));
            }
        }
    }

    fn needs(&mut self, name: &str, rules: &SupervisionRules) {
        let Some(needs) = &rules.needs else { return };
        let key = Key::of(["supervision", name, "needs"]);
        for need in needs.iter().filter(|need| !need.is_empty() && *need != ROOT) {
            if self.standing(need) == Standing::Nobody {
                self.nobody(&key, need);
            }
        }
        let needs_of = |path: &str| match (self.config.supervision.get(path), self.standing(path)) {
            (Some(SupervisionRules { needs: Some(needs), .. }), _) => needs.clone(),
            (_, Standing::Known(policy)) => policy.needs,
            (_, Standing::Open | Standing::Nobody) => Vec::new(),
        };
        if let Err(reason) = supervision::circle(&ActorPath::from(name), needs, needs_of)
            && !needs.iter().any(|need| need == name)
        {
            self.refuse(&key, reason, None);
        }
    }

    fn standing(&self, name: &str) -> Standing {
        if name.is_empty() { Standing::Nobody } else { standing(&ActorPath::from(name), self.config, self.cogs) }
    }

    fn nobody(&mut self, key: &Key, name: &str) {
        let near = supervision::nearest(name, standing::paths(self.config, self.cogs));
        self.refuse(key, format!("there is no actor {name:?}"), near);
    }

    fn given(&self, name: &str) -> Vec<Key> {
        given(self.values, name).cloned().collect()
    }

    fn refuse(&mut self, key: &Key, reason: String, near: Option<String>) {
        let origin = self.values.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        self.problems.push(Problem::new(&origin, key, reason).meaning(near));
    }
}

/// Whether the tree does not go on without it.
fn never_parks(rules: &SupervisionRules, declared: &Policy) -> bool {
    rules.criticality.unwrap_or(declared.criticality) == Criticality::Vital
}

/// The switch that is off of what `rule` is a part of.
fn switched_off(rules: &SupervisionRules, rule: &str) -> Option<&'static str> {
    let (switch, on) = match rule {
        "probe_ms" | "stall_ms" | "kill_awaiting" => ("probe", rules.probe),
        "poison_deaths" | "poison_window_s" => ("poison", rules.poison),
        "retry_parked_min_ms" | "retry_parked_max_ms" => ("retry_parked", rules.retry_parked),
        _ => return None,
    };
    (on == Some(false)).then_some(switch)
}

fn given<'v>(values: &'v Values, name: &str) -> impl Iterator<Item = &'v Key> {
    values
        .iter()
        .map(|(key, _)| key)
        .filter(move |key| matches!(key.parts(), [section, of, _] if section == "supervision" && of == name))
}

/// Which key of the actor called `name` a refusal is about that comes from its `rule`, and where it stands; none where the
/// configuration says nothing of that rule.
pub(crate) fn place(values: &Values, name: &str, rule: PolicyRule) -> Option<(Key, Origin)> {
    let about: &[&str] = match rule {
        PolicyRule::Needs => &["needs"],
        PolicyRule::Budget => &["cooldown_ms", "window_s", "restarts", "backoff_min_ms", "backoff_max_ms"],
        PolicyRule::Backoff => &["backoff_max_ms", "backoff_min_ms"],
        PolicyRule::RetryParked => &["retry_parked_max_ms", "retry_parked_min_ms"],
        PolicyRule::Probe => &["stall_ms", "probe_ms"],
        PolicyRule::Poison => &["poison_deaths", "poison_window_s", "poison"],
        PolicyRule::StartTimeout => &["start_timeout_ms"],
        PolicyRule::Significant => &["restart"],
        PolicyRule::Name => &[],
    };
    // Of the two that keep restarts apart it is the longer one.
    let given = |rule: &str| values.get(&Key::of(["supervision", name, rule])).and_then(|it| it.value.as_integer());
    let about = match rule {
        PolicyRule::Budget if given("cooldown_ms").is_some() && given("backoff_min_ms") > given("cooldown_ms") => {
            &["backoff_min_ms", "window_s", "restarts", "cooldown_ms", "backoff_max_ms"]
        }
        _ => about,
    };
    let mut keys = about.iter().map(|rule| Key::of(["supervision", name, rule]));
    keys.find_map(|key| Some((values.get(&key)?.origin.clone(), key))).map(|(origin, key)| (key, origin))
}
