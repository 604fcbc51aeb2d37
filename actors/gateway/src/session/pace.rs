//! How long to wait before the next connection, and when a session is not worth another.

use super::io::{Cause, Pulse};
use rand::{Rng, rngs::StdRng};
use std::time::Duration;

/// The times the session goes by; from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// First wait before a reconnect.
    pub reconnect_min: Duration,
    /// Longest wait before a reconnect.
    pub reconnect_max: Duration,
    /// How long HELLO may take once connected.
    pub hello: Duration,
}

/// A resumed connection that is online for less than this was no use, unless it was cut and had brought something new.
pub(super) const BARREN: Duration = Duration::from_secs(5);
/// After useless resumes in a row that weigh this the session is given up: three that Discord ended, six that it ended
/// after something had come as it happened (what it sends again in each RESUME proves nothing), or twelve that were cut.
/// A cut is the network's doing and takes what was under way with it, so it says little about the session; and giving up
/// a good one loses whatever it would have replayed.
pub(super) const BARREN_MAX: u32 = 12;
const BARREN_ENDED: u32 = BARREN_MAX / 3;
const BARREN_LIVE: u32 = BARREN_MAX / 6;
const BARREN_CUT: u32 = 1;

/// What a resumed connection of little age that ended by `cause` weighs; none: it speaks for the session, or not at all.
pub(super) fn barren_weight(cause: Cause, pulse: Pulse) -> Option<u32> {
    match cause {
        // What we ended ourselves, on request, says nothing about the session.
        Cause::ReconnectRequested | Cause::Operator | Cause::Overslept => None,
        Cause::Cut if pulse.fresh > 0 => None,
        Cause::Cut => Some(BARREN_CUT),
        _ if pulse.live > 0 => Some(BARREN_LIVE),
        _ => Some(BARREN_ENDED),
    }
}

/// Exponential backoff: half to all of `min`, doubled per attempt, `max` at most.
pub(super) fn backoff(timing: &Timing, attempts: u32, rng: &mut StdRng) -> Duration {
    let grown = timing.reconnect_min.saturating_mul(2u32.saturating_pow(attempts.min(31)));
    grown.min(timing.reconnect_max).mul_f64(rng.random_range(0.5..=1.0))
}

/// The wait before a new IDENTIFY after `identifies` of them that led to no stable session, in milliseconds.
/// Discord asks for 1 to 5 s after an invalidated session; the rest keeps a storm below 12 IDENTIFYs an hour.
const FRESH_WAITS_MS: [(u64, u64); 5] =
    [(1_000, 5_000), (5_000, 15_000), (30_000, 60_000), (180_000, 240_000), (450_000, 600_000)];

pub(super) fn fresh_wait(identifies: u32, rng: &mut StdRng) -> Duration {
    let step = usize::try_from(identifies.saturating_sub(1)).unwrap_or(usize::MAX).min(FRESH_WAITS_MS.len() - 1);
    let (least, most) = FRESH_WAITS_MS[step];
    Duration::from_millis(rng.random_range(least..=most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn backoff_grows_to_its_maximum_and_is_spread() {
        let timing = Timing {
            reconnect_min: Duration::from_millis(500),
            reconnect_max: Duration::from_secs(300),
            hello: Duration::from_secs(10),
        };
        let mut rng = StdRng::seed_from_u64(7);
        for attempts in 0..64 {
            let full = 0.5 * 2f64.powi(attempts.min(31));
            let waited = backoff(&timing, attempts.unsigned_abs(), &mut rng).as_secs_f64();
            let most = full.min(300.0);
            assert!((most / 2.0..=most).contains(&waited), "attempt {attempts}: {waited} s");
        }
    }

    #[test]
    fn an_invalid_session_storm_stays_below_twelve_identifies_an_hour() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut at, mut sent) = (Duration::ZERO, 0u32);
            while at <= Duration::from_secs(3600) {
                sent += 1;
                at += fresh_wait(sent, &mut rng);
            }
            assert!(sent <= 12, "seed {seed}: {sent} IDENTIFYs");
        }
    }
}
