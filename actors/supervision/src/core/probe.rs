//! The liveness probe: what an actor's pulse says, and what is done about one that makes no progress.
//!
//! The shell looks ([`super::Action::Probe`]) and tells what it saw ([`super::Event::Probed`]); here it is decided. At half the
//! stall limit a warning is written down, at the limit the actor is asked to stop and the ladder goes on from there:
//! kill, abort, leave behind. What then follows is the restart rule's, with [`Exit::Stalled`] as the cause.

use super::{
    Action, Step, Time,
    event::Timer,
    exits,
    explain::{Rule, seconds},
    policy::WORKER_SHUTDOWN,
    state::{Child, Life, Stage, State},
    stopping,
};
use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How an actor is watched for progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// How often it is looked at.
    pub every: Duration,
    /// How long it may make no progress.
    pub stall: Duration,
    /// Whether a handler that waits for longer than `stall` at one await point is ended too. Right for actors whose
    /// handlers never wait long; else such a handler is only warned about.
    pub kill_awaiting: bool,
}

impl Probe {
    /// Looks every `every` and ends what is stuck in synchronous code for `stall`; what awaits is only warned about.
    pub const fn new(every: Duration, stall: Duration) -> Self {
        Self { every, stall, kill_awaiting: false }
    }

    /// From when on missing progress is noted.
    pub(crate) fn noted_from(&self) -> Duration {
        self.stall / 2
    }
}

/// What a probe reads of an incarnation, without asking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Messages waiting or being handled.
    pub waiting: usize,
    /// How long the message in hand has been there; none: no handler runs.
    pub handling: Option<Duration>,
    /// How long the poll under way has taken; none: the handler is not being polled.
    pub polling: Option<Duration>,
    /// How long ago a handler was polled last; none: never.
    pub polled: Option<Duration>,
    /// How long the runtime of the actors has not run anything new; zero while it keeps up.
    pub late: Duration,
}

/// What an actor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// No handler runs, and nothing waits that could be handled.
    #[default]
    Idle,
    /// A handler runs and was polled lately.
    Busy,
    /// A handler waits at an await point and has not been woken.
    Awaiting,
    /// A handler is in synchronous code: its poll has not returned.
    Stuck,
    /// It has work and is not polled, because nothing is: its runtime is late.
    Starved,
}

impl Activity {
    /// The activity as one stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Awaiting => "awaiting",
            Self::Stuck => "stuck",
            Self::Starved => "starved",
        }
    }
}

/// What a reading means, progress counting as missing after `patience`; and for how long it has been missing.
pub fn activity(reading: &Reading, patience: Duration) -> (Activity, Duration) {
    let quiet = reading.polled.unwrap_or_default();
    let late = reading.late >= patience;
    match (reading.handling, reading.polling) {
        (Some(_), Some(polling)) if polling >= patience => (Activity::Stuck, polling),
        (Some(_), None) if quiet >= patience && late => (Activity::Starved, reading.late),
        (Some(_), None) if quiet >= patience => (Activity::Awaiting, quiet),
        (Some(_), _) => (Activity::Busy, Duration::ZERO),
        (None, _) if reading.waiting > 0 && late => (Activity::Starved, reading.late),
        (None, _) => (Activity::Idle, Duration::ZERO),
    }
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What the actor is doing.
    pub activity: Activity,
    /// For how long it has made no progress.
    pub lasted: Duration,
    /// The message in hand.
    pub message: Option<String>,
}

/// Begins to look at `child`, which has come up, or is watched from now on.
pub(super) fn watch(child: &mut Child, now: Time, step: &mut Step) {
    child.look_left_out = false; // nothing is known yet of how this one is looked at
    look_again(child, now, step);
}

fn look_again(child: &mut Child, now: Time, step: &mut Step) {
    let Some(probe) = child.policy.probe else { return };
    child.look_at = Some(now + probe.every);
    step.timer(child, Timer::Probe, probe.every);
}

/// It is time to look at the child at `at`. A look that is late by a whole period itself is left out: the process was
/// stopped, and whatever is measured across that time looks stuck. The next one sees what still is, late or not: where all
/// looks are late none would ever be taken.
pub(super) fn look(state: &mut State, at: usize, now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    let Some(probe) = child.policy.probe else { return };
    let late = child.look_at.is_some_and(|due| now >= due + probe.every);
    child.look_left_out = late && !child.look_left_out;
    if !child.look_left_out {
        step.actions.push(Action::Probe { id: child.id().to_owned(), incarnation: child.incarnation, probe });
    }
    look_again(child, now, step);
}

/// A probe has looked at an incarnation.
pub(super) fn probed(state: &mut State, id: &str, incarnation: u64, finding: &Finding, now: Time, step: &mut Step) {
    let current =
        |at: &usize| state.children[*at].incarnation == incarnation && state.children[*at].life == Life::Running;
    let Some(at) = state.find(id).filter(current) else { return };
    let Some(probe) = state.children[at].policy.probe else { return };
    let acts = match finding.activity {
        Activity::Idle | Activity::Busy => {
            if state.children[at].stalled.take().is_some() {
                step.note(&state.children[at], now, Rule::Progress, "makes progress again");
            }
            return;
        }
        Activity::Stuck => true,
        Activity::Awaiting => probe.kill_awaiting,
        Activity::Starved => false, // it is not its fault
    };
    let what = said(finding);
    if acts && finding.lasted >= probe.stall {
        return stalled(state, at, (&what, finding.lasted), now, step);
    }
    let child = &mut state.children[at];
    if child.stalled == Some(finding.activity) {
        return; // said already
    }
    child.stalled = Some(finding.activity);
    let next = match finding.activity {
        _ if acts => format!("it is stopped at {}", seconds(probe.stall)),
        Activity::Starved => "its runtime is late, so it is left alone".to_owned(),
        _ => "what awaits is left alone".to_owned(),
    };
    step.note(&state.children[at], now, Rule::Slow, &format!("{what}; {next}")).because(&what);
}

/// The stall limit is over: the ladder begins.
fn stalled(state: &mut State, at: usize, (what, lasted): (&str, Duration), now: Time, step: &mut Step) {
    let child = &mut state.children[at];
    exits::recover(child, now.saturating_sub(lasted)); // no time of health, however long it may have been stuck
    child.stopped_for_stall = true;
    child.told = Some(what.to_owned());
    let id = child.id().to_owned();
    let decision = step.note(&state.children[at], now, Rule::Stalled, &format!("{what}: it is stopped"));
    decision.cause = Some(Exit::Stalled);
    decision.reason = Some(what.to_owned());
    // Before anything else ends it: what is in hand now is what it stalled on.
    step.actions.push(Action::Blame { id, exit: Exit::Stalled });
    stopping::begin(state, at, now, step);
    let child = &mut state.children[at];
    if child.life == (Life::Stopping { stage: Stage::Asked }) && child.stop_by.is_none() {
        // However long it may take to stop in order: this one has had its time.
        child.stop_by = Some(now + WORKER_SHUTDOWN);
        step.timer(&state.children[at], Timer::Stop, WORKER_SHUTDOWN);
    }
}

fn said(finding: &Finding) -> String {
    let lasted = seconds(finding.lasted);
    let message = finding.message.as_ref().map_or(String::new(), |name| format!(" in {name:?}"));
    match finding.activity {
        Activity::Stuck => format!("stuck in synchronous code for {lasted}{message}"),
        Activity::Awaiting => format!("has waited for {lasted}{message} without being woken"),
        Activity::Starved => format!("has not been polled for {lasted}{message}"),
        Activity::Idle | Activity::Busy => format!("makes progress{message}"),
    }
}
