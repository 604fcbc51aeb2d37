//! What is wrong with an actor, in a sentence.

use supervision::{Criticality, Exit, Node, Status as State};

/// One thing that is not as it should be.
pub(super) struct Wrong {
    pub(super) sentence: String,
    /// Whether the bot is not ready because of it.
    pub(super) blocks: bool,
}

/// What is wrong with an actor, if that matters.
pub(super) fn complaint(node: &Node) -> Option<Wrong> {
    if node.criticality == Criticality::Optional {
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
    Some(Wrong { sentence, blocks: !on_purpose })
}

/// One actor of a room that somebody stopped. A whole room stands for what all of the bot rests on.
fn is_stopped_on_purpose(node: &Node) -> bool {
    node.status == State::Down && node.path.depth() > 1 && matches!(node.last_exit, Some(Exit::Shutdown { .. }))
}
