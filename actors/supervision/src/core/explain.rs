//! Why: one record per rule that fired.

use super::{
    Action, Outcome, Refusal, Step, Time,
    event::{Ticket, Timer},
    is_default,
    policy::Intensity,
    state::Child,
};
use crate::exit::Exit;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, time::Duration};

/// The rule that a decision followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Started in its turn.
    Start,
    /// It came up.
    Up,
    /// `start` took too long.
    StartTimeout,
    /// A required child did not come up: the start of the tree fails.
    RequiredFailed,
    /// Restarted, at once.
    Restart,
    /// Restarted after a growing delay.
    Backoff,
    /// Restarted once its cooldown has passed.
    Cooldown,
    /// A sibling failed and the strategy takes this one along.
    Strategy,
    /// It ended as its restart type allows.
    Ended,
    /// It said in its start that it is not needed.
    Ignored,
    /// Its own budget is spent, and the tree can do without it.
    Parked,
    /// It said that a restart cannot help.
    Fatal,
    /// A parked child gets one try.
    HalfOpen,
    /// It begins with what an earlier process left: a budget that is used in part, or parked.
    Carried,
    /// A vital child is lost, or the supervisor's intensity exceeded: the supervisor gives up.
    Escalate,
    /// A significant child ended.
    AutoShutdown,
    /// Something it needs is missing.
    Suspended,
    /// Everything it needs is back.
    Resumed,
    /// Asked to stop.
    Stop,
    /// Did not stop in time.
    StopDeadline,
    /// Could not be killed in time.
    KillDeadline,
    /// Could not be aborted: left behind.
    Quarantine,
    /// More were left behind than the tree may hold.
    Overrun,
    /// It makes no progress: noted.
    Slow,
    /// It makes progress again.
    Progress,
    /// It has made no progress for as long as it may: stopped.
    Stalled,
    /// A message has ended too many incarnations: parked.
    Poisoned,
    /// A parked message may pass again.
    Pardoned,
    /// Killed along with its supervisor.
    Killed,
    /// An operator's order.
    Operator,
    /// A new list of children.
    Respec,
    /// The supervisor shuts down.
    Shutdown,
    /// It is down.
    Down,
}

impl Rule {
    /// The rule as one stable word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Up => "up",
            Self::StartTimeout => "start_timeout",
            Self::RequiredFailed => "required_failed",
            Self::Restart => "restart",
            Self::Backoff => "backoff",
            Self::Cooldown => "cooldown",
            Self::Strategy => "strategy",
            Self::Ended => "ended",
            Self::Ignored => "ignored",
            Self::Parked => "parked",
            Self::Fatal => "fatal",
            Self::HalfOpen => "half_open",
            Self::Carried => "carried",
            Self::Escalate => "escalate",
            Self::AutoShutdown => "auto_shutdown",
            Self::Suspended => "suspended",
            Self::Resumed => "resumed",
            Self::Stop => "stop",
            Self::StopDeadline => "stop_deadline",
            Self::KillDeadline => "kill_deadline",
            Self::Quarantine => "quarantine",
            Self::Overrun => "overrun",
            Self::Slow => "slow",
            Self::Progress => "progress",
            Self::Stalled => "stalled",
            Self::Poisoned => "poisoned",
            Self::Pardoned => "pardoned",
            Self::Killed => "killed",
            Self::Operator => "operator",
            Self::Respec => "respec",
            Self::Shutdown => "shutdown",
            Self::Down => "down",
        }
    }
}

/// A duration as people read it: `350 ms`, `4.2 s`, `10 min`.
pub(super) fn seconds(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", duration.as_secs_f64()),
        _ => format!("{} min", ms / 60_000),
    }
}

/// A sliding budget as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Restarts within the window.
    pub used: u32,
    /// Restarts allowed.
    pub allowed: u32,
    /// The window.
    pub window: Duration,
}

impl Budget {
    /// `intensity` after these `restarts`, as it stands at `now`.
    pub(crate) fn of(restarts: &VecDeque<Time>, intensity: Intensity, now: Time) -> Self {
        let young = restarts.iter().filter(|at| now.saturating_sub(**at) <= intensity.window).count();
        let used = u32::try_from(young).unwrap_or(u32::MAX);
        Self { used, allowed: intensity.restarts, window: intensity.window }
    }
}

/// One decision about one child (or, with an empty id, about the supervisor).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Time,
    /// The child; empty for the supervisor itself.
    pub id: String,
    /// Its incarnation then; 0 for a supervisor itself, which does not know its own (the journal fills it in).
    pub incarnation: u64,
    /// The exit that it answers, where there is one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cause: Option<Exit>,
    /// What else it answers: an order, something needed that went or came, a sibling, the end of its supervisor.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reason: Option<String>,
    /// The rule that fired.
    pub rule: Rule,
    /// The budget after it, where one was consulted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub budget: Option<Budget>,
    /// The budget that a failure of the child counts against, as it stands after the decision, consulted or not; none
    /// for the supervisor itself.
    #[serde(default, skip_serializing_if = "is_default")]
    pub standing: Option<Budget>,
    /// What was not done, and why.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rejected: Vec<String>,
    /// One sentence.
    pub text: String,
}

impl Decision {
    /// Why, in words: how an incarnation ended, and what asked for it.
    pub fn why(&self) -> Option<String> {
        match (&self.cause, &self.reason) {
            (Some(exit), Some(reason)) => {
                let exit = exit.to_string();
                Some(if reason.contains(&exit) { reason.clone() } else { format!("{exit} ({reason})") })
            }
            (Some(exit), None) => Some(exit.to_string()),
            (None, reason) => reason.clone(),
        }
    }

    /// The budget that it leaves: the one that was consulted, or that which the child has.
    pub fn budget_left(&self) -> Option<Budget> {
        self.budget.or(self.standing)
    }

    /// Completes it with what it answers.
    pub(super) fn because(&mut self, reason: impl Into<String>) -> &mut Self {
        self.reason = Some(reason.into());
        self
    }
}

impl Step {
    /// Notes a decision about `child` and returns it for detail.
    pub(super) fn note(&mut self, child: &Child, now: Time, rule: Rule, text: &str) -> &mut Decision {
        self.record(Decision {
            at: now,
            id: child.id().to_owned(),
            incarnation: child.incarnation,
            cause: None,
            reason: None,
            rule,
            budget: None,
            standing: child.policy.budget.map(|own| Budget::of(&child.restarts, own, now)),
            rejected: Vec::new(),
            text: text.to_owned(),
        })
    }

    /// Notes a decision about the supervisor itself.
    pub(super) fn note_self(&mut self, now: Time, rule: Rule, text: String) -> &mut Decision {
        self.record(Decision {
            at: now,
            id: String::new(),
            incarnation: 0,
            cause: None,
            reason: None,
            rule,
            budget: None,
            standing: None,
            rejected: Vec::new(),
            text,
        })
    }

    fn record(&mut self, decision: Decision) -> &mut Decision {
        let at = self.decisions.len();
        self.decisions.push(decision);
        &mut self.decisions[at]
    }

    /// Answers all `tickets`.
    pub(super) fn done(&mut self, tickets: &mut Vec<Ticket>, outcome: Outcome) {
        let answers = tickets.drain(..).map(|ticket| Action::Answer { ticket, answer: Ok(outcome.clone()) });
        self.actions.extend(answers);
    }

    /// Refuses all `tickets`.
    pub(super) fn refuse(&mut self, tickets: &mut Vec<Ticket>, refusal: &Refusal) {
        let answers = tickets.drain(..).map(|ticket| Action::Answer { ticket, answer: Err(refusal.clone()) });
        self.actions.extend(answers);
    }

    pub(super) fn timer(&mut self, child: &Child, timer: Timer, after: Duration) {
        let (id, incarnation) = (child.id().to_owned(), child.incarnation);
        self.actions.push(Action::SetTimer { id, incarnation, timer, after });
    }
}
