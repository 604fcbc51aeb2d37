//! Whether the wall clock has jumped since the last IDENTIFY: pure, from two readings of two clocks.
//!
//! Within one start of the machine its uptime tells how much time has passed, whatever the wall clock says: between
//! processes as within one. After another start only one thing can be told: what lies in the future was written by a clock
//! that was wrong, or is now. It then counts as if it were of this moment, which is never too little.
//!
//! Not to be told: a machine that was started anew with a clock that is too far on. Discord's own count, which every
//! decision asks first, is what holds then.

use crate::time;
use chrono::{NaiveDateTime, TimeDelta};
use protocol::{Clock, millis};

/// The clocks differ by less without a jump: they are read one after the other, and the wall clock is slewed.
const TOLERANCE: TimeDelta = TimeDelta::seconds(60);
/// Rows that are moved along at once; a pruned table has fewer.
pub(super) const ROWS_MAX: i64 = 10_000;

/// Both clocks at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) boot: String,
    pub(super) up_ms: i64,
    pub(super) at: NaiveDateTime,
}

impl Reading {
    /// Reads the machine's clocks.
    pub(super) fn of(clock: &dyn Clock) -> Self {
        let (uptime, wall) = (clock.uptime(), clock.now());
        Self {
            boot: uptime.boot,
            up_ms: i64::try_from(millis(uptime.since)).unwrap_or(i64::MAX),
            at: time::stored(wall),
        }
    }
}

/// What is to be done with the rows so that each keeps its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Jump {
    /// The wall clock has gained or lost this much: all are moved by it.
    By(TimeDelta),
    /// Another start of the machine, and some lie in the future by this much at most: those count as if they were of now.
    Ahead(TimeDelta),
}

/// Whether the wall clock has jumped since `anchor` was read. `newest` is the last IDENTIFY that is written down, `now` the
/// time by which the next one will be. An uptime that went back is another start's, whatever name that has: containers may
/// have clocks of their own.
pub(super) fn since(
    anchor: Option<&(String, i64, NaiveDateTime)>,
    reading: &Reading,
    newest: Option<NaiveDateTime>,
    now: NaiveDateTime,
) -> Option<Jump> {
    match anchor {
        Some((boot, up_ms, at)) if *boot == reading.boot && reading.up_ms >= *up_ms => {
            let jump = (reading.at - *at) - TimeDelta::milliseconds(reading.up_ms.saturating_sub(*up_ms));
            (jump.abs() > TOLERANCE).then_some(Jump::By(jump))
        }
        _ => newest.map(|newest| newest - now).filter(|ahead| *ahead > TOLERANCE).map(Jump::Ahead),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn at(seconds: i64) -> NaiveDateTime {
        DateTime::from_timestamp(1_780_000_000 + seconds, 0).unwrap().naive_utc()
    }

    fn reading(boot: &str, up: i64, wall: i64) -> Reading {
        Reading { boot: boot.into(), up_ms: up * 1_000, at: at(wall) }
    }

    #[test]
    fn a_jump_is_what_the_wall_clock_has_gained_or_lost_against_the_uptime() {
        let anchor = ("a".to_owned(), 1_000_000, at(0));
        let since = |up, wall| since(Some(&anchor), &reading("a", up, wall), Some(at(0)), at(wall));
        assert_eq!(since(1_500, 500), None);
        assert_eq!(since(1_500, 530), None, "slewed");
        assert_eq!(since(1_500, 500 + 86_400), Some(Jump::By(TimeDelta::days(1))));
        assert_eq!(since(1_500, 500 - 86_400), Some(Jump::By(TimeDelta::days(-1))));
        assert_eq!(since(1_000 + 86_400 * 3, 86_400 * 3), None, "three days of rest are no jump");
    }

    #[test]
    fn after_another_start_of_the_machine_what_lies_in_the_future_is_taken_for_new() {
        let anchor = ("a".to_owned(), 1_000_000, at(0));
        let since = |newest: Option<i64>, wall| since(Some(&anchor), &reading("b", 5, wall), newest.map(at), at(wall));
        assert_eq!(since(Some(3_600), 0), Some(Jump::Ahead(TimeDelta::hours(1))));
        assert_eq!(since(Some(30), 0), None);
        assert_eq!((since(Some(-3_600), 0), since(None, 0)), (None, None));
        let younger = super::since(Some(&anchor), &reading("a", 5, 0), Some(at(3_600)), at(0));
        assert_eq!(younger, Some(Jump::Ahead(TimeDelta::hours(1))), "the same name, and an uptime that went back");
    }
}
