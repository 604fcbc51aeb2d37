//! A supervisor as an actor: it turns messages into events for the core, and the core's actions into deeds.
//!
//! No user code runs here, and no handler awaits anything: admin, probes and signals are served while children start,
//! stop or hang.

mod amend;
mod hands;
mod publish;
mod respec;
mod starter;
mod timers;

pub(crate) use amend::{Amend, Amended};
pub(crate) use respec::Respecify;
pub(crate) use starter::SupervisorStarter;

use crate::{
    core::{self, Action, Event, Order, Outcome, Refusal, State, Ticket},
    exit::Exit,
    journal,
    life::{Life, Signal},
    message::Reply,
    panics::guarded_sync,
    path::ActorPath,
    poison::Parked,
    record::{Seen, Tape},
    rules,
    spec::ChildSpec,
    starter::Lever,
    world::World,
};
use arc_swap::ArcSwap;
use publish::Publisher;
use ractor::{ActorProcessingErr, ActorRef, SupervisionEvent};
use starter::Definition;
use std::{collections::HashMap, sync::Arc, time::Duration};
use timers::Timers;

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

pub(crate) struct Desk {
    path: ActorPath,
    world: Arc<World>,
    life: Arc<Life>,
    me: ActorRef<Message>,
    state: State,
    specs: HashMap<String, ChildSpec>,
    hands: hands::Hands,
    timers: Timers,
    publisher: Publisher,
    /// What its next life begins with.
    definition: Arc<ArcSwap<Definition>>,
    answers: HashMap<Ticket, Reply<Result<Outcome, Refusal>>>,
    tickets: Ticket,
    /// Whether the tree has been told that its children are gone.
    retired: bool,
    /// Where its events are written down for the next process and for replay, if they are.
    tape: Option<Tape>,
}

impl Desk {
    /// One event through the core, its actions carried out, its decisions written down.
    fn decide(&mut self, event: Event) {
        let now = self.world.now();
        let mut failed = match &event {
            Event::Exited { id, incarnation, exit } if exit.is_abnormal() => Some((id.clone(), *incarnation)),
            // The last rung of the ladder: it will not exit.
            Event::Elapsed { id, incarnation, timer: core::Timer::Aborted } => Some((id.clone(), *incarnation)),
            _ => None,
        };
        let before = self.tape.as_mut().and_then(|tape| tape.before(&self.state, &event));
        let step = core::decide(&mut self.state, event, now);
        let mut entries = Vec::with_capacity(step.decisions.len());
        for decision in step.decisions {
            let Some((path, decision)) = journal::told(&self.path, self.life.incarnation(), decision) else { continue };
            let entry = self.world.journal.write(path, decision);
            // The first decision about a failure is the rule that followed it.
            if entry.decision.cause.is_some()
                && let Some((id, incarnation)) = failed.take()
            {
                self.world.crashes.follow(&self.path.child(&id), incarnation, entry.seq, &entry.decision);
            }
            entries.push(entry);
        }
        let forgotten = |action: &Action| match action {
            Action::Forget { id } => Some(id.clone()),
            _ => None,
        };
        let gone: Vec<_> = step.actions.iter().filter_map(forgotten).collect();
        let mut told = Vec::new();
        for action in step.actions {
            match action {
                // Whoever is told something looks at the tree next, and must see it there.
                Action::Answer { .. } | Action::Ready | Action::Exit { .. } => told.push(action),
                action => self.act(action),
            }
        }
        self.timers.arm(&self.life, &self.me, self.world.dial);
        let changed = self.state.children.take_changed();
        for at in changed.iter().copied() {
            self.publisher.note(self.state.children[at].id());
            self.announce(at);
        }
        if let (Some(tape), Some(before)) = (&mut self.tape, before) {
            let after = Seen { changed: &changed, gone: &gone, entries, now };
            tape.after(before, &self.state, after);
        }
        if told.is_empty() {
            self.publish();
        } else {
            self.publish_now();
        }
        for action in told {
            self.act(action);
        }
    }

    fn order(
        &mut self,
        order: Order,
        spec: Option<ChildSpec>,
        if_incarnation: Option<u64>,
        reply: Reply<Result<Outcome, Refusal>>,
    ) {
        if let Err(stale) = self.is_meant(&order, if_incarnation) {
            return reply.send(Err(stale));
        }
        let order = match order {
            Order::StartChild { policy, missing } => {
                let path = self.path.child(&policy.id);
                let policy = rules::ruled(&*self.world.rules.get(), &path, &policy);
                if let Err(reason) = rules::circle(&path, &policy.needs, |need| self.world.needs_of(need)) {
                    return reply.send(Err(Refusal::BadSpec { reason }));
                }
                Order::StartChild { policy: Box::new(policy), missing }
            }
            order => order,
        };
        self.tickets += 1;
        let order = match (order, spec) {
            (Order::StartChild { policy, .. }, Some(spec)) => {
                let missing = self.missing(&policy.needs);
                if self.state.find(&policy.id).is_none() {
                    self.adopt(&policy.id, spec);
                }
                Order::StartChild { policy, missing }
            }
            (order, _) => order,
        };
        self.answers.insert(self.tickets, reply);
        self.decide(Event::Order { ticket: self.tickets, order });
    }

    /// What `order` would be answered.
    fn rehearse(&self, order: Order, if_incarnation: Option<u64>) -> Result<Outcome, Refusal> {
        self.is_meant(&order, if_incarnation)?;
        core::rehearse(&self.state, order, self.world.now())
    }

    /// Whether the incarnation that an order is meant for is the one that is there.
    fn is_meant(&self, order: &Order, if_incarnation: Option<u64>) -> Result<(), Refusal> {
        let actual = self.state.child(order.id()).map(|child| child.incarnation);
        match (if_incarnation, actual) {
            (Some(wanted), Some(actual)) if wanted != actual => Err(Refusal::Stale { wanted, actual }),
            _ => Ok(()),
        }
    }

    /// Lets a parked message pass, once or for good.
    fn pardon(&mut self, parked: &Parked, forget: bool) {
        let (id, fingerprint) = (parked.path.id().to_owned(), parked.fingerprint);
        if forget {
            let mailbox = self.specs.get(&id).and_then(|spec| spec.starter.mailbox());
            mailbox.inspect(|mailbox| mailbox.absolve(fingerprint));
            parked.end();
        } else {
            parked.release();
        }
        self.decide(Event::Pardoned { id, fingerprint, forget });
    }

    /// Remembers how to make a child and what it understands.
    fn adopt(&mut self, id: &str, spec: ChildSpec) {
        let messages = guarded_sync(|| spec.starter.admin_messages()).unwrap_or_else(|panic| {
            tracing::error!(path = %self.path.child(id), %panic, "it could not say which admin messages it understands");
            Vec::new()
        });
        self.world.put_messages(self.path.child(id), messages);
        self.specs.insert(id.to_owned(), spec);
    }

    fn missing(&self, needs: &[String]) -> Vec<String> {
        for need in needs {
            self.world.need(need);
        }
        needs.iter().filter(|need| !self.world.is_up(need)).cloned().collect()
    }

    /// Tells the tree whether the child at `at` can be relied on.
    fn announce(&self, at: usize) {
        let child = &self.state.children[at];
        let able = || {
            let spec = self.specs.get(child.id());
            spec.and_then(|spec| spec.starter.mailbox()).is_none_or(|mailbox| mailbox.unavailable().is_none())
        };
        let up = child.life == core::Life::Running && able();
        self.world.set_up(&self.path.child(child.id()), up);
    }

    /// Leaves the tree as it will be found by the next life of this supervisor: nothing below it is there, and what may
    /// still be alive is written down.
    fn retire(&mut self) {
        if std::mem::replace(&mut self.retired, true) {
            return;
        }
        self.world.leave(self.path.clone(), self.state.legacy());
        for child in self.state.children.iter() {
            let path = self.path.child(child.id());
            self.world.drop_messages(&path);
            self.world.drop_lever(&path);
            self.world.set_up(&path, false);
        }
    }
}

impl Drop for Desk {
    /// The task of the supervisor was aborted, or it failed: it could not retire in order.
    fn drop(&mut self) {
        self.retire();
    }
}

impl ractor::Actor for Supervisor {
    type Msg = Message;
    type State = Desk;
    type Arguments = starter::Opening;

    async fn pre_start(&self, me: ActorRef<Message>, opening: starter::Opening) -> Result<Desk, ActorProcessingErr> {
        let starter::Opening { path, world, life, definition, seed } = opening;
        let Definition { mut flags, children } = Definition::clone(&definition.load());
        life.attach(me.get_cell());
        // The office opens before the first look at what is up and at the rules in force: a change in between is then told
        // as a message.
        let publisher = Publisher::open(&path, &world, Handle(me.clone()), flags);
        let rules = world.rules.get();
        rules.flags(&path, &mut flags);
        let ruled = |child: &ChildSpec| rules::ruled(&*rules, &path.child(&child.policy.id), &child.policy);
        let policies: Vec<_> = children.iter().map(ruled).collect();
        for need in policies.iter().flat_map(|policy| &policy.needs) {
            world.need(need);
        }
        let mut state = State::new(flags, policies, |need| world.is_up(need), seed);
        if let Some(legacy) = world.inherit(&path) {
            state.inherit(legacy);
        }
        if let Some((restarts, children)) = world.carried(&path) {
            state.carry(restarts, children);
        }
        let tape = world.tape(&path, life.incarnation());
        let mut desk = Desk {
            hands: hands::Hands::default(),
            timers: Timers::default(),
            specs: HashMap::new(),
            answers: HashMap::new(),
            tickets: 0,
            retired: false,
            tape,
            path,
            world,
            life,
            me,
            state,
            publisher,
            definition,
        };
        for child in children {
            let id = child.policy.id.clone();
            desk.adopt(&id, child);
        }
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
                if let Some(event) = desk.in_hand(&id, incarnation, &exit) {
                    desk.decide(event);
                }
                desk.let_go(&id, incarnation);
                desk.decide(Event::Exited { id, incarnation, exit: exit.bounded() });
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
