//! How late timers fire on the data plane: what blocks a worker shows here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How often the delay is sampled.
const SAMPLE: Duration = Duration::from_secs(1);

/// The largest delay since it was last read, so that a spike between two scrapes is not missed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lag {
    micros: Arc<AtomicU64>,
}

impl Lag {
    /// Samples for ever.
    pub(crate) async fn watch(self) {
        loop {
            let due = Instant::now() + SAMPLE;
            sleep(SAMPLE).await;
            self.note(Instant::now().duration_since(due));
        }
    }

    fn note(&self, delay: Duration) {
        self.micros.fetch_max(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The largest delay since the last call.
    pub(crate) fn take(&self) -> Duration {
        Duration::from_micros(self.micros.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spike_is_seen_once() {
        let lag = Lag::default();
        [3, 250, 1].into_iter().for_each(|ms| lag.note(Duration::from_millis(ms)));
        assert_eq!((lag.take().as_millis(), lag.take().as_millis()), (250, 0));
    }
}
