//! How the time of the way down is shared out, before it happens.

use crate::wire::millis;
use serde_json::{Value, json};
use std::time::Duration;
use supervision::Tree;

/// What is drained first: schedulers stop making work, dispatch stops, running commands finish.
pub(super) const DRAINED: [&str; 3] = ["task-supervisor", "gateway", "cog-host"];
/// The share of the total that is kept for what comes after the tree: session, reports, account.
const LAST_SHARE: u32 = 8;
/// At least and at most so much of it.
const LAST_LEAST: Duration = Duration::from_millis(200);
const LAST_MOST: Duration = Duration::from_secs(2);
/// What may come on top of the total until the process is gone: the last log lines and the end of its threads.
pub const OVERRUN: Duration = Duration::from_secs(1);

/// How long the way down may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub total: Duration,
    /// Of which waiting for running commands.
    pub drain: Duration,
}

impl Limits {
    /// What is kept for the steps after the tree.
    pub fn last(self) -> Duration {
        (self.total / LAST_SHARE).clamp(LAST_LEAST, LAST_MOST).min(self.total / 2)
    }

    /// What drain and tree may take together.
    pub fn tree(self) -> Duration {
        self.total - self.last()
    }

    /// The longest from the order to the end of the process.
    pub fn worst(self) -> Duration {
        self.total + OVERRUN
    }
}

/// The order of the way down with its deadlines, before it happens. Every step's time is the longest it may take when all
/// before it have used up theirs.
pub fn plan(tree: &Tree, limits: Limits) -> Value {
    let nodes = tree.nodes();
    let mut order: Vec<String> =
        nodes.iter().filter(|node| node.path.depth() == 1).map(|node| node.path.to_string()).collect();
    order.reverse();
    let drain = limits.drain.min(limits.tree());
    let mut steps = vec![json!({ "step": "drain", "within_ms": millis(drain) })];
    let mut left = limits.tree() - drain;
    for (at, path) in order.iter().enumerate() {
        let within = share(left, order.len() - at);
        left -= within;
        steps.push(json!({ "step": path, "within_ms": millis(within) }));
    }
    steps.push(json!({ "step": "session, reports, account", "within_ms": millis(limits.last()) }));
    json!({
        "total_ms": millis(limits.total),
        "worst_case_ms": millis(limits.worst()),
        "drain": { "paths": DRAINED, "within_ms": millis(drain) },
        "order": order,
        "steps": steps,
        "within": "each step may take half of what is left; unused time is passed on",
    })
}

/// What the next of `steps` may take: half of what is left, or an equal share where that is more.
fn share(left: Duration, steps: usize) -> Duration {
    (left / u32::try_from(steps.max(1)).unwrap_or(u32::MAX)).max(left / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_add_up_to_the_total_whatever_it_is() {
        for millis in [0, 1, 100, 1_000, 10_000, 600_000] {
            let limits = Limits { total: Duration::from_millis(millis), drain: Duration::from_millis(3_000) };
            assert_eq!(limits.tree() + limits.last(), limits.total);
            let mut left = limits.tree() - limits.drain.min(limits.tree());
            for steps in (1..=8).rev() {
                left -= share(left, steps);
            }
            assert_eq!(left, Duration::ZERO, "the last step may use all that is left");
        }
    }
}
