//! Takes events from the shards: turns away at once what concerns nobody, queues the rest in the lane of its guild.

use crate::{
    call::{Called, Target, Whence, from_interaction, from_message},
    claim::{Claim, Part, claimed, say_closed},
    context::CogCtx,
    host::Shared,
    invoke,
    lanes::{Class, Lane, LaneKey, Urgency, Work},
    peek::{self, Said},
    responder::Responder,
};
use protocol::{BoxFuture, Delivery, Dispatch, Event as Gateway, EventKind, EventSink, KindSet, Secret};
use serenity::model::{
    application::{CommandInteraction, Interaction},
    channel::Message,
};
use std::{sync::Arc, time::Duration};

/// How long an event waits for a dispatcher that is being restarted.
const DISPATCHER_WAIT: Duration = Duration::from_secs(5);
const COMMANDS: KindSet = KindSet::of(&[EventKind::MessageCreate, EventKind::InteractionCreate]);

/// The host's side of the gateway.
pub(crate) struct Sink(pub(crate) Arc<Shared>);

impl EventSink for Sink {
    fn wants(&self) -> KindSet {
        COMMANDS | self.0.catalogue.events()
    }

    fn wants_members(&self) -> bool {
        self.0.catalogue.reads_members()
    }

    fn may_concern(&self, kind: EventKind, payload: &str) -> bool {
        let shared = &self.0;
        if kind != EventKind::MessageCreate || shared.is_subscribed(kind) {
            return true;
        }
        peek::may_concern(payload, &shared.services.prefixes, shared.services.cache.own_id())
    }

    fn deliver(&self, dispatch: Dispatch) -> Delivery<'_> {
        let shared = &self.0;
        let (responder, command) = match &*dispatch.event {
            Gateway::MessageCreate(created) => {
                let command = may_be_command(shared, &created.message, &dispatch);
                if !command && !shared.is_subscribed(dispatch.kind) {
                    return None;
                }
                (None, command)
            }
            Gateway::InteractionCreate(created) => {
                metering::commands::interaction_received(interaction_kind(&created.interaction));
                let Interaction::Command(command) = &created.interaction else {
                    return None; // no cog has components, modals or autocompletion yet
                };
                (Some(responder(shared, command)), true)
            }
            _ if shared.is_subscribed(dispatch.kind) => (None, false),
            _ => return None,
        };
        let claim = Claim::new(shared, &dispatch, responder.clone());
        Event { shared: Arc::clone(shared), key: key(&dispatch), dispatch, responder, command, claim }.enqueue()
    }
}

/// Whether `message` could be a command, as far as memory knows.
fn may_be_command(shared: &Shared, message: &Message, dispatch: &Dispatch) -> bool {
    let by_program = message.author.bot || message.webhook_id.is_some();
    let said = Said { content: &message.content, by_program, guild: dispatch.guild };
    peek::may_be_command(&said, &shared.services.prefixes, shared.services.cache.own_id())
}

fn key(dispatch: &Dispatch) -> LaneKey {
    match (dispatch.guild, &*dispatch.event) {
        (Some(guild), _) => LaneKey::Guild(guild),
        (None, Gateway::MessageCreate(created)) => LaneKey::Channel(created.message.channel_id),
        (None, Gateway::InteractionCreate(created)) => match &created.interaction {
            Interaction::Command(command) => LaneKey::Channel(command.channel_id),
            _ => LaneKey::Account,
        },
        (None, _) => LaneKey::Account,
    }
}

fn interaction_kind(interaction: &Interaction) -> &'static str {
    match interaction {
        Interaction::Ping(_) => "ping",
        Interaction::Command(_) => "application_command",
        Interaction::Autocomplete(_) => "autocomplete",
        Interaction::Component(_) => "component",
        Interaction::Modal(_) => "modal_submit",
        _ => "unknown",
    }
}

fn responder(shared: &Shared, command: &CommandInteraction) -> Arc<Responder> {
    let ephemeral = shared.catalogue.find(&command.data.name).is_some_and(|entry| {
        let sub = command.data.options.first().and_then(|option| entry.sub(&option.name));
        sub.or(entry.runnables().next()).is_some_and(|runnable| runnable.ephemeral)
    });
    let target = Target::Interaction {
        id: command.id,
        application: command.application_id,
        token: Secret::new(command.token.as_str()),
        ephemeral,
    };
    Responder::new(Arc::clone(&shared.outbox), target)
}

/// An event on its way through a lane.
pub(crate) struct Event {
    shared: Arc<Shared>,
    key: LaneKey,
    dispatch: Dispatch,
    responder: Option<Arc<Responder>>,
    /// Whether it could be a command.
    command: bool,
    claim: Claim,
}

impl Event {
    fn enqueue(self) -> Delivery<'static> {
        let lanes = self.shared.lanes.borrow().clone();
        let Some(lanes) = lanes else { return Some(Box::pin(self.enqueue_when_up())) };
        if lanes.is_closed() {
            let Some(responder) = &self.responder else { return Some(Box::pin(self.enqueue_when_reopened())) };
            self.claim.settle(); // with this answer it is done
            lanes.last_word(say_closed(Arc::clone(responder)));
            return None;
        }
        if let Some(responder) = &self.responder {
            lanes.beside(Responder::defer_when_slow(Arc::downgrade(responder), self.dispatch.received));
        }
        lanes.offer_as(Class::of(self.dispatch.kind, self.command), self.key, self)
    }

    /// The dispatcher takes nothing more: the process stops, and the shard must not count this as taken, since whoever
    /// resumes the session gets it again then. If it was only the dispatcher's stop, another one follows.
    async fn enqueue_when_reopened(self) {
        let mut lanes = self.shared.lanes.subscribe();
        let open = lanes.wait_for(|lanes| lanes.as_ref().is_none_or(|lanes| !lanes.is_closed())).await.is_ok();
        if open {
            self.enqueue_when_up().await;
        }
    }

    /// The dispatcher is being restarted: the shard waits, and with it the order is kept.
    async fn enqueue_when_up(self) {
        let mut lanes = self.shared.lanes.subscribe();
        let up =
            tokio::time::timeout(DISPATCHER_WAIT, lanes.wait_for(Option::is_some)).await.is_ok_and(|up| up.is_ok());
        if !up {
            metering::lanes::shed("dispatcher");
            tracing::warn!(kind = self.dispatch.kind.name(), "an event was dropped: the dispatcher is down");
            return;
        }
        let lanes = self.shared.lanes.borrow().clone();
        if let Some(wait) = lanes.and_then(|lanes| lanes.offer(self.key, self)) {
            wait.await;
        }
    }

    async fn handle(self, lane: Lane) {
        let Self { shared, dispatch, responder, claim, .. } = self;
        let claim = Arc::new(claim);
        for cell in shared.catalogue.subscribers(dispatch.kind) {
            let (Ok(state), Some(hook)) = (cell.state(), &cell.cog.on_event) else { continue };
            let ctx = CogCtx { services: Arc::clone(&shared.services), cell: Arc::clone(cell), state };
            let (hook, shared, dispatch) = (Arc::clone(hook), Arc::clone(&shared), dispatch.clone());
            let start = || -> BoxFuture<'static, ()> {
                let (kind, hook) = (dispatch.kind, async move { hook(&ctx, &dispatch).await });
                Box::pin(claimed(&claim, Part::Hook, invoke::run_hook(shared, Arc::clone(cell), kind, hook)))
            };
            lane.start_here(start).await;
        }
        let whence = Whence { shard: dispatch.shard, received: dispatch.received, guild: dispatch.guild };
        let called = match (&*dispatch.event, responder) {
            (Gateway::MessageCreate(created), _) => from_message(&shared, &created.message, whence).await,
            (Gateway::InteractionCreate(created), Some(responder)) => match &created.interaction {
                Interaction::Command(command) => Some(from_interaction(&shared, command, responder, whence)),
                _ => None,
            },
            _ => None,
        };
        // The decoded event is about 3 KB. In a burst one call waits for each guild, and it has what it needs of it.
        drop(dispatch);
        match called {
            None => {} // there is nothing in it to do, or nothing but hooks
            Some(Called::Run(call)) => {
                let serial = call.runnable.serial.then(|| call.runnable.path.clone());
                let job = || -> BoxFuture<'static, ()> {
                    Box::pin(claimed(&claim, Part::Command, invoke::run(shared, call)))
                };
                lane.start(serial.as_deref(), job).await;
            }
            Some(Called::Say { invocation, responder, text, is_error }) => {
                let say = || -> BoxFuture<'static, ()> {
                    Box::pin(claimed(&claim, Part::Command, invoke::say(shared, invocation, responder, text, is_error)))
                };
                lane.start(None, say).await;
            }
        }
        claim.planned();
    }
}

impl Work for Event {
    fn begin(self, lane: Lane) -> BoxFuture<'static, ()> {
        Box::pin(self.handle(lane))
    }

    fn urgency(&self) -> Urgency {
        if self.responder.is_some() { Urgency::Interaction } else { Urgency::Message }
    }
}
