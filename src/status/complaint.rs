//! What is wrong with an actor, in a sentence.

use std::sync::{Mutex, PoisonError};
use supervision::{Criticality, Exit, Node, Status as State};
use task_supervisor::TaskRegistry;

/// One thing that is not as it should be.
#[derive(Clone)]
pub(super) struct Wrong {
    pub(super) sentence: String,
    /// Whether the bot is not ready because of it.
    pub(super) blocks: bool,
}

/// What is wrong with an actor, if that matters. One that is optional matters when it has been given up on: the bot is
/// degraded, and ready all the same.
pub(super) fn complaint(node: &Node) -> Option<Wrong> {
    let optional = node.criticality == Criticality::Optional;
    if optional && !matches!(node.status, State::Parked | State::Quarantined) {
        return None;
    }
    let on_purpose = is_stopped_on_purpose(node);
    let sentence = match (node.status, &node.reason) {
        (State::Running, None) => return None,
        (State::Running, Some(reason)) => format!("{}: {reason}", node.path),
        (state, Some(reason)) => format!("{} is {}: {reason}", node.path, state.name()),
        (_, None) if on_purpose => format!("{0} is stopped by order; `start {0}` brings it back", node.path),
        (state, None) => format!("{} is {}", node.path, state.name()),
    };
    Some(Wrong { sentence, blocks: !on_purpose && !optional })
}

/// One actor of a room that somebody stopped. A whole room stands for what all of the bot rests on.
fn is_stopped_on_purpose(node: &Node) -> bool {
    node.status == State::Down && node.path.depth() > 1 && matches!(node.last_exit, Some(Exit::Shutdown { .. }))
}

/// Actors that boot had to leave out.
#[derive(Default)]
pub(crate) struct LeftOut(Mutex<Vec<Wrong>>);

impl LeftOut {
    /// Notes, in a sentence, that boot goes on without an actor; `blocks`: the bot is not ready without it.
    pub(crate) fn note(&self, sentence: String, blocks: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Wrong { sentence, blocks });
    }

    pub(super) fn all(&self) -> Vec<Wrong> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Tasks that could not be started.
pub(super) fn refused(tasks: &TaskRegistry) -> Vec<Wrong> {
    let wrong = |(path, reason)| Wrong { sentence: format!("{path} could not be started: {reason}"), blocks: false };
    tasks.refused().into_iter().map(wrong).collect()
}
