//! Every supervision decision becomes one log line and a few counters. Called on the control plane: no waiting here.

use supervision::{
    Entry, Observer,
    core::{Decision, Rule},
};

#[cfg(test)]
mod tests;

/// Logs and counts decisions.
///
/// A line holds `path`, `incarnation`, `rule` (a stable word), `decision` (the sentence, as in `events --json`), `cause`
/// where there is one, and `budget.left` and `budget.allowed` of the budget that the actor's failures count against (a
/// supervisor that gives up: of the one that was spent; its other decisions about itself have none).
#[derive(Debug, Clone, Copy, Default)]
pub struct DecisionLog;

impl Observer for DecisionLog {
    fn decided(&self, entry: &Entry) {
        let decision = &entry.decision;
        let path = entry.path.as_str();
        metering::supervision::decision(path, decision.rule.name());
        match decision.rule {
            Rule::Restart | Rule::Backoff | Rule::Cooldown | Rule::Strategy => metering::supervision::restart(path),
            _ => {}
        }
        if let Some(exit) = &decision.cause
            && decision.rule != Rule::Fatal
        {
            metering::supervision::exit(exit.kind()); // a fatal exit's decision is followed by one that parks it
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
        Rule::Up
        | Rule::Down
        | Rule::Ended
        | Rule::Ignored
        | Rule::Suspended
        | Rule::Resumed
        | Rule::HalfOpen
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
        | Rule::StopDeadline
        | Rule::KillDeadline => Severity::Warn,
        Rule::Parked | Rule::Fatal | Rule::Escalate | Rule::RequiredFailed | Rule::Quarantine => Severity::Error,
    }
}
