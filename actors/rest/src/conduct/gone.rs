//! Remembers channels and webhooks that are gone, so that nobody keeps on asking for them. Pure.

use super::memory::Memory;
use std::time::Duration;
use tokio::time::Instant;

/// How long it is believed. Ids are never given twice, so it stays true; but a failing Discord has said it of what was
/// there, and that mends itself within this time.
pub(crate) const BELIEVED: Duration = Duration::from_secs(3600);
/// Targets kept; when full, the one that expires first goes.
pub(crate) const GONE_MAX: usize = 1_024;
/// "Unknown Channel" and "Unknown Webhook", with the kind of target each speaks of.
const KINDS: [(u32, &str); 2] = [(10_003, "channels/"), (10_015, "webhooks/")];

/// What is gone, by the beginning of its paths. Holds tokens of webhooks: never print a key.
pub(crate) struct Gone(Memory<String>);

impl Default for Gone {
    fn default() -> Self {
        Self(Memory::new(BELIEVED, GONE_MAX))
    }
}

impl Gone {
    /// What Discord said of `target`, when it is still believed.
    pub(crate) fn recall(&self, now: Instant, target: &str) -> Option<(u32, String)> {
        self.0.recall(now, target)
    }

    /// Notes a 404 for a request below `target`; true when it says, for the first time, that this very target is gone.
    pub(crate) fn note(&mut self, now: Instant, target: &str, code: u32, message: &str) -> bool {
        if !KINDS.iter().any(|&(about, kind)| about == code && target.starts_with(kind)) {
            return false;
        }
        let news = self.recall(now, target).is_none();
        self.0.note(now, target.to_owned(), code, message);
        news
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_about_the_target_itself_are_believed_and_not_for_ever() {
        let now = Instant::now();
        let mut gone = Gone::default();
        assert!(gone.note(now, "channels/1", 10_003, "Unknown Channel"));
        assert!(!gone.note(now, "channels/1", 10_003, "Unknown Channel"), "it is no news the second time");
        assert!(!gone.note(now, "channels/2", 10_008, "Unknown Message"));
        assert!(!gone.note(now, "channels/3", 10_015, "Unknown Webhook"), "a channel is no webhook");
        assert!(gone.recall(now, "channels/1").is_some() && gone.recall(now, "channels/2").is_none());
        assert!(gone.recall(now + BELIEVED, "channels/1").is_none());
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = Instant::now();
        let mut gone = Gone::default();
        for n in 0..u64::try_from(GONE_MAX).unwrap() * 2 {
            gone.note(now + Duration::from_millis(n), &format!("channels/{n}"), 10_003, "Unknown Channel");
        }
        assert_eq!(gone.len(), GONE_MAX);
        assert!(gone.recall(now, "channels/0").is_none(), "the oldest was kept");
    }
}
