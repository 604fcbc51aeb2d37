//! Why a reload changed nothing.

use crate::config::Problems;
use protocol::{method::MethodError, task::RegisterError};
use serde_json::{Value, json};
use supervision::OrderError;
use telemetry::logging::FilterError;

/// Why a reload was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is wrong, or speaks of what does not exist.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The rules that an actor would live by do not hold together.
    #[error("[supervision]: {0}")]
    Rules(#[from] OrderError),
    /// The rules that a task would live by contradict each other.
    #[error("[tasks]: {0}")]
    Task(#[from] RegisterError),
    /// The log's filter cannot be read.
    #[error("telemetry.log: {0}")]
    Log(#[from] FilterError),
    /// The process is going down.
    #[error("the process is going down")]
    Ending,
}

impl From<ReloadError> for MethodError {
    fn from(error: ReloadError) -> Self {
        let data: Value = match &error {
            ReloadError::Config(problems) => json!({ "error": "configuration", "problems": problems.list }),
            ReloadError::Rules(OrderError::Refused { path, refusal }) => {
                json!({ "error": "rules", "path": path, "refusal": refusal })
            }
            ReloadError::Rules(_) => json!({ "error": "rules" }),
            ReloadError::Task(RegisterError::Invalid { name, reason }) => {
                json!({ "error": "task", "task": name, "reason": reason })
            }
            ReloadError::Task(_) => json!({ "error": "task" }),
            ReloadError::Log(_) => json!({ "error": "log" }),
            ReloadError::Ending => json!({ "error": "ending" }),
        };
        Self::Refused { message: error.to_string(), data: Some(data) }
    }
}
