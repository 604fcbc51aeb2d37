//! Every supervision decision becomes one log line and a few counters. Called on the control plane: no waiting here.

use std::sync::Arc;
use supervision::{
    ActorPath, Entry, Observer,
    core::{Decision, Rule},
};
use telemetry::logging::LogHandle;

#[cfg(test)]
mod tests;

/// Logs and counts decisions.
///
/// A line holds `path`, `incarnation`, `rule` (a stable word), `decision` (the sentence, as in `events --json`), `cause`
/// where there is one, and `budget.left` and `budget.allowed` of the budget that the actor's failures count against (a
/// supervisor that gives up: of the one that was spent; its other decisions about itself have none).
///
/// Of the log it was made with it also knows what each actor logged last, for crash records, and how to take secrets out
/// of what is kept there.
#[derive(Clone, Default)]
pub struct DecisionLog {
    log: Option<LogHandle>,
    ends: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl DecisionLog {
    /// Logs decisions; crash records take their lines from `log`.
    pub fn new(log: LogHandle) -> Self {
        Self { log: Some(log), ends: None }
    }

    /// Calls `ends` as soon as it is decided that the whole tree stops, before any actor is told. It must not wait.
    #[must_use]
    pub fn at_the_end(self, ends: impl Fn() + Send + Sync + 'static) -> Self {
        Self { ends: Some(Arc::new(ends)), ..self }
    }
}

impl Observer for DecisionLog {
    fn log_tail(&self, path: &ActorPath) -> Vec<Arc<str>> {
        self.log.as_ref().map(|log| log.recent(path.as_str())).unwrap_or_default()
    }

    fn redact(&self, text: &str) -> String {
        self.log.as_ref().map_or_else(|| text.to_owned(), |log| log.redact(text))
    }

    fn decided(&self, entry: &Entry) {
        let decision = &entry.decision;
        let path = entry.path.as_str();
        if let Some(ends) = self.ends.as_ref().filter(|_| entry.path.is_root() && decision.rule == Rule::Shutdown) {
            ends();
        }
        metering::supervision::decision(path, decision.rule.name());
        match decision.rule {
            Rule::Restart | Rule::Backoff | Rule::Cooldown | Rule::Strategy => metering::supervision::restart(path),
            _ => {}
        }
        if let Some(exit) = &decision.cause
            && !matches!(decision.rule, Rule::Fatal | Rule::Stalled)
        {
            metering::supervision::exit(exit.kind()); // these are followed by a decision about the same exit
        }
        let budget = decision.budget_left();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "supervision",
                    path,
                    incarnation = decision.incarnation,
                    rule = decision.rule.name(),
                    decision = decision.text,
                    cause = decision.why(),
                    budget.left = budget.map(|budget| budget.allowed.saturating_sub(budget.used)),
                    budget.allowed = budget.map(|budget| budget.allowed),
                    "{path}: {}",
                    decision.text
                )
            };
        }
        match severity(decision, entry.path.is_root()) {
            Severity::Debug => line!(debug),
            Severity::Info => line!(info),
            Severity::Warn => line!(warn),
            Severity::Error => line!(error),
        }
    }
}

enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

fn severity(decision: &Decision, root: bool) -> Severity {
    match decision.rule {
        Rule::Start | Rule::Stop => Severity::Debug,
        // That a supervisor is down its own supervisor says; the root has none.
        Rule::Down if decision.id.is_empty() && !root => Severity::Debug,
        Rule::Carried if decision.why().is_some() => Severity::Warn, // it stays parked
        Rule::Up
        | Rule::Down
        | Rule::Ended
        | Rule::Ignored
        | Rule::Suspended
        | Rule::Resumed
        | Rule::HalfOpen
        | Rule::Progress
        | Rule::Pardoned
        | Rule::Carried
        | Rule::Shutdown
        | Rule::Killed
        | Rule::Operator
        | Rule::Respec => Severity::Info,
        Rule::Restart
        | Rule::Backoff
        | Rule::Cooldown
        | Rule::Strategy
        | Rule::AutoShutdown
        | Rule::StartTimeout
        | Rule::Slow
        | Rule::StopDeadline
        | Rule::KillDeadline => Severity::Warn,
        Rule::Parked
        | Rule::Fatal
        | Rule::Escalate
        | Rule::RequiredFailed
        | Rule::Quarantine
        | Rule::Overrun
        | Rule::Stalled
        | Rule::Poisoned => Severity::Error,
    }
}
