//! The sections, typed. A section that a crate owns is that crate's struct; the rest are here.

use serde::{Deserialize, Deserializer, de::Error as _};
use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};
use supervision::{Backoff, Criticality, Intensity, Kind, Poison, Policy, Probe, Shutdown};

/// Everything.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[discord]`
    pub discord: DiscordConfig,
    /// `[data]`
    pub data: DataConfig,
    /// `[database]`
    pub database: database::DatabaseConfig,
    /// `[rest]`
    pub rest: rest::RestConfig,
    /// `[gateway]`
    pub gateway: gateway::GatewayConfig,
    /// `[emoji]`
    pub emoji: emoji_cache::EmojiConfig,
    /// `[cog_host]`
    pub cog_host: cog_host::CogHostConfig,
    /// `[plugins]`
    pub plugins: PluginsConfig,
    /// `[tasks]`, the keys of its own.
    pub tasks: task_supervisor::TasksConfig,
    /// `[tasks.NAME]`
    pub task_rules: BTreeMap<String, task_supervisor::TaskRules>,
    /// `[telemetry]`
    pub telemetry: telemetry::TelemetryConfig,
    /// `[control]`
    pub control: control::ControlConfig,
    /// `[boot]`
    pub boot: BootConfig,
    /// `[shutdown]`
    pub shutdown: ShutdownConfig,
    /// `[supervision]`, the keys of its own.
    pub watch: WatchConfig,
    /// `[supervision."PATH"]`
    pub supervision: BTreeMap<String, SupervisionRules>,
    /// `[cogs.NAME]`
    pub cogs: BTreeMap<String, CogConfig>,
}

/// `[discord]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiscordConfig {
    /// Base of the REST API, version included.
    pub api_base: String,
    /// Address of the gateway; empty: as `GET /gateway/bot` says.
    pub gateway_url: String,
    /// The only hosts that may be contacted; a leading dot admits subdomains.
    pub allow_hosts: Vec<String>,
    /// Which shards this process runs.
    pub shards: Shards,
    /// Which intents are asked for.
    pub intents: Intents,
    /// Users who may use owner commands; empty: the application's owner or team.
    #[serde(deserialize_with = "ids")]
    pub owners: Vec<u64>,
    /// Users who may use operator commands in every guild.
    #[serde(deserialize_with = "ids")]
    pub operators: Vec<u64>,
    /// A file that holds the token alone; empty: none.
    pub token_file: String,
    /// Slash commands are registered in this guild only; 0: everywhere.
    pub guild: u64,
    /// Prefix where a guild has set none.
    pub prefix: String,
}

/// `discord.shards`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shards {
    /// As many as Discord recommends.
    Auto,
    /// This many, all here.
    Count(u32),
    /// `first` to `last` of `total`, both included.
    Share {
        /// Shards over all processes.
        total: u32,
        /// The first one here.
        first: u32,
        /// The last one here.
        last: u32,
    },
}

/// `discord.intents`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intents {
    /// Those that the subscribed events need.
    Auto,
    /// These, by Discord's names.
    List(Vec<String>),
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Folder of what must outlive the process.
    pub dir: PathBuf,
}

/// `[plugins]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginsConfig {
    /// Folder of script plugins; empty: none.
    pub dir: PathBuf,
}

/// Rules of `[tasks.NAME]`.
pub(super) const TASK_RULES: [&str; 13] = [
    "enabled",
    "every_s",
    "cron",
    "daily_at",
    "zone",
    "jitter_s",
    "overlap",
    "timeout_s",
    "restarts",
    "window_s",
    "cooldown_s",
    "health_s",
    "stall_periods",
];

/// `[boot]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootConfig {
    /// A phase that takes longer is warned about, in milliseconds.
    pub slow_ms: u64,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownConfig {
    /// Everything, in milliseconds.
    pub total_ms: u64,
    /// Of which waiting for running commands, in milliseconds.
    pub drain_ms: u64,
}

/// `[supervision."PATH"]`: what is given replaces the rule that the actor was declared with.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupervisionRules {
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
pub(super) const SUPERVISION_RULES: [&str; 17] = [
    "restarts",
    "window_s",
    "backoff_min_ms",
    "backoff_max_ms",
    "cooldown_ms",
    "shutdown_ms",
    "start_timeout_ms",
    "criticality",
    "retry_parked_min_ms",
    "retry_parked_max_ms",
    "needs",
    "probe",
    "probe_ms",
    "stall_ms",
    "kill_awaiting",
    "overlap_ok",
    "poison",
];

impl SupervisionRules {
    /// Changes `policy` where a rule is given.
    pub fn apply(&self, policy: &mut Policy) {
        let millis = Duration::from_millis;
        if self.restarts.is_some() || self.window_s.is_some() {
            let declared = policy.budget.unwrap_or_default();
            let window = self.window_s.map_or(declared.window, Duration::from_secs);
            policy.budget = Some(Intensity::new(self.restarts.unwrap_or(declared.restarts), window));
        }
        if self.backoff_min_ms.is_some() || self.backoff_max_ms.is_some() {
            let mut backoff = policy.backoff.unwrap_or(Backoff::doubling(BACKOFF_MIN, BACKOFF_MAX));
            backoff.min = self.backoff_min_ms.map_or(backoff.min, millis);
            backoff.max = self.backoff_max_ms.map_or(backoff.max, millis).max(backoff.min);
            policy.backoff = Some(backoff);
        }
        if let Some(cooldown) = self.cooldown_ms {
            policy.cooldown = Some(millis(cooldown));
        }
        if let Some(shutdown) = self.shutdown_ms {
            policy.shutdown = if shutdown == 0 { Shutdown::Brutal } else { Shutdown::Within(millis(shutdown)) };
        }
        policy.start_timeout = self.start_timeout_ms.map_or(policy.start_timeout, millis);
        policy.criticality = self.criticality.unwrap_or(policy.criticality);
        if self.retry_parked_min_ms.is_some() || self.retry_parked_max_ms.is_some() {
            let mut retry = policy.retry_parked.unwrap_or(Backoff::doubling(RETRY_PARKED_MIN, RETRY_PARKED_MAX));
            retry.min = self.retry_parked_min_ms.map_or(retry.min, millis);
            retry.max = self.retry_parked_max_ms.map_or(retry.max, millis).max(retry.min);
            policy.retry_parked = Some(retry);
        }
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
        }
    }
}

/// The backoff of an actor that was declared without one and is given half of one.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// The tries while parked of an actor that was declared without any and is given half of the rule.
const RETRY_PARKED_MIN: Duration = Duration::from_secs(60);
const RETRY_PARKED_MAX: Duration = Duration::from_secs(900);

/// `[cogs.NAME]`
#[derive(Clone, Default, PartialEq, Deserialize)]
pub struct CogConfig {
    /// Whether it is loaded; without the key its manifest decides.
    pub enabled: Option<bool>,
    /// The settings that its manifest declares; the cog host checks them.
    #[serde(flatten)]
    pub settings: toml::Table,
}

impl fmt::Debug for CogConfig {
    /// Names of the settings only: which of them are secrets, the cog's manifest knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.settings.keys().collect();
        f.debug_struct("CogConfig").field("enabled", &self.enabled).field("settings", &names).finish()
    }
}

/// Ids as numbers, or as text for those who copy them with quotes.
fn ids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }
    let read = |id| match id {
        Id::Number(id) if id > 0 => Ok(id),
        Id::Number(_) => Err(D::Error::custom("an id is not 0")),
        Id::Text(text) => match text.parse() {
            Ok(id) if id > 0 => Ok(id),
            _ => Err(D::Error::custom(format!("{text:?} is no id: an id has digits only"))),
        },
    };
    Vec::<Id>::deserialize(deserializer)
        .map_err(|_| D::Error::custom("takes a list of ids: digits only"))?
        .into_iter()
        .map(read)
        .collect()
}

impl<'de> Deserialize<'de> for Shards {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Share {
            total: u32,
            first: u32,
            last: u32,
        }
        let wrong = || D::Error::custom("takes \"auto\", a number from 1, or { total = 4, first = 0, last = 1 }");
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) if text == "auto" => Ok(Self::Auto),
            toml::Value::Integer(count) => match u32::try_from(count) {
                Ok(count) if count > 0 => Ok(Self::Count(count)),
                _ => Err(wrong()),
            },
            table @ toml::Value::Table(_) => {
                let Share { total, first, last } = table.try_into().map_err(|_| wrong())?;
                if first <= last && last < total {
                    Ok(Self::Share { total, first, last })
                } else {
                    Err(D::Error::custom("needs first <= last < total"))
                }
            }
            _ => Err(wrong()),
        }
    }
}

impl<'de> Deserialize<'de> for Intents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) if text == "auto" => Ok(Self::Auto),
            list @ toml::Value::Array(_) => {
                list.try_into().map(Self::List).map_err(|_| D::Error::custom("takes a list of names"))
            }
            toml::Value::String(text) => Ok(Self::List(text.split(',').map(|name| name.trim().to_owned()).collect())),
            _ => Err(D::Error::custom("takes \"auto\" or a list of names")),
        }
    }
}
