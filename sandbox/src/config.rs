//! What can be set when a sandbox starts, and what can go wrong.

/// Settings of a [`Sandbox`](crate::Sandbox). The defaults suit a person at a prompt and most tests.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// The only bot token that is accepted.
    pub token: String,
    /// Seed of everything random: session ids, interaction tokens, what is in the guilds for benchmarks.
    pub seed: u64,
    /// Heartbeat interval told in HELLO, in milliseconds. Discord uses about 41,250.
    pub heartbeat_interval_ms: u64,
    /// Guilds beside the default one, for benchmarks; what is in them is drawn by the seed.
    pub guilds: u32,
    /// Members of each of those, the bot and the owner among them.
    pub members_per_guild: u32,
    /// Roles of each of those beside the three that every guild has.
    pub roles_per_guild: u32,
    /// Text channels of each of those beside the five channels that every guild has.
    pub channels_per_guild: u32,
    /// Emojis of each of those.
    pub emojis_per_guild: u32,
    /// Shards that `GET /gateway/bot` recommends.
    pub shards: u32,
    /// Identifies allowed per interval, as told by `GET /gateway/bot`.
    pub max_concurrency: u32,
    /// Least time between two identifies of one `max_concurrency` key, in milliseconds; sooner is answered
    /// with opcode 9. Discord's is 5,000; 0 switches the check off.
    pub identify_interval_ms: u64,
    /// Guilds that one shard may have; an IDENTIFY of a shard with more is closed with 4011. Discord's is 2,500.
    pub guilds_per_shard_max: u32,
    /// Least time between two requests for all members of a guild, in milliseconds; sooner is answered with
    /// the event RATE_LIMITED. Discord's is 30,000; 0 switches the check off.
    pub member_request_interval_ms: u64,
    /// Session starts in 24 hours. At 0 left, Discord resets the token, and so does the sandbox.
    pub session_starts: u32,
    /// Intent bits that the application may use; asking for others closes with 4014.
    pub allowed_intents: u64,
    /// Events kept of each session for RESUME; also the most that may wait for a slow connection.
    pub replay_events: usize,
    /// How long a session outlives its connection, in milliseconds.
    pub session_life_ms: u64,
    /// Frames that a bot may send in 60 s before the connection is closed with 4008.
    pub sends_per_minute: u32,
    /// Time to give an interaction its first answer, in milliseconds. Discord's is 3,000.
    pub interaction_deadline_ms: u64,
    /// How long an interaction's token works, in milliseconds. Discord's is 900,000.
    pub interaction_token_ms: u64,
    /// Limit of each REST bucket.
    pub bucket: Rate,
    /// Limit of creating messages, per channel.
    pub message_bucket: Rate,
    /// Limits of single routes; the first that fits a request counts instead of the two above.
    pub limits: Vec<Limit>,
    /// Requests answered 401, 403 or 429 (shared limits not counted) in ten minutes, from which on every
    /// request gets the page of HTML that stands in front of Discord. Discord's is 10,000; 0 switches it off.
    pub invalid_max: u32,
    /// REST requests in one second over all routes but interactions' own. Discord's is 50; 0 switches it off.
    pub global_per_second: u32,
    /// Messages kept of each channel.
    pub messages_kept: usize,
    /// Events kept for [`Sandbox::log`](crate::Sandbox::log).
    pub events_kept: usize,
    /// File with Discord's OpenAPI description. Every request and answer is judged by it; where it is absent
    /// nothing is.
    #[cfg(feature = "validate")]
    pub description: Option<std::path::PathBuf>,
    /// Whether every payload that the sandbox sends on the gateway of its own accord (what faults make up is left out) has to
    /// fit serenity's types.
    #[cfg(feature = "validate")]
    pub judge_payloads: bool,
}

/// So many requests in so many milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests in one window.
    pub requests: u32,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
}

/// The limit of some routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Route pattern, as that of a [`Fault`](crate::Fault).
    pub route: String,
    /// The limit, for each major parameter (channel, guild, webhook).
    pub rate: Rate,
    /// Name of the bucket; routes with one name use it up together. `None`: each operation its own.
    pub bucket: Option<String>,
    /// Others fill it as well: its 429s say so and are not the bot's fault.
    pub shared: bool,
}

impl Limit {
    /// A limit of the routes that fit `route`, each with a bucket of its own.
    pub fn new(route: impl Into<String>, rate: Rate) -> Limit {
        Limit { route: route.into(), rate, bucket: None, shared: false }
    }

    /// All the routes use up one bucket of that name.
    pub fn in_bucket(self, name: impl Into<String>) -> Limit {
        Limit { bucket: Some(name.into()), ..self }
    }

    /// Its 429s have the scope `shared`.
    pub fn shared(self) -> Limit {
        Limit { shared: true, ..self }
    }
}

impl Default for SandboxConfig {
    fn default() -> SandboxConfig {
        SandboxConfig {
            token: "sandbox.bot.token".to_owned(),
            seed: 1,
            heartbeat_interval_ms: 41_250,
            guilds: 0,
            members_per_guild: 0,
            roles_per_guild: 0,
            channels_per_guild: 0,
            emojis_per_guild: 0,
            shards: 1,
            max_concurrency: 1,
            identify_interval_ms: 0,
            guilds_per_shard_max: 2_500,
            member_request_interval_ms: 30_000,
            session_starts: 1_000,
            allowed_intents: crate::gateway::intents::ALL,
            replay_events: 65_536,
            session_life_ms: 180_000,
            sends_per_minute: 120,
            interaction_deadline_ms: 3_000,
            interaction_token_ms: crate::world::TOKEN_LIFE_MS,
            bucket: Rate { requests: 50, window_ms: 1_000 },
            message_bucket: Rate { requests: 50, window_ms: 1_000 },
            limits: Vec::new(),
            invalid_max: 0,
            global_per_second: 0,
            messages_kept: 10_000,
            events_kept: 65_536,
            #[cfg(feature = "validate")]
            description: None,
            #[cfg(feature = "validate")]
            judge_payloads: false,
        }
    }
}

/// Why the sandbox could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The loopback sockets or the thread cannot be had.
    #[error("the sandbox cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// The world cannot be built as configured.
    #[error("the sandbox's world cannot be built: {0}")]
    Seed(String),
    /// No such user.
    #[error("the sandbox knows no user {0}")]
    UnknownUser(String),
    /// No such guild, or the bot is not in it.
    #[error("the sandbox knows no guild {0}")]
    UnknownGuild(u64),
    /// No such channel.
    #[error("the sandbox knows no channel {0}")]
    UnknownChannel(u64),
    /// The bot registered no such command.
    #[error("the bot has registered no command /{0}")]
    UnknownCommand(String),
    /// No message holds such a component, or no such modal is open.
    #[error("there is no component or modal {0}")]
    UnknownComponent(String),
    /// The person lacks the permissions that the command asks for by default.
    #[error("this person may not use /{0}")]
    NotAllowed(String),
    /// An option does not fit the command's definition.
    #[error("option {option}: {problem}")]
    BadOption {
        /// Name of the option.
        option: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Refused as Discord would refuse it.
    #[error("{message} (code {code})")]
    Refused {
        /// Discord's JSON error code.
        code: u32,
        /// Discord's words.
        message: String,
    },
}

impl From<crate::api_error::ApiError> for SandboxError {
    fn from(error: crate::api_error::ApiError) -> SandboxError {
        SandboxError::Refused { code: error.code, message: error.message }
    }
}
