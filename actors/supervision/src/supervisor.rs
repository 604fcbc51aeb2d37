//! A supervisor as an actor: it turns messages into events for the core, and the core's actions into deeds.
//!
//! No user code runs here, and no handler awaits anything: admin, probes and signals are served while children start,
//! stop or hang.

mod amend;
mod desk;
mod hands;
mod publish;
mod respec;
mod starter;
mod timers;

pub(crate) use amend::{Amend, Amended};
pub(crate) use respec::Respecify;
pub(crate) use starter::SupervisorStarter;

use crate::{
    core::{Event, Order, Outcome, Refusal},
    exit::Exit,
    life::Signal,
    message::Reply,
    poison::Parked,
    spec::ChildSpec,
    starter::Lever,
};
use desk::Desk;
use ractor::{ActorProcessingErr, ActorRef, SupervisionEvent};
use starter::Definition;
use std::{sync::Arc, time::Duration};

/// What a supervisor is told.
pub(crate) enum Message {
    Begin,
    Spawned {
        id: String,
        incarnation: u64,
        lever: Arc<dyn Lever>,
    },
    Child {
        id: String,
        incarnation: u64,
        signal: Signal,
    },
    Alarm,
    /// Something that was seen, not asked: by a probe, or by another supervisor.
    Tell(Event),
    /// Lets a parked message pass.
    Pardon {
        parked: Arc<Parked>,
        forget: bool,
        reply: Reply<()>,
    },
    Publish,
    Dependency {
        path: String,
        up: bool,
    },
    Order {
        order: Order,
        spec: Option<Box<ChildSpec>>,
        if_incarnation: Option<u64>,
        reply: Reply<Result<Outcome, Refusal>>,
    },
    /// What an order would be answered; nothing is done.
    Rehearse {
        order: Order,
        if_incarnation: Option<u64>,
        reply: Reply<Result<Outcome, Refusal>>,
    },
    Respecify(Box<Respecify>),
    Amend(Amend),
    Shutdown {
        exit: Exit,
        within: Option<Duration>,
    },
    KillAll {
        by: String,
    },
    Drain(Reply<()>),
    /// That child has been told to drain.
    Draining(String),
}

/// How others reach a supervisor.
#[derive(Clone)]
pub(crate) struct Handle(ActorRef<Message>);

impl Handle {
    /// Sends; a supervisor that is gone has told its parent, who is told nothing new by a lost message.
    pub(crate) fn send(&self, message: Message) {
        self.0.cast(message).ok();
    }

    pub(crate) fn dependency(&self, path: String, up: bool) {
        self.send(Message::Dependency { path, up });
    }
}

/// ractor's side of a supervisor.
pub(crate) struct Supervisor;

impl ractor::Actor for Supervisor {
    type Msg = Message;
    type State = Desk;
    type Arguments = starter::Opening;

    async fn pre_start(&self, me: ActorRef<Message>, opening: starter::Opening) -> Result<Desk, ActorProcessingErr> {
        let desk = Desk::open(me, opening);
        desk.me.cast(Message::Begin)?;
        Ok(desk)
    }

    async fn handle(&self, _: ActorRef<Message>, message: Message, desk: &mut Desk) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Begin => desk.decide(Event::Begin),
            Message::Spawned { id, incarnation, lever } => desk.grasp(id, incarnation, lever),
            Message::Child { id, incarnation, signal: Signal::Started } => desk.started(id, incarnation),
            Message::Child { id, incarnation, signal: Signal::Exited(exit) } => {
                desk.world.left_behind.remove(&desk.path.child(&id), incarnation);
                let exit = desk.world.crashes.kept(exit);
                if let Some(event) = desk.in_hand(&id, incarnation, &exit) {
                    desk.decide(event);
                }
                desk.let_go(&id, incarnation);
                desk.decide(Event::Exited { id, incarnation, exit });
            }
            Message::Child { id, signal: Signal::Available(_), .. } => {
                if let Some(at) = desk.state.find(&id) {
                    desk.announce(at); // readers of the tree see it in its mailbox
                }
            }
            Message::Alarm => {
                for (id, incarnation, timer) in desk.timers.due(desk.world.now()) {
                    desk.decide(Event::Elapsed { id, incarnation, timer });
                }
                desk.timers.arm(&desk.life, &desk.me, desk.world.dial);
            }
            Message::Tell(event) => desk.decide(event),
            Message::Pardon { parked, forget, reply } => {
                desk.pardon(&parked, forget);
                reply.send(());
            }
            Message::Publish => desk.publish_now(),
            Message::Dependency { path, up } => desk.decide(Event::Dependency { path, up }),
            Message::Order { order, spec, if_incarnation, reply } => {
                desk.order(order, spec.map(|spec| *spec), if_incarnation, reply);
            }
            Message::Respecify(new) => desk.respecify(*new),
            Message::Amend(amend) => desk.amend(amend),
            Message::Shutdown { exit, within } => desk.decide(Event::Shutdown { exit, within }),
            Message::KillAll { by } => desk.decide(Event::KillAll { by }),
            Message::Rehearse { order, if_incarnation, reply } => reply.send(desk.rehearse(order, if_incarnation)),
            Message::Drain(reply) => {
                desk.decide(Event::Drain { id: None });
                desk.drain(reply);
            }
            Message::Draining(id) => desk.decide(Event::Drain { id: Some(id) }),
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Message>, desk: &mut Desk) -> Result<(), ActorProcessingErr> {
        desk.retire();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Message>,
        event: SupervisionEvent,
        desk: &mut Desk,
    ) -> Result<(), ActorProcessingErr> {
        // Exits are told by each child's watcher, once everything of it is gone. A state that travels in the event may
        // be slow to drop: not on this plane.
        if let SupervisionEvent::ActorTerminated(_, Some(state), _) = event {
            desk.world.planes.data.spawn(async move { drop(state) });
        }
        Ok(())
    }
}
