//! `gateway/shard-N`: one connection to Discord, thin around the pure session.

mod connection;
mod herald;
mod link;
mod message;
mod orders;
mod pacemaker;
mod reader;
mod sends;
mod shared;

pub(crate) use message::ShardMsg;
pub(crate) use orders::ORDER_LIMIT;
pub(crate) use shared::Shared;

use crate::{
    identify::Decision,
    keeper::Keeper,
    limiter::SendBudget,
    payload,
    presence::PresenceData,
    session::{Action, Input, Loss, Pulse, SHARDING_REQUIRED, Session},
};
use herald::Herald;
use link::Link;
use message::Control;
use protocol::{KindSet, Uptime};
use reader::Reader;
use serde_json::Value;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Actor, AdminCall, AdminError, AdminSpec, Ctx, Failure, Role};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

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
