//! Remembers channels and webhooks that are gone, so that nobody keeps on asking for them. Pure.

use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

/// How long it is believed. Ids are never given twice, so it stays true; but a failing Discord has said it of what was
/// there, and that mends itself within this time.
pub(crate) const BELIEVED: Duration = Duration::from_secs(3600);
/// Targets kept; when full, the one that expires first goes.
pub(crate) const GONE_MAX: usize = 1_024;
/// "Unknown Channel" and "Unknown Webhook", with the kind of target each speaks of.
const KINDS: [(u32, &str); 2] = [(10_003, "channels/"), (10_015, "webhooks/")];

/// What is gone, by the beginning of its paths. Holds tokens of webhooks: never print a key.
#[derive(Default)]
pub(crate) struct Gone {
    known: HashMap<String, Target>,
}

struct Target {
    code: u32,
    message: String,
    until: Instant,
}

impl Gone {
    /// What Discord said of `target`, when it is still believed.
    pub(crate) fn recall(&self, now: Instant, target: &str) -> Option<(u32, String)> {
        let gone = self.known.get(target).filter(|gone| gone.until > now)?;
        Some((gone.code, gone.message.clone()))
    }

    /// Notes a 404 for a request below `target`; true when it says, for the first time, that this very target is gone.
    pub(crate) fn note(&mut self, now: Instant, target: &str, code: u32, message: &str) -> bool {
        if !KINDS.iter().any(|&(about, kind)| about == code && target.starts_with(kind)) {
            return false;
        }
        let news = self.recall(now, target).is_none();
        if self.known.len() >= GONE_MAX {
            self.known.retain(|_, gone| gone.until > now);
        }
        if self.known.len() >= GONE_MAX {
            let oldest = self.known.iter().min_by_key(|(_, gone)| gone.until).map(|(target, _)| target.clone());
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        let gone = Target { code, message: message.to_owned(), until: now + BELIEVED };
        self.known.insert(target.to_owned(), gone);
        news
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.known.clear();
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
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
