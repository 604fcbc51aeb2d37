//! What an actor is: a value with handlers. The kernel runs it; it never sees ractor.

use crate::{
    addr::Addr,
    admin::{AdminCall, AdminError, AdminSpec},
    exit::{Exit, Failure},
    life::Life,
    mailbox::Unavailable,
    message::Message,
    path::ActorPath,
};
use serde_json::Value;
use std::{future::Future, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A supervised actor: the value is its state, made anew by the spec's factory for each incarnation.
///
/// One handler runs at a time. A handler that fails or panics ends the incarnation; the supervisor decides what follows.
pub trait Actor: Sized + Send + 'static {
    /// The messages it handles.
    type Msg: Message;

    /// Brings the actor up. Its supervisor counts it as running once this returns; bounded by the start timeout.
    /// An actor that has nothing to do here says so by [`Failure::ignore`].
    fn start(&mut self, ctx: &Ctx<Self>) -> impl Future<Output = Result<(), Failure>> + Send {
        let _ = ctx;
        async { Ok(()) }
    }

    /// Handles one message.
    fn handle(&mut self, message: Self::Msg, ctx: &Ctx<Self>) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Stops taking new work and finishes what is under way; the first phase of a shutdown. Bounded by its caller.
    fn drain(&mut self, ctx: &Ctx<Self>) -> impl Future<Output = ()> + Send {
        let _ = ctx;
        async {}
    }

    /// Releases what must be released in order (sockets, files). Run whenever the state is whole: when the actor is asked
    /// to stop, when it finished, and when it failed, whether its handler returned the [`Failure`] or it was told by
    /// [`Ctx::fail`] (OTP's `terminate/2` follows an error return as well). Not run after a failed start, a panic in a
    /// handler, or a kill.
    ///
    /// Bounded by its supervisor's rule, or by 5 s when the actor ends by itself. A failure stays the exit's cause
    /// whatever becomes of the stop.
    fn stop(&mut self, ctx: &Ctx<Self>) -> impl Future<Output = ()> + Send {
        let _ = ctx;
        async {}
    }

    /// Called when something it `needs` went away. Ordinary messages wait (bounded by the mailbox) until it is back.
    fn suspended(&mut self, missing: &[ActorPath], ctx: &Ctx<Self>) {
        let _ = (missing, ctx);
    }

    /// Called when everything it `needs` is back, before the messages that waited are handled.
    fn resumed(&mut self, ctx: &Ctx<Self>) {
        let _ = ctx;
    }

    /// The admin messages it understands.
    fn admin_messages() -> Vec<AdminSpec> {
        Vec::new()
    }

    /// Handles one admin message; refusals are values. Also served while suspended.
    fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> impl Future<Output = Result<Value, AdminError>> + Send {
        let _ = ctx;
        async move { Err(call.unknown(&Self::admin_messages())) }
    }
}

/// What an incarnation knows about itself, and the work it owns.
pub struct Ctx<A: Actor> {
    pub(crate) addr: Addr<A::Msg>,
    pub(crate) life: Arc<Life>,
}

impl<A: Actor> Ctx<A> {
    /// Where it stands in the tree.
    pub fn path(&self) -> &ActorPath {
        self.addr.path()
    }

    /// Which life this is, from 1.
    pub fn incarnation(&self) -> u64 {
        self.life.incarnation()
    }

    /// Its own address.
    pub fn me(&self) -> Addr<A::Msg> {
        self.addr.clone()
    }

    /// Fires when the actor has been asked to stop: long handlers select on it.
    pub fn stopping(&self) -> CancellationToken {
        self.life.stopping()
    }

    /// Runs `work` as a task that ends with this incarnation: aborted when the actor stops, fails or is killed.
    /// A panic in it ends the actor, so that no loop dies unseen.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.life.spawn(work);
    }

    /// Sends `message` to itself after `delay`, unless this incarnation has ended by then.
    /// When the mailbox is full the message waits for room.
    pub fn send_after(&self, delay: Duration, message: A::Msg) {
        let addr = self.me();
        self.life.spawn(async move {
            tokio::time::sleep(delay).await;
            addr.send(message).await.ok(); // only when the actor is already gone
        });
    }

    /// Says that the actor is alive but cannot do its work: dependents are suspended, readiness degrades.
    pub fn unavailable(&self, reason: impl Into<String>, retry_after: Duration) {
        let said = Unavailable { reason: reason.into(), retry_after };
        if self.addr.mailbox().unavailable().as_ref() != Some(&said) {
            self.addr.mailbox().set_unavailable(Some(said));
            self.life.announce_availability(false);
        }
    }

    /// Takes [`Ctx::unavailable`] back.
    pub fn available(&self) {
        if self.addr.mailbox().unavailable().is_some() {
            self.addr.mailbox().set_unavailable(None);
            self.life.announce_availability(true);
        }
    }

    /// Ends the actor after the current handler, its work done ([`Exit::Normal`]).
    pub fn finish(&self) {
        self.life.end(Exit::Normal);
    }

    /// Ends the actor after the current handler, in order but not because its work is done (OTP's `shutdown`, with
    /// `info` its `{shutdown, Info}`): a transient child stays down after it ([`Exit::Shutdown`]).
    pub fn shut_down(&self, info: Option<String>) {
        self.life.end(Exit::Shutdown { info });
    }

    /// Ends the actor with `failure` from where none can be returned, e.g. from a task it owns or an admin message.
    /// As after a failure that a handler returned, [`Actor::stop`] runs.
    pub fn fail(&self, failure: Failure) {
        self.life.end(failure.into_exit());
    }
}

impl<A: Actor> Clone for Ctx<A> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), life: Arc::clone(&self.life) }
    }
}
