//! Boot: the only file that names every actor. Each phase adds one child to the root, in start order; the way down is the
//! exact reverse, because the root stops its children in reverse order.

mod child;
mod cogs;
mod discord;
mod names;
pub(crate) mod phases;

use crate::{
    LIBRARY, VERSION, admin,
    admin::SharedTree,
    config::{KnownActors, Loaded},
    exit::{Code, Fatal},
    flags::{Flags, Step},
    folder::DataFolder,
    handover,
    kept::Kept,
    observer::DecisionLog,
    ports::{Caches, GatewayGauges},
    ready::{self, PostReady},
    record::{self, Record},
    refused,
    reload::{Live, Reloader},
    remembered,
    rules::Ruling,
    sharding::{self, Sharding},
    status::Status,
    system, treelog, wire,
};
use child::Builder;
use cog_host::{Cog, CogHost, PrefixReading};
use cogs::{CogRoom, cog_room};
use control::{BindError, Channel, ControlSetup, Registry, Socket};
use database::Db;
use gateway::{Cache, Gateway, GatewayDeps, Presence, PresenceData};
use phases::{Phase, Phases};
use protocol::{Clock, FanOut, SystemClock, cache::CacheView, id::GuildId, method::Method, ports::Capture};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{Flags as Rules, Intensity, Limits, Planes, Strategy, Tree};
use task_supervisor::{Surroundings, TaskRegistry};
use telemetry::{Exporter, Memory, Parts, logging::LogHandle, reports::SentryCapture};
use tokio::sync::Mutex;

/// Failures of the root's children without a budget of their own before the tree gives up.
const ROOT_INTENSITY: Intensity = Intensity::new(10, Duration::from_secs(60));

/// What boot is given by the process.
pub struct Context {
    /// The configuration in force.
    pub loaded: Loaded,
    /// How long reading it took.
    pub configured: Duration,
    /// Reads it again.
    pub reloader: Arc<Reloader>,
    /// What boot makes of the data folder, until it is over.
    pub folder: Arc<DataFolder>,
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
    /// Whether what an earlier run left of restart budgets does not count.
    pub ignore_budgets: bool,
    /// Cogs beside the built-in ones.
    pub cogs: Vec<Cog>,
    /// The steps that happen once.
    pub flags: Arc<Flags>,
    /// Filled as soon as there is a tree, so that a signal in any phase can unwind it.
    pub tree: SharedTree,
    /// The process's own account.
    pub status: Arc<Status>,
    /// Filled when the gateway has been made.
    pub gateway: Arc<OnceLock<Gateway>>,
    /// Held while what the process before left is taken up: that is not cut short, since it can be taken only once.
    pub taking_up: Arc<Mutex<()>>,
    /// Filled when the data folder is this process's to write in: from then on its end is told.
    pub record: Arc<OnceLock<Record>>,
    /// The process's own methods: shutdown.
    pub methods: Vec<Method>,
}

/// Boots: returns when every phase is over. READY comes later; what waits for it is handed back, to be kept for as long as
/// the bot lives.
///
/// # Errors
/// [`Fatal`] with the contract's exit code; what had started is still there and is for the caller to take down.
pub async fn boot(context: Context) -> Result<Vec<Kept>, Fatal> {
    let Context {
        loaded,
        configured,
        reloader,
        folder,
        planes,
        log,
        exporter,
        capture,
        sandbox,
        ignore_budgets,
        cogs: more_cogs,
        flags,
        tree: shared,
        status,
        gateway,
        taking_up,
        record: kept_record,
        methods,
    } = context;
    let config = &loaded.config;
    let token = loaded.token.clone().ok_or_else(|| Fatal::new(Code::Config, "there is no token"))?;
    let phases = Phases { status: &status, slow: Duration::from_millis(config.boot.slow_ms) };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let reports: Arc<dyn Capture> = Arc::new(capture.clone());
    let described = capture.clone();
    phases.past(Phase::Configuration, configured);
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }

    // Both before the token is sent anywhere: a second instance on one folder or socket must not even begin.
    phases.run(Phase::DataFolder, open(&folder, &config.data.dir, &status)).await?;
    let socket = phases.run(Phase::ControlSocket, async { bind(&loaded.socket) }).await?;
    // Before anybody is asked anything: a bot that only gives up again must not log in each time.
    let budgets = remembered::past(&config.data.dir, ignore_budgets, |path| config.carries(path)).await?;
    let access = rest::Access {
        api_base: config.discord.api_base.clone(),
        token: token.clone(),
        allow_hosts: config.discord.allow_hosts.clone(),
    };
    access.check().map_err(|problem| Fatal::new(Code::Config, problem))?;
    // Before anything is sent: the process before may have left a silence that this one must not break.
    let bot = sharding::bot(&token).map(|id| id.to_string());
    let past = rest::Past::read(&config.data.dir, bot, Arc::clone(&clock)).await;
    let (rest, rest_child) = rest::child(config.rest.clone(), access.clone(), past);
    let owners = phases.run(Phase::Token, discord::preflight(&rest, &access, &config.discord.owners)).await?;

    // The handles: what outlives every incarnation.
    let db = Db::new(config.database.clone(), &config.data.dir, Arc::clone(&clock))
        .map_err(|error| Fatal::new(Code::Config, error))?;
    db.report_to(Arc::clone(&reports));
    let cache = Arc::new(Cache::default());
    let known = Arc::clone(&cache);
    let (emojis, emoji_child) =
        emoji_cache::child(config.emoji.clone(), rest.clone(), Arc::new(move || known.guild_ids()));
    let mut around = Surroundings::new(config.task_rules.clone(), flags.ready());
    (around.book.zone, around.check_ins) = (config.tasks.zone.clone(), config.tasks.check_ins);
    (around.clock, around.capture) = (Arc::clone(&clock), Arc::clone(&reports));
    around.cache = Some(Arc::clone(&cache) as _);
    around.actors = Some(Arc::new(KnownActors::of(config, &more_cogs)));
    let registry = TaskRegistry::within(around);
    let host = cog_room(CogRoom {
        loaded: &loaded,
        more: more_cogs,
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

    let guild = (config.discord.guild != 0).then(|| GuildId::new(config.discord.guild));
    let root = Rules { intensity: ROOT_INTENSITY, ..Rules::new(Strategy::OneForOne) };
    let ending = host.clone();
    let observer = Arc::new(DecisionLog::new(log.clone()).at_the_end(move || ending.hand_on()));
    let limits = Limits { quarantine_max: config.watch.quarantine_max };
    let tree = remembered::start(budgets, planes.clone(), root, observer, limits).await?;
    registry.attach(tree.clone());
    shared.set(tree.clone()).ok(); // boot runs once
    status.cogs.set(host.clone()).ok(); // boot runs once
    status.tasks.set(Arc::clone(&registry)).ok(); // boot runs once
    let ruling = Ruling::of(config, &registry);
    tree.set_rules(ruling, false).await.map_err(|error| Fatal::new(Code::Config, error))?;
    let (audit, told) = (Arc::new(db.clone()), Arc::clone(&clock));
    reloader.attach(Live { tree: tree.clone(), tasks: Arc::clone(&registry), audit, clock: told });
    let builder = Builder { tree: tree.clone(), status: Arc::clone(&status) };

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
        incarnations: admin::incarnations(&tree),
    });
    let offered = [
        admin::methods(&tree),
        status.methods(),
        reloader.methods(),
        methods,
        telemetry::methods(&log),
        rest::methods(&rest),
        vec![system::ping_method(rest.clone(), Arc::clone(&gateway))],
        database::methods(&db),
        emoji_cache::methods(&emojis),
        host.methods(),
        vec![host.sync_method(guild)],
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
        Arc::clone(&registry) as _,
        Arc::new(GatewayGauges(Arc::clone(&gateway))),
    ];
    let memory = Memory::new(config.memory.soft_mb, Arc::new(Caches(Arc::clone(&gateway))));
    status.memory.set(Arc::clone(&memory)).ok(); // boot runs once
    let parts = Parts {
        config: config.telemetry.clone(),
        exporter: exporter.with(collectors),
        health: Arc::clone(&status) as _,
        capture,
        log: Some(log),
        planes: planes.clone(),
        memory,
        version: VERSION,
        library: LIBRARY,
    };
    phases.add(Phase::Telemetry, builder.add(telemetry::child(parts).0)).await?;
    phases.add(Phase::Control, builder.add(channel.child())).await?;
    phases.add(Phase::Rest, builder.add(rest_child)).await?;
    phases.add(Phase::Database, builder.add(database::child(&db))).await?;
    folder.keep();
    remembered::keep(&tree);
    if ignore_budgets {
        remembered::audit(&db, clock.now()).await;
    }
    status.db.set(db.clone()).ok(); // boot runs once
    let mut kept = begin_record(&kept_record, &config.data.dir, &status, &planes).await;
    phases.add(Phase::EmojiCache, builder.add(emoji_child)).await?;
    kept.extend(phases.run(Phase::Prefixes, prefixes(&host, &planes)).await?);
    phases.add(Phase::Cogs, builder.add(host.child())).await?;

    let sharding = Sharding::new(&config.data.dir, &token);
    let planned = discord::plan(config.discord.shards, &rest, &sharding, &status);
    let plan = phases.run(Phase::Shards, planned).await?;
    let deps = GatewayDeps {
        token,
        gateway_url: config.discord.gateway_url.clone(),
        allow_hosts: config.discord.allow_hosts.clone(),
        intents: discord::intents(&config.discord.intents)?,
        plan,
        sink: Arc::new(FanOut::new(vec![
            Arc::new(emojis.clone()),
            host.sink(),
            Arc::new(refused::ForgetRefusals { rest: rest.clone(), cache: Arc::clone(&cache) }),
        ])),
        ledger: Arc::new(db.clone()),
        directory: Arc::new(rest.clone()),
        capture: Arc::clone(&reports),
        clock: Arc::clone(&clock),
        cache,
        presence: Presence::new(PresenceData::default()),
        control: planes.control.clone(),
    };
    let (made, gateway_child) = gateway::build(&config.gateway, deps);
    // Whoever has seen the gateway waits for this: what is taken up now is in what it leaves.
    let taking = taking_up.lock_owned().await;
    gateway.set(made.clone()).ok(); // boot runs once
    if let Some(memory) = status.memory.get() {
        memory.catch_up();
    }
    control.add(gateway::methods(&made)).map_err(|twice| Fatal::new(Code::Internal, twice))?;
    let (holder, left_by) = (made.clone(), config.data.dir.clone());
    // A task of its own: a signal ends this boot, and not that.
    let take = planes.data.spawn(async move {
        let _taking = taking;
        handover::take(&holder, &left_by).await;
    });
    let taken_up = async { take.await.map_err(|error| Fatal::new(Code::Internal, error)) };
    phases.run(Phase::Handover, taken_up).await?;
    phases.add(Phase::Gateway, builder.add(gateway_child)).await?;
    let tasks_child = task_supervisor::child(Duration::from_millis(config.tasks.monitor_ms), &registry);
    phases.add(Phase::Tasks, builder.add(tasks_child)).await?;

    names::unknown_names(&loaded, &tree, &registry);
    flags.mark(Step::SetupComplete);
    status.booted();
    treelog::write(&tree, "boot is over");
    let after = PostReady {
        flags,
        status: Arc::clone(&status),
        gateway: made.clone(),
        cogs: host,
        guild,
        database: db.location(),
        prefix: config.discord.prefix.clone(),
        reports: described,
        slow: phases.slow,
    };
    kept.extend([
        Kept::run(&planes.data, "token", refused::follow_token(rest, tree.clone(), status, reports)),
        Kept::run(&planes.data, "sharding", sharding.follow(made.clone())),
        Kept::run(&planes.data, "tree-log", treelog::follow(tree)),
        Kept::run(&planes.data, "post-ready", ready::follow(after)),
    ]);
    Ok(kept)
}

/// Makes and locks the data folder, and tells how the process before this one ended.
async fn open(folder: &DataFolder, data: &Path, status: &Status) -> Result<(), Fatal> {
    folder.open(data)?;
    status.before(record::read(data).await);
    Ok(())
}

/// From here on the end of this process is told to the next one. What is refused before this leaves nothing behind.
async fn begin_record(slot: &OnceLock<Record>, data: &Path, status: &Status, planes: &Planes) -> Vec<Kept> {
    match Record::begin(data, status.began_at).await {
        Ok(record) => {
            slot.set(record.clone()).ok(); // boot runs once
            vec![Kept::run(&planes.data, "alive", record.stay_alive())]
        }
        Err(error) => {
            tracing::warn!(%error, "how this process ends will not be told to the next: see to [data].dir");
            Vec::new()
        }
    }
}

/// Reads guilds' prefixes. If that cannot be, the default stands in until it can: no reason not to run.
async fn prefixes(host: &CogHost, planes: &Planes) -> Result<Option<Kept>, Fatal> {
    let prefixes = Arc::clone(host.prefixes());
    match prefixes.read_all().await {
        Ok(PrefixReading::Done | PrefixReading::TooMany) => return Ok(None),
        Ok(PrefixReading::Disturbed) => {}
        Err(error) => {
            let default = prefixes.default_prefix();
            tracing::warn!(%error, "guilds' prefixes cannot be read: {default} stands in until they can (`impresario db health`)");
        }
    }
    Ok(Some(Kept::run(&planes.data, "prefixes", async move { prefixes.read_all_later().await })))
}

fn bind(socket: &Path) -> Result<Socket, Fatal> {
    Socket::bind(socket).map_err(|error| {
        let remedy = match &error {
            BindError::Io { .. } => "; make its folder one that can be written, or set control.socket to another path",
            _ => "", // it names its own
        };
        Fatal::new(Code::Unavailable, format!("{error}{remedy}"))
    })
}

/// The tree as JSON: what `try` and tests read.
pub fn snapshot(tree: &Tree) -> serde_json::Value {
    wire::tree(&tree.nodes(), SystemClock.now())
}
