//! Boot: the only file that names every actor. Each phase adds one child to the root, in start order; the way down is the
//! exact reverse, because the root stops its children in reverse order.

use crate::{
    LIBRARY, VERSION, admin,
    admin::SharedTree,
    config::{Intents, Loaded, Shards, SupervisionRules},
    exit::{Code, Fatal},
    flags::{Flags, Step},
    observer::DecisionLog,
    ports::{GatewayGauges, PresencePort, ProcessFacts, TreePort},
    ready::{self, PostReady},
    reload::Reloader,
    status::Status,
    treelog, wire,
};
use cog_host::{Access, CogHost, CogSettings, Prefixes, Services};
use control::{Channel, ControlSetup, Registry, Socket};
use database::Db;
use emoji_cache::Emojis;
use gateway::{Cache, Gateway, GatewayDeps, Presence, PresenceData, ShardPlan};
use protocol::{
    Clock, FanOut, SystemClock,
    cache::CacheView,
    id::{GuildId, UserId},
    method::Method,
    ports::{Capture, GatewayDirectory},
};
use rest::{Preflight, Rest};
use serenity::model::gateway::GatewayIntents;
use std::{
    collections::BTreeMap,
    fs::DirBuilder,
    future::Future,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use supervision::{
    ActorPath, Backoff, ChildSpec, Exit, Flags as Rules, Intensity, OrderError, Planes, Strategy, Tree, core::Refusal,
};
use task_supervisor::TaskRegistry;
use telemetry::{Exporter, Parts, logging::LogHandle, reports::SentryCapture};

/// Failures of the root's children without a budget of their own before the tree gives up.
const ROOT_INTENSITY: Intensity = Intensity::new(10, Duration::from_secs(60));
/// Restarts of the database before the process gives up: it is vital.
const DATABASE_BUDGET: (u32, Duration) = (5, Duration::from_secs(60));
/// Restarts of a whole room (cog host, gateway) within ten minutes: the first then gives up, the second is parked.
const ROOM_BUDGET: (u32, Duration) = (5, Duration::from_secs(600));
/// How long boot waits for Discord's word on the number of shards, when it may choose.
const SHARDS_DEADLINE: Duration = Duration::from_secs(10);

/// What boot is given by the process.
pub struct Context {
    /// The configuration in force.
    pub loaded: Loaded,
    /// Reads it again.
    pub reloader: Arc<Reloader>,
    /// Where things run.
    pub planes: Planes,
    /// The log.
    pub log: LogHandle,
    /// The metrics recorder, installed.
    pub exporter: Exporter,
    /// Failure reports.
    pub capture: SentryCapture,
    /// Whether the other end is the stand-in for Discord.
    pub sandbox: bool,
    /// The steps that happen once.
    pub flags: Arc<Flags>,
    /// Filled as soon as there is a tree, so that a signal in any phase can unwind it.
    pub tree: SharedTree,
    /// The process's own account.
    pub status: Arc<Status>,
    /// Filled when the gateway has been made.
    pub gateway: Arc<OnceLock<Gateway>>,
    /// The process's own methods: shutdown, ping.
    pub methods: Vec<Method>,
}

/// Boots: returns when every phase is over. READY comes later.
///
/// # Errors
/// [`Fatal`] with the contract's exit code; what had started is still there and is for the caller to take down.
pub async fn boot(context: Context) -> Result<(), Fatal> {
    let Context {
        loaded,
        reloader,
        planes,
        log,
        exporter,
        capture,
        sandbox,
        flags,
        tree: shared,
        status,
        gateway,
        methods,
    } = context;
    let config = &loaded.config;
    let token = loaded.token.clone().ok_or_else(|| Fatal::new(Code::Config, "there is no token"))?;
    let phases = Phases { status: &status, slow: Duration::from_millis(config.boot.slow_ms) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let reports: Arc<dyn Capture> = Arc::new(capture.clone());
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }

    let (socket, mut folder) = phases.run("control-socket", async { bind(&loaded.socket, &config.data.dir) }).await?;
    let access = rest::Access {
        api_base: config.discord.api_base.clone(),
        token: token.clone(),
        allow_hosts: config.discord.allow_hosts.clone(),
    };
    access.check().map_err(|problem| Fatal::new(Code::Config, problem))?;
    let owners = phases.run("token", preflight(&access, &config.discord.owners)).await?;

    // The handles: what outlives every incarnation.
    let db = Db::new(config.database.clone(), &config.data.dir, Arc::clone(&clock))
        .map_err(|error| Fatal::new(Code::Config, error))?;
    let (rest, rest_child) = rest::child(config.rest.clone(), access);
    let cache = Arc::new(Cache::default());
    let known = Arc::clone(&cache);
    let (emojis, emoji_child) =
        emoji_cache::child(config.emoji.clone(), rest.clone(), Arc::new(move || known.guild_ids()));
    let registry = TaskRegistry::new(config.task_rules.clone(), flags.ready());
    let host = cog_room(CogRoom {
        loaded: &loaded,
        owners,
        sandbox,
        db: &db,
        rest: &rest,
        emojis: &emojis,
        clock: &clock,
        reports: &reports,
        tree: &shared,
        gateway: &gateway,
        registry: &registry,
        cache: &cache,
    })?;

    let root = Rules { intensity: ROOT_INTENSITY, ..Rules::new(Strategy::OneForOne) };
    let tree = Tree::start(planes.clone(), root, Vec::new(), Arc::new(DecisionLog))
        .await
        .map_err(|exit| Fatal::new(Code::Internal, exit))?;
    registry.attach(tree.clone());
    shared.set(tree.clone()).ok(); // boot runs once
    status.cogs.set(host.clone()).ok(); // boot runs once
    let builder = Builder { tree: tree.clone(), rules: &config.supervision };

    let control = Registry::new();
    let channel = Channel::new(ControlSetup {
        config: config.control.clone(),
        socket,
        registry: control.clone(),
        access: control::Access::own(),
        audit: Arc::new(db.clone()),
        clock: Arc::clone(&clock),
        plane: planes.control.clone(),
        version: VERSION,
    });
    let offered = [
        admin::methods(&tree),
        status.methods(),
        reloader.methods(),
        methods,
        telemetry::methods(&log),
        rest::methods(&rest),
        database::methods(&db),
        emoji_cache::methods(&emojis),
        host.methods(),
        task_supervisor::methods(&registry),
    ];
    control.add(offered.into_iter().flatten()).map_err(|twice| Fatal::new(Code::Internal, twice))?;

    let collectors: Vec<Arc<dyn telemetry::Collector>> = vec![
        Arc::clone(&status) as _,
        Arc::new(channel.clone()),
        host.collector(),
        Arc::new(db.clone()),
        rest::collector(&rest),
        emoji_cache::collector(&emojis),
        Arc::new(GatewayGauges(Arc::clone(&gateway))),
    ];
    let parts = Parts {
        config: config.telemetry.clone(),
        exporter: exporter.with(collectors),
        health: Arc::clone(&status) as _,
        capture,
        log: Some(log),
        planes: planes.clone(),
        version: VERSION,
        library: LIBRARY,
    };
    phases.run("telemetry", builder.add(telemetry::child(parts).0)).await?;
    phases.run("control", builder.add(channel.child())).await?;
    phases.run("rest", builder.add(rest_child)).await?;
    let database_child = database::child(&db).budget(DATABASE_BUDGET.0, DATABASE_BUDGET.1);
    phases.run("database", builder.add(database_child)).await?;
    folder.keep();
    phases.run("emoji-cache", builder.add(emoji_child)).await?;
    phases.run("cogs", builder.add(host.child().budget(ROOM_BUDGET.0, ROOM_BUDGET.1))).await?;

    let plan = phases.run("shards", async { Ok(plan(config.discord.shards, &rest).await) }).await?;
    let deps = GatewayDeps {
        token,
        gateway_url: config.discord.gateway_url.clone(),
        allow_hosts: config.discord.allow_hosts.clone(),
        intents: intents(&config.discord.intents)?,
        plan,
        sink: Arc::new(FanOut::new(vec![Arc::new(emojis.clone()), host.sink()])),
        ledger: Arc::new(db.clone()),
        directory: Arc::new(rest.clone()),
        capture: Arc::clone(&reports),
        clock: Arc::clone(&clock),
        cache,
        presence: Presence::new(PresenceData::default()),
    };
    let (made, gateway_child) = gateway::build(&config.gateway, deps);
    gateway.set(made.clone()).ok(); // boot runs once
    control.add(gateway::methods(&made)).map_err(|twice| Fatal::new(Code::Internal, twice))?;
    let gateway_child = gateway_child
        .budget(ROOM_BUDGET.0, ROOM_BUDGET.1)
        .retry_parked(Backoff::doubling(Duration::from_secs(60), Duration::from_secs(900)));
    phases.run("gateway", builder.add(gateway_child)).await?;
    let tasks_child = task_supervisor::child(Duration::from_millis(config.tasks.monitor_ms), &registry);
    phases.run("tasks", builder.add(tasks_child)).await?;

    unknown_names(&loaded, &tree, &registry);
    flags.mark(Step::SetupComplete);
    treelog::write(&tree, "boot is over");
    tokio::spawn(treelog::follow(tree));
    tokio::spawn(ready::follow(PostReady {
        flags,
        status: Arc::clone(&status),
        gateway: made,
        cogs: host,
        guild: (config.discord.guild != 0).then(|| GuildId::new(config.discord.guild)),
        database: db.location(),
        prefix: config.discord.prefix.clone(),
    }));
    Ok(())
}

/// Times each phase: a span, a log line, a metric, and a warning when it was slow.
struct Phases<'a> {
    status: &'a Status,
    slow: Duration,
}

impl Phases<'_> {
    async fn run<T>(&self, name: &'static str, work: impl Future<Output = Result<T, Fatal>>) -> Result<T, Fatal> {
        use tracing::Instrument;
        let begun = Instant::now();
        let done = work.instrument(tracing::info_span!("boot.phase", phase = name)).await;
        let took = begun.elapsed();
        self.status.phase(name, took);
        metering::boot::phase(name, took.as_secs_f64());
        match &done {
            Ok(_) if took > self.slow => {
                tracing::warn!(target: "boot", phase = name, duration_seconds = took.as_secs_f64(), "{name} was slow");
            }
            Ok(_) => {
                tracing::info!(target: "boot", phase = name, duration_seconds = took.as_secs_f64(), "{name} is up")
            }
            Err(fatal) => tracing::error!(target: "boot", phase = name, error = fatal.message, "{name} cannot start"),
        }
        done
    }
}

/// Adds children to the root.
struct Builder<'a> {
    tree: Tree,
    rules: &'a BTreeMap<String, SupervisionRules>,
}

impl Builder<'_> {
    /// Adds one child and waits until it is up. A child that is not required may fail: its restart rule goes on.
    async fn add(&self, spec: ChildSpec) -> Result<(), Fatal> {
        let id = spec.policy().id.clone();
        let spec = self.ruled(&ActorPath::root().child(&id), spec);
        let required = spec.policy().required;
        match self.tree.start_child(&ActorPath::root(), spec).await {
            Ok(_) => Ok(()),
            Err(_) if !required => Ok(()),
            Err(OrderError::Refused { refusal: Refusal::StartFailed { exit }, .. }) => Err(not_started(&id, &exit)),
            Err(error) => Err(Fatal::new(Code::Internal, error)),
        }
    }

    /// The spec with the configuration's say, for it and everything below it.
    fn ruled(&self, path: &ActorPath, spec: ChildSpec) -> ChildSpec {
        spec.map_policies(path, &|path, policy| {
            if let Some(rules) = self.rules.get(path.as_str()) {
                rules.apply(policy);
            }
        })
    }
}

/// A required child did not come up: the database is a vital dependency (69), anything else is ours (70).
fn not_started(id: &str, exit: &Exit) -> Fatal {
    let code = if id == "database" { Code::Unavailable } else { Code::Internal };
    Fatal::new(code, format!("{id} cannot start: {}", reason(exit)))
}

/// The innermost cause, without the words that only say that something failed.
fn reason(exit: &Exit) -> String {
    match exit {
        Exit::StartFailed { cause, child: None } => reason(cause),
        Exit::StartFailed { cause, child: Some(child) } => format!("{child}: {}", reason(cause)),
        Exit::Fatal { message } | Exit::Error { message } => message.clone(),
        other => other.to_string(),
    }
}

/// The data folder and the control socket: what must be had before anything starts.
fn bind(socket: &Path, data: &Path) -> Result<(Socket, DataFolder), Fatal> {
    let folder = DataFolder::open(data)?;
    let socket = Socket::bind(socket).map_err(|error| Fatal::new(Code::Unavailable, error))?;
    Ok((socket, folder))
}

/// The data folder. When boot fails and the folder was made for it, it goes again, if nothing was put into it.
struct DataFolder {
    made: Option<PathBuf>,
}

impl DataFolder {
    fn open(path: &Path) -> Result<Self, Fatal> {
        let unusable = |error: std::io::Error| {
            Fatal::new(
                Code::Unavailable,
                format!(
                    "the data folder {} cannot be written: {error}; make it writable or set data.dir to another folder",
                    path.display()
                ),
            )
        };
        let made = !path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let folder = Self { made: made.then(|| path.to_owned()) };
        // Whether files can be made there: asked of the system, since modes do not bind everybody.
        let probe = path.join(format!(".probe-{}", std::process::id()));
        std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(unusable)?;
        Ok(folder)
    }

    /// Boot has put its files there: it stays.
    fn keep(&mut self) {
        self.made = None;
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        if let Some(path) = self.made.take() {
            std::fs::remove_dir(path).ok(); // something is in it after all: it stays
        }
    }
}

/// Whose token it is. Only a refusal ends boot; the owners are the configured ones, else the application's.
async fn preflight(access: &rest::Access, configured: &[u64]) -> Result<Vec<UserId>, Fatal> {
    let configured: Vec<UserId> = configured.iter().filter(|id| **id != 0).map(|id| UserId::new(*id)).collect();
    match rest::preflight(access).await {
        Preflight::Refused => Err(Fatal::new(
            Code::TokenRefused,
            "Discord refuses the token (401): make a new one on the application's Bot page and set DISCORD_TOKEN to it",
        )),
        Preflight::Accepted { application } => {
            tracing::info!(application.id = application.id.get(), name = application.name, "the token is good");
            Ok(if configured.is_empty() { application.owners } else { configured })
        }
        Preflight::Unknown(reason) => {
            tracing::warn!(reason, "the token could not be checked; boot goes on");
            if configured.is_empty() {
                tracing::warn!("no owners are known: set discord.owners to use owner commands");
            }
            Ok(configured)
        }
    }
}

/// Which shards run here.
async fn plan(configured: Shards, rest: &Rest) -> ShardPlan {
    match configured {
        Shards::Count(total) => ShardPlan::all(total),
        Shards::Share { total, first, last } => ShardPlan { total, first, last },
        Shards::Auto => match tokio::time::timeout(SHARDS_DEADLINE, GatewayDirectory::gateway_bot(rest)).await {
            Ok(Ok(bot)) => ShardPlan::all(bot.shards),
            Ok(Err(error)) => {
                tracing::warn!(%error, "Discord did not say how many shards to run: one, until the next start");
                ShardPlan::all(1)
            }
            Err(_) => {
                tracing::warn!("Discord did not say in time how many shards to run: one, until the next start");
                ShardPlan::all(1)
            }
        },
    }
}

fn intents(configured: &Intents) -> Result<gateway::Intents, Fatal> {
    let Intents::List(names) = configured else { return Ok(gateway::Intents::Auto) };
    let mut all = GatewayIntents::empty();
    for name in names {
        let known = GatewayIntents::from_name(name);
        all |=
            known.ok_or_else(|| Fatal::new(Code::Config, format!("discord.intents: there is no intent {name:?}")))?;
    }
    Ok(gateway::Intents::Exactly(all))
}

/// Rules for names that nobody bears are most likely misspelt: said once, with the nearest name. (No error: a script cog
/// or a shard that runs elsewhere may bear them.)
fn unknown_names(loaded: &Loaded, tree: &Tree, registry: &TaskRegistry) {
    let config = &loaded.config;
    for path in config.supervision.keys().filter(|path| tree.node(&ActorPath::from(path.as_str())).is_none()) {
        let near = tree.nearest(&ActorPath::from(path.as_str()));
        tracing::warn!(path, near, "[supervision.\"{path}\"]: there is no such actor");
    }
    let tasks: Vec<String> = registry.figures().into_iter().map(|(spec, _)| spec.name.clone()).collect();
    let enabled = |rules: &task_supervisor::TaskRules| rules.enabled != Some(false);
    for (name, _) in config.task_rules.iter().filter(|(name, rules)| enabled(rules) && !tasks.contains(name)) {
        tracing::warn!(task = name, known = tasks.join(", "), "[tasks.{name}]: there is no such task");
    }
    let cogs: Vec<&str> = cogs::builtin().iter().map(cog_host::Cog::name).collect();
    for name in config.cogs.keys().filter(|name| !cogs.contains(&name.as_str())) {
        tracing::warn!(cog = name, known = cogs.join(", "), "[cogs.{name}]: there is no such cog");
    }
}

struct CogRoom<'a> {
    loaded: &'a Loaded,
    owners: Vec<UserId>,
    sandbox: bool,
    db: &'a Db,
    rest: &'a Rest,
    emojis: &'a Emojis,
    clock: &'a Arc<dyn Clock>,
    reports: &'a Arc<dyn Capture>,
    tree: &'a SharedTree,
    gateway: &'a Arc<OnceLock<Gateway>>,
    registry: &'a Arc<TaskRegistry>,
    cache: &'a Arc<Cache>,
}

fn cog_room(room: CogRoom<'_>) -> Result<CogHost, Fatal> {
    let config = &room.loaded.config;
    let operators: Vec<UserId> =
        config.discord.operators.iter().filter(|id| **id != 0).map(|id| UserId::new(*id)).collect();
    if !operators.is_empty() {
        tracing::warn!(operators = operators.len(), "operators pass every permission check in every guild");
    }
    let store = Arc::new(room.db.clone());
    let services = Arc::new(Services {
        db: room.db.clone(),
        rest: room.rest.clone(),
        emoji: room.emojis.clone(),
        cache: Arc::clone(room.cache) as _,
        clock: Arc::clone(room.clock),
        capture: Arc::clone(room.reports),
        tree: Arc::new(TreePort {
            tree: Arc::clone(room.tree),
            audit: Arc::new(room.db.clone()),
            clock: Arc::clone(room.clock),
        }),
        presence: Arc::new(PresencePort { gateway: Arc::clone(room.gateway) }),
        bot: Arc::new(ProcessFacts { started: room.clock.now(), gateway: Arc::clone(room.gateway) }),
        prefixes: Prefixes::new(&config.discord.prefix, config.cog_host.prefix_cache, store),
        background: Arc::clone(room.registry) as _,
    });
    let settings = config
        .cogs
        .iter()
        .map(|(name, cog)| {
            let values = serde_json::to_value(&cog.settings).unwrap_or_default();
            let values = values.as_object().cloned().unwrap_or_default();
            (name.clone(), CogSettings { disabled: cog.enabled == Some(false), values })
        })
        .collect();
    let access = Access { owners: room.owners, operators, sandbox: room.sandbox };
    let outbox = Arc::new(room.rest.clone());
    CogHost::new(config.cog_host.clone(), services, outbox, access, cogs::builtin(), &settings)
        .map_err(|error| Fatal::new(Code::Internal, error))
}

/// The tree as JSON: what `try` and tests read.
pub fn snapshot(tree: &Tree) -> serde_json::Value {
    wire::tree(&tree.nodes(), SystemClock.now())
}
