//! Whether what a line caused is over.

use super::screen::Screen;
use sandbox::Sandbox;
use std::{sync::Arc, time::Duration};
use supervision::{Node, Status, Tree};
use tokio::time::{Instant, sleep};

/// Nothing shown for this long, nothing under way: settled.
const QUIET: Duration = Duration::from_millis(300);
/// Waiting for more than this helps nobody: something hangs, and the next line may be about it.
const LONGEST: Duration = Duration::from_secs(15);
/// A restart that is no further away than this is waited for.
const SOON: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Settled {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) tree: Tree,
    pub(super) status: Arc<crate::status::Status>,
    pub(super) screen: Screen,
}

impl Settled {
    /// Waits until replies are in, restarts are over and nothing more is shown.
    pub(super) async fn wait(&self) {
        let begun = Instant::now();
        let mut calm_since = begun;
        while begun.elapsed() < LONGEST {
            let last = self.screen.last();
            if self.is_busy() {
                calm_since = Instant::now();
            }
            if calm_since.max(last).elapsed() >= QUIET {
                return;
            }
            sleep(LOOK).await;
        }
    }

    fn is_busy(&self) -> bool {
        let nodes = self.tree.nodes();
        self.sandbox.undelivered() > 0 && is_served(&nodes)
            || self.sandbox.unanswered() > 0
            || self.status.cogs.get().is_some_and(|cogs| cogs.at_work() > 0)
            || self.sandbox.connected_shards().is_empty() && is_served(&nodes)
            || nodes.iter().any(is_moving)
    }
}

/// Whether somebody is there who connects to Discord.
fn is_served(nodes: &[Node]) -> bool {
    nodes.iter().any(|node| node.path.as_str().starts_with("gateway/shard-") && node.status == Status::Running)
}

/// Whether something will come of waiting: a long backoff or cooldown is not sat out.
fn is_moving(node: &Node) -> bool {
    match node.status {
        Status::Starting | Status::Stopping => true,
        Status::Waiting => node.missing.is_empty() && node.until.is_none_or(|until| until <= SOON),
        Status::Running | Status::Suspended | Status::Down | Status::Parked | Status::Quarantined => false,
    }
}
