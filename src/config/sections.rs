//! The sections, typed. A section that a crate owns is that crate's struct; the rest are here.

use super::actors::{SupervisionRules, WatchConfig};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{collections::BTreeMap, fmt, path::PathBuf};

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
    /// `[memory]`
    pub memory: MemoryConfig,
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

/// `[memory]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    /// Resident memory above which caches shrink, in MiB; 0: four fifths of what the control group allows.
    pub soft_mb: u64,
}

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
