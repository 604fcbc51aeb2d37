//! What is measured: programs that read the stream, each in a process of its own, from the least that could be done to
//! the whole bot.

use crate::{Failure, least, usage};
use cog_host::Cog;
use futures_util::{SinkExt as _, StreamExt as _};
use gateway::{Cache, Compression, GatewayConfig, GatewayDeps, Intents, Presence, ShardPlan};
use impresario::{
    config::{Flag, Sources, TokenRule},
    process,
};
use protocol::{
    BoxFuture, Delivery, Dispatch, EventKind, EventSink, KindSet, Secret, SystemClock,
    ports::{GatewayBot, GatewayDirectory, IdentifyAsk, IdentifyGrant, IdentifyLedger, NoCapture, NotNow},
};
use serenity::model::event::GatewayEvent;
use std::{
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};
use tokio_tungstenite::tungstenite::Message;

/// The core that consumers run on.
pub const CORE: usize = 0;
const TOKEN: &str = "benchmark.bot.token";
/// Where the listener of [`Consumer::Hooked`] writes how many messages it has heard, in the consumer's folder.
const HEARD: &str = "heard";
/// And how often: each so many.
const HEARD_EVERY: u64 = 1_000;

/// One program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumer {
    /// Reads frames with tokio-tungstenite and drops them.
    Frames,
    /// And reads each header (`op`, `s`, `t`).
    Headers,
    /// Reads frames and parses each as serenity 0.12's shard does: a map of values, then the event from it.
    Serenity,
    /// The gateway actors, with nobody who wants an event: cache and session only.
    GatewayUnwanted,
    /// The gateway actors, for a bot of commands: messages and interactions are decoded.
    GatewayCommands,
    /// The same, for a bot that reads members from the cache.
    GatewayMembers,
    /// The gateway actors, with every type of the stream decoded.
    GatewayAll,
    /// Answers commands and does nothing else: see `least.rs`.
    Least,
    /// The whole process: database, REST, cogs, telemetry, logging at its default level.
    Bot,
    /// The same, with a cog that hears each message and counts it.
    Hooked,
    /// The whole process with a cog that reads members, so that they are kept.
    BotMembers,
}

impl Consumer {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Frames,
        Self::Headers,
        Self::Serenity,
        Self::GatewayUnwanted,
        Self::GatewayCommands,
        Self::GatewayMembers,
        Self::GatewayAll,
        Self::Least,
        Self::Bot,
        Self::Hooked,
        Self::BotMembers,
    ];

    /// Its name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frames => "read-frames",
            Self::Headers => "read-headers",
            Self::Serenity => "serenity-parse",
            Self::GatewayUnwanted => "gateway-none",
            Self::GatewayCommands => "gateway-commands",
            Self::GatewayMembers => "gateway-members",
            Self::GatewayAll => "gateway-all",
            Self::Least => "least",
            Self::Bot => "whole-bot",
            Self::Hooked => "whole-bot-hook",
            Self::BotMembers => "whole-bot-members",
        }
    }

    /// Runs as a consumer if the command line says so (`--consumer NAME GATEWAY API FOLDER`): benchmarks start themselves
    /// anew to have a process that does nothing else.
    pub fn from_command_line() -> Option<ExitCode> {
        let mut arguments = std::env::args().skip_while(|argument| argument != "--consumer").skip(1);
        let name = arguments.next()?;
        let places: Vec<String> = arguments.take(3).collect();
        let (Some(consumer), [gateway, api, folder]) =
            (Self::ALL.into_iter().find(|consumer| consumer.name() == name), places.as_slice())
        else {
            eprintln!("no such consumer");
            return Some(ExitCode::FAILURE);
        };
        usage::pin(CORE);
        Some(match consumer.run(gateway, api, folder) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("{name}: {error}");
                ExitCode::FAILURE
            }
        })
    }

    fn run(self, gateway: &str, api: &str, folder: &str) -> Result<ExitCode, Failure> {
        let wants = match self {
            Self::Bot => return Ok(process::run(sources(gateway, api, folder), process::Start::default())),
            Self::Hooked => {
                let how = process::Start { cogs: vec![listener(folder)], ..process::Start::default() };
                return Ok(process::run(sources(gateway, api, folder), how));
            }
            Self::BotMembers => {
                let how = process::Start { cogs: vec![reader()], ..process::Start::default() };
                let mut sources = sources(gateway, api, folder);
                let key = "gateway.members_max";
                sources.flags.push(Flag { key, value: 1_000_000.into(), flag: "benchmark" });
                return Ok(process::run(sources, how));
            }
            Self::GatewayUnwanted => KindSet::default(),
            Self::GatewayCommands | Self::GatewayMembers => {
                KindSet::of(&[EventKind::MessageCreate, EventKind::InteractionCreate])
            }
            Self::GatewayAll => KindSet::of(&[
                EventKind::MessageCreate,
                EventKind::MessageUpdate,
                EventKind::PresenceUpdate,
                EventKind::TypingStart,
                EventKind::MessageReactionAdd,
                EventKind::GuildMemberUpdate,
                EventKind::VoiceStateUpdate,
                EventKind::InteractionCreate,
            ]),
            Self::Least => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(least::answer(gateway, api))?;
                return Ok(ExitCode::SUCCESS);
            }
            Self::Frames | Self::Headers | Self::Serenity => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(self.read(gateway))?;
                return Ok(ExitCode::SUCCESS);
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(shard(gateway.to_owned(), Sink { wants, members: self == Self::GatewayMembers }))?;
        Ok(ExitCode::SUCCESS)
    }

    /// A loop over frames: no session, no supervision, no cache.
    async fn read(self, url: &str) -> Result<(), Failure> {
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
        let mut seen = 0_u64;
        while let Some(message) = socket.next().await {
            let Message::Text(text) = message? else { continue };
            if text.starts_with(r#"{"t""#) {
                seen += match self {
                    Self::Headers => u64::from(gateway::scan::scan(&text)?.kind.is_some()),
                    Self::Serenity => {
                        let event: GatewayEvent = serde_json::from_str(&text)?;
                        u64::from(matches!(std::hint::black_box(event), GatewayEvent::Dispatch(..)))
                    }
                    _ => 1,
                };
            } else if text.contains(r#""op":10"#) {
                socket.send(Message::text(r#"{"op":2,"d":null}"#)).await?;
            } else if text.contains(r#""op":1,"#) {
                socket.send(Message::text(r#"{"op":1,"d":null}"#)).await?;
            }
        }
        std::hint::black_box(seen);
        Ok(())
    }
}

/// The gateway as boot builds it, under a tree of its own, with the process's recorder of metrics.
async fn shard(url: String, sink: Sink) -> Result<(), Failure> {
    supervision::install_panic_hook();
    telemetry::Exporter::new(telemetry::CLUSTER, Vec::new())?.install()?;
    let config = GatewayConfig {
        identify_limit: 900,
        reconnect_min_ms: 5,
        reconnect_max_ms: 1000,
        connect_ms: 10_000,
        members_max: 1_000_000,
        compression: Compression::None,
    };
    let deps = GatewayDeps {
        token: Secret::new(TOKEN),
        gateway_url: url,
        allow_hosts: vec!["127.0.0.1".to_owned()],
        intents: Intents::Auto,
        plan: ShardPlan::all(1),
        sink: Arc::new(sink),
        ledger: Arc::new(Yes),
        directory: Arc::new(Yes),
        capture: Arc::new(NoCapture),
        clock: Arc::new(SystemClock),
        cache: Arc::new(Cache::default()),
        presence: Presence::default(),
        control: tokio::runtime::Handle::current(),
    };
    let (_gateway, child) = gateway::build(&config, deps);
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, vec![child], Arc::new(NoObserver))
        .await
        .map_err(|exit| exit.to_string())?;
    tree.ended().await;
    Ok(())
}

/// Takes events and drops them.
struct Sink {
    wants: KindSet,
    members: bool,
}

impl EventSink for Sink {
    fn wants(&self) -> KindSet {
        self.wants
    }

    fn wants_members(&self) -> bool {
        self.members
    }

    fn deliver(&self, dispatch: Dispatch) -> Delivery<'_> {
        drop(std::hint::black_box(dispatch));
        None
    }
}

/// Hears each message, counts it, and waits for nothing.
fn listener(folder: &str) -> Cog {
    let heard = Path::new(folder).join(HEARD);
    Cog::new("listener", "Counts messages").state(AtomicU64::default).on_events(
        &[EventKind::MessageCreate],
        move |ctx, _| {
            let count = ctx.state::<AtomicU64>().map_or(0, |count| 1 + count.fetch_add(1, Relaxed));
            if count % HEARD_EVERY == 0 {
                std::fs::write(&heard, count.to_string()).ok(); // whoever reads it finds less than there should be
            }
            Box::pin(async { Ok(()) })
        },
    )
}

/// Has members kept.
fn reader() -> Cog {
    Cog::new("reader", "Reads members").reads_members()
}

/// Messages that the listener of [`Consumer::Hooked`] in `folder` has heard, in full thousands.
pub(crate) fn heard(folder: &Path) -> u64 {
    std::fs::read_to_string(folder.join(HEARD)).ok().and_then(|count| count.parse().ok()).unwrap_or_default()
}

/// Allows every IDENTIFY.
struct Yes;

impl IdentifyLedger for Yes {
    fn take(&self, _: IdentifyAsk, _: chrono::DateTime<chrono::Utc>) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>> {
        Box::pin(async { Ok(IdentifyGrant::Granted { used: 1 }) })
    }
}

impl GatewayDirectory for Yes {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        let bot = GatewayBot {
            url: "ws://127.0.0.1:1".to_owned(),
            shards: 1,
            remaining: 1000,
            reset_after_ms: 3_600_000,
            max_concurrency: 1,
        };
        Box::pin(async move { Ok(bot) })
    }
}

/// The bot's defaults, but for where Discord is and where its files are.
fn sources(gateway: &str, api: &str, folder: &str) -> Sources {
    let flag = |key, value: toml::Value| Flag { key, value, flag: "benchmark" };
    let flags = vec![
        flag("discord.api_base", api.into()),
        flag("discord.gateway_url", gateway.into()),
        flag("discord.allow_hosts", vec!["127.0.0.1"].into()),
        flag("data.dir", folder.into()),
        flag("control.socket", format!("{folder}/control.sock").into()),
        flag("telemetry.listen", "".into()),
    ];
    Sources {
        explicit: None,
        cwd: folder.into(),
        env: std::collections::BTreeMap::new(),
        flags,
        token: TokenRule::Given(Secret::new(TOKEN)),
        cogs: Vec::new(),
    }
}
