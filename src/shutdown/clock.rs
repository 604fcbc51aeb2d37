//! The one deadline of the way down, and the signals that shorten it.

use super::plan::Limits;
use crate::signals::Wish;
use std::time::Duration;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// What a second signal leaves of the time.
const HURRY: Duration = Duration::from_secs(1);
/// A tree that has used up its share is waited for so much longer: its own ladder is at its end by then.
const GRACE: Duration = Duration::from_millis(500);

/// Why a step did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Somebody asked a second time: there is less time now.
    Hurry,
    /// Its time is over.
    Late,
    /// Somebody asked a third time: at once.
    Forced,
}

pub(super) struct Clock<'a> {
    wishes: &'a mut mpsc::Receiver<Wish>,
    begun: Instant,
    by: Instant,
    last: Duration,
    stops: u32,
}

impl<'a> Clock<'a> {
    pub(super) fn start(limits: Limits, wishes: &'a mut mpsc::Receiver<Wish>) -> Self {
        let begun = Instant::now();
        Self { wishes, begun, by: begun + limits.total, last: limits.last(), stops: 0 }
    }

    /// The clock of a way down that the tree took by itself: it began `ago`, and only the steps after it are left.
    pub(super) fn resume(limits: Limits, wishes: &'a mut mpsc::Receiver<Wish>, ago: Duration) -> Self {
        let (now, last) = (Instant::now(), limits.last());
        Self { wishes, begun: now.checked_sub(ago).unwrap_or(now), by: now + last, last, stops: 0 }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// When everything has to be over.
    pub(super) fn by(&self) -> Instant {
        self.by
    }

    /// Until everything has to be over.
    pub(super) fn left(&self) -> Duration {
        self.by.saturating_duration_since(Instant::now())
    }

    /// What the tree may still take.
    pub(super) fn left_for_tree(&self) -> Duration {
        self.left().saturating_sub(self.last)
    }

    /// When the tree is given up.
    pub(super) fn tree_by(&self) -> Instant {
        self.by - self.last + GRACE.min(self.last / 2)
    }

    /// When saving is given up: the account of it all still has to be written.
    pub(super) fn save_by(&self) -> Instant {
        self.by - self.last / 4
    }

    /// Ends when somebody asks again; there is less time from then on.
    pub(super) async fn asked_again(&mut self) {
        while !self.stop_wished().await {}
        self.hurry();
    }

    /// Waits for `work` until `by`, and listens to signals meanwhile.
    pub(super) async fn bound<T>(&mut self, by: Instant, work: impl Future<Output = T>) -> Result<T, Cut> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                stop = self.stop_wished() => {
                    if stop {
                        if self.stops > 0 {
                            return Err(Cut::Forced);
                        }
                        self.hurry();
                        return Err(Cut::Hurry);
                    }
                }
                () = sleep_until(by) => return Err(Cut::Late),
            }
        }
    }

    /// The next wish: whether it is one to stop. Nobody is left to wish: never.
    async fn stop_wished(&mut self) -> bool {
        match self.wishes.recv().await {
            Some(wish) => matches!(wish, Wish::Stop(_)),
            None => std::future::pending().await,
        }
    }

    fn hurry(&mut self) {
        self.stops += 1;
        let sooner = Instant::now() + HURRY;
        if sooner + self.last < self.by {
            self.by = sooner + self.last;
        }
        tracing::warn!(target: "shutdown", "asked again: one second is left");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;

    const LIMITS: Limits = Limits { total: Duration::from_secs(10), drain: Duration::from_secs(3) };

    #[tokio::test(start_paused = true)]
    async fn the_second_signal_leaves_a_second_and_the_third_none() {
        let (send, mut wishes) = mpsc::channel(8);
        let mut clock = Clock::start(LIMITS, &mut wishes);
        send.send(Wish::Reload).await.unwrap();
        send.send(Wish::Stop("SIGTERM")).await.unwrap();
        assert_eq!(clock.bound(clock.tree_by(), pending::<()>()).await, Err(Cut::Hurry));
        assert_eq!(clock.left_for_tree(), HURRY);
        let begun = Instant::now();
        assert_eq!(clock.bound(clock.tree_by(), pending::<()>()).await, Err(Cut::Late));
        assert!(begun.elapsed() <= HURRY + GRACE, "{:?}", begun.elapsed());
        send.send(Wish::Stop("SIGINT")).await.unwrap();
        assert_eq!(clock.bound(clock.save_by(), pending::<()>()).await, Err(Cut::Forced));
    }

    #[tokio::test(start_paused = true)]
    async fn without_signals_each_step_ends_in_time_for_the_next() {
        let (_send, mut wishes) = mpsc::channel(8);
        let mut clock = Clock::start(LIMITS, &mut wishes);
        assert_eq!(clock.bound(clock.tree_by(), pending::<()>()).await, Err(Cut::Late));
        assert_eq!(clock.bound(clock.save_by(), pending::<()>()).await, Err(Cut::Late));
        assert!(!clock.left().is_zero(), "the account is still to be written");
        assert_eq!(clock.bound(clock.by(), async { 7 }).await, Ok(7));
    }
}
