//! A bot without a network: a real little tree around the room, lists where Discord would be.

use super::MapStore;
use crate::{
    cell::CogSettings,
    cog::Cog,
    config::CogHostConfig,
    context::Services,
    guard::Access,
    host::CogHost,
    ports::{BotInfo, Outbox, Presence, TreeOps},
    prefixes::Prefixes,
};
use chrono::{DateTime, Utc};
use database::{DatabaseConfig, Db};
use emoji_cache::EmojiConfig;
use protocol::{
    Backlog, BoxFuture, Delivery, Dispatch, Event, EventKind, EventSink, Secret, ShardId, SystemClock,
    cache::{CacheCounts, CacheView, CachedGuild, CachedMember, CachedRole},
    ports::{Capture, Report},
    task::{RegisterError, TaskSpec, Tasks},
};
use rest::{Mentions, Rest, RestConfig, RestError};
use serde_json::{Value, json};
use serenity::{
    builder::{CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage, EditInteractionResponse},
    model::id::{ApplicationId, ChannelId, GuildId, InteractionId, RoleId, UserId},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};
use supervision::{ActorPath, Flags, NoObserver, Planes, Strategy, Tree};
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    time::Instant,
};

pub(crate) const BOT: UserId = UserId::new(99);
pub(crate) const OWNER: u64 = 1;
/// Holds the role that may manage the guild.
pub(crate) const MODERATOR: u64 = 2;
pub(crate) const MODERATORS: u64 = 77;

/// What left for Discord.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) how: &'static str,
    pub(crate) to: u64,
    pub(crate) body: Value,
    pub(crate) nonce: Option<String>,
}

impl Sent {
    pub(crate) fn text(&self) -> &str {
        let body = if self.body["data"].is_null() { &self.body } else { &self.body["data"] };
        body["content"].as_str().unwrap_or_default()
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        let body = if self.body["data"].is_null() { &self.body } else { &self.body["data"] };
        body["flags"].as_u64().unwrap_or_default() & 64 != 0
    }
}

pub(crate) struct List {
    out: mpsc::Sender<Sent>,
    /// The slash commands that "Discord" has.
    commands: Mutex<Vec<Value>>,
}

impl List {
    /// For a room that is never started.
    pub(crate) fn nowhere() -> Self {
        Self::into(mpsc::channel(1).0)
    }

    fn into(out: mpsc::Sender<Sent>) -> Self {
        Self { out, commands: Mutex::default() }
    }

    fn put(&self, how: &'static str, to: u64, body: &impl serde::Serialize, nonce: Option<String>) {
        let body = serde_json::to_value(body).unwrap();
        self.out.try_send(Sent { how, to, body, nonce }).unwrap();
    }
}

impl Outbox for List {
    fn post(
        &self,
        channel: ChannelId,
        message: CreateMessage,
        _: Mentions,
        nonce: String,
    ) -> BoxFuture<'_, Result<(), RestError>> {
        self.put("post", channel.get(), &message, Some(nonce));
        Box::pin(async { Ok(()) })
    }

    fn respond<'a>(
        &'a self,
        id: InteractionId,
        _: &'a str,
        response: CreateInteractionResponse,
        _: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        self.put("respond", id.get(), &response, None);
        Box::pin(async { Ok(()) })
    }

    fn edit<'a>(
        &'a self,
        application: ApplicationId,
        _: &'a str,
        edit: EditInteractionResponse,
        _: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        self.put("edit", application.get(), &edit, None);
        Box::pin(async { Ok(()) })
    }

    fn follow_up<'a>(
        &'a self,
        application: ApplicationId,
        _: &'a str,
        message: CreateInteractionResponseFollowup,
        _: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        self.put("follow_up", application.get(), &message, None);
        Box::pin(async { Ok(()) })
    }

    fn commands(&self, _: Option<GuildId>) -> BoxFuture<'_, Result<Vec<Value>, RestError>> {
        Box::pin(async { Ok(self.commands.lock().unwrap().clone()) })
    }

    fn set_commands(&self, guild: Option<GuildId>, commands: Vec<Value>) -> BoxFuture<'_, Result<usize, RestError>> {
        self.put("commands", guild.map_or(0, GuildId::get), &commands, None);
        self.commands.lock().unwrap().clone_from(&commands);
        Box::pin(async move { Ok(commands.len()) })
    }
}

/// Tasks, cache, tree, presence, facts and reports of a bot that has nothing but its cogs.
#[derive(Default)]
pub(crate) struct Nothing {
    pub(crate) tasks: Mutex<Vec<String>>,
    pub(crate) tasks_down: AtomicBool,
    pub(crate) reports: Mutex<Vec<Report>>,
    pub(crate) members: Mutex<Vec<(GuildId, CachedMember)>>,
}

impl Tasks for Nothing {
    fn register(&self, spec: TaskSpec) -> BoxFuture<'_, Result<(), RegisterError>> {
        let down = self.tasks_down.load(SeqCst);
        if !down {
            self.tasks.lock().unwrap().push(format!("{}/{}", spec.cog, spec.name));
        }
        Box::pin(async move { if down { Err(RegisterError::Unavailable) } else { Ok(()) } })
    }

    fn unregister<'a>(&'a self, cog: &'a str, name: &'a str) -> BoxFuture<'a, bool> {
        let (mut tasks, wanted) = (self.tasks.lock().unwrap(), format!("{cog}/{name}"));
        let before = tasks.len();
        tasks.retain(|task| *task != wanted);
        let gone = tasks.len() < before;
        Box::pin(async move { gone })
    }

    fn unregister_cog<'a>(&'a self, cog: &'a str) -> BoxFuture<'a, ()> {
        self.tasks.lock().unwrap().retain(|task| !task.starts_with(&format!("{cog}/")));
        Box::pin(async {})
    }
}

impl CacheView for Nothing {
    fn member(&self, guild: GuildId, user: UserId) -> Option<CachedMember> {
        self.members
            .lock()
            .unwrap()
            .iter()
            .find(|(known, member)| *known == guild && member.user == user)
            .map(|(_, member)| member.clone())
    }

    fn guild(&self, id: GuildId) -> Option<Arc<CachedGuild>> {
        let role =
            |id: u64, permissions| CachedRole { id: RoleId::new(id), name: "r".into(), position: 1, permissions };
        let (send, manage) = (1 << 11, 1 << 5);
        (id.get() < 1000).then(|| {
            Arc::new(CachedGuild {
                id,
                name: "guild".into(),
                owner_id: UserId::new(5000),
                member_count: 2,
                unavailable: false,
                roles: vec![role(id.get(), send), role(MODERATORS, manage)].into(),
                channels: Arc::from([]),
                own_roles: Arc::from([]),
                emoji_count: 0,
            })
        })
    }

    fn guild_ids(&self) -> Vec<GuildId> {
        vec![GuildId::new(10)]
    }

    fn own_id(&self) -> Option<UserId> {
        Some(BOT)
    }

    fn own_name(&self) -> Option<Arc<str>> {
        Some("bot".into())
    }

    fn counts(&self) -> CacheCounts {
        CacheCounts { guilds: 1, ..CacheCounts::default() }
    }
}

impl TreeOps for Nothing {
    fn text(&self) -> BoxFuture<'_, Result<String, String>> {
        Box::pin(async { Ok("root".to_owned()) })
    }

    fn tell<'a>(&'a self, path: &'a str, _: &'a str, _: Value, _: &'a str) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move { Err(format!("there is no actor {path:?}")) })
    }
}

impl Presence for Nothing {
    fn show<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<u32, String>> {
        Box::pin(async { Ok(1) })
    }
}

impl BotInfo for Nothing {
    fn version(&self) -> String {
        "0.0.0".to_owned()
    }

    fn started(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn shards(&self) -> u32 {
        1
    }

    fn heartbeat(&self, _: ShardId) -> Option<Duration> {
        None
    }
}

impl Capture for Nothing {
    fn capture(&self, report: Report) {
        self.reports.lock().unwrap().push(report);
    }
}

/// The room in a tree of its own.
pub(crate) struct World {
    pub(crate) tree: Tree,
    pub(crate) host: CogHost,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) store: Arc<MapStore>,
    pub(crate) nothing: Arc<Nothing>,
    /// Of all that is dispatched.
    pub(crate) backlog: Arc<Backlog>,
    sent: AsyncMutex<mpsc::Receiver<Sent>>,
    ids: AtomicU64,
}

pub(crate) fn config() -> CogHostConfig {
    CogHostConfig {
        deadline_ms: 15_000,
        lane_capacity: 4,
        lane_commands: 4,
        waiting: 1_000,
        commands: 64,
        prefix_cache: 100,
    }
}

impl World {
    pub(crate) async fn new(cogs: Vec<Cog>) -> Self {
        Self::with(cogs, BTreeMap::new(), |_| {}).await
    }

    /// A world whose Discord is the stand-in.
    pub(crate) async fn of_the_stand_in(cogs: Vec<Cog>) -> Self {
        Self::made(cogs, BTreeMap::new(), |_| {}, true).await
    }

    pub(crate) async fn with(
        cogs: Vec<Cog>,
        settings: BTreeMap<String, CogSettings>,
        prepare: impl FnOnce(&Nothing),
    ) -> Self {
        Self::made(cogs, settings, prepare, false).await
    }

    async fn made(
        cogs: Vec<Cog>,
        settings: BTreeMap<String, CogSettings>,
        prepare: impl FnOnce(&Nothing),
        sandbox: bool,
    ) -> Self {
        let nothing = Arc::<Nothing>::default();
        prepare(&nothing);
        let store = MapStore::new();
        let (out, sent) = mpsc::channel(4096);
        let services = services(Arc::clone(&nothing), Arc::clone(&store));
        let access = Access { owners: vec![UserId::new(OWNER)].into(), operators: vec![], sandbox };
        let host = CogHost::new(config(), services, Arc::new(List::into(out)), access, cogs, &settings).unwrap();
        let flags = Flags::new(Strategy::OneForOne);
        let tree = Tree::start(Planes::single(), flags, vec![host.child()], Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        let sink = host.sink();
        let (backlog, ids) = (Arc::default(), AtomicU64::new(1000));
        Self { tree, host, sink, store, nothing, backlog, sent: AsyncMutex::new(sent), ids }
    }

    /// What was sent next, waiting for it.
    pub(crate) async fn next(&self) -> Sent {
        let mut sent = self.sent.lock().await;
        tokio::time::timeout(Duration::from_secs(60), sent.recv()).await.expect("nothing was sent").unwrap()
    }

    /// Everything that was sent by now, once everything under way is done.
    pub(crate) async fn settled(&self) -> Vec<Sent> {
        self.lanes_settled().await;
        let mut sent = self.sent.lock().await;
        std::iter::from_fn(|| sent.try_recv().ok()).collect()
    }

    pub(crate) async fn lanes_settled(&self) {
        let lanes = self.host.shared.lanes.borrow().clone();
        lanes.unwrap().settled().await;
    }

    pub(crate) fn offer(&self, guild: Option<u64>, user: u64, content: &str) -> Delivery<'_> {
        self.sink.deliver(self.message(guild, user, content))
    }

    /// Somebody writes in channel `guild + 5000` of `guild` (or in a direct message).
    pub(crate) async fn say(&self, guild: Option<u64>, user: u64, content: &str) {
        if let Some(wait) = self.offer(guild, user, content) {
            wait.await;
        }
    }

    pub(crate) async fn slash(&self, user: u64, data: Value) {
        let id = self.ids.fetch_add(1, SeqCst);
        let interaction = json!({
            "id": id.to_string(), "application_id": "98", "type": 2, "token": "t0ken", "version": 1, "locale": "en-US",
            "guild_id": "10", "channel_id": "5010", "data": data, "entitlements": [], "attachment_size_limit": 1000,
            "member": {"user": author(user), "roles": [], "deaf": false, "mute": false, "flags": 0,
                "joined_at": "2020-01-01T00:00:00Z", "permissions": "2048"},
        });
        let event = wrapped("INTERACTION_CREATE", interaction).unwrap();
        let dispatch = self.dispatch(EventKind::InteractionCreate, Some(10), event);
        if let Some(wait) = self.sink.deliver(dispatch) {
            wait.await;
        }
    }

    pub(crate) fn message(&self, guild: Option<u64>, user: u64, content: &str) -> Dispatch {
        self.message_by(guild, author(user), content)
    }

    pub(crate) fn message_by(&self, guild: Option<u64>, author: Value, content: &str) -> Dispatch {
        let id = self.ids.fetch_add(1, SeqCst);
        let channel = guild.map_or(6000, |guild| guild + 5000);
        let moderator = author["id"].as_str() == Some(&MODERATOR.to_string());
        let roles: Vec<String> = if moderator { vec![MODERATORS.to_string()] } else { vec![] };
        let mut message = json!({
            "id": id.to_string(), "channel_id": channel.to_string(), "author": author, "content": content,
            "timestamp": "2026-01-01T00:00:00Z", "edited_timestamp": null, "tts": false, "mention_everyone": false,
            "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
        });
        if let Some(guild) = guild {
            message["guild_id"] = guild.to_string().into();
            message["member"] =
                json!({"roles": roles, "deaf": false, "mute": false, "joined_at": "2020-01-01T00:00:00Z"});
        }
        let event = wrapped("MESSAGE_CREATE", message).unwrap();
        self.dispatch(EventKind::MessageCreate, guild, event)
    }

    pub(crate) fn dispatch(&self, kind: EventKind, guild: Option<u64>, event: Event) -> Dispatch {
        Dispatch {
            shard: ShardId(0),
            seq: self.ids.fetch_add(1, SeqCst),
            kind,
            guild: guild.map(GuildId::new),
            event: Arc::new(event),
            received: Instant::now(),
            backlog: Arc::clone(&self.backlog),
        }
    }

    pub(crate) async fn tell(&self, path: &str, message: &str) -> Result<Value, supervision::AdminError> {
        self.tree.tell(&ActorPath::from(path), message, Value::Null, Duration::from_secs(30), None).await
    }
}

pub(crate) fn author(id: u64) -> Value {
    json!({"id": id.to_string(), "username": "somebody", "discriminator": "0000", "avatar": null})
}

fn wrapped(kind: &str, data: Value) -> Result<Event, serde_json::Error> {
    match kind {
        "MESSAGE_CREATE" => Ok(Event::MessageCreate(serde_json::from_value(data)?)),
        _ => Ok(Event::InteractionCreate(serde_json::from_value(data)?)),
    }
}

/// Services around `nothing`; the database is never opened and the REST client has nobody to talk to.
pub(crate) fn services(nothing: Arc<Nothing>, store: Arc<MapStore>) -> Arc<Services> {
    let clock = Arc::new(SystemClock);
    let database = DatabaseConfig {
        url: Secret::new("sqlite://never-opened.db"),
        pool_size: 1,
        acquire_ms: 100,
        health_ms: 1000,
        connect_ms: 100,
    };
    let rest = RestConfig { global_per_second: 50, deadline_ms: 1000, attempts: 1, invalid_limit: 100 };
    let access = rest::Access {
        api_base: "http://127.0.0.1:9/api/v10".to_owned(),
        token: Secret::new("none"),
        allow_hosts: vec!["127.0.0.1".to_owned()],
    };
    let rest = Rest::standalone(rest, &access).unwrap();
    let (emoji, _) = emoji_cache::child(EmojiConfig { refresh_s: 60 }, rest.clone(), Arc::new(Vec::new));
    Arc::new(Services {
        db: Db::new(database, Path::new("/nonexistent"), Arc::clone(&clock) as _).unwrap(),
        rest,
        emoji,
        cache: Arc::clone(&nothing) as _,
        clock,
        capture: Arc::clone(&nothing) as _,
        tree: Arc::clone(&nothing) as _,
        presence: Arc::clone(&nothing) as _,
        bot: Arc::clone(&nothing) as _,
        prefixes: Prefixes::new("!", 100, store),
        background: nothing,
    })
}
