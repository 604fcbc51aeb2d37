//! Remembers for a while what Discord forbade, so that a loop does not ask it again. Pure.

use super::{
    flights::Flights,
    memory::Memory,
    permissions::{Permissions, Refusal},
};
use crate::call::{LaneKey, permission_of};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};
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
    flights: Flights,
}

/// Where a refusal of a request would apply again.
pub(crate) struct Place {
    /// To the same request: its path, or a channel's route.
    itself: LaneKey,
    /// To all of its kind in its guild or channel, if it is a permission that is missing.
    permission: Option<LaneKey>,
    /// Which request it is.
    request: u64,
}

impl Place {
    /// A request's that is refused by itself, and with all that take the same permission where that is said to be known.
    pub(crate) fn new(itself: LaneKey, permission: Option<LaneKey>) -> Self {
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        Self { itself, permission, request: REQUESTS.fetch_add(1, Relaxed) }
    }

    /// What is believed to be missing, should it be that.
    pub(crate) fn permission(&self) -> Option<&LaneKey> {
        self.permission.as_ref()
    }

    fn key(&self) -> &LaneKey {
        self.permission.as_ref().unwrap_or(&self.itself)
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let places = Memory::new(BELIEVED, REFUSALS_MAX);
        Self { places, permissions: Permissions::default(), flights: Flights::default() }
    }
}

impl Refusals {
    /// What Discord said the last time, when it is still believed.
    pub(crate) fn recall(&self, now: Instant, place: &Place) -> Option<(u32, String)> {
        let itself = self.places.recall(now, &place.itself);
        itself.or_else(|| self.permissions.recall(now, place.permission.as_ref()?))
    }

    /// A request is sent; [`Self::ended`] must follow.
    pub(crate) fn admit(&mut self, now: Instant, place: &Place) {
        self.flights.began(now, place.key(), place.request);
    }

    /// It is under way no more, whatever became of it; true when from now on a refusal is believed of all such requests.
    pub(crate) fn ended(&mut self, now: Instant, place: &Place) -> bool {
        self.flights.ended(place.key(), place.request);
        place.permission.as_ref().is_some_and(|permission| self.permissions.ended(now, permission, place.request))
    }

    /// Notes a 403; true when from now on it is believed of all such requests in the guild.
    pub(crate) fn note(&mut self, now: Instant, place: &Place, code: u32, message: &str) -> bool {
        // Sent before permissions changed, it says nothing about those that hold now.
        let sent = self.flights.sent(place.key(), place.request);
        let Some(sent) = sent.filter(|_| LASTING_CODES.contains(&code)) else { return false };
        self.places.note(now, place.itself.clone(), code, message);
        let Some(permission) = &place.permission else { return false };
        let (path, beside) = (&place.itself.path, self.flights.beside(permission, place.request));
        self.permissions.refused(now, permission, Refusal { path, sent, code, message, beside })
    }

    /// A request was carried out: the bot has the permission.
    pub(crate) fn succeeded(&mut self, place: &Place) {
        if let Some(permission) = &place.permission
            && self.permissions.succeeded(permission)
        {
            self.forget_below(permission);
        }
    }

    /// A request was found wanting in something else than permission.
    pub(crate) fn answered(&mut self, place: &Place) {
        if let Some(permission) = &place.permission
            && let Some(sent) = self.flights.sent(permission, place.request)
            && self.permissions.answered(permission, sent)
        {
            self.forget_below(permission);
        }
    }

    fn forget_below(&mut self, permission: &LaneKey) {
        self.places.retain(|itself| permission_of(itself).as_ref() != Some(permission));
    }

    /// Forgets what was refused below `scope` (`guilds/1`, `channels/2`): permissions have changed there.
    pub(crate) fn forget(&mut self, scope: &str) {
        let keep =
            |key: &LaneKey| key.path.strip_prefix(scope).is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/'));
        self.places.retain(keep);
        self.permissions.retain(keep);
        self.flights.retain(keep);
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
        self.flights.retain(keep);
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.places.reset();
        self.permissions.reset();
        self.flights.reset();
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Of how many guilds and routes it is believed that a permission is missing.
    pub(crate) fn believed(&self, now: Instant) -> usize {
        self.permissions.believed(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    fn key(path: &str) -> Place {
        Place::new(LaneKey { method: Method::POST, path: path.into() }, None)
    }

    fn ban(guild: u64, target: u64) -> Place {
        let itself = LaneKey { method: Method::PUT, path: format!("guilds/{guild}/bans/{target}").into() };
        let permission = permission_of(&itself);
        Place::new(itself, permission)
    }

    /// Sends it, and notes that it was refused.
    fn refuse(refusals: &mut Refusals, now: Instant, place: &Place, code: u32) -> bool {
        refusals.admit(now, place);
        let news = refusals.note(now, place, code, "Missing Permissions");
        refusals.ended(now, place) || news
    }

    #[test]
    fn what_was_sent_before_permissions_changed_is_not_believed() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        let bans: Vec<Place> = (0..10).map(|target| ban(1, target)).collect();
        bans.iter().for_each(|ban| refusals.admit(now, ban));
        refusals.permissions_changed(1, &HashSet::new());
        for ban in &bans {
            assert!(!refusals.note(now, ban, 50_013, "Missing Permissions") && !refusals.ended(now, ban));
        }
        assert_eq!((refusals.len(), refusals.believed(now)), (0, 0));
    }

    #[test]
    fn a_success_against_what_is_believed_forgets_its_targets_and_no_others() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        let kick = |target: u64| {
            let itself = LaneKey { method: Method::DELETE, path: format!("guilds/1/members/{target}").into() };
            let permission = permission_of(&itself);
            Place::new(itself, permission)
        };
        for target in 0..5 {
            refuse(&mut refusals, now, &ban(1, target), 50_013);
            refuse(&mut refusals, now, &kick(target), 50_013);
        }
        refusals.succeeded(&ban(1, 99));
        assert!(refusals.recall(now, &ban(1, 0)).is_none());
        assert!(refusals.recall(now, &kick(0)).is_some() && refusals.recall(now, &kick(99)).is_some());
    }

    #[test]
    fn a_permission_believed_to_be_missing_is_forgotten_with_its_guild() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        let forbid = |refusals: &mut Refusals| {
            for target in 0..5 {
                refuse(refusals, now, &ban(1, target), 50_013);
            }
            assert!(refusals.recall(now, &ban(1, 99)).is_some() && refusals.believed(now) == 1);
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
            refuse(&mut refusals, now, &ban(1, target), 10_007);
        }
        assert!(refusals.recall(now, &ban(1, 99)).is_none(), "that is about a member");
    }

    #[test]
    fn a_missing_permission_is_recalled_until_it_expires_or_permissions_change() {
        let now = Instant::now();
        let mut refusals = Refusals::default();
        refuse(&mut refusals, now, &key("channels/1/messages"), 50_013);
        refuse(&mut refusals, now, &key("channels/12/messages"), 50_013);
        refuse(&mut refusals, now, &key("channels/2/messages"), 50_007);
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
            refuse(&mut refusals, at, &key(&format!("channels/{n}/messages")), 50_001);
        }
        assert_eq!(refusals.len(), REFUSALS_MAX);
        assert!(refusals.recall(now, &key("channels/0/messages")).is_none(), "the oldest was kept");
    }
}
