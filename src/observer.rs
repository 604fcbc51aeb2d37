//! Every supervision decision becomes one log line and a few counters. Called on the control plane: no waiting here.

use supervision::{Entry, Observer, core::Rule};

/// Logs and counts decisions.
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
        let cause = decision.cause.as_ref().map(ToString::to_string);
        if let Some(exit) = &decision.cause
            && decision.rule != Rule::Fatal
        {
            metering::supervision::exit(exit.kind()); // a fatal exit's decision is followed by one that parks it
        }
        let left = decision.budget.map(|budget| budget.allowed.saturating_sub(budget.used));
        let rule = decision.rule.name();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "supervision",
                    path,
                    incarnation = decision.incarnation,
                    rule,
                    cause,
                    budget.left = left,
                    budget.allowed = decision.budget.map(|budget| budget.allowed),
                    "{path}: {}",
                    decision.text
                )
            };
        }
        match severity(decision.rule) {
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

fn severity(rule: Rule) -> Severity {
    match rule {
        Rule::Start | Rule::Down | Rule::Stop => Severity::Debug,
        Rule::Up | Rule::Ended | Rule::Suspended | Rule::Resumed | Rule::HalfOpen | Rule::Shutdown | Rule::Operator => {
            Severity::Info
        }
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
