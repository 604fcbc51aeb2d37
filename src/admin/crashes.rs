//! Crash records on the control channel.

use super::unknown;
use crate::wire;
use protocol::method::{Method, MethodError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use supervision::{ActorPath, Tree};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The actor.
    path: String,
    /// The record's number; without one the newest.
    #[serde(default)]
    number: Option<u64>,
}

/// `tree.crash`
pub(super) fn methods(tree: &Tree) -> Vec<Method> {
    let tree = tree.clone();
    let about = "One crash record of an actor, whole: messages, backtrace, log lines, the rule that followed.";
    vec![Method::read("tree.crash", about, move |which: Which, _| {
        let tree = tree.clone();
        async move {
            let path = ActorPath::from(which.path);
            let crashes = tree.crashes(&path);
            if crashes.is_empty() && tree.node(&path).is_none() {
                return Err(unknown(&tree, &path).into());
            }
            let found = match which.number {
                Some(number) => crashes.iter().find(|crash| crash.number == number),
                None => crashes.last(),
            };
            let Some(crash) = found.cloned() else {
                let kept: Vec<_> = crashes.iter().map(|crash| crash.number.to_string()).collect();
                let which = which.number.map_or(String::new(), |number| format!(" of the number {number}"));
                let kept =
                    if kept.is_empty() { "none is kept".to_owned() } else { format!("kept: {}", kept.join(", ")) };
                return Err(MethodError::refused(format!("{path} has no crash record{which}; {kept}")));
            };
            // Looking the names of frames up reads the program's debug information: not on the thread of the others.
            let whole = tokio::task::spawn_blocking(move || wire::crash(&crash, true)).await;
            Ok(whole.unwrap_or_else(|_| json!({})))
        }
    })]
}
