//! What a supervisor is told about itself and its children: data, comparable and printable.

pub use super::{poison::Poison, probe::Probe};

use super::state::FOREVER;
use super::{is_default, is_yes, yes};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which children follow one that failed (OTP's restart strategies).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Only the one that failed.
    OneForOne,
    /// All: the others are stopped in reverse order, then all are started in order.
    OneForAll,
    /// The one that failed and those started after it.
    RestForOne,
    /// Children come and go at run time; they are stopped concurrently (OTP's `simple_one_for_one`).
    Dynamic,
}

impl Strategy {
    /// The name shown to people, OTP's.
    pub fn name(self) -> &'static str {
        match self {
            Self::OneForOne => "one_for_one",
            Self::OneForAll => "one_for_all",
            Self::RestForOne => "rest_for_one",
            Self::Dynamic => "dynamic",
        }
    }
}

/// When a child that ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// Always.
    Permanent,
    /// After an abnormal exit only.
    Transient,
    /// Never; its spec is forgotten when it ends.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shutdown {
    /// Killed without being asked.
    Brutal,
    /// Asked, and killed when it has not stopped within this time.
    Within(Duration),
    /// Asked, and waited for. Right for supervisors, whose children have deadlines of their own.
    Infinity,
}

/// At most `restarts` within a sliding `window`; one more and the rule for "too many" applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intensity {
    /// Restarts allowed within the window.
    pub restarts: u32,
    /// The window. A restart exactly this old still counts, as in OTP.
    pub window: Duration,
}

impl Intensity {
    /// `restarts` within `window`.
    pub const fn new(restarts: u32, window: Duration) -> Self {
        Self { restarts, window }
    }
}

impl Default for Intensity {
    /// OTP's default: 1 restart within 5 s.
    fn default() -> Self {
        Self::new(1, Duration::from_secs(5))
    }
}

/// A growing delay before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// Delay before the first restart.
    pub min: Duration,
    /// The delay grows no further than this.
    pub max: Duration,
    /// Each further restart waits this many times longer.
    #[serde(with = "exact")]
    pub factor: f64,
    /// Up to this share of the delay is added at random (0.0 to 1.0).
    #[serde(with = "exact")]
    pub jitter: f64,
    /// After this long without a failure the delay begins at `min` again.
    pub reset_after: Duration,
}

impl Backoff {
    /// Doubling from `min` to `max` with a tenth of jitter, forgotten after a minute of health.
    pub const fn doubling(min: Duration, max: Duration) -> Self {
        Self { min, max, factor: 2.0, jitter: 0.1, reset_after: Duration::from_secs(60) }
    }
}

/// A number as text: it comes back to the last bit, which the reader of JSON's numbers does not promise and a replay needs.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// What the tree does without a child whose budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// It cannot do without: the supervisor gives up too.
    Vital,
    /// It goes on, degraded: the child is parked and readiness suffers.
    Important,
    /// It goes on: the child is parked.
    Optional,
}

/// Worker or supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Does the work.
    Worker,
    /// Watches children of its own.
    Supervisor,
}

/// Whether a supervisor ends by itself once its significant children have (OTP's `auto_shutdown`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AutoShutdown {
    /// It does not.
    #[default]
    Never,
    /// When one of them ended.
    AnySignificant,
    /// When the last of them ended.
    AllSignificant,
}

/// The rules for one child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Its name below its supervisor.
    pub id: String,
    /// Worker or supervisor.
    pub kind: Kind,
    /// When it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether its end counts for the supervisor's `auto_shutdown`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub significant: bool,
    /// What the tree does without it.
    pub criticality: Criticality,
    /// Whether its supervisor's start fails when it cannot start.
    pub required: bool,
    /// Its own budget; without one its restarts count against its supervisor's intensity.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Option<Intensity>,
    /// Delay before a restart.
    #[serde(default, skip_serializing_if = "is_default")]
    pub backoff: Option<Backoff>,
    /// Least time between the beginnings of two restarts.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cooldown: Option<Duration>,
    /// How long `start` may take.
    pub start_timeout: Duration,
    /// Half-open retries while parked; without it only an operator brings it back.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retry_parked: Option<Backoff>,
    /// Its place among its siblings: a higher rank starts earlier and stops later; equal ranks keep their order.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rank: i32,
    /// How it is watched for progress; without it nobody looks. A supervisor is never watched: no code but the kernel's
    /// runs in it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub probe: Option<Probe>,
    /// Whether it is started again although its last incarnation could not be ended and may still be alive.
    #[serde(default, skip_serializing_if = "is_default")]
    pub overlap_ok: bool,
    /// When a message of it counts as poison; without it none does.
    #[serde(default, skip_serializing_if = "is_default")]
    pub poison: Option<Poison>,
    /// Whether its budget, its failures in a row and that it is parked outlive the process.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub carry: bool,
    /// Whether a record is kept of each of its failures. Without them nothing is kept of what a message held either, not even
    /// of one that is poison.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub crash_records: bool,
    /// Paths without which it has nothing to do: while one is missing it is suspended, never restarted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub needs: Vec<String>,
}

/// The rules of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flags {
    /// Which children follow one that failed.
    pub strategy: Strategy,
    /// The budget of children without their own.
    pub intensity: Intensity,
    /// Whether it ends with its significant children.
    pub auto_shutdown: AutoShutdown,
    /// Whether one that needs a sibling stops before it and starts after it, wherever the two stand; the others by their
    /// places, as all do otherwise. For children that come and go in any order; their places are OTP's rule.
    #[serde(default, skip_serializing_if = "is_default")]
    pub by_needs: bool,
    /// Whether what is spent of `intensity` outlives the process.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub carry: bool,
}

impl Flags {
    /// `strategy` with OTP's default intensity.
    pub fn new(strategy: Strategy) -> Self {
        Self {
            strategy,
            intensity: Intensity::default(),
            auto_shutdown: AutoShutdown::Never,
            by_needs: false,
            carry: true,
        }
    }
}

/// A worker is asked to stop for this long before it is killed (OTP's default).
pub const WORKER_SHUTDOWN: Duration = Duration::from_secs(5);
/// `start` may take this long unless the spec says otherwise.
pub const START_TIMEOUT: Duration = Duration::from_secs(30);

impl Policy {
    /// OTP's defaults for `id`: permanent, 5 s to stop for a worker, any time for a supervisor, required.
    pub fn new(id: impl Into<String>, kind: Kind) -> Self {
        Self {
            id: id.into(),
            kind,
            restart: Restart::Permanent,
            shutdown: match kind {
                Kind::Worker => Shutdown::Within(WORKER_SHUTDOWN),
                Kind::Supervisor => Shutdown::Infinity,
            },
            significant: false,
            criticality: Criticality::Vital,
            required: true,
            budget: None,
            backoff: None,
            cooldown: None,
            start_timeout: START_TIMEOUT,
            retry_parked: None,
            rank: 0,
            probe: None,
            overlap_ok: false,
            poison: None,
            carry: true,
            crash_records: true,
            needs: Vec::new(),
        }
    }

    /// The same rules with no time longer than about 30 years, so that sums of times never overflow.
    #[must_use]
    pub(super) fn bounded(mut self) -> Self {
        self.start_timeout = self.start_timeout.min(FOREVER);
        self.cooldown = self.cooldown.map(|cooldown| cooldown.min(FOREVER));
        if let Some(probe) = &mut self.probe {
            (probe.every, probe.stall) = (probe.every.min(FOREVER), probe.stall.min(FOREVER));
        }
        if let Shutdown::Within(within) = &mut self.shutdown {
            *within = (*within).min(FOREVER);
        }
        self
    }
}
