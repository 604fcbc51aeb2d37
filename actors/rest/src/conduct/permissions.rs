//! What the bot may not do in a guild at all, as far as refusals show it. Pure.
//!
//! "Missing Permissions" is said both where the permission is missing and where the target stands above the bot. One refusal
//! says nothing about other targets; several in a row, of different targets and without a success in between, are believed to
//! be about the permission, for a time: a bot that may not ban would else be refused by each of the 3,000 accounts of a raid.
//!
//! What is refused here although Discord would have done it is worse than a few more 403s. So nothing is believed before
//! those have been answered that were under way beside the last refusal, no silence is longer than a minute, after it all
//! requests go until as many targets are refused again, and a run that nothing was added to for two minutes is forgotten.

use crate::call::LaneKey;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::time::Instant;

/// Different targets refused in a row for which the permission is believed to be missing.
pub(crate) const RUN: usize = 5;
/// How long it is believed before requests go again to try; this doubles each time they are refused.
pub(crate) const SILENCE_FIRST: Duration = Duration::from_secs(10);
/// The longest time between tries.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long those that are under way beside a refusal are waited for: at 50 requests a second 100 more 403s at most.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);
/// For so long a run of refusals counts that has not grown, and a belief that nobody tried after its silence.
pub(crate) const LASTS: Duration = Duration::from_secs(120);
/// Guilds and routes kept; when full, the one that was refused longest ago goes.
pub(crate) const KEPT_MAX: usize = 1_024;

/// Runs of refusals by guild and route.
#[derive(Default)]
pub(crate) struct Permissions(HashMap<LaneKey, Run>);

/// A refusal for want of permission.
pub(crate) struct Refusal<'a> {
    /// What was refused.
    pub(crate) path: &'a Arc<str>,
    /// When it was sent.
    pub(crate) sent: Instant,
    /// Discord's code and sentence.
    pub(crate) code: u32,
    pub(crate) message: &'a str,
    /// The other requests of its kind that were under way when it was refused.
    pub(crate) beside: Vec<u64>,
}

struct Run {
    /// Paths that were refused, until there are enough.
    targets: Vec<Arc<str>>,
    refused_at: Instant,
    belief: Option<Belief>,
}

struct Belief {
    code: u32,
    message: String,
    /// Under way beside the refusal; it is believed once they have ended without a success.
    beside: Vec<u64>,
    /// From when it is believed, whatever becomes of those.
    from: Instant,
    silence: Duration,
    told: bool,
}

impl Belief {
    fn holds(&self, now: Instant) -> bool {
        (self.from..self.ends()).contains(&now)
    }

    /// What is sent from then on goes to try.
    fn ends(&self) -> Instant {
        self.from + self.silence
    }

    /// Whether it has become news.
    fn is_news(&mut self) -> bool {
        self.beside.is_empty() && !std::mem::replace(&mut self.told, true)
    }
}

impl Run {
    fn is_over(&self, now: Instant) -> bool {
        now >= self.belief.as_ref().map_or(self.refused_at, Belief::ends) + LASTS
    }
}

impl Permissions {
    /// What Discord said, code and message, while it is believed of the whole route.
    pub(crate) fn recall(&self, now: Instant, route: &LaneKey) -> Option<(u32, String)> {
        let belief = self.0.get(route)?.belief.as_ref().filter(|belief| belief.holds(now))?;
        Some((belief.code, belief.message.clone()))
    }

    /// Notes a refusal; true when from now on it is believed of the whole route.
    pub(crate) fn refused(&mut self, now: Instant, route: &LaneKey, refusal: Refusal<'_>) -> bool {
        let Refusal { path, sent, code, message, beside } = refusal;
        if self.0.get(route).is_some_and(|run| run.is_over(now)) {
            self.0.remove(route);
        }
        if !self.0.contains_key(route) {
            self.make_room(now);
        }
        let run = self.0.entry(route.clone());
        let run = run.or_insert_with(|| Run { targets: Vec::new(), refused_at: now, belief: None });
        run.refused_at = now;
        // Others were on their way before it was believed.
        if run.belief.as_ref().is_some_and(|belief| sent < belief.ends()) {
            return false;
        }
        if !run.targets.contains(path) {
            run.targets.push(Arc::clone(path));
        }
        if run.targets.len() < RUN {
            return false;
        }
        run.targets = Vec::new();
        let told = run.belief.as_ref().is_some_and(|belief| belief.told);
        let silence = run.belief.as_ref().map_or(SILENCE_FIRST, |belief| (belief.silence * 2).min(SILENCE_MAX));
        let from = if beside.is_empty() { now } else { now + SETTLE };
        run.belief.insert(Belief { code, message: message.to_owned(), beside, from, silence, told }).is_news()
    }

    /// A request is under way no more, whatever became of it; true when from now on it is believed of the whole route.
    pub(crate) fn ended(&mut self, now: Instant, route: &LaneKey, request: u64) -> bool {
        let Some(belief) = self.0.get_mut(route).and_then(|run| run.belief.as_mut()) else { return false };
        belief.beside.retain(|beside| *beside != request);
        if belief.beside.is_empty() {
            belief.from = belief.from.min(now);
        }
        belief.is_news()
    }

    /// The bot may do it after all; true when something else was believed.
    pub(crate) fn succeeded(&mut self, route: &LaneKey) -> bool {
        self.0.remove(route).is_some_and(|run| run.belief.is_some())
    }

    /// What was sent then was found wanting in something else. If it went to try, the bot seems to have the permission; true
    /// when something else was believed.
    pub(crate) fn answered(&mut self, route: &LaneKey, sent: Instant) -> bool {
        let tried = self.0.get(route).and_then(|run| run.belief.as_ref()).is_some_and(|belief| sent >= belief.ends());
        tried && self.succeeded(route)
    }

    /// Forgets all that `keep` does not want of the guilds.
    pub(crate) fn retain(&mut self, keep: impl Fn(&LaneKey) -> bool) {
        self.0.retain(|route, _| keep(route));
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.0.clear();
    }

    /// Of how many guilds and routes it is believed, or was until a little while ago.
    pub(crate) fn believed(&self, now: Instant) -> usize {
        self.0.values().filter(|run| run.belief.is_some() && !run.is_over(now)).count()
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

    fn beside(permissions: &mut Permissions, now: Instant, target: usize, beside: &[u64]) -> bool {
        let path = format!("guilds/1/bans/{target}").into();
        let (message, beside) = ("Missing Permissions", beside.to_vec());
        permissions.refused(now, &bans(1), Refusal { path: &path, sent: now, code: 50_013, message, beside })
    }

    fn refuse(permissions: &mut Permissions, now: Instant, guild: usize, target: usize) -> bool {
        let path = format!("guilds/{guild}/bans/{target}").into();
        let (message, beside) = ("Missing Permissions", Vec::new());
        permissions.refused(now, &bans(guild), Refusal { path: &path, sent: now, code: 50_013, message, beside })
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
        assert!(permissions.succeeded(&bans(1)));
        assert!(permissions.recall(now, &bans(1)).is_none());
    }

    #[test]
    fn after_10_s_doubling_to_a_minute_all_go_until_five_more_are_refused() {
        let mut now = Instant::now();
        let mut permissions = believed(now);
        for expected in [10, 20, 40, 60, 60] {
            let silence = Duration::from_secs(expected);
            refuse(&mut permissions, now, 1, 1_000); // it was on its way before
            assert!(permissions.recall(now + silence - Duration::from_millis(1), &bans(1)).is_some());
            now += silence;
            assert!(permissions.recall(now, &bans(1)).is_none(), "nobody tries after {expected} s");
            for target in 0..RUN {
                assert!(permissions.recall(now, &bans(1)).is_none());
                assert!(!refuse(&mut permissions, now, 1, target), "it was told");
            }
            assert!(permissions.recall(now, &bans(1)).is_some());
        }
        now += SILENCE_MAX + LASTS;
        assert_eq!(permissions.believed(now), 0, "what nobody tried for so long begins anew");
        refuse(&mut permissions, now, 1, 1);
        assert!(permissions.recall(now, &bans(1)).is_none());
    }

    #[test]
    fn nothing_is_believed_before_those_under_way_beside_it_have_ended_or_two_seconds_are_over() {
        let now = Instant::now();
        let (soon, late) = (now + Duration::from_millis(300), now + SETTLE);
        let doubted = || {
            let mut permissions = Permissions::default();
            (0..RUN).for_each(|target| assert!(!beside(&mut permissions, now, target, &[7, 8])));
            assert!(permissions.recall(now, &bans(1)).is_none());
            permissions
        };
        let mut permissions = doubted();
        permissions.succeeded(&bans(1));
        assert!(!permissions.ended(soon, &bans(1), 7) && permissions.recall(late, &bans(1)).is_none());

        let mut permissions = doubted();
        assert!(!permissions.ended(soon, &bans(1), 7) && permissions.recall(soon, &bans(1)).is_none());
        assert!(!permissions.ended(soon, &bans(1), 99), "it was not under way then");
        assert!(permissions.ended(soon, &bans(1), 8) && permissions.recall(soon, &bans(1)).is_some());
        assert!(permissions.recall(soon + SILENCE_FIRST, &bans(1)).is_none());
        (0..RUN).for_each(|target| assert!(!beside(&mut permissions, soon + SILENCE_FIRST, target, &[20])));
        assert!(permissions.recall(soon + SILENCE_FIRST, &bans(1)).is_none(), "20 went to try as well");

        let permissions = doubted(); // one that hangs
        assert!(
            permissions.recall(late, &bans(1)).is_some()
                && permissions.recall(late + SILENCE_FIRST, &bans(1)).is_none()
        );
    }

    #[test]
    fn an_answer_of_another_kind_to_one_that_tries_ends_the_belief() {
        let now = Instant::now();
        let mut permissions = believed(now);
        assert!(!permissions.answered(&bans(1), now) && permissions.recall(now, &bans(1)).is_some());
        assert!(permissions.answered(&bans(1), now + SILENCE_FIRST));
        assert_eq!(permissions.believed(now), 0);
    }

    #[test]
    fn a_run_ends_when_nothing_is_refused_for_long_and_memory_is_bounded() {
        let now = Instant::now();
        let mut permissions = Permissions::default();
        for target in 0..20 {
            let at = now + LASTS * u32::try_from(target).unwrap();
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
