//! `gateway/shard-N`: one connection to Discord, thin around the pure session.

mod herald;
mod link;
mod message;
mod orders;
mod pacemaker;
mod reader;
mod sends;

pub(crate) use message::ShardMsg;
pub(crate) use orders::ORDER_LIMIT;

use crate::{
    cache::Cache,
    directory::Directory,
    hosts::AllowHosts,
    identify::{Decision, IdentifyMsg},
    keeper::Keeper,
    limiter::SendBudget,
    payload,
    presence::{Presence, PresenceData},
    session::{Action, Input, Loss, Phase, Pulse, SHARDING_REQUIRED, Session, Target, Timing, kept_interval},
    socket::{ConnectError, Opening, Socket, connect},
};
use futures_util::StreamExt;
use herald::Herald;
use link::Link;
use message::Control;
use protocol::{Clock, EventSink, KindSet, Secret, Uptime, ports::Capture};
use reader::Reader;
use serde_json::Value;
use serenity::model::gateway::GatewayIntents;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Actor, Addr, AdminCall, AdminError, AdminSpec, Ctx, Failure, Role};
use tokio::{runtime::Handle, sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// A shard's turn to IDENTIFY comes within this time, or it asks anew.
const ASK_LIMIT: Duration = Duration::from_secs(600);
/// How long a stop waits for the close frame to go out.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// A shard that will be away for longer than this says so to those who need it.
const AWAY: Duration = Duration::from_secs(5);
/// The least that those who need it are told to wait.
const RETRY_LEAST: Duration = Duration::from_millis(500);
/// A heartbeat out of turn comes no sooner after another one: Discord counts all that is sent, 120 in a minute.
const BEAT_REST: Duration = Duration::from_secs(5);
/// Messages that may wait for the shard; a reader that is faster waits.
pub(crate) const MAILBOX: usize = 64;

/// What all shards share, and what outlives their incarnations.
pub(crate) struct Shared {
    pub(crate) token: Secret,
    pub(crate) hosts: AllowHosts,
    pub(crate) directory: Arc<Directory>,
    pub(crate) timing: Timing,
    pub(crate) connect: Opening,
    pub(crate) intents: Option<GatewayIntents>,
    pub(crate) sink: Arc<dyn EventSink>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) capture: Arc<dyn Capture>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) presence: Presence,
    pub(crate) identify: Addr<IdentifyMsg>,
    /// Where heartbeats go out whatever holds up the rest.
    pub(crate) control: Handle,
    /// Whether Discord has found that there are too few shards.
    pub(crate) outgrown: watch::Sender<bool>,
}

impl Shared {
    /// The intents to ask for, for a sink that `wants` these events.
    pub(crate) fn intents(&self, wants: KindSet) -> GatewayIntents {
        self.intents.unwrap_or_else(|| wants.intents() | derived(wants)) | self.cache.intents()
    }
}

/// The actor.
pub(crate) struct Shard {
    shared: Arc<Shared>,
    keeper: Arc<Keeper>,
    herald: Herald,
    session: Session,
    wants: KindSet,
    /// Which connection, from 1.
    generation: u64,
    link: Option<Link>,
    closing: Option<CancellationToken>,
    /// When the last heartbeat was sent, by the clock that counts on while the machine sleeps, and by the one that does not.
    beaten: Option<(Uptime, Instant)>,
    budget: SendBudget,
    draining: Arc<AtomicBool>,
    /// What Discord was last told to show.
    shown: Option<PresenceData>,
    /// Whether a [`ShardMsg::Room`] is on its way: one, however often the presence changes meanwhile.
    waits_for_room: bool,
    /// Whether a [`ShardMsg::Calm`] is on its way.
    looks_for_calm: bool,
    /// When a heartbeat was last asked for.
    asked: Option<Instant>,
    /// Whether an operator's order is under way: what it costs may come out of the reserve.
    ordered: bool,
}

impl Shard {
    pub(crate) fn new(shared: Arc<Shared>, keeper: Arc<Keeper>) -> Self {
        let session = Session::new(shared.timing, rand::random(), keeper.point());
        Self {
            wants: shared.sink.wants(),
            herald: Herald {
                keeper: Arc::clone(&keeper),
                capture: Arc::clone(&shared.capture),
                clock: Arc::clone(&shared.clock),
                detail: String::new(),
            },
            shared,
            keeper,
            session,
            generation: 0,
            link: None,
            closing: None,
            beaten: None,
            budget: SendBudget::default(),
            draining: Arc::default(),
            shown: None,
            waits_for_room: false,
            looks_for_calm: false,
            asked: None,
            ordered: false,
        }
    }

    fn id(&self) -> u32 {
        self.keeper.shard().0
    }

    /// One input to the session, and all that follows from it.
    fn step(&mut self, input: Input, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let now = self.shared.clock.monotonic();
        let mut pulse = self.link.as_ref().map_or(Pulse::default(), |link| link.vitals.pulse());
        if matches!(input, Input::Timer(_)) {
            pulse.asleep = self.asleep(now);
        }
        let actions = self.session.on(input, pulse, now);
        let mut done = Ok(());
        for action in actions {
            done = done.and(self.act(action, ctx));
        }
        self.herald.stands(self.session.phase(), self.session.latency());
        done
    }

    fn act(&mut self, action: Action, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match action {
            Action::Dial(target) => self.dial(target, ctx),
            Action::AskIdentify => self.ask_identify(ctx),
            Action::SendIdentify => self.send_identify(),
            Action::SendResume { session_id } => self.send_resume(&session_id),
            Action::SendHeartbeat => {
                self.link.iter().for_each(|link| link.vitals.beat());
                self.beaten = Some((self.shared.clock.uptime(), self.shared.clock.monotonic()));
                let received = self.keeper.books().map(|books| books.received());
                self.send(payload::heartbeat(received));
            }
            Action::Close { code } => self.closing = self.link.take().map(|link| link.close(Some(code))),
            Action::SetTimer { timer, after } => ctx.send_after(after, ShardMsg::Timer(timer)),
            Action::Forget => {
                let gone = self.keeper.forget();
                self.herald.gave_up(gone.lost, "its session is gone");
                if gone.restored {
                    tracing::info!(
                        shard.id = self.id(),
                        "the session that was restored is gone, and its cache with it"
                    );
                    self.shared.cache.forget_shard(self.id(), self.keeper.total());
                }
            }
            Action::Online { resumed } => self.online(resumed, ctx),
            Action::SlowDown => self.budget.halve(),
            Action::Lost(loss) => self.lost(&loss, ctx),
            Action::Park(fatal) => {
                self.link = None;
                if fatal.code == Some(SHARDING_REQUIRED) {
                    self.shared.outgrown.send_replace(true);
                }
                return Err(Failure::fatal(self.herald.parked(&fatal)));
            }
        }
        Ok(())
    }

    fn dial(&mut self, target: Target, ctx: &Ctx<Self>) {
        self.generation += 1;
        let (generation, shared, me) = (self.generation, Arc::clone(&self.shared), ctx.me());
        ctx.spawn(async move {
            let opening = async {
                let address = match target {
                    Target::Resume(url) => url.into(),
                    Target::Base => shared.directory.address(shared.clock.monotonic()).await?,
                };
                connect(&address, &shared.hosts, shared.connect).await.map(Box::new)
            };
            let result = opening.await;
            me.send(ShardMsg::Dialed { generation, result }).await.ok(); // it ends with the shard
        });
    }

    fn dialed(
        &mut self,
        generation: u64,
        result: Result<Box<Socket>, ConnectError>,
        ctx: &Ctx<Self>,
    ) -> Result<(), Failure> {
        if generation != self.generation || self.session.phase() != Phase::Connecting {
            return Ok(()); // an attempt that nobody waits for any more: the connection is dropped
        }
        let socket = match result {
            Ok(socket) => *socket,
            Err(error) => {
                let refused = error.is_refusal();
                self.herald.detail = error.to_string();
                return self.step(Input::ConnectFailed { refused }, ctx);
            }
        };
        let (link, outgoing) = Link::new(generation);
        let (sink, stream) = socket.split();
        let shared = reader::Shared {
            shard: ctx.me(),
            keeper: &self.keeper,
            cache: &self.shared.cache,
            sink: &self.shared.sink,
            wants: self.wants,
            clock: &self.shared.clock,
            draining: &self.draining,
            compression: self.shared.connect.compression,
        };
        ctx.spawn(Reader::new(&link, shared).run(stream));
        self.aside("writer", link::write(sink, outgoing, link.over.clone()));
        self.link = Some(link);
        self.step(Input::Connected, ctx)
    }

    fn control(&mut self, control: Control, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let input = match control {
            Control::Hello(interval) => {
                // A second one would only add a second pacemaker: the session goes on as it was told first.
                if self.session.phase() == Phase::AwaitingHello {
                    self.herald.beats(interval);
                    self.keep_beating(kept_interval(interval));
                }
                Input::Hello { interval }
            }
            Control::Ack => {
                self.herald.answered();
                let before = self.session.latency();
                self.step(Input::Ack, ctx)?;
                self.keeper.acked.notify_waiters();
                if let Some(latency) = self.session.latency().filter(|latency| before != Some(*latency)) {
                    metering::gateway::heartbeat_latency(self.id(), latency.as_secs_f64());
                }
                return Ok(());
            }
            Control::Heartbeat => Input::HeartbeatRequested,
            Control::Reconnect => Input::ReconnectRequested,
            Control::InvalidSession(resumable) => Input::InvalidSession { resumable },
            Control::Ready(point) => Input::Ready(point),
            Control::Resumed => Input::Resumed,
            Control::OutOfStep(why) => {
                self.herald.detail = why;
                Input::OutOfStep
            }
            Control::Closed(code, detail) => {
                self.herald.detail = detail;
                Input::Closed { code }
            }
        };
        self.step(input, ctx)
    }

    /// A heartbeat out of turn, unless there was one a moment ago: those who ask often are told of that one.
    fn beat(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let now = self.shared.clock.monotonic();
        if self.asked.is_none_or(|asked| now.duration_since(asked) >= BEAT_REST) {
            self.asked = Some(now);
            return self.step(Input::HeartbeatRequested, ctx);
        }
        if !self.session.awaits_ack() {
            self.keeper.acked.notify_waiters();
        }
        Ok(())
    }

    fn ask_identify(&self, ctx: &Ctx<Self>) {
        let Some(link) = &self.link else { return };
        let (shard, generation, over) = (self.id(), link.generation, link.over.clone());
        let ordered = self.ordered;
        let (queue, me) = (self.shared.identify.clone(), ctx.me());
        ctx.spawn(async move {
            let asked = queue.call(ASK_LIMIT, |reply| IdentifyMsg::Ask { shard, ordered, reply });
            let answer = tokio::select! {
                biased;
                () = over.cancelled() => return, // the queue sees that nobody waits and spends nothing
                answer = asked => answer,
            };
            let decision = answer.unwrap_or_else(|error| Decision::Denied {
                retry_after: supervision::RETRY_AFTER,
                why: format!("gateway/identify: {error}"),
            });
            me.send(ShardMsg::Identify { generation, decision }).await.ok(); // it ends with the shard
        });
    }

    fn online(&mut self, resumed: bool, ctx: &Ctx<Self>) {
        self.ordered = false;
        self.herald.online(resumed);
        ctx.available();
        self.show_presence(ctx);
    }

    fn lost(&mut self, loss: &Loss, ctx: &Ctx<Self>) {
        self.link = None;
        let detail = match self.herald.detail.as_str() {
            "" => String::new(),
            detail => format!(": {detail}"),
        };
        self.herald.lost(loss);
        self.calm(ctx);
        if loss.wait > AWAY || !loss.resume {
            ctx.unavailable(format!("not connected ({}{detail})", loss.cause), loss.wait.max(RETRY_LEAST));
        }
    }

    /// Looks whether it is stable, now and again until it is.
    fn calm(&mut self, ctx: &Ctx<Self>) {
        if let Some(after) = self.herald.calm().filter(|_| !self.looks_for_calm) {
            self.looks_for_calm = true;
            ctx.send_after(after.max(RETRY_LEAST), ShardMsg::Calm);
        }
    }

    fn is_current(&self, generation: u64) -> bool {
        self.link.as_ref().is_some_and(|link| link.generation == generation)
    }
}

impl Actor for Shard {
    type Msg = ShardMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let (mut presence, me) = (self.shared.presence.watch(), ctx.me());
        ctx.spawn(async move {
            while presence.changed().await.is_ok() {
                me.send(ShardMsg::Presence).await.ok(); // it ends with the shard
            }
        });
        if !self.keeper.has_been_ready() {
            ctx.unavailable("connecting", RETRY_LEAST);
        }
        self.calm(ctx);
        self.step(Input::Start, ctx)
    }

    async fn handle(&mut self, message: ShardMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            ShardMsg::Dialed { generation, result } => self.dialed(generation, result, ctx),
            ShardMsg::Control { generation, control } if self.is_current(generation) => self.control(control, ctx),
            ShardMsg::Identify { generation, decision } if self.is_current(generation) => match decision {
                Decision::Granted => {
                    self.ordered = false; // one order is one IDENTIFY: what follows from it comes by itself
                    self.step(Input::IdentifyGranted, ctx)
                }
                Decision::Denied { retry_after, why } => {
                    self.herald.detail = why;
                    self.step(Input::IdentifyDenied { retry_after }, ctx)
                }
            },
            ShardMsg::Control { .. } | ShardMsg::Identify { .. } => Ok(()), // of a connection that was given up
            ShardMsg::Timer(timer) => self.step(Input::Timer(timer), ctx),
            ShardMsg::Presence => {
                self.show_presence(ctx);
                Ok(())
            }
            ShardMsg::Room => {
                self.waits_for_room = false;
                self.keeper.tally.throttled.store(false, Relaxed);
                self.show_presence(ctx);
                Ok(())
            }
            ShardMsg::Calm => {
                self.looks_for_calm = false;
                self.calm(ctx);
                Ok(())
            }
            ShardMsg::Beat => self.beat(ctx),
            ShardMsg::Send { text, reply } => {
                reply.send(self.send_if_room(text));
                Ok(())
            }
            ShardMsg::Order { resume, reply } => self.order(resume, reply, ctx),
            ShardMsg::Allowed { resume, allowed, reply } => self.obey(resume, allowed, reply, ctx),
        }
    }

    /// Nothing more goes to the sink, heartbeats go on; what comes now is not accepted and so replayed to whoever
    /// resumes the session.
    async fn drain(&mut self, _: &Ctx<Self>) {
        self.draining.store(true, Relaxed);
    }

    async fn stop(&mut self, ctx: &Ctx<Self>) {
        self.draining.store(true, Relaxed);
        self.step(Input::Stop, ctx).ok(); // a stop does not fail
        if let Some(closed) = self.closing.take() {
            tokio::time::timeout(STOP_LIMIT, closed.cancelled()).await.ok(); // the socket is dropped then
        }
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("status", Role::Observe, "Session, sequence numbers, latency and counters"),
            AdminSpec::new("reconnect", Role::Operate, "Closes the connection and resumes the session"),
            AdminSpec::new("reidentify", Role::Admin, "Ends the session and begins a new one (costs an IDENTIFY)"),
            AdminSpec::with::<PresenceData>("presence", Role::Operate, "Shows this presence, on every shard"),
        ]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        let resume = match call.name.as_str() {
            "status" => return serde_json::to_value(self.keeper.status()).map_err(AdminError::refused),
            "presence" => {
                self.shared.presence.set(call.params()?).map_err(AdminError::refused)?;
                return Ok(Value::Bool(true));
            }
            "reconnect" => true,
            "reidentify" => false,
            _ => return Err(call.unknown(&Self::admin_messages())),
        };
        if let Err(failure) = self.ordered(resume, ctx).await.map_err(AdminError::refused)? {
            ctx.fail(failure);
        }
        Ok(Value::Bool(true))
    }
}

/// Message text needs an intent of its own, whatever the events that carry it.
fn derived(wants: KindSet) -> GatewayIntents {
    use protocol::EventKind::{MessageCreate, MessageUpdate};
    match wants.contains(MessageCreate) || wants.contains(MessageUpdate) {
        true => GatewayIntents::MESSAGE_CONTENT,
        false => GatewayIntents::empty(),
    }
}
