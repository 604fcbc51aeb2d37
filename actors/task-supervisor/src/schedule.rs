//! When the next run is due: pure, from what is past and what time it is.
//!
//! Periods are counted on the monotonic clock, calendars on the wall clock. A calendar is asked anew whenever its task
//! looks at the clock, so a clock that is set changes the answer at the next look.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use protocol::task::Schedule;
use std::time::Duration;

/// A wall clock that was set back by up to this much repeats no run. Set back further, the clock was wrong before, and
/// what was done by it is forgotten: else a task that ran "in 2035" would not run again until then.
pub const SET_BACK_MAX: TimeDelta = TimeDelta::days(1);
/// Missed occurrences are counted up to this number.
const MISSED_MAX: u32 = 1_000;
/// Sums of times must not overflow: no period is longer than ten years.
pub const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// One moment, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic, since any fixed moment.
    pub mono: Duration,
    /// Wall clock.
    pub wall: DateTime<Utc>,
}

/// What decides about the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// When the task first came up.
    pub first_up: Moment,
    /// When the last run began, or the last due run was left out; none before the first.
    pub dealt: Option<Moment>,
}

/// When the next run is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Wait this long from now.
    pub wait: Duration,
    /// Occurrences before it that nobody will make up for.
    pub missed: u32,
}

impl Next {
    fn after(wait: Duration) -> Self {
        Self { wait, missed: 0 }
    }
}

/// A schedule that has been read and found to make sense.
#[derive(Debug, Clone)]
pub enum Timetable {
    /// This long after the last run began.
    Every(Duration),
    /// This long after it first came up, once.
    Once(Duration),
    /// By the calendar.
    Calendar(Box<Calendar>),
}

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    cron: Cron,
    zone: Tz,
}

impl Timetable {
    /// Reads a schedule.
    ///
    /// # Errors
    /// What does not make sense, as one sentence.
    pub fn read(schedule: &Schedule) -> Result<Self, String> {
        match schedule {
            Schedule::Every(period) if period.is_zero() => Err("its period is zero".to_owned()),
            Schedule::Every(wait) | Schedule::Once(wait) if *wait > LONGEST => {
                Err("one of its times is longer than ten years".to_owned())
            }
            Schedule::Every(period) => Ok(Self::Every(*period)),
            Schedule::Once(delay) => Ok(Self::Once(*delay)),
            Schedule::Cron { expression, zone } => Calendar::read(expression, zone).map(Self::calendar),
            Schedule::Daily { hour, minute, zone } => {
                if *hour > 23 || *minute > 59 {
                    return Err(format!("{hour:02}:{minute:02} is no time of day"));
                }
                Calendar::read(&format!("{minute} {hour} * * *"), zone).map(Self::calendar)
            }
        }
    }

    fn calendar(calendar: Calendar) -> Self {
        Self::Calendar(Box::new(calendar))
    }

    /// When the next run is due; none when there is none. `jitter` is what this wait adds at random.
    /// What is overdue is due now, once.
    pub fn next(&self, run_at_start: bool, past: Past, now: Moment, jitter: Duration) -> Option<Next> {
        match (self, past.dealt) {
            (Self::Once(_), Some(_)) => None,
            (_, None) if run_at_start && !matches!(self, Self::Once(_)) => Some(Next::after(Duration::ZERO)),
            (Self::Once(delay), None) => Some(until(past.first_up.mono + *delay + jitter, now)),
            (Self::Every(period), None) => Some(until(past.first_up.mono + *period + jitter, now)),
            (Self::Every(period), Some(last)) => {
                let next = until(last.mono + *period + jitter, now);
                let periods = now.mono.saturating_sub(last.mono).as_nanos() / period.as_nanos().max(1);
                let missed = u32::try_from(periods.saturating_sub(1)).unwrap_or(MISSED_MAX).min(MISSED_MAX);
                Some(Next { missed, ..next })
            }
            (Self::Calendar(calendar), dealt) => calendar.next(dealt.unwrap_or(past.first_up).wall, now.wall, jitter),
        }
    }

    /// The time between two runs, about now: what a stall is measured in. For what runs once, a minute at least.
    pub fn period(&self, now: DateTime<Utc>) -> Duration {
        match self {
            Self::Every(period) => *period,
            Self::Once(delay) => (*delay).max(Duration::from_secs(60)),
            Self::Calendar(calendar) => calendar
                .following(now)
                .and_then(|first| calendar.following(first).map(|second| second - first))
                .and_then(|between| between.to_std().ok())
                .unwrap_or(LONGEST),
        }
    }

    /// Whether it goes by the wall clock, which may be set while a task waits.
    pub fn is_calendar(&self) -> bool {
        matches!(self, Self::Calendar(_))
    }
}

fn until(due: Duration, now: Moment) -> Next {
    Next::after(due.saturating_sub(now.mono))
}

impl Calendar {
    /// Reads a cron expression and a zone, and looks whether it ever fires.
    ///
    /// # Errors
    /// What does not make sense, as one sentence.
    pub fn read(expression: &str, zone: &str) -> Result<Self, String> {
        let zone: Tz = zone.parse().map_err(|_unknown| format!("there is no time zone {zone:?}"))?;
        let cron: Cron = expression
            .parse()
            .map_err(|error| format!("its cron expression {expression:?} cannot be read: {error}"))?;
        let read = Self { cron, zone };
        // 1970 is before any year that an expression can name and mean.
        if read.following(DateTime::UNIX_EPOCH).is_none() {
            return Err(format!("its cron expression {expression:?} never fires"));
        }
        Ok(read)
    }

    /// The first occurrence after `after`. Expressions that name an hour and a minute run once when clocks go back, and at
    /// the end of the gap when they go forward over it; those with wildcards go by what the clock shows.
    pub fn following(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_next_occurrence(&after.with_timezone(&self.zone), false).ok()?;
        Some(found.with_timezone(&Utc))
    }

    /// When the occurrence after `dealt` is due, seen from `now`.
    fn next(&self, dealt: DateTime<Utc>, now: DateTime<Utc>, jitter: Duration) -> Option<Next> {
        let dealt = if dealt - now > SET_BACK_MAX { now } else { dealt };
        let first = self.following(dealt)?;
        if first <= now {
            let mut missed = 0;
            let mut later = self.following(first);
            while let Some(at) = later.filter(|at| *at <= now && missed < MISSED_MAX) {
                missed += 1;
                later = self.following(at);
            }
            let late = (now - first).to_std().unwrap_or_default();
            return Some(Next { wait: jitter.saturating_sub(late), missed });
        }
        let wait = (first - now).to_std().unwrap_or_default();
        Some(Next::after(wait.saturating_add(jitter)))
    }
}

/// A schedule in words.
pub fn words(schedule: &Schedule) -> String {
    match schedule {
        Schedule::Every(period) => format!("every {}", span(*period)),
        Schedule::Once(delay) => format!("once, after {}", span(*delay)),
        Schedule::Cron { expression, zone } => format!("{expression} ({zone})"),
        Schedule::Daily { hour, minute, zone } => format!("daily at {hour:02}:{minute:02} ({zone})"),
    }
}

/// A time as people say it: in the largest unit that divides it.
pub(crate) fn span(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0 => "0 s".to_owned(),
        _ if !ms.is_multiple_of(1_000) && ms < 60_000 => format!("{ms} ms"),
        _ => {
            let s = ms / 1_000;
            match s {
                _ if s.is_multiple_of(86_400) => format!("{} d", s / 86_400),
                _ if s.is_multiple_of(3_600) => format!("{} h", s / 3_600),
                _ if s.is_multiple_of(60) => format!("{} min", s / 60),
                _ => format!("{s} s"),
            }
        }
    }
}

#[cfg(test)]
mod tests;
