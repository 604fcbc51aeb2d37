//! Methods of the control channel. Each room offers its own; `boot.rs` registers them.

mod mutation;

pub use mutation::{Asked, Checked, Conditions};

use crate::BoxFuture;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{fmt, future::Future, sync::Arc};
use supervision::{AdminError, Role};
use tokio::sync::mpsc;

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The user id of the process at the other end, as the kernel reports it.
    pub uid: u32,
    /// Its process id, when the kernel reports one.
    pub pid: Option<i32>,
    /// What it may do.
    pub role: Role,
}

/// A call on its way to a method.
#[derive(Debug, Clone)]
pub struct MethodCall {
    /// The parameters; `Null` when none were given.
    pub params: Value,
    /// Who is asking.
    pub peer: Peer,
}

impl MethodCall {
    /// Reads the parameters as `P`; missing parameters read as `{}`.
    ///
    /// # Errors
    /// [`MethodError::InvalidParams`] with what does not fit.
    pub fn params<P: DeserializeOwned>(&self) -> Result<P, MethodError> {
        read(&self.params)
    }
}

fn read<P: DeserializeOwned>(params: &Value) -> Result<P, MethodError> {
    let value = if params.is_null() { Value::Object(serde_json::Map::new()) } else { params.clone() };
    serde_json::from_value(value).map_err(|error| MethodError::InvalidParams(error.to_string()))
}

/// Why a method did not do what it was asked.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// The parameters do not fit the schema (JSON-RPC -32602).
    #[error("parameters do not fit: {0}")]
    InvalidParams(String),
    /// It was understood and declined, or failed (-32000): one sentence with the remedy.
    #[error("{message}")]
    Refused {
        /// The sentence.
        message: String,
        /// Machine-readable detail.
        data: Option<Value>,
    },
}

impl MethodError {
    /// Declines with a sentence.
    pub fn refused(message: impl fmt::Display) -> Self {
        Self::Refused { message: message.to_string(), data: None }
    }
}

impl From<AdminError> for MethodError {
    fn from(error: AdminError) -> Self {
        Self::Refused { message: error.to_string(), data: serde_json::to_value(&error).ok() }
    }
}

type CallFn = dyn Fn(MethodCall) -> BoxFuture<'static, Result<Value, MethodError>> + Send + Sync;
type StreamFn = dyn Fn(MethodCall) -> BoxFuture<'static, Result<mpsc::Receiver<Value>, MethodError>> + Send + Sync;

/// What a method does.
#[derive(Clone)]
pub enum Handler {
    /// Answers once.
    Call(Arc<CallFn>),
    /// Answers `{"subscribed": true}` and then sends notifications until either side ends.
    Stream(Arc<StreamFn>),
}

/// One method: name, least role, schema, handler.
#[derive(Clone)]
pub struct Method {
    /// `tree.get`, `actor.send`, …
    pub name: &'static str,
    /// The least role that may call it.
    pub role: Role,
    /// One sentence: what it does.
    pub about: &'static str,
    /// JSON schema of the parameters.
    pub params: Schema,
    /// Whether it changes something: then it takes [`Conditions`] and leaves an audit row.
    pub mutates: bool,
    /// The actor that a mutation changes.
    target: Option<Arc<mutation::TargetFn>>,
    /// What it does.
    pub handler: Handler,
}

impl Method {
    /// A reading method.
    pub fn read<P, R, F, Fut>(name: &'static str, about: &'static str, run: F) -> Self
    where
        P: JsonSchema + DeserializeOwned + Send + 'static,
        R: Serialize,
        F: Fn(P, Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        let run = Arc::new(run);
        let handler = Handler::Call(Arc::new(move |call| {
            let run = Arc::clone(&run);
            Box::pin(async move {
                let answer = run(call.params()?, call.peer).await?;
                serde_json::to_value(answer).map_err(MethodError::refused)
            })
        }));
        let (role, params) = (Role::Observe, schema_for!(P));
        Self { name, role, about, params, mutates: false, target: None, handler }
    }

    /// A stream of notifications.
    pub fn stream<P, F, Fut>(name: &'static str, about: &'static str, run: F) -> Self
    where
        P: JsonSchema + DeserializeOwned + Send + 'static,
        F: Fn(P, Peer) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<mpsc::Receiver<Value>, MethodError>> + Send + 'static,
    {
        let run = Arc::new(run);
        let handler = Handler::Stream(Arc::new(move |call| {
            let run = Arc::clone(&run);
            Box::pin(async move { run(call.params()?, call.peer).await })
        }));
        let (role, params) = (Role::Observe, schema_for!(P));
        Self { name, role, about, params, mutates: false, target: None, handler }
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({}, {})", self.name, self.role)
    }
}

/// Parameters of a method that takes none; unknown ones are refused.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}
