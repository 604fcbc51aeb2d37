//! Whether a dispatch can have the sequence number that it has.

use super::Books;
use std::sync::{MutexGuard, PoisonError, atomic::Ordering::Relaxed};

/// A number may lie so far beyond the one before it as events come. Discord numbers the dispatches of a session one by one
/// and a connection keeps their order, so the next is one more; a frame that could not be read hides one. But Discord
/// documents no more of the number than that it is there to be given back, so that a small leap is taken.
const LEAP_MAX: u64 = 1_024;
/// Likewise while a RESUME is answered: what Discord has not kept, or does not send again (presences, who is typing), is
/// left out at once. That is some thousand events a second at most, for the minutes that a session is kept.
const REPLAY_LEAP_MAX: u64 = 1 << 20;

/// How a number stands to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It can be.
    Fits,
    /// It is not above all before it, although nothing is sent again.
    Back,
    /// It is too far beyond them to be true.
    TooFar,
}

impl Books {
    /// How `seq` stands to all before it; `replay`: while a RESUME is answered, where what came before may come again.
    ///
    /// A leap that was taken and is followed by a number from within was false: it is taken back, with what was booked
    /// for it, so that a RESUME begins before it and nothing is lost.
    pub(crate) fn step(&self, seq: u64, replay: bool) -> Step {
        let (received, mut leap) = (self.received(), self.leap());
        if let Some((from, to)) = *leap
            && from < seq
            && seq < to
        {
            *leap = None;
            for booked in [&self.received, &self.accepted, &self.applied] {
                booked.fetch_min(from, Relaxed);
            }
            return if replay { Step::Fits } else { Step::Back };
        }
        let reach = if replay { REPLAY_LEAP_MAX } else { LEAP_MAX };
        match seq.checked_sub(received) {
            None | Some(0) if replay => Step::Fits,
            None | Some(0) => Step::Back,
            Some(1) => {
                *leap = None;
                Step::Fits
            }
            Some(leaps) if leaps <= reach => {
                *leap = Some((leap.map_or(received, |(from, _)| from), seq));
                Step::Fits
            }
            Some(_) => Step::TooFar,
        }
    }

    /// `accepted`, or where the leap begins that nothing has confirmed: what lies behind it may be missing.
    pub(super) fn before_leap(&self, accepted: u64) -> u64 {
        self.leap().map_or(accepted, |(from, _)| accepted.min(from))
    }

    fn leap(&self) -> MutexGuard<'_, Option<(u64, u64)>> {
        self.leap.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
