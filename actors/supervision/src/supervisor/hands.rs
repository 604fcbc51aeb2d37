//! A supervisor's hands: the levers of its children, and what is done with them.

use super::{Desk, Message};
use crate::{
    core::{
        Action, Event, Life,
        probe::{Activity, Finding, Probe, activity},
    },
    crash::InHand,
    exit::Exit,
    life::{Notify, Signal},
    message::{Fingerprint, Reply},
    path::ActorPath,
    poison::Evidence,
    starter::{Lever, StartRequest},
};
use futures_util::future::join_all;
use ractor::MessagingErr;
use std::{collections::HashMap, sync::Arc};

#[derive(Default)]
pub(super) struct Hands {
    levers: HashMap<String, Grip>,
}

/// A child's lever, or what is to be done with it once it is there.
struct Grip {
    incarnation: u64,
    lever: Option<Arc<dyn Lever>>,
    pending: Vec<Pull>,
    /// It came up before its lever came.
    started: bool,
}

type Pull = Box<dyn FnOnce(&dyn Lever) + Send>;

impl Desk {
    /// Carries out one action of the core.
    pub(super) fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { id, incarnation, missing } => self.spawn(id, incarnation, &missing),
            Action::AskStop { id, within } => self.pull(&id, move |lever| lever.stop(within)),
            Action::Kill { id, by } => self.pull(&id, move |lever| lever.kill(&by)),
            Action::Abort { id } => self.pull(&id, |lever| lever.abort()),
            Action::Blame { id, exit } => self.pull(&id, move |lever| lever.blame(exit)),
            Action::Probe { id, incarnation, probe } => self.probe(id, incarnation, probe),
            Action::LeaveBehind { id, incarnation } => self.leave_behind(id, incarnation),
            Action::Poison { id, fingerprint, deaths } => self.park(&id, fingerprint, deaths),
            Action::Suspend { id, missing } => {
                let missing = paths(&missing);
                self.pull(&id, move |lever| lever.suspend(missing));
            }
            Action::Resume { id } => self.pull(&id, |lever| lever.resume()),
            Action::SetTimer { id, incarnation, timer, after } => {
                self.timers.set(id, incarnation, timer, self.world.now().saturating_add(after));
            }
            Action::Forget { id } => {
                let path = self.path.child(&id);
                self.timers.cancel(&id);
                self.publisher.note(&id);
                self.specs.remove(&id);
                self.hands.levers.remove(&id);
                self.world.drop_messages(&path);
                self.world.drop_lever(&path);
                self.world.drop_legacies(&path);
                self.world.poisons.forget(&path);
                self.world.set_up(&path, false);
            }
            Action::Answer { ticket, answer } => {
                if let Some(reply) = self.answers.remove(&ticket) {
                    reply.send(answer);
                }
            }
            Action::Ready => self.life.notify(Signal::Started),
            Action::Exit { exit } => self.life.end(exit),
        }
    }

    fn spawn(&mut self, id: String, incarnation: u64, missing: &[String]) {
        let Some(spec) = self.specs.get(&id) else { return };
        self.let_record(&id); // before it can fail
        let path = self.path.child(&id);
        let elsewhere = spec.path.clone().filter(|said| *said != path);
        let starter = Arc::clone(&spec.starter);
        let me = self.me.clone();
        let notify: Notify = {
            let (me, id) = (me.clone(), id.clone());
            let (world, supervisor) = (Arc::downgrade(&self.world), self.path.clone());
            Arc::new(move |signal| {
                let told = me.cast(Message::Child { id: id.clone(), incarnation, signal });
                // The supervisor is gone; its next life waits for the end of what it left behind.
                if let (Err(MessagingErr::SendErr(message)), Some(world)) = (told, world.upgrade()) {
                    world.ended_late(&supervisor, message);
                }
            })
        };
        if let Some(said) = elsewhere {
            let message = format!("its address says {said}, but it stands at {path}");
            return notify(Signal::Exited(Exit::Fatal { message }));
        }
        let request = StartRequest {
            path,
            incarnation,
            parent: Some(self.me.get_cell()),
            notify: Arc::clone(&notify),
            missing: paths(missing),
            world: Arc::clone(&self.world),
        };
        self.hands.levers.insert(id.clone(), Grip { incarnation, lever: None, pending: Vec::new(), started: false });
        self.world.planes.control.spawn(async move {
            match starter.start(request).await {
                Ok(lever) => {
                    me.cast(Message::Spawned { id, incarnation, lever }).ok(); // the supervisor is gone
                }
                Err(exit) => notify(Signal::Exited(exit)),
            }
        });
    }

    /// A lever has come: what waited for it is done.
    pub(super) fn grasp(&mut self, id: String, incarnation: u64, lever: Arc<dyn Lever>) {
        let Some(grip) = self.hands.levers.get_mut(&id).filter(|grip| grip.incarnation == incarnation) else { return };
        for pull in grip.pending.drain(..) {
            pull(lever.as_ref());
        }
        grip.lever = Some(Arc::clone(&lever));
        let started = grip.started;
        if self.state.child(&id).is_some_and(|child| child.draining) {
            lever.drain(Reply::channel().0); // begun before the drain: whoever drains has not waited for it
        }
        self.world.put_lever(self.path.child(&id), lever);
        if started {
            self.started(id, incarnation);
        }
    }

    /// A child came up. It counts once it can also be told things: its lever may come a moment later.
    pub(super) fn started(&mut self, id: String, incarnation: u64) {
        match self.hands.levers.get_mut(&id) {
            Some(grip) if grip.incarnation == incarnation && grip.lever.is_none() => {
                grip.started = true;
                return;
            }
            _ => {}
        }
        // The timer of its start ends with the start. One that was set since, for a stop, does not.
        let there = self.state.child(&id);
        if there.is_some_and(|child| child.incarnation == incarnation && child.life == Life::Starting) {
            self.timers.cancel(&id);
        }
        self.decide(Event::Started { id, incarnation });
    }

    /// The incarnation is gone, and its lever with it.
    pub(super) fn let_go(&mut self, id: &str, incarnation: u64) {
        if self.hands.levers.get(id).is_some_and(|grip| grip.incarnation == incarnation) {
            self.hands.levers.remove(id);
            self.world.drop_lever(&self.path.child(id));
            self.timers.cancel(id);
        }
    }

    /// Looks at a child. What is as it should be, and was, is not worth an event.
    fn probe(&self, id: String, incarnation: u64, probe: Probe) {
        let late = self.world.late();
        self.world.beat();
        let grip = self.hands.levers.get(&id).filter(|grip| grip.incarnation == incarnation);
        let Some((reading, message)) = grip.and_then(|grip| grip.lever.as_ref()?.look(late)) else { return };
        let (activity, lasted) = activity(&reading, probe.noted_from());
        let well = matches!(activity, Activity::Idle | Activity::Busy);
        if well && self.state.child(&id).is_none_or(|child| child.stalled.is_none()) {
            return;
        }
        let finding = Finding { activity, lasted, message };
        // Not at once: the actions of the event under way come first.
        self.me.cast(Message::Tell(Event::Probed { id, incarnation, finding })).ok(); // only when it is gone itself
    }

    /// An incarnation may hold its thread for ever. When too many do, the root gives up.
    fn leave_behind(&self, id: String, incarnation: u64) {
        if let Some(event) = self.in_hand(&id, incarnation, &Exit::Aborted) {
            self.me.cast(Message::Tell(event)).ok(); // only when it is gone itself
        }
        let overrun = self.world.left_behind.add(self.path.child(&id), incarnation);
        if let (Some((left, max)), Some(root)) = (overrun, self.world.office(&ActorPath::root())) {
            root.handle.send(Message::Tell(Event::Overrun { left, max }));
        }
    }

    /// The event that tells which message was in hand when an incarnation failed with `exit`, if that may be poison.
    pub(super) fn in_hand(&self, id: &str, incarnation: u64, exit: &Exit) -> Option<Event> {
        self.state.child(id).filter(|child| child.policy.poison.is_some())?;
        // Whom an operator or its supervisor ended, no message did.
        let own = |exit: &Exit| !matches!(exit, Exit::Normal | Exit::Shutdown { .. } | Exit::Killed { .. });
        let crash = self.world.crashes.last(&self.path.child(id), incarnation).filter(|crash| own(&crash.exit))?;
        let message = &crash.in_hand.as_ref().filter(|_| own(exit))?.message;
        let (id, name) = (id.to_owned(), message.name.to_owned());
        Some(Event::InHand { id, incarnation, fingerprint: message.fingerprint?, name })
    }

    /// Refuses a message from now on.
    fn park(&self, id: &str, fingerprint: Fingerprint, deaths: u32) {
        let path = self.path.child(id);
        let bears = |hand: &&InHand| hand.message.fingerprint == Some(fingerprint);
        let crashes = self.world.crashes.of(&path);
        let Some(hand) = crashes.iter().rev().find_map(|crash| crash.in_hand.as_ref().filter(bears)) else { return };
        let Some(mailbox) = self.specs.get(id).and_then(|spec| spec.starter.mailbox()) else { return };
        let evidence = Evidence {
            name: hand.message.name.to_owned(),
            size: hand.message.size,
            shown: hand.shown.clone().unwrap_or_default(),
            deaths,
        };
        let (parked, oldest) = self.world.poisons.park(&path, fingerprint, evidence);
        mailbox.refuse(&parked);
        if let Some(oldest) = oldest {
            tracing::warn!(path = %oldest.path, message = oldest.name, "too many messages are parked: this one may pass again");
            self.world.mailbox(&oldest.path).inspect(|mailbox| mailbox.absolve(oldest.fingerprint));
        }
    }

    fn pull(&mut self, id: &str, pull: impl FnOnce(&dyn Lever) + Send + 'static) {
        match self.hands.levers.get_mut(id) {
            Some(Grip { lever: Some(lever), .. }) => pull(lever.as_ref()),
            Some(grip) => grip.pending.push(Box::new(pull)),
            None => {} // its exit is on the way
        }
    }

    /// Passes a drain on to every child and answers when all have drained or gone.
    pub(super) fn drain(&self, reply: Reply<()>) {
        let answers: Vec<_> = self
            .hands
            .levers
            .values()
            .filter_map(|grip| grip.lever.as_ref())
            .map(|lever| {
                let (reply, answer) = Reply::channel();
                lever.drain(reply);
                answer
            })
            .collect();
        self.life.spawn(async move {
            join_all(answers).await;
            reply.send(());
        });
    }
}

fn paths(names: &[String]) -> Arc<[ActorPath]> {
    names.iter().map(|name| ActorPath::from(name.as_str())).collect()
}
