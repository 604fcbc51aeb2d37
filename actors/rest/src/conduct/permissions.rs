//! What the bot may not do in a guild at all, as far as refusals show it. Pure.
//!
//! "Missing Permissions" is said both where the permission is missing and where the target stands above the bot. One refusal
//! says nothing about other targets; several in a row, of different targets and without a success in between, are believed to
//! be about the permission, for a time: a bot that may not ban would else be refused by each of the 3,000 accounts of a raid.

use crate::call::LaneKey;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Different targets refused in a row for which the permission is believed to be missing.
pub(crate) const RUN: usize = 5;
/// How long it is believed before a request is let through to try; this doubles with each that is refused.
pub(crate) const PROBE_FIRST: Duration = Duration::from_secs(10);
/// The longest time between tries; for as long a run of refusals counts that has not grown, and a belief that nobody tried.
pub(crate) const PROBE_MAX: Duration = Duration::from_secs(600);
/// Guilds and routes kept; when full, the one that was refused longest ago goes.
pub(crate) const KEPT_MAX: usize = 1_024;

/// Runs of refusals by guild and route.
#[derive(Default)]
pub(crate) struct Permissions(HashMap<LaneKey, Run>);

struct Run {
    /// Paths that were refused, until there are enough.
    targets: Vec<Arc<str>>,
    refused_at: Instant,
    believed: Option<Belief>,
}

struct Belief {
    code: u32,
    message: String,
    silence: Duration,
    probe_at: Instant,
    /// Whether a request is on its way to try: only its refusal makes the time longer.
    probing: bool,
}

impl Run {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.believed.as_ref().map_or(self.refused_at, |belief| belief.probe_at) + PROBE_MAX
    }
}

impl Permissions {
    /// What Discord said, code and message, while it is believed of the whole route.
    pub(crate) fn recall(&self, now: Instant, route: &LaneKey) -> Option<(u32, String)> {
        let belief = self.0.get(route)?.believed.as_ref().filter(|belief| belief.probe_at > now)?;
        Some((belief.code, belief.message.clone()))
    }

    /// Lets a request go that [`Self::recall`] does not hold back. If it goes to try, the next may go after as long again,
    /// should it never be heard of.
    pub(crate) fn admit(&mut self, now: Instant, route: &LaneKey) {
        if let Some(belief) = self.0.get_mut(route).and_then(|run| run.believed.as_mut()) {
            (belief.probing, belief.probe_at) = (true, now + belief.silence);
        }
    }

    /// Notes that `path` was refused for want of permission; true when that makes it believed of the whole route.
    pub(crate) fn refused(&mut self, now: Instant, route: &LaneKey, path: &Arc<str>, code: u32, message: &str) -> bool {
        if self.0.get(route).is_some_and(|run| run.is_over(now)) {
            self.0.remove(route);
        }
        if !self.0.contains_key(route) {
            self.make_room(now);
        }
        let run = self.0.entry(route.clone());
        let run = run.or_insert_with(|| Run { targets: Vec::new(), refused_at: now, believed: None });
        run.refused_at = now;
        if let Some(belief) = &mut run.believed {
            // Others were on their way before it was believed.
            if std::mem::take(&mut belief.probing) {
                belief.silence = (belief.silence * 2).min(PROBE_MAX);
                belief.probe_at = now + belief.silence;
            }
            return false;
        }
        if !run.targets.contains(path) {
            run.targets.push(Arc::clone(path));
        }
        let news = run.targets.len() >= RUN;
        if news {
            let (silence, probe_at, message) = (PROBE_FIRST, now + PROBE_FIRST, message.to_owned());
            run.believed = Some(Belief { code, message, silence, probe_at, probing: false });
            run.targets = Vec::new();
        }
        news
    }

    /// The bot may do it after all.
    pub(crate) fn succeeded(&mut self, route: &LaneKey) {
        self.0.remove(route);
    }

    /// Forgets all that `keep` does not want of the guilds.
    pub(crate) fn retain(&mut self, keep: impl Fn(&LaneKey) -> bool) {
        self.0.retain(|route, _| keep(route));
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.0.clear();
    }

    /// Of how many guilds and routes it is believed.
    pub(crate) fn believed(&self) -> usize {
        self.0.values().filter(|run| run.believed.is_some()).count()
    }

    fn make_room(&mut self, now: Instant) {
        if self.0.len() >= KEPT_MAX {
            self.0.retain(|_, run| !run.is_over(now));
        }
        if self.0.len() >= KEPT_MAX {
            let oldest = self.0.iter().min_by_key(|(_, run)| run.refused_at).map(|(route, _)| route.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Method;

    fn bans(guild: usize) -> LaneKey {
        LaneKey { method: Method::PUT, path: format!("guilds/{guild}/bans/{{id}}").into() }
    }

    fn refuse(permissions: &mut Permissions, now: Instant, guild: usize, target: usize) -> bool {
        let path = format!("guilds/{guild}/bans/{target}").into();
        permissions.refused(now, &bans(guild), &path, 50_013, "Missing Permissions")
    }

    /// Refused of as many targets as it takes.
    fn believed(now: Instant) -> Permissions {
        let mut permissions = Permissions::default();
        let news: Vec<bool> = (0..RUN).map(|target| refuse(&mut permissions, now, 1, target)).collect();
        assert_eq!(news, [false, false, false, false, true]);
        permissions
    }

    #[test]
    fn five_targets_in_a_row_are_believed_and_one_target_or_a_success_in_between_is_not() {
        let now = Instant::now();
        let mut permissions = believed(now);
        assert_eq!(permissions.recall(now, &bans(1)).unwrap().0, 50_013);
        assert!(permissions.recall(now, &bans(2)).is_none(), "another guild");
        assert!(!refuse(&mut permissions, now, 1, 99), "it is no news");
        for _ in 0..100 {
            refuse(&mut permissions, now, 2, 7);
        }
        assert!(permissions.recall(now, &bans(2)).is_none(), "one target may stand above the bot");
        for target in 0..100 {
            refuse(&mut permissions, now, 3, target);
            if target % (RUN - 1) == 0 {
                permissions.succeeded(&bans(3));
            }
            assert!(permissions.recall(now, &bans(3)).is_none());
        }
        permissions.succeeded(&bans(1));
        assert!(permissions.recall(now, &bans(1)).is_none());
    }

    #[test]
    fn one_at_a_time_tries_after_10_s_doubling_to_10_minutes() {
        let mut now = Instant::now();
        let mut permissions = believed(now);
        for expected in [10, 20, 40, 80, 160, 320, 600, 600] {
            let silence = Duration::from_secs(expected);
            refuse(&mut permissions, now, 1, 1_000); // it was on its way before
            assert!(permissions.recall(now + silence - Duration::from_millis(1), &bans(1)).is_some());
            now += silence;
            assert!(permissions.recall(now, &bans(1)).is_none(), "nobody tries after {expected} s");
            permissions.admit(now, &bans(1));
            assert!(permissions.recall(now, &bans(1)).is_some(), "a second one tries beside it");
            refuse(&mut permissions, now, 1, 2_000);
        }
        permissions.admit(now + PROBE_MAX, &bans(1)); // never heard of again
        assert!(permissions.recall(now + PROBE_MAX * 2, &bans(1)).is_none());
        refuse(&mut permissions, now + PROBE_MAX * 3, 1, 1);
        assert_eq!(permissions.believed(), 0, "what nobody tried for so long begins anew");
    }

    #[test]
    fn a_run_ends_when_nothing_is_refused_for_long_and_memory_is_bounded() {
        let now = Instant::now();
        let mut permissions = Permissions::default();
        for target in 0..20 {
            let at = now + PROBE_MAX * u32::try_from(target).unwrap();
            assert!(!refuse(&mut permissions, at, 1, target));
        }
        permissions.reset();
        for guild in 0..KEPT_MAX * 2 {
            refuse(&mut permissions, now + Duration::from_millis(u64::try_from(guild).unwrap()), guild, 1);
        }
        assert_eq!(permissions.0.len(), KEPT_MAX);
        assert!(!permissions.0.contains_key(&bans(0)), "the oldest was kept");
    }
}
