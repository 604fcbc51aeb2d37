//! Whether what a line caused is over.

use super::show::Show;
use sandbox::Sandbox;
use std::{sync::Arc, time::Duration};
use supervision::{Status, Tree};
use tokio::time::{Instant, sleep};

/// Nothing shown for this long, nothing under way: settled.
const QUIET: Duration = Duration::from_millis(300);
/// Waiting for more than this helps nobody: something hangs, and the next line may be about it.
const LONGEST: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct Settled {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) tree: Tree,
    pub(super) show: Show,
}

impl Settled {
    /// Waits until replies are in, restarts are over and nothing more is shown.
    pub(super) async fn wait(&self) {
        let begun = Instant::now();
        let mut calm_since = begun;
        while begun.elapsed() < LONGEST {
            let last = self.show.last();
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
        let moving = |status| matches!(status, Status::Starting | Status::Waiting | Status::Stopping);
        self.sandbox.undelivered() > 0
            || self.sandbox.unanswered() > 0
            || self.sandbox.connected_shards().is_empty()
            || self.tree.nodes().iter().any(|node| moving(node.status))
    }
}
