//! What the probes answer; boot knows, this crate only asks.

use serde::Serialize;
use serde_json::Value;

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// Whether the probe passes.
    pub ok: bool,
    /// Why, for people and scripts.
    pub detail: Value,
}

impl Verdict {
    /// It passes.
    pub fn pass(detail: Value) -> Self {
        Self { ok: true, detail }
    }

    /// It fails.
    pub fn fail(detail: Value) -> Self {
        Self { ok: false, detail }
    }
}

/// Answers from snapshots: called on the control plane, where nothing may wait.
pub trait Health: Send + Sync + 'static {
    /// Whether the process should be left alone; failing it gets the process killed, so it fails only when stuck.
    fn live(&self) -> Verdict;
    /// Whether it does its work: gateway connected, nothing vital missing.
    fn ready(&self) -> Verdict;
    /// Whether boot is over.
    fn started(&self) -> Verdict;
}
