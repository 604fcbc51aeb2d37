//! Who may IDENTIFY next: one shard per bucket every 5 seconds.

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

/// Discord allows `max_concurrency` IDENTIFYs per 5 s, one for each `shard % max_concurrency`. The rest is for the way
/// to Discord, which may shorten the distance between two of them.
pub(crate) const SPACING: Duration = Duration::from_millis(5_100);

/// When each bucket opens. It outlives the actor, so that a restart cannot send two in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pace {
    /// By bucket: when it opens; none if it always has been.
    opens: Vec<Option<Instant>>,
}

impl Default for Pace {
    /// One at a time, until Discord has said more.
    fn default() -> Self {
        Self { opens: vec![None] }
    }
}

/// Shards that wait for their turn, in the order in which they asked, each with a ticket `T`.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    pace: Pace,
    under_way: Vec<bool>,
    waiting: VecDeque<(u32, T)>,
}

impl<T> Queue<T> {
    /// An empty queue that goes on at `pace`.
    pub(crate) fn new(pace: Pace) -> Self {
        let under_way = vec![false; pace.opens.len()];
        Self { pace, under_way, waiting: VecDeque::new() }
    }

    /// The pace to go on at after a restart.
    pub(crate) fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Buckets.
    pub(crate) fn concurrency(&self) -> usize {
        self.pace.opens.len()
    }

    /// Shards that wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Adopts Discord's `max_concurrency`. Every new bucket opens as late as the latest old one: a change of rules must
    /// not let two through at once.
    pub(crate) fn set_concurrency(&mut self, buckets: u32) {
        let buckets = usize::try_from(buckets.max(1)).unwrap_or(usize::MAX).min(BUCKETS_MAX);
        if buckets != self.concurrency() && !self.under_way.contains(&true) {
            let latest = self.pace.opens.iter().copied().max().flatten();
            self.pace.opens = vec![latest; buckets];
            self.under_way = vec![false; buckets];
        }
    }

    /// Puts a shard at the end.
    pub(crate) fn ask(&mut self, shard: u32, ticket: T) {
        self.waiting.push_back((shard, ticket));
    }

    /// Forgets tickets that nobody waits for.
    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.waiting.retain(|(_, ticket)| keep(ticket));
    }

    /// The next shard whose bucket is open. The bucket is closed until [`Queue::settle`].
    pub(crate) fn next(&mut self, now: Instant) -> Option<(u32, T)> {
        let open = |shard: u32| {
            let bucket = self.bucket(shard);
            !self.under_way[bucket] && self.pace.opens[bucket].is_none_or(|opens| now >= opens)
        };
        let at = self.waiting.iter().position(|(shard, _)| open(*shard))?;
        let (shard, ticket) = self.waiting.remove(at)?;
        let bucket = self.bucket(shard);
        self.under_way[bucket] = true;
        Some((shard, ticket))
    }

    /// Books what became of the shard that [`Queue::next`] gave.
    pub(crate) fn settle(&mut self, shard: u32, identifies: bool, now: Instant) {
        let bucket = self.bucket(shard);
        self.under_way[bucket] = false;
        if identifies {
            self.pace.opens[bucket] = Some(now + SPACING);
        }
    }

    /// Takes back what [`Queue::next`] gave: its bucket stays closed until `opens`.
    pub(crate) fn put_back(&mut self, shard: u32, ticket: T, opens: Instant) {
        let bucket = self.bucket(shard);
        self.under_way[bucket] = false;
        self.pace.opens[bucket] = Some(opens);
        self.waiting.push_front((shard, ticket));
    }

    /// When to look again; none when nobody waits for time to pass.
    pub(crate) fn wakes(&self, now: Instant) -> Option<Duration> {
        let opens = self.waiting.iter().filter_map(|(shard, _)| {
            let bucket = self.bucket(*shard);
            self.pace.opens[bucket].filter(|_| !self.under_way[bucket])
        });
        opens.min().map(|opens| opens.saturating_duration_since(now))
    }

    fn bucket(&self, shard: u32) -> usize {
        usize::try_from(shard).unwrap_or(0) % self.concurrency()
    }
}

/// Discord's largest bots have 16 buckets, some more; a wild answer must not cost memory.
const BUCKETS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    fn take(queue: &mut Queue<()>, now: Instant) -> Option<u32> {
        let (shard, ()) = queue.next(now)?;
        queue.settle(shard, true, now);
        Some(shard)
    }

    #[test]
    fn one_bucket_is_serial_with_five_seconds_between() {
        let start = Instant::now();
        let mut queue = Queue::new(Pace::default());
        (0..3).for_each(|shard| queue.ask(shard, ()));
        assert_eq!(take(&mut queue, start), Some(0));
        assert_eq!(take(&mut queue, at(start, 4_999)), None);
        assert_eq!(queue.wakes(at(start, 4_999)), Some(Duration::from_millis(101)));
        assert_eq!(take(&mut queue, at(start, 5_100)), Some(1));
        assert_eq!(take(&mut queue, at(start, 10_200)), Some(2));
        assert_eq!(queue.wakes(at(start, 10_200)), None);
    }

    #[test]
    fn different_buckets_are_parallel() {
        let start = Instant::now();
        let mut queue = Queue::new(Pace::default());
        queue.set_concurrency(2);
        (0..4).for_each(|shard| queue.ask(shard, ()));
        assert_eq!(
            [take(&mut queue, start), take(&mut queue, start), take(&mut queue, start)],
            [Some(0), Some(1), None]
        );
        assert_eq!([take(&mut queue, at(start, 5_100)), take(&mut queue, at(start, 5_100))], [Some(2), Some(3)]);
    }

    #[test]
    fn a_refused_shard_leaves_its_bucket_open() {
        let start = Instant::now();
        let mut queue = Queue::new(Pace::default());
        queue.ask(0, ());
        queue.ask(1, ());
        let (shard, ()) = queue.next(start).unwrap();
        assert_eq!(queue.next(start), None, "a decision is under way");
        queue.settle(shard, false, start);
        assert_eq!(take(&mut queue, start), Some(1));
    }

    #[test]
    fn a_restart_or_new_rules_keep_the_distance() {
        let start = Instant::now();
        let mut queue = Queue::new(Pace::default());
        queue.ask(0, ());
        assert_eq!(take(&mut queue, start), Some(0));
        let mut next: Queue<()> = Queue::new(queue.pace().clone());
        next.ask(1, ());
        assert_eq!(take(&mut next, at(start, 100)), None);
        next.set_concurrency(16);
        assert_eq!(take(&mut next, at(start, 100)), None);
        assert_eq!(take(&mut next, at(start, 5_100)), Some(1));
    }

    #[test]
    fn who_has_stopped_waiting_is_skipped() {
        let mut queue = Queue::new(Pace::default());
        queue.ask(0, false);
        queue.ask(1, true);
        queue.retain(|waits| *waits);
        assert_eq!((queue.len(), queue.next(Instant::now())), (1, Some((1, true))));
    }
}
