//! The actor `emoji-cache`: edits the model, publishes snapshots, reads everything anew now and then.
//!
//! The published snapshot outlives it. A new incarnation takes it up, serves on, and refreshes.

use crate::{
    config::EmojiConfig,
    handle::{Change, Emojis, Health},
    load::{Found, Work, load},
    messages,
    run::{Run, retry_after},
    snapshot::{Model, Snapshot},
};
use protocol::Class;
use rest::{Rest, RestError};
use serde::Serialize;
use serde_json::Value;
use serenity::model::id::GuildId;
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use supervision::{
    Actor, Addr, AdminCall, AdminError, AdminSpec, Backoff, ChildSpec, Criticality, Ctx, Failure, Intensity, Kind,
    Message, Overflow, Policy, Reply,
};
use tokio::{sync::mpsc, time::Instant};

/// Its place in the tree.
pub const PATH: &str = "emoji-cache";
/// Messages that may wait; events beyond that are noted as missed.
const MAILBOX: usize = 1_024;
/// Least time between two publications, unless making one takes long.
const PUBLISH_PAUSE: Duration = Duration::from_millis(50);
/// Publishing may take this share of the actor's time: one part in so many.
const PUBLISH_SHARE: u32 = 10;
/// How long an operator's `refresh` holds the mailbox; less than an admin message may take.
const ADMIN_REFRESH: Duration = Duration::from_secs(4);
/// Error codes that say that the bot is not in the guild: unknown guild, missing access.
const NOT_A_MEMBER: [u32; 2] = [10_004, 50_001];

/// The guilds that the bot is in, as the gateway's cache knows them; empty when it knows none yet.
pub type GuildIds = Arc<dyn Fn() -> Vec<GuildId> + Send + Sync>;

/// What a refresh came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refreshed {
    /// Emojis of the application.
    pub application: usize,
    /// Guilds whose emojis are known.
    pub guilds: usize,
    /// Emojis in all.
    pub emojis: usize,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What the actor is told.
#[derive(Debug)]
pub(crate) enum EmojiMsg {
    /// A guild's emojis have changed.
    Event { number: u64, change: Change },
    /// The session went on: guilds that nobody has told of may be known by now.
    CatchUp,
    /// A part of refresh `run`, or its end.
    Found { run: u64, found: Option<Found> },
    /// It is time to read everything anew.
    Tick,
    /// It is time to try again what could not be read.
    Retry,
    /// It is time to publish.
    Publish,
    /// Somebody wants everything read anew.
    Refresh(Reply<Result<Refreshed, String>>),
}

impl Message for EmojiMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Event { .. } => "Event",
            Self::CatchUp => "CatchUp",
            Self::Found { .. } => "Found",
            Self::Tick => "Tick",
            Self::Retry => "Retry",
            Self::Publish => "Publish",
            Self::Refresh(_) => "Refresh",
        }
    }

    fn overflow(&self) -> Overflow {
        match self {
            Self::Event { .. } | Self::CatchUp => Overflow::Fail,
            _ => Overflow::Block,
        }
    }
}

/// Owns the model.
pub(crate) struct EmojiCache {
    config: EmojiConfig,
    rest: Rest,
    emojis: Emojis,
    guilds: GuildIds,
    model: Model,
    dirty: bool,
    publish_due: bool,
    published: Option<Instant>,
    publish_cost: Duration,
    run: Option<Run>,
    runs: u64,
    /// What could not be read, to be tried again.
    failed: Work,
    failures: u32,
    retry_planned: bool,
}

/// The handle and the supervised child behind it: optional, suspended while `rest` is not there.
pub fn child(config: EmojiConfig, rest: Rest, guilds: GuildIds) -> (Emojis, ChildSpec) {
    let addr = Addr::new(PATH, MAILBOX);
    let emojis = Emojis::new(addr.clone());
    let handle = emojis.clone();
    let spec = ChildSpec::worker(&addr, move || {
        EmojiCache::new(config.clone(), rest.clone(), emojis.clone(), Arc::clone(&guilds))
    });
    (handle, spec.with(|declared| *declared = policy()))
}

/// The rules that it is declared with.
pub fn policy() -> Policy {
    Policy {
        criticality: Criticality::Optional,
        required: false,
        budget: Some(Intensity::new(5, Duration::from_secs(60))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(30), Duration::from_secs(600))),
        needs: vec![rest::PATH.to_owned()],
        ..Policy::new(PATH, Kind::Worker)
    }
}

impl Actor for EmojiCache {
    type Msg = EmojiMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        ctx.send_after(self.interval(), EmojiMsg::Tick);
        let work = self.everything();
        self.begin_in_background(work, ctx);
        Ok(())
    }

    async fn handle(&mut self, message: EmojiMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            EmojiMsg::Event { number, change } => self.change(number, change),
            EmojiMsg::CatchUp => {
                let known: BTreeSet<GuildId> = self.model.guild_ids().collect();
                let unknown = (self.guilds)().into_iter().filter(|id| !known.contains(id));
                self.emojis.shared.miss(unknown);
            }
            EmojiMsg::Found { run, found } => self.found(run, found),
            EmojiMsg::Tick => {
                ctx.send_after(self.interval(), EmojiMsg::Tick);
                if self.run.is_none() {
                    let work = self.everything();
                    self.begin_in_background(work, ctx);
                }
            }
            EmojiMsg::Retry => {
                self.retry_planned = false;
                if self.run.is_none() {
                    let work = std::mem::take(&mut self.failed);
                    self.begin_in_background(work, ctx);
                }
            }
            EmojiMsg::Publish => self.publish_due = false,
            EmojiMsg::Refresh(reply) => {
                let work = self.everything();
                self.begin_in_background(work, ctx);
                if let Some(run) = &mut self.run {
                    run.replies.push(reply);
                }
            }
        }
        self.settle(ctx);
        Ok(())
    }

    fn admin_messages() -> Vec<AdminSpec> {
        messages::specs()
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        if call.name != messages::REFRESH {
            return messages::answer(&self.emojis, &call);
        }
        let work = self.everything();
        let (id, mut found) = self.begin(work, ctx);
        let done = tokio::time::timeout(ADMIN_REFRESH, async {
            while let Some(part) = found.recv().await {
                self.found(id, Some(part));
            }
            self.finish()
        });
        match done.await {
            Ok(done) => {
                self.settle(ctx);
                serde_json::to_value(done.map_err(AdminError::refused)?).map_err(AdminError::refused)
            }
            Err(_still_reading) => {
                forward(id, found, ctx);
                Ok(serde_json::json!({ "under_way": true, "waited_ms": ADMIN_REFRESH.as_millis() }))
            }
        }
    }
}

impl EmojiCache {
    fn new(config: EmojiConfig, rest: Rest, emojis: Emojis, guilds: GuildIds) -> Self {
        let model = emojis.shared.snapshot.load().model.clone();
        Self {
            config,
            rest,
            emojis,
            guilds,
            model,
            dirty: false,
            publish_due: false,
            published: None,
            publish_cost: Duration::ZERO,
            run: None,
            runs: 0,
            failed: Work::default(),
            failures: 0,
            retry_planned: false,
        }
    }

    /// Everything there is to read: the application, and every guild that anybody knows.
    fn everything(&mut self) -> Work {
        let mut guilds = self.emojis.shared.take_missed();
        guilds.extend(self.model.guild_ids());
        guilds.extend((self.guilds)());
        self.failed = Work::default();
        Work { application: true, guilds: guilds.into_iter().collect() }
    }

    fn change(&mut self, number: u64, change: Change) {
        match change {
            Change::Has(id, emojis) => self.model.event(id, emojis, number),
            Change::Gone(id) => {
                self.model.remove(id);
                if let Some(run) = &mut self.run {
                    run.wanted.remove(&id);
                }
            }
        }
        self.dirty = true;
    }

    /// Begins a refresh in place of one that may be under way.
    fn begin(&mut self, work: Work, ctx: &Ctx<Self>) -> (u64, mpsc::Receiver<Found>) {
        let replies = self.run.take().map(Run::cancel).unwrap_or_default();
        self.runs += 1;
        let mut run = Run::new(self.runs, &work);
        run.replies = replies;
        let (found, reading) = load(self.rest.clone(), work, Arc::clone(&self.emojis.shared.events));
        let cancelled = run.cancelled.clone();
        ctx.spawn(async move {
            cancelled.run_until_cancelled_owned(reading).await;
        });
        self.run = Some(run);
        self.note(|health| health.refreshing = true);
        (self.runs, found)
    }

    fn begin_in_background(&mut self, work: Work, ctx: &Ctx<Self>) {
        if !work.is_empty() {
            let (id, found) = self.begin(work, ctx);
            forward(id, found, ctx);
        }
    }

    fn found(&mut self, id: u64, found: Option<Found>) {
        let Some(run) = self.run.as_mut().filter(|run| run.id == id) else {
            return; // of a refresh that another one has replaced
        };
        match found {
            Some(Found::Application(Ok(emojis))) => {
                run.read += 1;
                self.model.set_application(emojis);
            }
            Some(Found::Application(Err(error))) => run.application_failed(error),
            Some(Found::Guild { id, since, emojis: Ok(emojis) }) => {
                run.read += 1;
                let gone = !run.wanted.contains(&id);
                self.model.read(id, emojis, since, gone);
            }
            Some(Found::Guild { id, emojis: Err(error), .. }) if is_not_a_member(&error) => {
                run.read += 1;
                self.model.remove(id);
            }
            Some(Found::Guild { id, emojis: Err(error), .. }) => run.guild_failed(id, error),
            None => {
                self.finish().ok(); // it has been logged and noted
                return;
            }
        }
        self.dirty = true;
    }

    /// Ends the refresh: says how it went, and plans to try again what failed.
    fn finish(&mut self) -> Result<Refreshed, String> {
        let Some(run) = self.run.take() else {
            return Err("another refresh has taken its place".to_owned());
        };
        self.publish();
        let took = run.began.elapsed();
        metering::emoji::refreshed(run.outcome(), took.as_secs_f64());
        let counts = self.model.counts();
        let done = match &run.error {
            None => Ok(Refreshed {
                application: counts.application,
                guilds: counts.guilds,
                emojis: counts.emojis,
                took_ms: protocol::millis(took),
            }),
            Some(error) => Err(format!("not everything could be read: {error}")),
        };
        self.note(|health| {
            health.refreshing = false;
            health.last_error = run.error.as_ref().map(ToString::to_string);
            if run.error.is_none() {
                health.last_done = Some(Instant::now());
            }
        });
        match &run.error {
            None => {
                self.failures = 0;
                tracing::info!(
                    path = PATH,
                    application = counts.application,
                    guilds = counts.guilds,
                    emojis = counts.emojis,
                    "emojis read"
                );
            }
            Some(error) => {
                self.failures = self.failures.saturating_add(1);
                tracing::warn!(path = PATH, %error, emojis = counts.emojis, "not all emojis could be read; serving what is known");
                if error.class() == Class::Retry {
                    self.failed.application |= run.failed.application;
                    self.failed.guilds.extend(&run.failed.guilds);
                }
            }
        }
        for reply in run.replies {
            reply.send(done.clone());
        }
        done
    }

    /// What every handler ends with: publish what changed, catch up on what was missed.
    fn settle(&mut self, ctx: &Ctx<Self>) {
        if self.dirty && !self.publish_due {
            let pause = PUBLISH_PAUSE.max(self.publish_cost * PUBLISH_SHARE);
            match self.published.map(|at| pause.saturating_sub(at.elapsed())).filter(|wait| !wait.is_zero()) {
                None => self.publish(),
                Some(wait) => {
                    self.publish_due = true;
                    ctx.send_after(wait, EmojiMsg::Publish);
                }
            }
        }
        if self.run.is_some() {
            return;
        }
        if self.emojis.shared.has_missed() {
            let guilds = self.emojis.shared.take_missed().into_iter().collect();
            self.begin_in_background(Work { application: false, guilds }, ctx);
        } else if !self.failed.is_empty() && !self.retry_planned {
            self.retry_planned = true;
            ctx.send_after(retry_after(self.failures, rand::random()), EmojiMsg::Retry);
        }
    }

    fn publish(&mut self) {
        let began = Instant::now();
        self.emojis.shared.snapshot.store(Arc::new(Snapshot::of(self.model.clone())));
        self.dirty = false;
        self.published = Some(Instant::now());
        self.publish_cost = began.elapsed();
    }

    fn note(&self, change: impl FnOnce(&mut Health)) {
        let mut health = Health::clone(&self.emojis.shared.health.load());
        change(&mut health);
        self.emojis.shared.health.store(Arc::new(health));
    }

    /// The time to the next full refresh, spread by a tenth so that many bots do not ask at once.
    fn interval(&self) -> Duration {
        self.config.refresh().mul_f64(0.95 + rand::random::<f64>() / 10.0)
    }
}

/// Brings the parts of a refresh to the mailbox; the refresh waits when it is full.
fn forward(run: u64, mut found: mpsc::Receiver<Found>, ctx: &Ctx<EmojiCache>) {
    let me = ctx.me();
    ctx.spawn(async move {
        while let Some(part) = found.recv().await {
            if me.send(EmojiMsg::Found { run, found: Some(part) }).await.is_err() {
                return;
            }
        }
        me.send(EmojiMsg::Found { run, found: None }).await.ok(); // only when the actor has ended
    });
}

fn is_not_a_member(error: &RestError) -> bool {
    match error {
        RestError::Forbidden { code, .. } | RestError::NotFound { code, .. } => NOT_A_MEMBER.contains(code),
        _ => false,
    }
}
