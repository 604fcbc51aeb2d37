//! Tasks beside the tree: who has one owns it, and its panic is told.

use supervision::guarded;
use tokio::{runtime::Handle, task::JoinHandle};

/// A task that ends with its owner.
#[derive(Debug)]
#[must_use = "dropping it ends the task"]
pub struct Kept(JoinHandle<()>);

impl Kept {
    /// Runs `work` on `plane`. A panic in it ends it, and stands in the log with its place.
    pub fn run(plane: &Handle, name: &'static str, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(plane.spawn(async move {
            if let Err(exit) = guarded(work).await {
                tracing::error!(task = name, cause = exit.to_string(), "{name} has ended: {exit}");
            }
        }))
    }

    /// Whether it has not ended.
    pub fn is_running(&self) -> bool {
        !self.0.is_finished()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_ends_with_its_owner_and_a_panic_in_it_goes_no_further() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let kept = Kept::run(&Handle::current(), "sleeper", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        drop(kept);
        assert!(dropped.await.is_err(), "what the task held is gone");
        let mut panics = Kept::run(&Handle::current(), "panics", async { panic!("boom") });
        assert!(panics.is_running());
        assert!((&mut panics.0).await.is_ok(), "caught inside");
        assert!(!panics.is_running(), "it counts no longer among what the process owns");
    }
}
