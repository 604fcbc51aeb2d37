//! The actor in a real little tree, over a real HTTP client, before a scripted Discord.

use crate::{EmojiConfig, Emojis, PATH, child, methods};
use axum::{
    Json, Router,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use protocol::{
    Dispatch, Event, EventKind, EventSink, Secret, ShardId,
    cache::GuildEmoji,
    method::{Handler, MethodCall, Peer},
};
use rest::{Access, RestConfig};
use serde_json::{Value, json};
use serenity::model::id::{EmojiId, GuildId};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use supervision::{ActorPath, AdminError, Flags, NoObserver, Planes, Role, Strategy, Tree, Verb};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);
const GUILD: u64 = 10;

type Names = Vec<(u64, &'static str)>;

/// What Discord has, and how it behaves.
#[derive(Default)]
struct World {
    application: Names,
    guilds: BTreeMap<u64, Names>,
    down: bool,
    reads: usize,
}

struct Bot {
    world: Arc<Mutex<World>>,
    emojis: Emojis,
    tree: Tree,
}

impl Bot {
    /// A running cache that has read the application's emoji `wave` (1), and of guild 10 `rare` (11).
    async fn start() -> Self {
        let world =
            World { application: vec![(1, "wave")], guilds: [(GUILD, vec![(11, "rare")])].into(), ..World::default() };
        let world = Arc::new(Mutex::new(world));
        let access = Access {
            api_base: serve(Arc::clone(&world)).await,
            token: Secret::new("token"),
            allow_hosts: vec!["127.0.0.1".to_owned()],
        };
        let config = RestConfig { global_per_second: 50, deadline_ms: 5_000, attempts: 1, invalid_limit: 5_000 };
        let (rest, rest_spec) = rest::child(config, access, rest::Past::none());
        let guilds = Arc::new(|| vec![GuildId::new(GUILD)]);
        let (emojis, spec) = child(EmojiConfig { refresh_s: 21_600 }, rest, guilds);
        let flags = Flags::new(Strategy::OneForOne);
        let children = vec![rest_spec, spec];
        let tree = Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.unwrap();
        tree.started().await.unwrap();
        let bot = Self { world, emojis, tree };
        bot.until(|bot| bot.emojis.status().refreshed_ms_ago.is_some()).await;
        bot
    }

    async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let look = async {
            while !wanted(self) {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, look).await.unwrap();
    }

    async fn tell(&self, name: &str, params: Value) -> Result<Value, AdminError> {
        self.tree.tell(&ActorPath::from(PATH), name, params, PATIENCE, None).await
    }

    async fn order(&self, path: &str, verb: Verb) {
        self.tree.order(&ActorPath::from(path), verb, None, false).await.unwrap();
    }

    fn state(&self) -> &'static str {
        self.tree.node(&ActorPath::from(PATH)).map_or("gone", |node| node.status.name())
    }

    fn deliver(&self, kind: EventKind, data: Value) {
        let event: Event = serde_json::from_value(json!({"t": kind.name(), "d": data})).unwrap();
        assert!(!matches!(event, Event::Unknown(_)), "{} does not parse", kind.name());
        let event = Arc::new(event);
        let dispatch = Dispatch {
            shard: ShardId(0),
            seq: 1,
            kind,
            guild: None,
            event,
            received: Instant::now(),
            backlog: Arc::default(),
        };
        assert!(self.emojis.wants().contains(kind));
        assert!(self.emojis.deliver(dispatch).is_none(), "the shard would have to wait");
    }

    /// What the gateway's cache hands over when a guild comes.
    fn guild_comes(&self, id: u64, names: &[(u64, &str)]) {
        let emojis: Vec<GuildEmoji> = names.iter().map(|&(id, name)| guild_emoji(id, name)).collect();
        self.emojis.guild_emojis(GuildId::new(id), &emojis);
    }

    fn resolve(&self, name: &str) -> Option<String> {
        self.emojis.resolve(name, Some(GuildId::new(GUILD))).map(|found| found.to_string())
    }

    fn knows(&self, id: u64) -> bool {
        self.emojis.get(EmojiId::new(id)).is_some()
    }
}

#[tokio::test]
async fn a_refresh_picks_up_renames_and_says_what_it_read() {
    let bot = Bot::start().await;
    assert_eq!((bot.resolve("rare"), bot.resolve("wave")), (Some("<:rare:11>".into()), Some("<:wave:1>".into())));
    {
        let mut world = bot.world.lock().unwrap();
        world.application = vec![(1, "hello"), (2, "bye")];
        world.guilds.insert(GUILD, vec![(11, "common")]);
    }
    let said = bot.tell("refresh", Value::Null).await.unwrap();
    assert_eq!((&said["application"], &said["guilds"], &said["emojis"]), (&json!(2), &json!(1), &json!(3)));
    assert!(said["took_ms"].is_u64(), "{said}");
    assert_eq!((bot.resolve("common"), bot.resolve("hello")), (Some("<:common:11>".into()), Some("<:hello:1>".into())));
    assert_eq!(bot.resolve("rare"), None, "the old name is still known");
    let listed = bot.tell("list", json!({"guild": GUILD.to_string()})).await.unwrap();
    assert_eq!((&listed["total"], &listed["emojis"][0]["name"]), (&json!(1), &json!("common")));
    assert_eq!(bot.tell("get", json!({"id": "2"})).await.unwrap()["name"], "bye");
    assert!(matches!(bot.tell("get", json!({"id": "3"})).await, Err(AdminError::Refused { .. })));
    assert!(matches!(bot.tell("list", json!({"gild": 1})).await, Err(AdminError::BadArgument { .. })));
}

#[tokio::test]
async fn events_change_the_cache_and_an_outage_does_not() {
    let bot = Bot::start().await;
    bot.guild_comes(20, &[(21, "new")]);
    bot.until(|bot| bot.knows(21)).await;
    bot.deliver(EventKind::GuildEmojisUpdate, json!({"guild_id": "20", "emojis": [emoji(22, "newer")]}));
    bot.until(|bot| bot.knows(22) && !bot.knows(21)).await;
    bot.deliver(EventKind::GuildDelete, json!({"id": "20", "unavailable": true}));
    bot.deliver(EventKind::GuildEmojisUpdate, json!({"guild_id": GUILD.to_string(), "emojis": [emoji(12, "seen")]}));
    bot.until(|bot| bot.knows(12)).await;
    assert!(bot.knows(22), "an outage made it forget");
    bot.deliver(EventKind::GuildDelete, json!({"id": "20", "unavailable": false}));
    bot.until(|bot| !bot.knows(22)).await;
    assert_eq!(bot.emojis.counts().guilds, 1);
}

/// Decoding a guild into serenity's type costs more than everything else that is done with it.
#[tokio::test]
async fn guilds_come_without_their_event_being_decoded() {
    let bot = Bot::start().await;
    assert!(!bot.emojis.wants().contains(EventKind::GuildCreate));
    bot.emojis.guild_emojis(
        GuildId::new(20),
        &[
            GuildEmoji { animated: true, ..guild_emoji(22, "moves") },
            GuildEmoji { available: false, ..guild_emoji(21, "lost") },
        ],
    );
    bot.until(|bot| bot.knows(22) && bot.knows(21)).await;
    let resolve = |name| bot.emojis.resolve(name, Some(GuildId::new(20))).map(|found| found.to_string());
    assert_eq!((resolve("moves").as_deref(), resolve("lost")), (Some("<a:moves:22>"), None));
}

#[tokio::test]
async fn a_killed_cache_serves_on_and_refreshes() {
    let bot = Bot::start().await;
    bot.order(PATH, Verb::Stop).await;
    assert_eq!(bot.resolve("rare").as_deref(), Some("<:rare:11>"), "reads need no actor");
    bot.order(PATH, Verb::Start).await;
    bot.world.lock().unwrap().guilds.insert(GUILD, vec![(11, "renamed")]);
    bot.order(PATH, Verb::Kill).await;
    assert!(bot.knows(11) && bot.knows(1));
    bot.until(|bot| bot.resolve("renamed").is_some()).await;
}

#[tokio::test]
async fn when_discord_fails_it_serves_what_it_knows_and_says_so() {
    let bot = Bot::start().await;
    bot.world.lock().unwrap().down = true;
    let refused = bot.tell("refresh", Value::Null).await;
    assert!(matches!(&refused, Err(AdminError::Refused { reason }) if reason.contains("503")), "{refused:?}");
    assert_eq!(bot.resolve("rare").as_deref(), Some("<:rare:11>"));
    let stats = bot.tell("stats", Value::Null).await.unwrap();
    assert!(stats["last_error"].is_string() && stats["emojis"] == json!(2), "{stats}");
    bot.world.lock().unwrap().down = false;
    // What failed is tried again by itself, 2.5 to 5 s later.
    bot.until(|bot| bot.emojis.status().last_error.is_none()).await;
}

#[tokio::test]
async fn it_is_suspended_without_the_http_client_and_resumes_with_it() {
    let bot = Bot::start().await;
    bot.order(rest::PATH, Verb::Stop).await;
    bot.until(|bot| bot.state() == "suspended").await;
    assert_eq!(bot.resolve("rare").as_deref(), Some("<:rare:11>"));
    assert!(matches!(bot.tell("refresh", Value::Null).await, Err(AdminError::Refused { .. })));
    bot.guild_comes(20, &[(21, "new")]);
    bot.order(rest::PATH, Verb::Start).await;
    bot.until(|bot| bot.state() == "running" && bot.knows(21)).await;
}

#[tokio::test]
async fn an_event_that_cannot_be_taken_is_read_anew_later() {
    let bot = Bot::start().await;
    bot.order(PATH, Verb::Stop).await;
    bot.world.lock().unwrap().guilds.insert(20, vec![(29, "truth")]);
    bot.guild_comes(20, &[(21, "lost")]);
    assert_eq!(bot.emojis.status().missed, 1);
    bot.order(PATH, Verb::Start).await;
    bot.until(|bot| bot.knows(29)).await;
    assert_eq!(bot.emojis.status().missed, 0);
}

#[tokio::test]
async fn a_flood_of_events_ends_with_the_last_word() {
    let bot = Bot::start().await;
    for n in 0..5_000_u64 {
        let name = if n == 4_999 { "last" } else { "earlier" };
        bot.deliver(EventKind::GuildEmojisUpdate, json!({"guild_id": "10", "emojis": [emoji(1_000 + n, name)]}));
    }
    // Those that did not fit are read from Discord, which has the last one.
    bot.world.lock().unwrap().guilds.insert(GUILD, vec![(5_999, "last")]);
    bot.until(|bot| bot.knows(5_999) && bot.emojis.status().missed == 0).await;
    assert_eq!(bot.resolve("earlier"), None);
}

#[tokio::test]
async fn a_guild_that_the_bot_has_left_is_forgotten() {
    let bot = Bot::start().await;
    bot.world.lock().unwrap().guilds.clear();
    bot.tell("refresh", Value::Null).await.unwrap();
    assert_eq!((bot.knows(11), bot.emojis.counts().guilds), (false, 0));
}

#[tokio::test]
async fn the_control_channel_refreshes_and_lists() {
    let bot = Bot::start().await;
    let before = bot.world.lock().unwrap().reads;
    let call = async |name: &str, params: Value| {
        let method = methods(&bot.emojis).into_iter().find(|method| method.name == name).unwrap();
        let Handler::Call(run) = method.handler else { panic!("{name} streams") };
        run(MethodCall { params, peer: Peer { uid: 0, pid: None, role: Role::Admin } }).await
    };
    assert_eq!(call("emoji.refresh", Value::Null).await.unwrap()["emojis"], 2);
    assert_eq!(bot.world.lock().unwrap().reads, before + 2);
    let listed = call("emoji.list", json!({"application": true})).await.unwrap();
    assert_eq!((&listed["total"], &listed["emojis"][0]["name"]), (&json!(1), &json!("wave")));
}

fn emoji(id: u64, name: &str) -> Value {
    json!({"id": id.to_string(), "name": name, "animated": false, "available": true, "managed": false,
        "require_colons": true, "roles": []})
}

fn emojis(names: &[(u64, &str)]) -> Vec<Value> {
    names.iter().map(|&(id, name)| emoji(id, name)).collect()
}

fn guild_emoji(id: u64, name: &str) -> GuildEmoji {
    GuildEmoji { id: EmojiId::new(id), name: name.into(), animated: false, available: true }
}

async fn serve(world: Arc<Mutex<World>>) -> String {
    let answer = move |request: &Request| -> Response {
        let mut world = world.lock().unwrap();
        if world.down {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        let path: Vec<&str> = request.uri().path().trim_start_matches("/api/v10/").split('/').collect();
        match path[..] {
            ["oauth2", "applications", "@me"] => Json(json!({"id": "5", "name": "bot"})).into_response(),
            ["applications", "5", "emojis"] => {
                world.reads += 1;
                Json(json!({"items": emojis(&world.application)})).into_response()
            }
            ["guilds", id, "emojis"] => {
                world.reads += 1;
                match world.guilds.get(&id.parse().unwrap()) {
                    Some(names) => Json(emojis(names)).into_response(),
                    None => {
                        let error = json!({"code": 10004, "message": "Unknown Guild"});
                        (StatusCode::NOT_FOUND, Json(error)).into_response()
                    }
                }
            }
            _ => StatusCode::NOT_IMPLEMENTED.into_response(),
        }
    };
    let app = Router::new().fallback(move |request: Request| std::future::ready(answer(&request)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/api/v10", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    base
}
