//! The control channel.

use crate::{
    Label::{Outcome, Type},
    Metric, Name, Scrape,
    metric::count,
};

static CALLS: Metric =
    Metric::counter("impresario_control_calls_total", &[Type, Outcome], 400, "Calls, by method and outcome");
static DURATION: Metric =
    Metric::histogram("impresario_control_call_duration_seconds", &[Type], 120, "Time of a call, by method");
static CONNECTIONS: Metric = Metric::gauge("impresario_control_connections", &[], 1, "Open control connections");

pub(crate) static METRICS: &[&Metric] = &[&CALLS, &DURATION, &CONNECTIONS];

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was answered.
    Done,
    /// It was understood and declined, or its parameters did not fit.
    Refused,
    /// The peer's role does not allow it.
    Forbidden,
    /// It could not be read, or names no method.
    Invalid,
}

/// A call of `method` ended after `seconds`. Pass [`Name::UNKNOWN`] for a method that does not exist.
pub fn call(method: impl Into<Name>, outcome: CallOutcome, seconds: f64) {
    let outcome = match outcome {
        CallOutcome::Done => "done",
        CallOutcome::Refused => "refused",
        CallOutcome::Forbidden => "forbidden",
        CallOutcome::Invalid => "invalid",
    };
    let method = method.into();
    DURATION.observe([method.clone().into()], seconds);
    CALLS.count([method.into(), outcome.into()], 1);
}

/// Open connections.
pub fn connections(scrape: &Scrape, n: usize) {
    CONNECTIONS.set(scrape, [], count(n));
}
