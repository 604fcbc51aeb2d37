//! The one place where our [`Actor`] meets ractor's.
//!
//! ractor's traps that this file answers: the supervisor would be blocked by a slow `pre_start`, so `start` runs in
//! `post_start`; exit kinds are strings there, so the typed reason is noted in [`Life`]; the state outlives the exit
//! event, so its end is signalled by the last field to drop.

use crate::{
    actor::{Actor, Ctx},
    addr::Addr,
    core::policy::WORKER_SHUTDOWN,
    exit::Exit,
    life::{Life, Signal},
    message::{Envelope, Fingerprint, Message, UserEnvelope},
    panics::{guarded, guarded_sync},
    path::ActorPath,
    pulse::{Label, SHOWN_MAX},
};
use ractor::{ActorProcessingErr, ActorRef};
use std::{collections::VecDeque, marker::PhantomData, sync::Arc};
use tokio::sync::oneshot;

/// ractor's side of an actor of type `A`.
pub(crate) struct Host<A>(pub(crate) PhantomData<fn() -> A>);

/// What ractor hands to `pre_start`.
pub(crate) struct Seed<A: Actor> {
    pub(crate) actor: A,
    pub(crate) addr: Addr<A::Msg>,
    pub(crate) life: Arc<Life>,
    pub(crate) gone: Gone,
    pub(crate) missing: Arc<[ActorPath]>,
}

/// Signals, when dropped, that everything before it in [`Live`] has been dropped.
pub(crate) struct Gone(pub(crate) Option<oneshot::Sender<()>>);

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(gone) = self.0.take() {
            gone.send(()).ok(); // the watcher may have given up on a slow drop
        }
    }
}

/// ractor's state. Fields drop in this order: the actor first, the signal last.
pub(crate) struct Live<A: Actor> {
    actor: Option<A>,
    waiting: VecDeque<UserEnvelope<A::Msg>>,
    missing: Arc<[ActorPath]>,
    ctx: Ctx<A>,
    _gone: Gone,
}

impl<A: Actor> Drop for Live<A> {
    fn drop(&mut self) {
        self.ctx.life.close();
        self.actor = None;
    }
}

impl<A: Actor> Live<A> {
    /// Fails ractor's loop with a reason that only its own log would show; ours is in [`Life`].
    fn die(&self, exit: Exit) -> ActorProcessingErr {
        let text = exit.to_string();
        self.ctx.life.note_exit(exit);
        text.into()
    }

    async fn user(&mut self, mut envelope: UserEnvelope<A::Msg>) -> Result<(), ActorProcessingErr> {
        let Some(message) = envelope.take() else { return Ok(()) };
        let (label, pulse) = (label(&message), self.ctx.life.pulse());
        let fingerprint = label.fingerprint;
        if !self.admits(fingerprint) {
            return Ok(()); // a caller who waits for its answer looks up why there is none
        }
        let Some(actor) = self.actor.as_mut() else { return Ok(()) };
        let handled = pulse.of(label, guarded(actor.handle(message, &self.ctx))).await;
        drop(envelope);
        // The exit is noted while the message is still in hand: its crash record tells of it.
        let done = match handled {
            Ok(Ok(())) => {
                self.survived(fingerprint);
                Ok(())
            }
            // Not an error for ractor, which would skip `stop`: the state is whole, and what it holds is released.
            Ok(Err(failure)) => {
                self.ctx.life.end(failure.into_exit());
                Ok(())
            }
            Err(panic) => Err(self.die(panic)),
        };
        self.rest();
        done
    }

    /// Whether the message may be handled: it is not parked, or has been released for one more try.
    fn admits(&self, fingerprint: Option<Fingerprint>) -> bool {
        let parked = fingerprint.and_then(|fingerprint| self.ctx.addr.mailbox().parked(fingerprint));
        parked.is_none_or(|parked| parked.admits())
    }

    /// The message did no harm: if it was parked, it is so no longer.
    fn survived(&self, fingerprint: Option<Fingerprint>) {
        let mailbox = self.ctx.addr.mailbox();
        if let Some(fingerprint) = fingerprint.filter(|fingerprint| mailbox.parked(*fingerprint).is_some()) {
            mailbox.absolve(fingerprint);
        }
    }

    /// A handler is over.
    fn rest(&self) {
        self.ctx.life.pulse().rest();
        self.ctx.addr.mailbox().count_handled();
    }
}

/// What is noted of a message before its handler takes it.
fn label<M: Message>(message: &M) -> Label {
    let fingerprint = message.fingerprint();
    let shown = fingerprint.and_then(|_| guarded_sync(|| message.shown()).ok()).map(|mut shown| {
        shown.truncate(SHOWN_MAX);
        shown.into()
    });
    Label { name: message.name(), size: message.size(), fingerprint, shown }
}

impl<A: Actor> ractor::Actor for Host<A> {
    type Msg = Envelope<A::Msg>;
    type State = Live<A>;
    type Arguments = Seed<A>;

    async fn pre_start(&self, me: ActorRef<Self::Msg>, seed: Seed<A>) -> Result<Live<A>, ActorProcessingErr> {
        seed.life.attach(me.get_cell());
        seed.addr.attach(me, &seed.life);
        let ctx = Ctx { addr: seed.addr, life: seed.life };
        Ok(Live { actor: Some(seed.actor), waiting: VecDeque::new(), missing: seed.missing, ctx, _gone: seed.gone })
    }

    async fn post_start(&self, _: ActorRef<Self::Msg>, live: &mut Live<A>) -> Result<(), ActorProcessingErr> {
        let stopping = live.ctx.life.stopping();
        let Some(actor) = live.actor.as_mut() else { return Ok(()) };
        let started = tokio::select! {
            biased;
            () = stopping.cancelled() => return Err(live.die(Exit::shutdown_because("stopped while starting"))),
            started = guarded(actor.start(&live.ctx)) => started,
        };
        match started {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => return Err(live.die(failure.into_exit())),
            Err(panic) => return Err(live.die(panic)),
        }
        live.ctx.life.notify(Signal::Started);
        if !live.missing.is_empty() {
            let missing = Arc::clone(&live.missing);
            suspend(live, &missing)?;
        }
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Self::Msg>,
        envelope: Envelope<A::Msg>,
        live: &mut Live<A>,
    ) -> Result<(), ActorProcessingErr> {
        match envelope {
            // It keeps its permit, and its place behind those that wait already.
            Envelope::User(envelope) if !live.missing.is_empty() || !live.waiting.is_empty() => {
                live.waiting.push_back(envelope);
            }
            Envelope::User(envelope) => live.user(envelope).await?,
            Envelope::Admin(mut admin) => {
                let label = admin.label();
                let (_permit, fingerprint) = (admin.permit.take(), label.fingerprint);
                if admin.reply.is_abandoned() {
                    return Ok(()); // whoever sent it has been told that there is no answer
                }
                if !live.admits(fingerprint) {
                    let poisoned = admin.poisoned(live.ctx.path());
                    admin.reply.send(Err(poisoned));
                    return Ok(());
                }
                let Some(actor) = live.actor.as_mut() else { return Ok(()) };
                let answered = live.ctx.life.pulse().of(label, guarded(actor.admin(admin.call, &live.ctx))).await;
                match answered {
                    Ok(answer) => admin.reply.send(answer),
                    Err(panic) => return Err(live.die(panic)),
                }
                if !live.ctx.life.has_failed() {
                    live.survived(fingerprint);
                }
                live.rest();
            }
            Envelope::Suspend(missing) => suspend(live, &missing)?,
            Envelope::Resume if live.missing.is_empty() => {}
            Envelope::Resume => {
                live.missing = Arc::from([]);
                live.ctx.addr.mailbox().set_suspended(false);
                let Some(actor) = live.actor.as_mut() else { return Ok(()) };
                let pulse = live.ctx.life.pulse();
                if let Err(panic) = pulse.of_sync(Label::plain("resumed"), || guarded_sync(|| actor.resumed(&live.ctx)))
                {
                    return Err(live.die(panic));
                }
                pulse.rest();
                me.cast(Envelope::Waited)?;
            }
            // One at a time: a stop or another suspension is heard in between.
            Envelope::Waited if live.missing.is_empty() => {
                if let Some(envelope) = live.waiting.pop_front() {
                    live.user(envelope).await?;
                    me.cast(Envelope::Waited)?;
                }
            }
            Envelope::Waited => {} // suspended again meanwhile
            Envelope::Drain(reply) => {
                let Some(actor) = live.actor.as_mut() else { return Ok(()) };
                let pulse = live.ctx.life.pulse();
                if let Err(panic) = pulse.of(Label::plain("drain"), guarded(actor.drain(&live.ctx))).await {
                    return Err(live.die(panic));
                }
                pulse.rest();
                reply.send(());
            }
        }
        Ok(())
    }

    async fn post_stop(&self, _: ActorRef<Self::Msg>, live: &mut Live<A>) -> Result<(), ActorProcessingErr> {
        // Whom the supervisor has asked to stop it also holds to a deadline. One that ends by itself would hang unseen.
        let by_itself = live.ctx.life.has_exit();
        if let Some(mut actor) = live.actor.take() {
            let stop = guarded(actor.stop(&live.ctx));
            let stopped = if by_itself {
                let late = |_| Err(Exit::Killed { by: "stop deadline".to_owned() });
                tokio::time::timeout(WORKER_SHUTDOWN, stop).await.unwrap_or_else(late)
            } else {
                stop.await
            };
            // A panic while stopping changes nothing any more but must not pass unseen. After a failure it is not the
            // cause: a fatal one stays fatal.
            if let Err(exit) = stopped {
                if live.ctx.life.has_failed() {
                    tracing::warn!(path = %live.ctx.path(), %exit, "it failed, and its stop did not end well either");
                } else {
                    live.ctx.life.take_exit();
                }
                return Err(live.die(exit));
            }
        }
        live.ctx.life.note_exit(Exit::shutdown()); // not before: a stop that hangs ends as a kill
        live.ctx.life.close();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _: ActorRef<Self::Msg>,
        _: ractor::SupervisionEvent,
        _: &mut Live<A>,
    ) -> Result<(), ActorProcessingErr> {
        Ok(()) // workers have no ractor children; the default would stop the worker
    }
}

fn suspend<A: Actor>(live: &mut Live<A>, missing: &Arc<[ActorPath]>) -> Result<(), ActorProcessingErr> {
    let already = live.ctx.addr.mailbox().read().suspended;
    live.missing = Arc::clone(missing);
    if already || missing.is_empty() {
        return Ok(());
    }
    live.ctx.addr.mailbox().set_suspended(true);
    let Some(actor) = live.actor.as_mut() else { return Ok(()) };
    let pulse = live.ctx.life.pulse();
    let told = pulse.of_sync(Label::plain("suspended"), || guarded_sync(|| actor.suspended(missing, &live.ctx)));
    told.map_err(|panic| live.die(panic))?;
    pulse.rest();
    Ok(())
}
