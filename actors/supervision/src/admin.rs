//! Admin messages: what an operator may tell an actor, each with a name, a role and a JSON schema.

mod parameters;

use crate::{
    message::{Fingerprint, Reply},
    path::ActorPath,
    pulse::{Label, SHOWN_MAX},
};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, time::Duration};
use tokio::sync::OwnedSemaphorePermit;

/// What a peer on the control channel may do; each role includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Observe,
    /// Changes what the bot does without endangering it: refresh, reconnect, run a task.
    Operate,
    /// Everything: kill, shutdown, force.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Operate => "operate",
            Self::Admin => "admin",
        })
    }
}

/// One message that an actor understands.
#[derive(Debug, Clone, Serialize)]
pub struct AdminSpec {
    /// The word used with `tell`.
    pub name: &'static str,
    /// The least role that may send it.
    pub role: Role,
    /// One sentence: what it does.
    pub about: &'static str,
    /// JSON schema of the argument; `null` when there is none.
    pub params: Schema,
}

impl AdminSpec {
    /// A message without an argument.
    pub fn new(name: &'static str, role: Role, about: &'static str) -> Self {
        Self { name, role, about, params: schema_for!(()) }
    }

    /// A message with an argument of type `P`.
    pub fn with<P: JsonSchema>(name: &'static str, role: Role, about: &'static str) -> Self {
        Self { name, role, about, params: schema_for!(P) }
    }

    /// The argument as the actor is to get it: `{}` is no argument for a message that takes none.
    ///
    /// # Errors
    /// [`AdminError::BadArgument`] for a parameter that the schema does not know, or for what is no object where one is
    /// wanted. What the parameters hold is for the actor's reader to judge.
    pub fn admit(&self, argument: Value) -> Result<Value, AdminError> {
        parameters::admit(self.name, self.params.as_value(), argument)
            .map_err(|reason| AdminError::BadArgument { reason })
    }
}

/// Why an admin message was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "error", rename_all = "snake_case")]
pub enum AdminError {
    /// The actor knows no such message.
    #[error("it understands no message {name:?}{}", understands(known))]
    UnknownMessage {
        /// The name that was sent.
        name: String,
        /// What it would have understood.
        known: Vec<String>,
    },
    /// The argument does not fit the schema.
    #[error("the argument does not fit: {reason}")]
    BadArgument {
        /// What does not fit: a parameter that there is not, or what the JSON reader says.
        reason: String,
    },
    /// The actor understood and declined, or could not.
    #[error("{reason}")]
    Refused {
        /// One sentence with the remedy.
        reason: String,
    },
    /// No answer within the deadline; the message may still be carried out.
    #[error("no answer within {millis} ms; it may still be carried out")]
    Deadline {
        /// The deadline that passed, in milliseconds.
        millis: u64,
    },
    /// The actor is not running.
    #[error("{path} is not running ({state})")]
    NotRunning {
        /// The addressed path.
        path: String,
        /// Its state.
        state: String,
    },
    /// There is no such actor.
    #[error("there is no actor {path:?}{}", suggestion.as_deref().map(|s| format!("; did you mean {s:?}?")).unwrap_or_default())]
    UnknownPath {
        /// The addressed path.
        path: String,
        /// The nearest existing path.
        suggestion: Option<String>,
    },
    /// The same message with the same argument has ended too many incarnations of the actor.
    #[error(
        "{path} is not given this {message:?} again: it has ended it before and is parked as poison; `poison list` shows it, `poison release` gives it one more try"
    )]
    Poisoned {
        /// The addressed path.
        path: String,
        /// The message.
        message: String,
    },
    /// The addressed incarnation has gone.
    #[error("{path} is incarnation {actual}, not {wanted}")]
    StaleIncarnation {
        /// The addressed path.
        path: String,
        /// The incarnation the sender meant.
        wanted: u64,
        /// The incarnation that runs.
        actual: u64,
    },
}

fn understands(known: &[String]) -> String {
    match known {
        [] => ": it understands none at all".to_owned(),
        known => format!("; it understands: {}", known.join(", ")),
    }
}

impl AdminError {
    /// Declines with a sentence.
    pub fn refused(reason: impl fmt::Display) -> Self {
        Self::Refused { reason: reason.to_string() }
    }
}

/// An admin message on its way to an actor's handler.
#[derive(Debug)]
pub struct AdminCall {
    /// The message's name.
    pub name: String,
    /// Its argument, which holds no parameter that the message's schema does not; `Null` when none was given.
    pub params: Value,
}

impl AdminCall {
    /// Reads the argument as `P`; a missing argument reads as `{}` so that types with defaults accept it.
    ///
    /// # Errors
    /// [`AdminError::BadArgument`] with what does not fit.
    pub fn params<P: DeserializeOwned>(&self) -> Result<P, AdminError> {
        let value = if self.params.is_null() { Value::Object(serde_json::Map::new()) } else { self.params.clone() };
        serde_json::from_value(value).map_err(|error| AdminError::BadArgument { reason: error.to_string() })
    }

    /// The refusal for a name that `specs` does not hold.
    pub fn unknown(&self, specs: &[AdminSpec]) -> AdminError {
        AdminError::UnknownMessage {
            name: self.name.clone(),
            known: specs.iter().map(|spec| spec.name.to_owned()).collect(),
        }
    }
}

/// An admin call with its way back, inside an envelope.
pub(crate) struct AdminEnvelope {
    /// The message's name, as its spec has it.
    pub(crate) name: &'static str,
    pub(crate) call: AdminCall,
    pub(crate) reply: Reply<Result<Value, AdminError>>,
    /// Its place among the few that may wait.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl AdminEnvelope {
    /// What is noted of it before its handler takes it. The same message with the same argument is the same work.
    pub(crate) fn label(&self) -> Label {
        let shown = match &self.call.params {
            Value::Null => self.name.to_owned(),
            params => format!("{} {params}", self.name),
        };
        let mut bytes = shown.into_bytes();
        let (size, fingerprint) = (Some(bytes.len()), Some(Fingerprint::of(&bytes)));
        bytes.truncate(SHOWN_MAX);
        Label { name: self.name, size, fingerprint, shown: Some(bytes.into()) }
    }

    /// The refusal of a message that is parked.
    pub(crate) fn poisoned(&self, path: &ActorPath) -> AdminError {
        AdminError::Poisoned { path: path.to_string(), message: self.name.to_owned() }
    }
}

/// How long `tell` waits for an answer unless told otherwise.
pub const ADMIN_DEADLINE: Duration = Duration::from_secs(5);
/// Admin messages that may wait in one mailbox; more are refused.
pub const ADMIN_WAITING_MAX: usize = 16;
