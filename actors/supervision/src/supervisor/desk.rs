//! What a supervisor works on: its state, how to make its children, and who waits for an answer.

use super::{Definition, Handle, Message, hands, publish::Publisher, starter, timers::Timers};
use crate::{
    core::{self, Action, Event, Order, Outcome, Refusal, State, Ticket},
    journal,
    life::Life,
    message::Reply,
    panics::guarded_sync,
    path::ActorPath,
    poison::Parked,
    record::{Seen, Tape},
    rules,
    spec::ChildSpec,
    world::World,
};
use arc_swap::ArcSwap;
use ractor::ActorRef;
use std::{collections::HashMap, sync::Arc};

/// A supervisor, seen from inside.
pub(crate) struct Desk {
    pub(super) path: ActorPath,
    pub(super) world: Arc<World>,
    pub(super) life: Arc<Life>,
    pub(super) me: ActorRef<Message>,
    pub(super) state: State,
    pub(super) specs: HashMap<String, ChildSpec>,
    pub(super) hands: hands::Hands,
    pub(super) timers: Timers,
    pub(super) publisher: Publisher,
    /// What its next life begins with.
    pub(super) definition: Arc<ArcSwap<Definition>>,
    pub(super) answers: HashMap<Ticket, Reply<Result<Outcome, Refusal>>>,
    pub(super) tickets: Ticket,
    /// Whether the tree has been told that its children are gone.
    pub(super) retired: bool,
    /// Where its events are written down for the next process and for replay, if they are.
    pub(super) tape: Option<Tape>,
}

impl Desk {
    /// A supervisor at the beginning of a life: its office is open, nothing has been decided.
    pub(super) fn open(me: ActorRef<Message>, opening: starter::Opening) -> Self {
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
        state.under = if path.is_root() { String::new() } else { format!("{path}/") };
        if let Some(legacy) = world.inherit(&path) {
            state.inherit(legacy);
        }
        if let Some((restarts, children)) = world.carried(&path) {
            state.carry(restarts, children);
        }
        let tape = world.tape(&path, life.incarnation());
        let mut desk = Self {
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
        desk
    }

    /// One event through the core, its actions carried out, its decisions written down.
    pub(super) fn decide(&mut self, event: Event) {
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
            self.let_record(self.state.children[at].id());
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

    pub(super) fn order(
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
    pub(super) fn rehearse(&self, order: Order, if_incarnation: Option<u64>) -> Result<Outcome, Refusal> {
        self.is_meant(&order, if_incarnation)?;
        core::rehearse(&self.state, order, self.world.now())
    }

    /// Whether the incarnation that an order is meant for is the one that is there.
    pub(super) fn is_meant(&self, order: &Order, if_incarnation: Option<u64>) -> Result<(), Refusal> {
        let actual = self.state.child(order.id()).map(|child| child.incarnation);
        match (if_incarnation, actual) {
            (Some(wanted), Some(actual)) if wanted != actual => Err(Refusal::Stale { wanted, actual }),
            _ => Ok(()),
        }
    }

    /// Lets a parked message pass, once or for good.
    pub(super) fn pardon(&mut self, parked: &Parked, forget: bool) {
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
    pub(super) fn adopt(&mut self, id: &str, spec: ChildSpec) {
        let messages = guarded_sync(|| spec.starter.admin_messages()).unwrap_or_else(|panic| {
            tracing::error!(path = %self.path.child(id), %panic, "it could not say which admin messages it understands");
            Vec::new()
        });
        self.world.put_messages(self.path.child(id), messages);
        self.specs.insert(id.to_owned(), spec);
    }

    pub(super) fn missing(&self, needs: &[String]) -> Vec<String> {
        for need in needs {
            self.world.need(need);
        }
        needs.iter().filter(|need| !self.world.is_up(need)).cloned().collect()
    }

    /// Tells the child's incarnations whether their failures leave records.
    pub(super) fn let_record(&self, id: &str) {
        let mailbox = self.specs.get(id).and_then(|spec| spec.starter.mailbox());
        if let (Some(mailbox), Some(child)) = (mailbox, self.state.child(id)) {
            mailbox.leave_records(child.policy.crash_records);
        }
    }

    /// Tells the tree whether the child at `at` can be relied on.
    pub(super) fn announce(&self, at: usize) {
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
    pub(super) fn retire(&mut self) {
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
