//! `[supervision]`: the rules that actors are given over what they were declared with.

use super::sections::Config;
use serde::Deserialize;
use std::time::Duration;
use supervision::{ActorPath, Backoff, Criticality, Flags, Intensity, Kind, Poison, Policy, Probe, Restart, Shutdown};

/// `[supervision."PATH"]`: what is given replaces the rule that the actor was declared with.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisionRules {
    /// When it is started again.
    pub restart: Option<Restart>,
    /// Restarts within the window.
    pub restarts: Option<u32>,
    /// The window, in seconds.
    pub window_s: Option<u64>,
    /// First delay before a restart, in milliseconds.
    pub backoff_min_ms: Option<u64>,
    /// Longest delay before a restart, in milliseconds.
    pub backoff_max_ms: Option<u64>,
    /// Least time between the beginnings of two restarts, in milliseconds.
    pub cooldown_ms: Option<u64>,
    /// How long it may take to stop, in milliseconds.
    pub shutdown_ms: Option<u64>,
    /// How long it may take to start, in milliseconds.
    pub start_timeout_ms: Option<u64>,
    /// What the tree does without it.
    pub criticality: Option<Criticality>,
    /// Whether it is tried while parked; else an operator alone brings it back.
    pub retry_parked: Option<bool>,
    /// First delay before a try while parked, in milliseconds.
    pub retry_parked_min_ms: Option<u64>,
    /// Longest delay before a try while parked, in milliseconds.
    pub retry_parked_max_ms: Option<u64>,
    /// Paths without which it is suspended.
    pub needs: Option<Vec<String>>,
    /// Whether it is looked at for progress.
    pub probe: Option<bool>,
    /// How often, in milliseconds.
    pub probe_ms: Option<u64>,
    /// How long it may make no progress, in milliseconds.
    pub stall_ms: Option<u64>,
    /// Whether a handler that awaits for as long is ended too.
    pub kill_awaiting: Option<bool>,
    /// Whether it is started again beside an incarnation that cannot be ended.
    pub overlap_ok: Option<bool>,
    /// Whether a message that incarnations died of is parked.
    pub poison: Option<bool>,
    /// Which is one that so many died of.
    pub poison_deaths: Option<u32>,
    /// Within this time, in seconds.
    pub poison_window_s: Option<u64>,
    /// Whether records of its failures are kept.
    pub crash_records: Option<bool>,
    /// Whether its budget, its failures in a row and that it is parked outlive the process; of a supervisor also what its
    /// children spend of its intensity.
    pub carry: Option<bool>,
    /// Of a supervisor: restarts of all its children without a budget of their own within the window, before it gives up.
    pub intensity: Option<u32>,
    /// Of a supervisor: that window, in seconds.
    pub intensity_window_s: Option<u64>,
}

impl Config {
    /// Whether the configuration leaves it to the actor at `path` that its budget outlives the process.
    pub fn carries(&self, path: &str) -> bool {
        self.supervision.get(path).is_none_or(|rules| rules.carry != Some(false))
    }
}

/// `[supervision]`, the keys of its own: what actors are watched by unless their own rules say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchConfig {
    /// How often actors are looked at, in milliseconds.
    pub probe_ms: u64,
    /// How long one may make no progress, in milliseconds.
    pub stall_ms: u64,
    /// Incarnations that cannot be ended and hold a thread; one more and the process gives up.
    pub quarantine_max: usize,
    /// A message that so many incarnations died of is parked.
    pub poison_deaths: u32,
    /// Within this time, in seconds.
    pub poison_window_s: u64,
}

impl WatchConfig {
    /// Gives `policy` what it was declared without. Supervisors need neither: no code but the kernel's runs in them.
    pub fn apply(&self, policy: &mut Policy) {
        if policy.kind == Kind::Supervisor {
            return;
        }
        let millis = Duration::from_millis;
        policy.probe.get_or_insert(Probe::new(millis(self.probe_ms), millis(self.stall_ms)));
        let window = Duration::from_secs(self.poison_window_s);
        policy.poison.get_or_insert(Poison { deaths: self.poison_deaths, window });
    }
}

/// Rules of `[supervision."PATH"]`.
pub(super) const SUPERVISION_RULES: [&str; 25] = [
    "restart",
    "restarts",
    "window_s",
    "backoff_min_ms",
    "backoff_max_ms",
    "cooldown_ms",
    "shutdown_ms",
    "start_timeout_ms",
    "criticality",
    "retry_parked",
    "retry_parked_min_ms",
    "retry_parked_max_ms",
    "needs",
    "probe",
    "probe_ms",
    "stall_ms",
    "kill_awaiting",
    "overlap_ok",
    "poison",
    "poison_deaths",
    "poison_window_s",
    "crash_records",
    "carry",
    "intensity",
    "intensity_window_s",
];

impl SupervisionRules {
    /// Changes `policy` where a rule is given.
    pub fn apply(&self, policy: &mut Policy) {
        let millis = Duration::from_millis;
        policy.restart = self.restart.unwrap_or(policy.restart);
        if self.restarts.is_some() || self.window_s.is_some() {
            let declared = policy.budget.unwrap_or_default();
            let window = self.window_s.map_or(declared.window, Duration::from_secs);
            policy.budget = Some(Intensity::new(self.restarts.unwrap_or(declared.restarts), window));
        }
        let given = (self.backoff_min_ms.map(millis), self.backoff_max_ms.map(millis));
        policy.backoff = delays(policy.backoff, given, (BACKOFF_MIN, BACKOFF_MAX));
        if let Some(cooldown) = self.cooldown_ms {
            policy.cooldown = Some(millis(cooldown));
        }
        if let Some(shutdown) = self.shutdown_ms {
            policy.shutdown = if shutdown == 0 { Shutdown::Brutal } else { Shutdown::Within(millis(shutdown)) };
        }
        policy.start_timeout = self.start_timeout_ms.map_or(policy.start_timeout, millis);
        policy.criticality = self.criticality.unwrap_or(policy.criticality);
        let given = (self.retry_parked_min_ms.map(millis), self.retry_parked_max_ms.map(millis));
        policy.retry_parked = match (self.retry_parked, policy.retry_parked, given) {
            (Some(false), ..) => None,
            (Some(true), None, (None, None)) => Some(Backoff::doubling(RETRY_PARKED_MIN, RETRY_PARKED_MAX)),
            (_, declared, given) => delays(declared, given, (RETRY_PARKED_MIN, RETRY_PARKED_MAX)),
        };
        if let Some(needs) = &self.needs {
            policy.needs.clone_from(needs);
        }
        if self.probe == Some(false) {
            policy.probe = None;
        } else if let Some(probe) = &mut policy.probe {
            probe.every = self.probe_ms.map_or(probe.every, millis);
            probe.stall = self.stall_ms.map_or(probe.stall, millis);
            probe.kill_awaiting = self.kill_awaiting.unwrap_or(probe.kill_awaiting);
        }
        policy.overlap_ok = self.overlap_ok.unwrap_or(policy.overlap_ok);
        if self.poison == Some(false) {
            policy.poison = None;
        } else if let Some(poison) = &mut policy.poison {
            poison.deaths = self.poison_deaths.unwrap_or(poison.deaths);
            poison.window = self.poison_window_s.map_or(poison.window, Duration::from_secs);
        }
        policy.crash_records = self.crash_records.unwrap_or(policy.crash_records);
        policy.carry = self.carry.unwrap_or(policy.carry);
    }

    /// The same of a task: the delays that nobody names follow from the budget and the cooldown that it has then, as those
    /// that it was declared with follow from what was declared.
    pub fn apply_to_task(&self, policy: &mut Policy) {
        self.apply(policy);
        let derived = task_supervisor::backoff(policy.budget.unwrap_or_default(), policy.cooldown.unwrap_or_default());
        let given = (self.backoff_min_ms.map(Duration::from_millis), self.backoff_max_ms.map(Duration::from_millis));
        let delays = delays(None, given, (derived.min, derived.max)).unwrap_or(derived);
        policy.backoff = Some(Backoff { reset_after: derived.reset_after, ..delays });
    }

    /// Changes a supervisor's own rules where one is given.
    pub fn apply_flags(&self, flags: &mut Flags) {
        let declared = flags.intensity;
        let window = self.intensity_window_s.map_or(declared.window, Duration::from_secs);
        flags.intensity = Intensity::new(self.intensity.unwrap_or(declared.restarts), window);
        flags.carry = self.carry.unwrap_or(flags.carry);
    }

    /// Writes the paths it names as the tree does.
    pub(super) fn spell(&mut self) {
        for need in self.needs.iter_mut().flatten().filter(|need| !need.is_empty()) {
            *need = ActorPath::from(need.as_str()).to_string();
        }
    }

    /// A rule that only a supervisor has, if one is given.
    pub fn of_supervisors(&self) -> Option<&'static str> {
        let given =
            [("intensity", self.intensity.is_some()), ("intensity_window_s", self.intensity_window_s.is_some())];
        given.into_iter().find_map(|(rule, given)| given.then_some(rule))
    }
}

/// The delays with what is given of their first and their longest in place of what was declared. One that was declared
/// stands beside one that is given, also where the two contradict each other: nobody said which of them gives way. What was
/// not declared is `usual`, as far as what is given leaves room for it.
fn delays(
    declared: Option<Backoff>,
    (min, max): (Option<Duration>, Option<Duration>),
    usual: (Duration, Duration),
) -> Option<Backoff> {
    if min.is_none() && max.is_none() {
        return declared;
    }
    let fitting =
        || Backoff::doubling(max.map_or(usual.0, |max| usual.0.min(max)), min.map_or(usual.1, |min| usual.1.max(min)));
    let delays = declared.unwrap_or_else(fitting);
    Some(Backoff { min: min.unwrap_or(delays.min), max: max.unwrap_or(delays.max), ..delays })
}

/// The backoff of an actor that was declared without one and is given half of one.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The tries while parked of an actor that was declared without any and is given half of the rule.
const RETRY_PARKED_MIN: Duration = Duration::from_secs(60);
const RETRY_PARKED_MAX: Duration = Duration::from_secs(900);
