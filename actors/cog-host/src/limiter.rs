//! How often the bot may complain: error replies are held back so that a storm of bad commands makes no storm of
//! answers. Pure: the caller brings the time.

use serenity::model::id::{ChannelId, UserId};
use std::{collections::HashMap, hash::Hash, time::Duration};
use tokio::time::Instant;

/// A user gets at most one error reply within this time.
pub const PER_USER: Duration = Duration::from_secs(10);
/// A channel gets at most one error reply within this time.
pub const PER_CHANNEL: Duration = Duration::from_secs(5);
/// Users and channels remembered at once; past it nothing more is said until some have expired.
pub const REMEMBERED_MAX: usize = 4096;

/// Remembers who was told last when.
#[derive(Debug, Default)]
pub struct ErrorLimiter {
    users: HashMap<UserId, Instant>,
    channels: HashMap<ChannelId, Instant>,
}

impl ErrorLimiter {
    /// Whether an error reply to `user` in `channel` may be sent at `now`; if so, it counts as sent.
    pub fn admit(&mut self, user: UserId, channel: ChannelId, now: Instant) -> bool {
        let free = free(&mut self.users, &user, now, PER_USER) && free(&mut self.channels, &channel, now, PER_CHANNEL);
        if free {
            self.users.insert(user, now);
            self.channels.insert(channel, now);
        }
        free
    }
}

fn free<K: Hash + Eq>(told: &mut HashMap<K, Instant>, key: &K, now: Instant, pause: Duration) -> bool {
    let expired = |at: &Instant| now.saturating_duration_since(*at) >= pause;
    if told.get(key).is_some_and(|at| !expired(at)) {
        return false;
    }
    if told.len() >= REMEMBERED_MAX {
        told.retain(|_, at| !expired(at));
    }
    told.len() < REMEMBERED_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Seeded;

    #[test]
    fn a_user_hears_one_error_in_ten_seconds_and_a_channel_one_in_five() {
        let (start, mut limiter) = (Instant::now(), ErrorLimiter::default());
        let mut told = |user, channel, ms| {
            limiter.admit(UserId::new(user), ChannelId::new(channel), start + Duration::from_millis(ms))
        };
        assert!(told(1, 1, 0));
        assert!(!told(1, 2, 9_999), "the same user elsewhere");
        assert!(!told(2, 1, 4_999), "another user in the same channel");
        assert!(told(2, 1, 5_000));
        assert!(told(1, 2, 10_000));
    }

    #[test]
    fn memory_is_bounded_and_a_full_memory_is_silent() {
        println!("seed {}", Seeded::SEED);
        let mut random = Seeded::new(Seeded::SEED);
        let (mut now, mut limiter) = (Instant::now(), ErrorLimiter::default());
        let mut told: HashMap<u64, Instant> = HashMap::new();
        for _ in 0..50_000 {
            now += Duration::from_millis(random.below(3) as u64);
            let user = 1 + random.below(20_000) as u64;
            if limiter.admit(UserId::new(user), ChannelId::new(user), now) {
                let before = told.insert(user, now);
                assert!(before.is_none_or(|before| now - before >= PER_USER), "told twice too soon");
            }
            assert!(limiter.users.len() <= REMEMBERED_MAX && limiter.channels.len() <= REMEMBERED_MAX);
        }
    }
}
