//! A gateway driven by hand, a sink that can be shut, and a bot around them.

use crate::{Cache, Gateway, GatewayConfig, GatewayDeps, Intents, Presence, ShardPlan, build};
use futures_util::{SinkExt, StreamExt};
use protocol::{
    BoxFuture, Delivery, Dispatch, Event, EventKind, EventSink, KindSet, Secret, SystemClock,
    ports::{Capture, GatewayBot, GatewayDirectory, IdentifyGrant, IdentifyLedger, NotNow, Report},
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// Nothing on one machine takes this long unless it is broken.
pub(super) const LIMIT: Duration = Duration::from_secs(20);

pub(super) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

/// Looks again and again until `holds`.
pub(super) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// The gateway's side.
pub(super) struct Fake {
    listener: TcpListener,
    pub(super) url: String,
}

impl Fake {
    pub(super) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// The next connection, greeted with HELLO.
    pub(super) async fn accept(&self, interval_ms: u64) -> Peer {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        let mut peer = Peer { ws: accept_async(stream).await.unwrap(), heartbeats: 0, answers: true };
        peer.send(json!({"op": 10, "d": {"heartbeat_interval": interval_ms}, "s": null, "t": null})).await;
        peer
    }

    /// The next connection, up to READY.
    pub(super) async fn begin(&self, interval_ms: u64) -> Peer {
        let mut peer = self.accept(interval_ms).await;
        peer.expect(2).await;
        peer.ready(&self.url).await;
        peer
    }

    pub(super) async fn sees_nobody_for(&self, time: Duration) {
        assert!(tokio::time::timeout(time, self.listener.accept()).await.is_err(), "somebody connected");
    }
}

/// One connection, seen from Discord.
pub(super) struct Peer {
    pub(super) ws: WebSocketStream<TcpStream>,
    pub(super) heartbeats: u32,
    /// Whether heartbeats are acknowledged.
    pub(super) answers: bool,
}

impl Peer {
    pub(super) async fn send(&mut self, frame: Value) {
        self.raw(&frame.to_string()).await;
    }

    pub(super) async fn raw(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    pub(super) async fn ready(&mut self, url: &str) {
        let data = json!({
            "v": 10, "user": {"id": "900", "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
            "guilds": [{"id": "100", "unavailable": true}], "session_id": "session-1", "resume_gateway_url": url,
            "shard": [0, 1], "application": {"id": "1", "flags": 0},
        });
        // Discord's order of members, which serde_json's maps do not keep.
        self.raw(&format!(r#"{{"t":"READY","s":1,"op":0,"d":{data}}}"#)).await;
    }

    pub(super) async fn message(&mut self, seq: u64) {
        self.raw(&message(seq)).await;
    }

    pub(super) async fn resumed(&mut self, seq: u64) {
        self.raw(&format!(r#"{{"t":"RESUMED","s":{seq},"op":0,"d":{{"_trace":[]}}}}"#)).await;
    }

    /// The next frame, heartbeats answered in passing unless one is waited for.
    pub(super) async fn expect(&mut self, op: u64) -> Value {
        loop {
            let next = soon(&format!("op {op}"), self.ws.next()).await;
            let Some(Ok(Message::Text(text))) = next else { panic!("op {op} was expected, not {next:?}") };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let got = frame["op"].as_u64().unwrap();
            if got == 1 {
                self.heartbeats += 1;
                if self.answers {
                    self.send(json!({"op": 11})).await;
                }
            }
            if got == op {
                return frame;
            }
            assert_eq!(got, 1, "op {op} was expected, not {frame}");
        }
    }

    /// The code of the bot's close frame.
    pub(super) async fn closed(&mut self) -> Option<u16> {
        soon("a close frame", async {
            while let Some(Ok(message)) = self.ws.next().await {
                if let Message::Close(frame) = message {
                    return frame.map(|frame| frame.code.into());
                }
            }
            None
        })
        .await
    }

    pub(super) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "scripted".into() };
        self.ws.close(Some(frame)).await.unwrap();
    }
}

/// A MESSAGE_CREATE whose id is `seq`.
pub(super) fn message(seq: u64) -> String {
    let data = json!({
        "id": seq.to_string(), "channel_id": "3", "guild_id": "100", "content": "x", "timestamp": "2026-01-01T00:00:00Z",
        "author": {"id": "7", "username": "ann", "discriminator": "0", "avatar": null}, "edited_timestamp": null,
        "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "pinned": false, "type": 0,
    });
    format!(r#"{{"t":"MESSAGE_CREATE","s":{seq},"op":0,"d":{data}}}"#)
}

/// Takes the ids of messages, and the sequence numbers of new members; can be shut, and panics where it is told to.
pub(super) struct Sink {
    pub(super) taken: watch::Sender<Vec<u64>>,
    pub(super) shut: watch::Sender<bool>,
    pub(super) panics_at: Mutex<Option<u64>>,
}

impl Sink {
    pub(super) async fn has(&self, count: usize) -> Vec<u64> {
        soon("events", self.taken.subscribe().wait_for(|taken| taken.len() >= count)).await.unwrap().clone()
    }
}

impl EventSink for Sink {
    fn wants(&self) -> KindSet {
        KindSet::of(&[EventKind::MessageCreate, EventKind::GuildMemberAdd])
    }

    fn deliver(&self, dispatch: Dispatch) -> Delivery<'_> {
        assert!(dispatch.guild.is_some());
        let what = match &*dispatch.event {
            Event::MessageCreate(event) => event.message.id.get(),
            _ => dispatch.seq,
        };
        if *self.panics_at.lock().unwrap() == Some(dispatch.seq) {
            panic!("a sink that breaks");
        }
        let mut shut = self.shut.subscribe();
        if !*shut.borrow() {
            self.taken.send_modify(|taken| taken.push(what));
            return None;
        }
        Some(Box::pin(async move {
            shut.wait_for(|shut| !shut).await.unwrap();
            self.taken.send_modify(|taken| taken.push(what));
        }))
    }
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) taken: Mutex<u32>,
    pub(super) down: Mutex<bool>,
}

impl IdentifyLedger for Ledger {
    fn take(
        &self,
        _: u32,
        limit: u32,
        now: chrono::DateTime<chrono::Utc>,
    ) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>> {
        let mut taken = self.taken.lock().unwrap();
        let answer = if *self.down.lock().unwrap() {
            Err(NotNow { what: "the database is down".into(), retry_after: Duration::from_millis(20) })
        } else if *taken >= limit {
            Ok(IdentifyGrant::Exhausted { retry_at: now + Duration::from_secs(3600), used: *taken })
        } else {
            *taken += 1;
            Ok(IdentifyGrant::Granted { used: *taken })
        };
        Box::pin(async move { answer })
    }
}

pub(super) struct Directory(pub(super) GatewayBot);

impl GatewayDirectory for Directory {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        let bot = self.0.clone();
        Box::pin(async move { Ok(bot) })
    }
}

#[derive(Default)]
pub(super) struct Reports(pub(super) Mutex<Vec<Report>>);

impl Capture for Reports {
    fn capture(&self, report: Report) {
        self.0.lock().unwrap().push(report);
    }
}

/// A bot that is nothing but a gateway.
pub(super) struct Bot {
    pub(super) tree: Tree,
    pub(super) gateway: Gateway,
    pub(super) sink: Arc<Sink>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) reports: Arc<Reports>,
}

/// What differs from bot to bot.
pub(super) struct Setup {
    pub(super) url: String,
    pub(super) hosts: Vec<String>,
    pub(super) saved: Option<crate::SavedSession>,
    pub(super) ledger_down: bool,
    pub(super) remaining: u32,
    pub(super) token: String,
}

impl Setup {
    pub(super) fn of(fake: &Fake) -> Self {
        Self::at(fake.url.clone())
    }

    pub(super) fn at(url: String) -> Self {
        Self {
            url,
            hosts: vec!["127.0.0.1".into()],
            saved: None,
            ledger_down: false,
            remaining: 1000,
            token: "token".into(),
        }
    }
}

impl Bot {
    pub(super) async fn start(setup: Setup) -> Self {
        supervision::install_panic_hook();
        let config =
            GatewayConfig { identify_limit: 900, reconnect_min_ms: 2, reconnect_max_ms: 1000, connect_ms: 5000 };
        let sink = Arc::new(Sink {
            taken: watch::Sender::new(Vec::new()),
            shut: watch::Sender::new(false),
            panics_at: Mutex::new(None),
        });
        let (ledger, reports) = (Arc::new(Ledger::default()), Arc::new(Reports::default()));
        *ledger.down.lock().unwrap() = setup.ledger_down;
        let directory = Directory(GatewayBot {
            url: setup.url,
            shards: 1,
            remaining: setup.remaining,
            reset_after_ms: 3_600_000,
            max_concurrency: 1,
        });
        let deps = GatewayDeps {
            token: Secret::new(setup.token),
            gateway_url: String::new(),
            allow_hosts: setup.hosts,
            intents: Intents::Auto,
            plan: ShardPlan::all(1),
            sink: sink.clone(),
            ledger: ledger.clone(),
            directory: Arc::new(directory),
            capture: reports.clone(),
            clock: Arc::new(SystemClock),
            cache: Arc::new(Cache::default()),
            presence: Presence::default(),
        };
        let (gateway, child) = build(&config, deps);
        if let Some(saved) = setup.saved {
            assert_eq!(gateway.restore(&[saved]), 1);
        }
        let flags = Flags::new(Strategy::OneForOne);
        let tree = Tree::start(Planes::single(), flags, vec![child], Arc::new(NoObserver)).await.unwrap();
        Self { tree, gateway, sink, ledger, reports }
    }

    pub(super) async fn stop(self) {
        self.tree.shutdown(Some(Duration::from_secs(5)));
        soon("the end of the tree", self.tree.ended()).await;
    }
}
