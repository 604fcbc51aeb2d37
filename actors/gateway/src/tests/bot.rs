//! A bot that is nothing but a gateway, with a sink that can be shut.

use super::fake::{Fake, soon};
use crate::{Cache, Compression, Gateway, GatewayConfig, GatewayDeps, Intents, Presence, ShardPlan, Snapshot, build};
use protocol::{
    BoxFuture, Delivery, Dispatch, Event, EventKind, EventSink, KindSet, Secret, SystemClock,
    ports::{Capture, GatewayBot, GatewayDirectory, IdentifyAsk, IdentifyGrant, IdentifyLedger, NotNow, Report},
};
use sandbox::{SandboxConfig, Strict};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use supervision::{ChildSpec, Flags, NoObserver, Planes, Strategy, Tree};
use tokio::{runtime::Handle, sync::watch};

/// A stand-in for Discord; when the test ends, all that it sent of its own accord has to fit serenity's types.
pub(crate) fn stand_in(config: SandboxConfig) -> Strict {
    Strict::start(SandboxConfig { judge_payloads: true, ..config }).unwrap()
}

/// Takes the ids of messages, and the sequence numbers of new members; can be shut, and panics where it is told to.
#[derive(Default)]
pub(crate) struct Sink {
    pub(crate) taken: watch::Sender<Vec<u64>>,
    pub(crate) shut: watch::Sender<bool>,
    pub(crate) panics_at: Mutex<Option<u64>>,
    pub(crate) members: bool,
    /// Whether it takes interactions, by their sequence numbers.
    pub(crate) interactions: bool,
    /// The guilds whose permissions it was told to have changed.
    pub(crate) permissions: Mutex<Vec<u64>>,
}

impl Sink {
    pub(crate) async fn has(&self, count: usize) -> Vec<u64> {
        soon("events", self.taken.subscribe().wait_for(|taken| taken.len() >= count)).await.unwrap().clone()
    }
}

impl EventSink for Sink {
    fn wants(&self) -> KindSet {
        let wants = KindSet::of(&[EventKind::MessageCreate, EventKind::GuildMemberAdd]);
        if self.interactions { wants | KindSet::of(&[EventKind::InteractionCreate]) } else { wants }
    }

    fn wants_members(&self) -> bool {
        self.members
    }

    fn may_concern(&self, _: EventKind, payload: &str) -> bool {
        !payload.contains("nobody's business")
    }

    fn permissions_changed(&self, guild: protocol::id::GuildId) {
        self.permissions.lock().unwrap().push(guild.get());
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
pub(crate) struct Ledger {
    pub(crate) taken: Mutex<u32>,
    pub(crate) down: Mutex<bool>,
    /// Whether its answers wait.
    pub(crate) held: watch::Sender<bool>,
}

impl Ledger {
    pub(crate) fn down() -> Arc<Self> {
        Arc::new(Self { down: Mutex::new(true), ..Self::default() })
    }
}

impl IdentifyLedger for Ledger {
    fn take(
        &self,
        ask: IdentifyAsk,
        now: chrono::DateTime<chrono::Utc>,
    ) -> BoxFuture<'_, Result<IdentifyGrant, NotNow>> {
        Box::pin(async move {
            self.held.subscribe().wait_for(|held| !held).await.unwrap();
            let mut taken = self.taken.lock().unwrap();
            if *self.down.lock().unwrap() {
                Err(NotNow { what: "the database is down".into(), retry_after: Duration::from_millis(20) })
            } else if *taken >= ask.limit {
                Ok(IdentifyGrant::Exhausted { retry_at: now + Duration::from_secs(3600), used: *taken })
            } else {
                *taken += 1;
                Ok(IdentifyGrant::Granted { used: *taken })
            }
        })
    }
}

pub(crate) struct Directory(pub(super) GatewayBot);

impl GatewayDirectory for Directory {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        let bot = self.0.clone();
        Box::pin(async move { Ok(bot) })
    }
}

#[derive(Default)]
pub(crate) struct Reports(pub(super) Mutex<Vec<Report>>);

impl Reports {
    pub(crate) fn all(&self) -> Vec<Report> {
        self.0.lock().unwrap().clone()
    }
}

impl Capture for Reports {
    fn capture(&self, report: Report) {
        self.0.lock().unwrap().push(report);
    }
}

/// A bot that is nothing but a gateway.
pub(crate) struct Bot {
    pub(crate) tree: Tree,
    pub(crate) gateway: Gateway,
    pub(crate) sink: Arc<Sink>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) reports: Arc<Reports>,
}

/// What differs from bot to bot.
pub(crate) struct Setup {
    pub(crate) url: String,
    pub(crate) hosts: Vec<String>,
    pub(crate) saved: Option<crate::SavedSession>,
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) ledger: Arc<Ledger>,
    /// In place of one that says `url` and `remaining`.
    pub(crate) directory: Option<Arc<dyn GatewayDirectory>>,
    pub(crate) remaining: u32,
    pub(crate) max_concurrency: u32,
    pub(crate) token: String,
    pub(crate) plan: ShardPlan,
    pub(crate) intents: Intents,
    pub(crate) sink: Arc<Sink>,
    pub(crate) presence: Presence,
    /// In place of the test's own runtime.
    pub(crate) control: Option<Handle>,
    pub(crate) config: GatewayConfig,
    /// Who vouches for certificates; none: whom browsers trust.
    pub(crate) roots: Option<&'static rustls::RootCertStore>,
}

impl Setup {
    pub(crate) fn of(fake: &Fake) -> Self {
        Self::at(fake.url.clone())
    }

    pub(crate) fn at(url: String) -> Self {
        Self {
            url,
            hosts: vec!["127.0.0.1".into()],
            saved: None,
            snapshot: None,
            ledger: Arc::default(),
            directory: None,
            remaining: 1000,
            max_concurrency: 1,
            token: "token".into(),
            plan: ShardPlan::all(1),
            intents: Intents::Auto,
            sink: Arc::default(),
            presence: Presence::default(),
            control: None,
            config: GatewayConfig {
                identify_limit: 900,
                reconnect_min_ms: 2,
                reconnect_max_ms: 1000,
                connect_ms: 5000,
                members_max: 100_000,
                compression: Compression::None,
            },
            roots: None,
        }
    }

    /// The gateway alone, not started.
    pub(crate) fn build(&self) -> (Gateway, ChildSpec, Arc<Reports>) {
        let reports = Arc::new(Reports::default());
        let directory = self.directory.clone().unwrap_or_else(|| {
            Arc::new(Directory(GatewayBot {
                url: self.url.clone(),
                shards: 1,
                remaining: self.remaining,
                reset_after_ms: 3_600_000,
                max_concurrency: self.max_concurrency,
            }))
        });
        let deps = GatewayDeps {
            token: Secret::new(self.token.clone()),
            gateway_url: String::new(),
            allow_hosts: self.hosts.clone(),
            intents: self.intents,
            plan: self.plan,
            sink: self.sink.clone(),
            ledger: self.ledger.clone(),
            directory,
            capture: reports.clone(),
            clock: Arc::new(SystemClock),
            cache: Arc::new(Cache::default()),
            presence: self.presence.clone(),
            control: self.control.clone().unwrap_or_else(Handle::current),
            roots: self.roots,
        };
        let (gateway, child) = build(&self.config, deps);
        (gateway, child, reports)
    }
}

impl Bot {
    pub(crate) async fn start(mut setup: Setup) -> Self {
        supervision::install_panic_hook();
        let (gateway, child, reports) = setup.build();
        if let Some(saved) = setup.saved.take() {
            assert_eq!(gateway.restore(&[saved]), 1);
        }
        if let Some(snapshot) = setup.snapshot.take() {
            gateway.restore_snapshot(snapshot).unwrap();
        }
        let flags = Flags::new(Strategy::OneForOne);
        let tree = Tree::start(Planes::single(), flags, vec![child], Arc::new(NoObserver)).await.unwrap();
        Self { tree, gateway, sink: setup.sink, ledger: setup.ledger, reports }
    }

    /// Ends it gracefully; the gateway still says what it left.
    pub(crate) async fn stop(self) -> Gateway {
        self.tree.shutdown(Some(Duration::from_secs(5)));
        soon("the end of the tree", self.tree.ended()).await;
        self.gateway
    }
}
