//! A bot without a network around the built-in cogs; its database is a file of its own, opened when a test wants it.

use chrono::{DateTime, TimeDelta, Utc};
use cog_host::{
    Access, BotInfo, BoxFuture, CogHost, CogHostConfig, EventKind, Mentions, Outbox, Prefixes, Presence, RestError,
    Services, ShardId, TreeOps,
    task::{RegisterError, Run, RunError, RunOutcome, TaskSpec, Tasks},
};
use database::{DatabaseConfig, Db};
use emoji_cache::EmojiConfig;
use protocol::{
    Dispatch, Event, EventSink, Secret, SystemClock,
    cache::{CacheCounts, CacheView, CachedGuild, CachedRole},
    ports::NoCapture,
};
use rest::{Rest, RestConfig};
use serde_json::{Value, json};
use serenity::{
    builder::{CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage, EditInteractionResponse},
    model::id::{ApplicationId, ChannelId, GuildId, InteractionId, RoleId, UserId},
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    time::Instant,
};

pub(crate) const OWNER: u64 = 1;
pub(crate) const MODERATOR: u64 = 2;
pub(crate) const MEMBER: u64 = 3;

/// Texts and bodies that left for Discord.
struct List(mpsc::Sender<Value>);

impl List {
    fn put(&self, body: &impl serde::Serialize) -> BoxFuture<'static, Result<(), RestError>> {
        self.0.try_send(serde_json::to_value(body).unwrap()).unwrap();
        Box::pin(async { Ok(()) })
    }
}

impl Outbox for List {
    fn post(
        &self,
        _: ChannelId,
        message: CreateMessage,
        _: Mentions,
        _: String,
    ) -> BoxFuture<'_, Result<(), RestError>> {
        self.put(&message)
    }

    fn respond<'a>(
        &'a self,
        _: InteractionId,
        _: &'a str,
        response: CreateInteractionResponse,
        _: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        self.put(&response)
    }

    fn edit<'a>(
        &'a self,
        _: ApplicationId,
        _: &'a str,
        edit: EditInteractionResponse,
        _: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        self.put(&edit)
    }

    fn follow_up<'a>(
        &'a self,
        _: ApplicationId,
        _: &'a str,
        message: CreateInteractionResponseFollowup,
        _: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        self.put(&message)
    }

    fn commands(&self, _: Option<GuildId>) -> BoxFuture<'_, Result<Vec<Value>, RestError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn set_commands(&self, _: Option<GuildId>, commands: Vec<Value>) -> BoxFuture<'_, Result<usize, RestError>> {
        let registered = self.put(&commands);
        Box::pin(async move { registered.await.map(|()| commands.len()) })
    }
}

/// The rooms that the cogs only talk to.
pub(crate) struct Around {
    pub(crate) tasks: Mutex<Vec<TaskSpec>>,
    pub(crate) told: Mutex<Vec<(String, String, Value, String)>>,
    pub(crate) shown: Mutex<Vec<String>>,
    started: DateTime<Utc>,
}

impl Tasks for Around {
    fn register(&self, spec: TaskSpec) -> BoxFuture<'_, Result<(), RegisterError>> {
        self.tasks.lock().unwrap().push(spec);
        Box::pin(async { Ok(()) })
    }

    fn unregister<'a>(&'a self, cog: &'a str, name: &'a str) -> BoxFuture<'a, bool> {
        let mut tasks = self.tasks.lock().unwrap();
        let before = tasks.len();
        tasks.retain(|task| (task.cog.as_str(), task.name.as_str()) != (cog, name));
        let gone = tasks.len() < before;
        Box::pin(async move { gone })
    }

    fn unregister_cog<'a>(&'a self, cog: &'a str) -> BoxFuture<'a, ()> {
        self.tasks.lock().unwrap().retain(|task| task.cog != cog);
        Box::pin(async {})
    }
}

impl TreeOps for Around {
    fn text(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async { Ok("root one_for_one\n`- cog-host".to_owned()) })
    }

    fn tell<'a>(
        &'a self,
        path: &'a str,
        message: &'a str,
        params: Value,
        by: &'a str,
    ) -> BoxFuture<'a, Result<Value, String>> {
        self.told.lock().unwrap().push((path.to_owned(), message.to_owned(), params, by.to_owned()));
        let known = path.starts_with("cog-host/");
        Box::pin(async move {
            if known { Ok(json!({"state": "loaded"})) } else { Err(format!("there is no actor {path:?}")) }
        })
    }
}

impl Presence for Around {
    fn show<'a>(&'a self, activity: &'a str) -> BoxFuture<'a, Result<u32, String>> {
        self.shown.lock().unwrap().push(activity.to_owned());
        Box::pin(async { Ok(1) })
    }
}

impl BotInfo for Around {
    fn version(&self) -> String {
        "1.2.3".to_owned()
    }

    fn started(&self) -> DateTime<Utc> {
        self.started
    }

    fn shards(&self) -> u32 {
        2
    }

    fn heartbeat(&self, _: ShardId) -> Option<Duration> {
        Some(Duration::from_millis(31))
    }
}

impl CacheView for Around {
    fn guild(&self, id: GuildId) -> Option<Arc<CachedGuild>> {
        let role =
            |id: u64, permissions| CachedRole { id: RoleId::new(id), name: "r".into(), position: 1, permissions };
        Some(Arc::new(CachedGuild {
            id,
            name: "guild".into(),
            owner_id: UserId::new(5000),
            member_count: 2,
            unavailable: false,
            roles: vec![role(id.get(), 1 << 11), role(77, 1 << 5)].into(),
            channels: Arc::from([]),
            own_roles: Arc::from([]),
            emoji_count: 0,
        }))
    }

    fn guild_ids(&self) -> Vec<GuildId> {
        vec![GuildId::new(10)]
    }

    fn own_id(&self) -> Option<UserId> {
        Some(UserId::new(99))
    }

    fn own_name(&self) -> Option<Arc<str>> {
        Some("Testy".into())
    }

    fn counts(&self) -> CacheCounts {
        CacheCounts { guilds: 1, members: 12, ..CacheCounts::default() }
    }
}

/// The built-in cogs, running.
pub(crate) struct Bot {
    pub(crate) host: CogHost,
    pub(crate) db: Db,
    pub(crate) around: Arc<Around>,
    pub(crate) tree: Tree,
    sink: Arc<dyn EventSink>,
    sent: AsyncMutex<mpsc::Receiver<Value>>,
    ids: AtomicU64,
}

pub(crate) fn database(dir: &std::path::Path) -> Db {
    let config = DatabaseConfig {
        url: Secret::new("sqlite://bot.db"),
        pool_size: 1,
        acquire_ms: 1000,
        health_ms: 1000,
        connect_ms: 1000,
    };
    Db::new(config, dir, Arc::new(SystemClock)).unwrap()
}

impl Bot {
    /// With the database opened, or down.
    pub(crate) async fn start(db: Db, open: bool) -> Self {
        let started = Utc::now() - TimeDelta::minutes(90);
        let around =
            Arc::new(Around { tasks: Mutex::default(), told: Mutex::default(), shown: Mutex::default(), started });
        let rest = RestConfig { global_per_second: 50, deadline_ms: 1000, attempts: 1, invalid_limit: 100 };
        let access = rest::Access {
            api_base: "http://127.0.0.1:9/api/v10".to_owned(),
            token: Secret::new("none"),
            allow_hosts: vec!["127.0.0.1".to_owned()],
        };
        let rest = Rest::standalone(rest, &access).unwrap();
        let (emoji, _) = emoji_cache::child(EmojiConfig { refresh_s: 60 }, rest.clone(), Arc::new(Vec::new));
        let services = Arc::new(Services {
            prefixes: Prefixes::new("!", 100, Arc::new(db.clone())),
            db: db.clone(),
            rest,
            emoji,
            cache: Arc::clone(&around) as _,
            clock: Arc::new(SystemClock),
            capture: Arc::new(NoCapture),
            tree: Arc::clone(&around) as _,
            presence: Arc::clone(&around) as _,
            bot: Arc::clone(&around) as _,
            background: Arc::clone(&around) as _,
        });
        let config = CogHostConfig {
            deadline_ms: 15_000,
            lane_capacity: 256,
            lane_commands: 16,
            waiting: 4_096,
            commands: 256,
            prefix_cache: 100,
        };
        let access = Access { owners: vec![UserId::new(OWNER)].into(), operators: vec![], sandbox: true };
        let (out, sent) = mpsc::channel(256);
        let host =
            CogHost::new(config, services, Arc::new(List(out)), access, crate::builtin(), &BTreeMap::new()).unwrap();
        let mut children = vec![host.child()];
        if open {
            children.insert(0, database::child(&db));
        }
        let flags = Flags::new(Strategy::OneForOne);
        let tree = Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        let (sink, ids) = (host.sink(), AtomicU64::new(1));
        Self { host, db, around, tree, sink, sent: AsyncMutex::new(sent), ids }
    }

    /// What the bot answers to `content`, written in guild 10.
    pub(crate) async fn ask(&self, user: u64, content: &str) -> String {
        self.ask_in(10, user, content).await
    }

    pub(crate) async fn ask_in(&self, guild: u64, user: u64, content: &str) -> String {
        let now = u64::try_from(Utc::now().timestamp_millis() - 1_420_070_400_000).unwrap();
        let id = (now << 22) + self.ids.fetch_add(1, SeqCst);
        let roles = if user == MODERATOR { vec!["77"] } else { vec![] };
        // A channel of its own for each message, so that no answer falls to the limit on error replies.
        let message = json!({
            "id": id.to_string(), "channel_id": id.to_string(), "guild_id": guild.to_string(), "content": content,
            "author": {"id": user.to_string(), "username": "somebody", "discriminator": "0000", "avatar": null},
            "member": {"roles": roles, "deaf": false, "mute": false, "joined_at": "2020-01-01T00:00:00Z"},
            "timestamp": "2026-01-01T00:00:00Z", "edited_timestamp": null, "tts": false, "mention_everyone": false,
            "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
        });
        let wait = self.sink.deliver(Dispatch {
            shard: ShardId(0),
            seq: id,
            kind: EventKind::MessageCreate,
            guild: Some(GuildId::new(guild)),
            event: Arc::new(Event::MessageCreate(serde_json::from_value(message).unwrap())),
            received: Instant::now(),
            backlog: Arc::default(),
        });
        if let Some(wait) = wait {
            wait.await;
        }
        self.next().await["content"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) async fn next(&self) -> Value {
        let mut sent = self.sent.lock().await;
        tokio::time::timeout(Duration::from_secs(30), sent.recv()).await.expect("nothing was sent").unwrap()
    }

    /// Runs the task `name` once, waiting until it is registered.
    pub(crate) async fn run_task(&self, name: &str) -> Result<RunOutcome, RunError> {
        let find = || self.around.tasks.lock().unwrap().iter().find(|task| task.name == name).cloned();
        let task = loop {
            match find() {
                Some(task) => break task,
                None => tokio::task::yield_now().await,
            }
        };
        (task.run)(Run { number: 1, cancel: Default::default() }).await
    }
}
