//! The log's methods on the control channel.

use crate::logging::{LogHandle, LogStatus};
use protocol::method::{Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use supervision::Role;

/// Parameters of `log.set`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogSet {
    /// `LEVEL`, `TARGET=LEVEL`, several of them with commas between, or `default` for what was configured.
    pub filter: String,
}

/// Parameters of `log.recent`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogRecent {
    /// An actor's path, e.g. `gateway/shard-0`, or a crate.
    pub path: String,
}

/// `log.get`, `log.set` and `log.recent`.
pub fn methods(log: &LogHandle) -> Vec<Method> {
    let (get, tried, set, recent) = (log.clone(), log.clone(), log.clone(), log.clone());
    vec![
        Method::read(
            "log.get",
            "Shows what is logged, how, and how many lines were dropped.",
            move |_: NoParams, _| {
                let status = get.status();
                async move { Ok::<LogStatus, MethodError>(status) }
            },
        ),
        Method::write(
            "log.set",
            Role::Operate,
            "Changes what is logged, until the process ends.",
            |_: &LogSet| crate::PATH.into(),
            move |wanted: LogSet, _| {
                let would = tried.would(&wanted.filter).map_err(|error| MethodError::InvalidParams(error.to_string()));
                async move { Ok(Checked::new(wanted.filter).telling(serde_json::json!({ "filter": would?.to_string() }))) }
            },
            move |filter: String, _| {
                let changed = set
                    .set(&filter)
                    .map(|_| set.status())
                    .map_err(|error| MethodError::InvalidParams(error.to_string()));
                async move { changed }
            },
        ),
        Method::read("log.recent", "Shows the last lines of one actor.", move |wanted: LogRecent, _| {
            let lines: Vec<String> = recent.recent(&wanted.path).iter().map(ToString::to_string).collect();
            async move { Ok::<_, MethodError>(lines) }
        }),
    ]
}
