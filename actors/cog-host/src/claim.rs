//! What becomes of an event that was taken and does not begin: exactly one process does it, or it is told of.

use crate::{host::Shared, reply::Reply, responder::Responder};
use protocol::{Dispatch, Held};
use std::sync::{Arc, atomic::Ordering::SeqCst};

/// The charge of one event, from when it is taken until its jobs are over.
pub(crate) struct Claim {
    held: Held,
    shared: Arc<Shared>,
    responder: Option<Arc<Responder>>,
}

impl Claim {
    pub(crate) fn new(shared: &Arc<Shared>, dispatch: &Dispatch, responder: Option<Arc<Responder>>) -> Self {
        Self { held: dispatch.hold(), shared: Arc::clone(shared), responder }
    }

    /// See [`Held::settle`].
    pub(crate) fn settle(&self) {
        self.held.settle();
    }
}

/// `job` as one of those of an event: it is not done if the event has been left to another process.
pub(crate) fn claimed<J: Future<Output = ()>>(claim: &Arc<Claim>, job: J) -> impl Future<Output = ()> + use<J> {
    let claim = Arc::clone(claim);
    async move {
        if claim.held.begin() {
            job.await;
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
        if self.held.has_begun() {
            return; // done, or cut off
        }
        // The process ends. A message is left to the next one; an interaction would be too old there.
        let Some(responder) = self.responder.take() else { return };
        let lanes = self.shared.lanes.borrow().clone();
        if let Some(lanes) = lanes.filter(|_| self.held.begin()) {
            self.held.finish();
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
