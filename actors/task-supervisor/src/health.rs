//! How well a task is, in one word and in words. Pure: from what is known of it at one moment.
//!
//! A verdict never restarts anything but a task that is stalled. One that was restarted and runs is recovering, not ill:
//! to restart it for its restart would keep it from ever getting well.

use crate::{schedule::span, stats::Pulse};
use serde::Serialize;
use std::time::Duration;
use supervision::Status;

/// So long after a restart a task that runs is recovering.
pub const RECOVERING: Duration = Duration::from_secs(300);
/// So many errors within an hour are too many.
pub const ERRORS_AN_HOUR: u32 = 10;
/// So many restarts within the window of its restart limit are too many.
pub const RESTARTS: u32 = 3;
/// After so many of its health intervals a task that waits for a path at which nobody stands is failing.
pub const LACKING: u32 = 3;
/// A run past its timeout is cut off at once; one that is still there after this does not let itself be cut off.
const CUT_OFF_GRACE: Duration = Duration::from_secs(5);

/// How well a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It does what it should, or was told not to.
    Healthy,
    /// It was restarted a short time ago, or is about to be.
    Recovering,
    /// It fails too often.
    Failing,
    /// It shows no sign of life.
    Stalled,
    /// It has been given up on until it is tried again.
    Parked,
}

impl Health {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Healthy, Self::Recovering, Self::Failing, Self::Stalled, Self::Parked];

    /// The word itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Recovering => "recovering",
            Self::Failing => "failing",
            Self::Stalled => "stalled",
            Self::Parked => "parked",
        }
    }

    /// Whether somebody should look after it.
    pub const fn is_unhealthy(self) -> bool {
        matches!(self, Self::Failing | Self::Stalled | Self::Parked)
    }
}

/// How well a task is, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The word.
    pub health: Health,
    /// The reason in words.
    pub reason: String,
}

/// What a verdict is made from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts<'a> {
    /// What the tree says it is doing; none where it is not there.
    pub(crate) status: Option<Status>,
    /// Why it is not there although it was to be: it was refused when it was to be started.
    pub(crate) refused: Option<String>,
    /// What it needs that has stood nowhere for [`LACKING`] intervals, and for how long.
    pub(crate) lacking: Option<(String, Duration)>,
    /// What its supervisor is doing; none before there is one, or where the task has nothing more to do.
    pub(crate) supervisor: Option<Status>,
    /// Why there will be no supervisor at all.
    pub(crate) left_out: Option<&'a str>,
    /// Why, as the tree says it.
    pub(crate) reason: Option<&'a str>,
    /// What its own figures say.
    pub(crate) pulse: Pulse,
    /// Restarts within the window, and the window.
    pub(crate) restarts: (u32, Duration),
    /// The time between two runs.
    pub(crate) period: Duration,
    /// How long a run may take.
    pub(crate) timeout: Duration,
    /// After so many periods without a sign of life it is stalled.
    pub(crate) stall_periods: u32,
}

/// Judges a task.
pub(crate) fn judge(facts: &Facts<'_>) -> Verdict {
    let because = |health, reason: String| Verdict { health, reason };
    let why = |fallback: &str| facts.reason.unwrap_or(fallback).to_owned();
    match facts.status {
        Some(Status::Parked) => return because(Health::Parked, why("its restart limit is used up")),
        Some(Status::Quarantined) => return because(Health::Parked, why("its last incarnation could not be ended")),
        None => return absent(facts),
        _ => {}
    }
    if let Some((path, since)) = &facts.lacking {
        let since = span(whole_seconds(*since));
        let reason =
            format!("needs {path}, and nobody has stood there for {since}: bring that up, or correct its needs");
        return because(Health::Failing, reason);
    }
    if let Some(reason) = stalled(facts) {
        return because(Health::Stalled, reason);
    }
    let (restarts, window) = facts.restarts;
    if facts.pulse.errors_last_hour >= ERRORS_AN_HOUR {
        let errors = facts.pulse.errors_last_hour;
        return because(Health::Failing, format!("{errors} errors within the last hour"));
    }
    if restarts >= RESTARTS {
        return because(Health::Failing, format!("{restarts} restarts within {}", span(window)));
    }
    match (facts.status, facts.pulse.restarted) {
        (Some(Status::Waiting), _) => because(Health::Recovering, format!("is about to restart: {}", why("its turn"))),
        (Some(Status::Running | Status::Suspended | Status::Starting), Some(ago)) if ago < RECOVERING => {
            because(Health::Recovering, format!("restarted {} ago, and runs", span(whole_seconds(ago))))
        }
        (Some(Status::Suspended), _) => because(Health::Healthy, format!("waits: {}", why("something is missing"))),
        (Some(Status::Down | Status::Stopping), _) => {
            because(Health::Healthy, "was stopped, or is finished".to_owned())
        }
        _ if facts.pulse.paused => because(Health::Healthy, "paused".to_owned()),
        _ => because(Health::Healthy, "runs as it should".to_owned()),
    }
}

/// Judges a task that is not there. It is well while it may yet come by itself.
fn absent(facts: &Facts<'_>) -> Verdict {
    if let Some(why) = facts.left_out {
        return Verdict { health: Health::Parked, reason: format!("the task supervisor was left out: {why}") };
    }
    let (health, reason) = match (facts.supervisor, &facts.refused) {
        (Some(Status::Down | Status::Parked | Status::Quarantined), _) => {
            (Health::Parked, "the task supervisor is not there; `start task-supervisor` brings it back".to_owned())
        }
        (_, Some(refused)) => (Health::Failing, format!("could not be started: {refused}")),
        (_, None) => (Health::Healthy, "waits until the task supervisor brings it up".to_owned()),
    };
    Verdict { health, reason }
}

/// Why it is stalled, if it is. Only one that could work is: a task that waits for something is not.
fn stalled(facts: &Facts<'_>) -> Option<String> {
    let pulse = &facts.pulse;
    if facts.status != Some(Status::Running) || pulse.draining {
        return None;
    }
    if let Some(running) = pulse.running {
        let late = running > facts.timeout.saturating_add(CUT_OFF_GRACE);
        let (running, timeout) = (span(whole_seconds(running)), span(facts.timeout));
        return late.then(|| format!("its run has been under way for {running}, past its timeout of {timeout}"));
    }
    let silent = pulse.silent?;
    let planned = pulse.next_in.is_some_and(|wait| !wait.is_zero());
    let limit = facts.period.saturating_mul(facts.stall_periods);
    let stalled = !pulse.paused && !pulse.waits && !planned && silent > limit;
    stalled.then(|| {
        let (silent, periods) = (span(whole_seconds(silent)), facts.stall_periods);
        format!("no sign of life for {silent}, more than {periods} periods of {}", span(facts.period))
    })
}

fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn running() -> Facts<'static> {
        Facts {
            status: Some(Status::Running),
            refused: None,
            lacking: None,
            supervisor: Some(Status::Running),
            left_out: None,
            reason: None,
            pulse: Pulse { silent: Some(S(1)), next_in: Some(S(9)), ..Pulse::default() },
            restarts: (0, S(3_600)),
            period: S(10),
            timeout: S(60),
            stall_periods: 3,
        }
    }

    fn with(change: impl FnOnce(&mut Facts<'static>)) -> (Health, String) {
        let mut facts = running();
        change(&mut facts);
        let Verdict { health, reason } = judge(&facts);
        (health, reason)
    }

    #[test]
    fn every_state_has_its_limit_and_its_words() {
        use Health::{Failing, Healthy, Parked, Recovering, Stalled};
        assert_eq!(with(|_| {}), (Healthy, "runs as it should".into()));
        assert_eq!(with(|f| f.status = None).0, Healthy);
        let refused = with(|f| (f.status, f.refused) = (None, Some("it needs itself".into())));
        assert_eq!(refused, (Failing, "could not be started: it needs itself".into()));
        let stopped = with(|f| (f.status, f.supervisor) = (None, Some(Status::Down)));
        assert!(stopped.0 == Parked && stopped.1.contains("start task-supervisor"), "{stopped:?}");
        assert_eq!(with(|f| (f.status, f.supervisor) = (None, Some(Status::Starting))).0, Healthy);
        let without = with(|f| (f.status, f.supervisor, f.left_out) = (None, None, Some("it needs itself")));
        assert_eq!(without, (Parked, "the task supervisor was left out: it needs itself".into()));
        assert_eq!(with(|f| f.pulse.restarted = Some(S(299))), (Recovering, "restarted 299 s ago, and runs".into()));
        assert_eq!(with(|f| f.pulse.restarted = Some(S(300))).0, Healthy);
        assert_eq!(with(|f| f.pulse.errors_last_hour = 9).0, Healthy);
        assert_eq!(with(|f| f.pulse.errors_last_hour = 10), (Failing, "10 errors within the last hour".into()));
        assert_eq!(with(|f| f.restarts.0 = 2).0, Healthy);
        assert_eq!(with(|f| f.restarts.0 = 3), (Failing, "3 restarts within 1 h".into()));
        let parked =
            with(|f| (f.status, f.reason) = (Some(Status::Parked), Some("budget spent, 5 restarts in 60 min")));
        assert_eq!(parked, (Parked, "budget spent, 5 restarts in 60 min".into()));
        assert_eq!(with(|f| f.status = Some(Status::Waiting)).0, Recovering);
        assert_eq!(
            with(|f| (f.status, f.reason) = (Some(Status::Suspended), Some("needs database"))).1,
            "waits: needs database"
        );
        let silent = |f: &mut Facts<'_>, s| f.pulse = Pulse { silent: Some(S(s)), ..Pulse::default() };
        assert_eq!(with(|f| silent(f, 30)).0, Healthy, "the limit itself is not beyond it");
        let words = "no sign of life for 31 s, more than 3 periods of 10 s".to_owned();
        assert_eq!(with(|f| silent(f, 31)), (Stalled, words));
    }

    #[test]
    fn who_waits_or_works_is_not_stalled() {
        let silent = |f: &mut Facts<'_>| f.pulse = Pulse { silent: Some(S(9_999)), ..Pulse::default() };
        let is_stalled = |change: fn(&mut Facts<'_>)| {
            with(|f| {
                silent(f);
                change(f);
            })
            .0 == Health::Stalled
        };
        assert!(is_stalled(|_| {}));
        assert!(is_stalled(|f| f.pulse.next_in = Some(Duration::ZERO)), "due, and nobody ran it");
        assert!(!is_stalled(|f| f.pulse.next_in = Some(S(1))));
        assert!(!is_stalled(|f| f.pulse.paused = true));
        assert!(!is_stalled(|f| f.pulse.waits = true));
        assert!(!is_stalled(|f| f.pulse.draining = true));
        assert!(!is_stalled(|f| f.status = Some(Status::Suspended)));
        assert!(!is_stalled(|f| f.pulse.running = Some(S(60))), "within its timeout a run may take its time");
        assert!(is_stalled(|f| f.pulse.running = Some(S(66))), "past it, it did not let itself be cut off");
    }
}
