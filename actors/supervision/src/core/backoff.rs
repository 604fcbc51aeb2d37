//! How long to wait before a restart.

use super::{policy::Backoff, state::FOREVER};
use std::time::Duration;

/// The delay before the restart that follows `failures` failures in a row (1 for the first), drawing jitter from `seed`.
/// Jitter lies above the grown delay; where that is as long as a delay gets, below it, so that none is ever longer than said.
pub(super) fn delay(backoff: &Backoff, failures: u32, seed: &mut u64) -> Duration {
    let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
    let grown = backoff.min.as_secs_f64() * backoff.factor.max(1.0).powi(exponent);
    let capped = grown.min(backoff.max.as_secs_f64());
    let spread = capped * backoff.jitter.clamp(0.0, 1.0);
    let least = capped.min((backoff.max.as_secs_f64() - spread).max(backoff.min.as_secs_f64()));
    let drawn = Duration::try_from_secs_f64(least + spread * unit(seed)).unwrap_or(FOREVER);
    drawn.min(backoff.max).min(FOREVER)
}

/// The next number of a splitmix64 sequence, as a share of one. In the state, so that a replay draws the same.
fn unit(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    f64::from(u32::try_from(z >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_to_its_cap_and_the_same_seed_draws_the_same_jitter() {
        let backoff = Backoff::doubling(Duration::from_millis(100), Duration::from_secs(1));
        let draw = |seed: u64| {
            let mut seed = seed;
            (1..7).map(|n| delay(&backoff, n, &mut seed).as_millis()).collect::<Vec<_>>()
        };
        let drawn = draw(7);
        assert_eq!(drawn, draw(7));
        for (drawn, least) in drawn.iter().zip([100, 200, 400, 800, 900, 900]) {
            assert!((least..=least + 100).contains(drawn), "{drawn} is {least} and up to a tenth");
        }
    }

    #[test]
    fn no_delay_is_longer_than_the_longest_nor_shorter_than_the_first() {
        let (mut seed, s) = (7, Duration::from_secs);
        for (min, max) in [(60, 60), (1, 60), (57, 60), (59, 60)].map(|(min, max)| (s(min), s(max))) {
            let backoff = Backoff { jitter: 1.0, ..Backoff::doubling(min, max) };
            for failures in (1..9).cycle().take(400) {
                let drawn = delay(&backoff, failures, &mut seed);
                assert!((min..=max).contains(&drawn), "{drawn:?} of {min:?} to {max:?}");
            }
        }
    }

    #[test]
    fn an_absurd_count_of_failures_does_not_overflow() {
        let backoff = Backoff::doubling(Duration::from_secs(1), Duration::MAX);
        assert!(delay(&backoff, u32::MAX, &mut 1) <= FOREVER);
    }
}
