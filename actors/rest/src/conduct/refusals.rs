//! Remembers for a while what Discord forbade, so that a loop does not ask it again. Pure.

use super::{memory::Memory, permissions::Permissions};
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
pub(crate) struct Refusals {
    /// By what was asked for.
    places: Memory<LaneKey>,
    /// By guild and route, whatever the target.
    permissions: Permissions,
}

/// Where a refusal of a request would apply again.
pub(crate) struct Place {
    /// To the same request: its path, or a channel's route.
    pub(crate) itself: LaneKey,
    /// To all of its kind in its guild, if it is a permission that is missing.
    pub(crate) permission: Option<LaneKey>,
}

impl Default for Refusals {
    fn default() -> Self {
        Self { places: Memory::new(BELIEVED, REFUSALS_MAX), permissions: Permissions::default() }
    }
}

impl Refusals {
    /// What Discord said the last time, when it is still believed.
    pub(crate) fn recall(&self, now: Instant, place: &Place) -> Option<(u32, String)> {
        let itself = self.places.recall(now, &place.itself);
        itself.or_else(|| self.permissions.recall(now, place.permission.as_ref()?))
    }

    /// A request goes out that nothing held back.
    pub(crate) fn admit(&mut self, now: Instant, place: &Place) {
        if let Some(permission) = &place.permission {
            self.permissions.admit(now, permission);
        }
    }

    /// Notes a 403; true when from now on it is believed of all such requests in the guild.
    pub(crate) fn note(&mut self, now: Instant, place: &Place, code: u32, message: &str) -> bool {
        if !LASTING_CODES.contains(&code) {
            return false;
        }
        self.places.note(now, place.itself.clone(), code, message);
        let Some(permission) = &place.permission else { return false };
        self.permissions.refused(now, permission, &place.itself.path, code, message)
    }

    /// A request was carried out: the bot has the permission.
    pub(crate) fn succeeded(&mut self, place: &Place) {
        if let Some(permission) = &place.permission {
            self.permissions.succeeded(permission);
        }
    }

    /// Forgets what was refused below `scope` (`guilds/1`, `channels/2`): permissions have changed there.
    pub(crate) fn forget(&mut self, scope: &str) {
        let keep =
            |key: &LaneKey| key.path.strip_prefix(scope).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'));
        self.places.retain(keep);
        self.permissions.retain(keep);
    }

    /// Forgets what was refused in `guild` and in `channels`, in one pass whatever their number.
    pub(crate) fn permissions_changed(&mut self, guild: u64, channels: &HashSet<u64>) {
        let keep = |key: &LaneKey| {
            let mut path = key.path.split('/');
            let (kind, id) = (path.next(), path.next().and_then(|id| id.parse().ok()));
            match (kind, id) {
                (Some("guilds"), Some(id)) => id != guild,
                (Some("channels"), Some(id)) => !channels.contains(&id),
                _ => true,
            }
        };
        self.places.retain(keep);
        self.permissions.retain(keep);
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.places.reset();
        self.permissions.reset();
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Of how many guilds and routes it is believed that a permission is missing.
    pub(crate) fn believed(&self) -> usize {
        self.permissions.believed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    fn key(path: &str) -> Place {
        Place { itself: LaneKey { method: Method::POST, path: path.into() }, permission: None }
    }

    fn ban(guild: u64, target: u64) -> Place {
        let key = |path: String| LaneKey { method: Method::PUT, path: path.into() };
        let permission = Some(key(format!("guilds/{guild}/bans/{{id}}")));
        Place { itself: key(format!("guilds/{guild}/bans/{target}")), permission }
    }

    #[test]
    fn a_permission_believed_to_be_missing_is_forgotten_with_its_guild() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        let forbid = |refusals: &mut Refusals| {
            for target in 0..5 {
                refusals.note(now, &ban(1, target), 50_013, "Missing Permissions");
            }
            assert!(refusals.recall(now, &ban(1, 99)).is_some() && refusals.believed() == 1);
        };
        forbid(&mut refusals);
        refusals.forget("guilds/2");
        refusals.permissions_changed(12, &HashSet::new());
        assert!(refusals.recall(now, &ban(1, 99)).is_some(), "that was another guild");
        refusals.forget("guilds/1");
        assert!(refusals.recall(now, &ban(1, 99)).is_none() && refusals.recall(now, &ban(1, 0)).is_none());
        forbid(&mut refusals);
        refusals.permissions_changed(1, &HashSet::new());
        assert!(refusals.recall(now, &ban(1, 99)).is_none() && refusals.recall(now, &ban(1, 0)).is_none());
        for target in 0..100 {
            refusals.note(now, &ban(1, target), 10_007, "Unknown Member");
        }
        assert!(refusals.recall(now, &ban(1, 99)).is_none(), "that is about a member");
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
