//! When what the next process has to know is to be written: soon enough that a crash loop loses little, seldom enough that
//! a storm of refusals is no storm of writes. Pure.
//!
//! What one kill loses is what came after the last write was begun: [`STEP`] - 1 answers that no write was due for, and those
//! that come while it is under way. At the 50 requests a second that Discord allows, a disk that needs a whole second for a
//! write makes that 24 + 50 = 74, one that needs 20 ms 12 + 1 = 13. A service manager that starts the bot anew every 15 s does
//! so 40 times in 10 minutes: 40 * 74 = 2,960 lost, with the 5,000 at which all is silent, and a probe a process, 8,000 of the
//! 10,000 at which Discord bans the address; on an ordinary disk 40 * 13 = 520, and 5,560.

use std::time::Duration;
use tokio::time::Instant;

/// Invalid answers that make a write due at once.
pub(crate) const STEP: usize = 25;
/// The least time between two writes for fewer than that.
pub(crate) const PAUSE: Duration = Duration::from_millis(250);
/// The least time between a write that failed and the next.
pub(crate) const RETRY: Duration = Duration::from_secs(10);

/// What has happened since the last write.
#[derive(Default)]
pub(crate) struct Saving {
    unsaved: usize,
    changed: bool,
    /// Fewer than [`STEP`] wait until then.
    calm: Option<Instant>,
    /// Everything waits until then.
    failed: Option<Instant>,
}

impl Saving {
    /// An invalid answer has come.
    pub(crate) fn counted(&mut self) {
        self.unsaved = self.unsaved.saturating_add(1);
    }

    /// A silence has begun, ended or grown longer.
    pub(crate) fn changed(&mut self) {
        self.changed = true;
    }

    /// When a write is due; none while there is nothing new.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let soon = self.changed || self.unsaved >= STEP;
        let at = if soon { Some(now) } else { (self.unsaved > 0).then(|| self.calm.map_or(now, |calm| calm.max(now))) };
        at.map(|at| self.failed.map_or(at, |failed| failed.max(at)))
    }

    /// A write begins, with all that has happened.
    pub(crate) fn begun(&mut self, now: Instant) {
        *self = Self { calm: Some(now + PAUSE), ..Self::default() };
    }

    /// It failed.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.changed = true;
        self.failed = Some(now + RETRY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_written_at_once_the_next_few_soon_and_many_at_once() {
        let now = Instant::now();
        let mut saving = Saving::default();
        assert_eq!(saving.due(now), None);
        saving.counted();
        assert_eq!(saving.due(now), Some(now));
        saving.begun(now);
        assert_eq!(saving.due(now), None, "nothing is new");
        for _ in 1..STEP {
            saving.counted();
            assert_eq!(saving.due(now), Some(now + PAUSE));
        }
        saving.counted();
        assert_eq!(saving.due(now), Some(now));
        saving.begun(now);
        saving.changed();
        assert_eq!(saving.due(now), Some(now), "a silence does not wait");
        saving.begun(now);
        saving.failed(now);
        saving.changed();
        assert_eq!(saving.due(now), Some(now + RETRY), "a full disk is not tried in a loop");
        saving.begun(now + RETRY);
        assert_eq!(saving.due(now + RETRY), None);
    }
}
