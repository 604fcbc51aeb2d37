//! What Discord told of its limits: which routes share a bucket, and what is left of each. Pure; it outlives the actor.
//!
//! A bucket is an id of Discord's, apart for each channel, guild or token (the major parameter). Until the first answer
//! names it, a route goes one request at a time: the pioneer. From then on as many are under way at once as the bucket
//! has left. Only relative times are believed, so that it does not matter what the clocks say.

use crate::{call::LaneKey, pattern::major};
use std::collections::HashMap;
use tokio::time::Instant;

/// Routes and buckets kept; when there are more, those nobody uses go, and if need be those that reset first.
pub(crate) const KEPT_MAX: usize = 16_384;

/// What an answer told of its bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing, or there was no answer.
    Nothing,
    /// The rate-limit headers.
    State { id: String, limit: u32, remaining: u32, reset_at: Instant },
    /// A 429: nothing is left until then.
    Exhausted { id: Option<String>, until: Instant },
}

/// When the next request of a route may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ready {
    Now,
    /// Time alone opens the bucket then.
    At(Instant),
    /// An answer has to come first.
    OnceAnswered,
}

/// One request's share of a bucket, and of the budget.
pub(crate) struct Share {
    /// When it took its part of the budget; none for those outside it.
    pub(crate) budget: Option<Instant>,
    bucket: BucketKey,
    serial: u64,
    alone: bool,
}

#[derive(Default)]
pub(crate) struct Buckets {
    /// Routes whose bucket is known.
    named: HashMap<LaneKey, BucketKey>,
    buckets: HashMap<BucketKey, Bucket>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum BucketKey {
    /// Discord has not named it yet.
    Nameless(LaneKey),
    Named {
        id: String,
        major: String,
    },
}

struct Bucket {
    limit: u32,
    /// Left of this window, what is under way already taken off.
    remaining: u32,
    /// When the window ends; none before its first answer.
    reset_at: Option<Instant>,
    under_way: u32,
    /// Counts shares.
    serial: u64,
    /// Shares up to this one belong to earlier windows.
    earlier: u64,
}

impl Buckets {
    /// When the next request of `route` may go.
    pub(crate) fn ready(&mut self, now: Instant, route: &LaneKey) -> Ready {
        let bucket = match self.named.get(route) {
            Some(key) => self.buckets.get_mut(key),
            None => self.buckets.get_mut(&BucketKey::Nameless(route.clone())),
        };
        let Some(bucket) = bucket else { return Ready::Now };
        bucket.turn_over(now);
        match (bucket.remaining, bucket.reset_at) {
            (1.., _) => Ready::Now,
            (0, Some(at)) => Ready::At(at),
            (0, None) => Ready::OnceAnswered,
        }
    }

    /// Takes a share for a request of `route` that goes out now; it must be given back.
    pub(crate) fn take(&mut self, now: Instant, route: &LaneKey) -> Share {
        if self.buckets.len().max(self.named.len()) >= KEPT_MAX {
            self.sweep(now);
        }
        let key = self.key(route);
        let bucket = self.buckets.entry(key.clone()).or_insert_with(Bucket::unexplored);
        bucket.turn_over(now);
        let alone = bucket.under_way == 0;
        bucket.remaining = bucket.remaining.saturating_sub(1);
        bucket.under_way += 1;
        bucket.serial += 1;
        Share { budget: None, serial: bucket.serial, alone, bucket: key }
    }

    /// Gives back the share of a request that was not sent after all.
    pub(crate) fn unused(&mut self, share: &Share) {
        if let Some(bucket) = self.buckets.get_mut(&share.bucket) {
            bucket.under_way = bucket.under_way.saturating_sub(1);
            if share.serial > bucket.earlier && bucket.remaining < bucket.limit {
                bucket.remaining += 1;
            }
        }
        self.mend(&share.bucket);
    }

    /// Takes the answer to a request of `route`.
    pub(crate) fn settle(&mut self, now: Instant, route: &LaneKey, share: &Share, told: Told) {
        if let Some(bucket) = self.buckets.get_mut(&share.bucket) {
            bucket.turn_over(now);
            bucket.under_way = bucket.under_way.saturating_sub(1);
        }
        let id = match &told {
            Told::State { id, .. } | Told::Exhausted { id: Some(id), .. } => Some(id.clone()),
            Told::Nothing | Told::Exhausted { id: None, .. } => None,
        };
        let key = match id {
            Some(id) => {
                let key = BucketKey::Named { id, major: major(&route.path).to_owned() };
                if share.bucket != key {
                    self.named.insert(route.clone(), key.clone());
                }
                key
            }
            None => share.bucket.clone(),
        };
        let same = key == share.bucket;
        match told {
            Told::Nothing => {}
            Told::State { limit, remaining, reset_at, .. } => {
                let fresh = Bucket { limit, remaining, reset_at: Some(reset_at), ..Bucket::unexplored() };
                match self.buckets.get_mut(&key) {
                    None => {
                        self.buckets.insert(key, fresh);
                    }
                    Some(bucket) => {
                        bucket.turn_over(now);
                        bucket.learn(same.then_some(share), limit, remaining, reset_at);
                    }
                }
            }
            Told::Exhausted { until, .. } => {
                let bucket = self.buckets.entry(key).or_insert_with(Bucket::unexplored);
                bucket.remaining = 0;
                bucket.reset_at = bucket.reset_at.max(Some(until));
            }
        }
        if !same && self.buckets.get(&share.bucket).is_some_and(|old| old.under_way == 0) {
            self.drop_nameless(&share.bucket);
        }
        self.mend(&share.bucket);
    }

    /// Routes and buckets that are remembered.
    pub(crate) fn kept(&self) -> (usize, usize) {
        (self.named.len(), self.buckets.len())
    }

    fn key(&self, route: &LaneKey) -> BucketKey {
        self.named.get(route).cloned().unwrap_or_else(|| BucketKey::Nameless(route.clone()))
    }

    /// The pioneer's bucket has served its purpose once the route has a named one.
    fn drop_nameless(&mut self, key: &BucketKey) {
        if matches!(key, BucketKey::Nameless(_)) {
            self.buckets.remove(key);
        }
    }

    /// A bucket of which nobody is left to bring news is open for one request that does.
    fn mend(&mut self, key: &BucketKey) {
        let Some(bucket) = self.buckets.get_mut(key) else { return };
        if bucket.under_way == 0 && bucket.remaining == 0 && bucket.reset_at.is_none() {
            bucket.remaining = 1;
        }
    }

    fn sweep(&mut self, now: Instant) {
        let idle = |bucket: &Bucket| bucket.under_way == 0 && bucket.reset_at.is_none_or(|at| at <= now);
        self.buckets.retain(|_, bucket| !idle(bucket));
        if self.buckets.len() >= KEPT_MAX {
            let resting = self.buckets.iter().filter(|(_, bucket)| bucket.under_way == 0);
            let mut resting: Vec<_> = resting.map(|(key, bucket)| (bucket.reset_at, key.clone())).collect();
            resting.sort_by_key(|(reset_at, _)| *reset_at);
            for (_, key) in resting.into_iter().take(KEPT_MAX / 2) {
                self.buckets.remove(&key);
            }
        }
        self.named.retain(|_, key| self.buckets.contains_key(key));
        if self.named.len() >= KEPT_MAX {
            self.named.clear(); // that many routes in buckets still in use: each has a pioneer again
        }
    }
}

impl Bucket {
    fn unexplored() -> Self {
        Self { limit: 1, remaining: 1, reset_at: None, under_way: 0, serial: 0, earlier: 0 }
    }

    /// Begins the next window when this one is over. What is still under way may be counted in either.
    fn turn_over(&mut self, now: Instant) {
        if self.reset_at.is_some_and(|at| at <= now) {
            self.reset_at = None;
            self.remaining = self.limit.max(1).saturating_sub(self.under_way);
            self.earlier = self.serial;
        }
    }

    /// Takes headers: as they are when no other request can have changed them since, otherwise never more than what is
    /// left by our own count. Answers overtake each other; those to requests of earlier windows do not say what is left of
    /// this one.
    fn learn(&mut self, share: Option<&Share>, limit: u32, remaining: u32, reset_at: Instant) {
        let sole = share.is_some_and(|share| share.alone && share.serial == self.serial);
        let stale = share.is_some_and(|share| share.serial <= self.earlier);
        let ignorant = self.remaining == 0 && self.reset_at.is_none();
        if sole || ignorant {
            (self.limit, self.reset_at) = (limit, Some(reset_at));
            self.remaining = remaining.saturating_sub(self.under_way);
        } else if !stale {
            self.limit = limit;
            self.remaining = self.remaining.min(remaining);
            self.reset_at = self.reset_at.max(Some(reset_at));
        } else {
            // It may have been long on its way, and have begun the window that we think has yet to come.
            self.reset_at = self.reset_at.map(|at| at.max(reset_at));
        }
    }
}

#[cfg(test)]
mod tests;
