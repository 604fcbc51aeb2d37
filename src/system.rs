//! The process's methods on the control channel: its end, and its round trip to Discord.

use crate::{admin::SharedTree, shutdown};
use protocol::method::{Method, MethodError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, OnceLock};
use supervision::Role;
use tokio::sync::mpsc;

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stop {
    /// Only tell the order and the deadlines.
    #[serde(default)]
    plan: bool,
}

/// `system.shutdown`
pub fn stop_method(
    stop: mpsc::Sender<String>,
    tree: SharedTree,
    limits: impl Fn() -> shutdown::Limits + Send + Sync + 'static,
) -> Method {
    let about = "Stops the bot in order; with plan it only tells the order and the deadlines.";
    Method::write("system.shutdown", Role::Admin, about, move |asked: Stop, peer| {
        let stop = stop.clone();
        let plan = tree.get().map(|tree| shutdown::plan(tree, limits()));
        async move {
            if asked.plan {
                return plan.ok_or_else(|| MethodError::refused("the tree is not up yet"));
            }
            let reason = format!("admin (uid {})", peer.uid);
            stop.try_send(reason).map_err(|_full| MethodError::refused("it is shutting down already"))?;
            Ok(json!({ "stopping": true }))
        }
    })
}

/// `system.ping`
pub fn ping_method(gateway: Arc<OnceLock<gateway::Gateway>>) -> Method {
    Method::read("system.ping", "The gateway's heartbeat round trip.", move |_: protocol::method::NoParams, _| {
        let latency = gateway.get().and_then(gateway::Gateway::latency);
        async move { Ok(json!({ "gateway_ms": latency.map(|latency| latency.as_secs_f64() * 1e3) })) }
    })
}
