//! Remembers for a while what Discord forbade, so that a loop does not ask it again. Pure.

use super::memory::Memory;
use crate::call::LaneKey;
use std::{collections::HashSet, time::Duration};
use tokio::time::Instant;

/// How long a refusal is believed.
pub(crate) const BELIEVED: Duration = Duration::from_secs(600);
/// Refusals kept; when full, the one that expires first goes.
pub(crate) const REFUSALS_MAX: usize = 1_024;
/// "Missing Access" and "Missing Permissions": the codes that say something about the place, not about one request.
const LASTING_CODES: [u32; 2] = [50_001, 50_013];

/// What was forbidden, and where.
pub(crate) struct Refusals(Memory<LaneKey>);

impl Default for Refusals {
    fn default() -> Self {
        Self(Memory::new(BELIEVED, REFUSALS_MAX))
    }
}

impl Refusals {
    /// What Discord said the last time, when it is still believed.
    pub(crate) fn recall(&self, now: Instant, key: &LaneKey) -> Option<(u32, String)> {
        self.0.recall(now, key)
    }

    /// Notes a 403.
    pub(crate) fn note(&mut self, now: Instant, key: &LaneKey, code: u32, message: &str) {
        if LASTING_CODES.contains(&code) {
            self.0.note(now, key.clone(), code, message);
        }
    }

    /// Forgets what was refused below `scope` (`guilds/1`, `channels/2`): permissions have changed there.
    pub(crate) fn forget(&mut self, scope: &str) {
        self.0.retain(|key| key.path.strip_prefix(scope).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')));
    }

    /// Forgets what was refused in `guild` and in `channels`, in one pass whatever their number.
    pub(crate) fn permissions_changed(&mut self, guild: u64, channels: &HashSet<u64>) {
        self.0.retain(|key| {
            let mut path = key.path.split('/');
            let (kind, id) = (path.next(), path.next().and_then(|id| id.parse().ok()));
            match (kind, id) {
                (Some("guilds"), Some(id)) => id != guild,
                (Some("channels"), Some(id)) => !channels.contains(&id),
                _ => true,
            }
        });
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
    use reqwest::Method;

    fn key(path: &str) -> LaneKey {
        LaneKey { method: Method::POST, path: path.into() }
    }

    #[test]
    fn a_missing_permission_is_recalled_until_it_expires_or_permissions_change() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        refusals.note(now, &key("channels/1/messages"), 50_013, "Missing Permissions");
        refusals.note(now, &key("channels/12/messages"), 50_013, "Missing Permissions");
        refusals.note(now, &key("channels/2/messages"), 50_007, "Cannot send messages to this user");
        assert!(refusals.recall(now, &key("channels/1/messages")).is_some());
        assert!(refusals.recall(now, &key("channels/2/messages")).is_none(), "50007 is about a user");
        assert!(refusals.recall(now + BELIEVED, &key("channels/1/messages")).is_none());
        refusals.forget("channels/1");
        assert!(refusals.recall(now, &key("channels/1/messages")).is_none());
        assert!(refusals.recall(now, &key("channels/12/messages")).is_some(), "another channel was forgotten");
    }

    #[test]
    fn the_memory_is_bounded() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        for n in 0..u64::try_from(REFUSALS_MAX).unwrap() * 2 {
            let at = now + Duration::from_millis(n);
            refusals.note(at, &key(&format!("channels/{n}/messages")), 50_001, "Missing Access");
        }
        assert_eq!(refusals.len(), REFUSALS_MAX);
        assert!(refusals.recall(now, &key("channels/0/messages")).is_none(), "the oldest was kept");
    }
}
