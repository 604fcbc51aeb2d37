//! What becomes of an event that was taken and does not begin: exactly one process does it, or it is told of.

use crate::{host::Shared, reply::Reply, responder::Responder};
use protocol::{Dispatch, Held};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

/// The charge of one event, from when it is taken until its jobs are over.
pub(crate) struct Claim {
    held: Held,
    shared: Arc<Shared>,
    responder: Option<Arc<Responder>>,
    /// Jobs under way.
    running: AtomicUsize,
    /// Whether the command has begun: it answers.
    answers: AtomicBool,
}

/// What a job of an event is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A cog's hook.
    Hook,
    /// What answers whoever caused the event.
    Command,
}

impl Claim {
    pub(crate) fn new(shared: &Arc<Shared>, dispatch: &Dispatch, responder: Option<Arc<Responder>>) -> Self {
        let (running, answers) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { held: dispatch.hold(), shared: Arc::clone(shared), responder, running, answers }
    }

    /// See [`Held::planned`].
    pub(crate) fn planned(&self) {
        self.held.planned();
    }

    /// See [`Held::settle`].
    pub(crate) fn settle(&self) {
        self.answers.store(true, SeqCst); // whatever the answer is, it is not given here
        self.held.settle();
    }
}

/// `job` as one of those of an event: it is not done if the event has been left to another process.
pub(crate) fn claimed<J: Future<Output = ()>>(
    claim: &Arc<Claim>,
    part: Part,
    job: J,
) -> impl Future<Output = ()> + use<J> {
    let claim = Arc::clone(claim);
    claim.held.plan();
    async move {
        if claim.held.begin() {
            claim.answers.fetch_or(part == Part::Command, SeqCst);
            claim.running.fetch_add(1, SeqCst);
            job.await;
            claim.running.fetch_sub(1, SeqCst);
            claim.held.finish();
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Done, or shed, or lost together with its dispatcher: this process goes on, and nobody will send it again.
        if !self.shared.hands_on.load(SeqCst) {
            return self.held.settle();
        }
        if self.answers.load(SeqCst) {
            return; // done, or cut off
        }
        // The process ends. A message is left to the next one; an interaction would be too old there, or, if a hook has begun,
        // it is not handed on at all.
        let Some(responder) = self.responder.take() else { return };
        let lanes = self.shared.lanes.borrow().clone();
        if let Some(lanes) = lanes.filter(|_| self.held.begin()) {
            if self.running.load(SeqCst) == 0 {
                self.held.settle(); // no hook was cut off: with this answer it is done
            }
            lanes.last_word(say_closed(responder));
        }
    }
}

/// Tells whoever used a slash command that it is not done.
pub(crate) async fn say_closed(responder: Arc<Responder>) {
    let reply = Reply::text("I am restarting; try again in a moment.").ephemeral();
    if let Err(error) = responder.send(&reply).await {
        tracing::debug!(%error, "an interaction could not be refused");
    }
}
