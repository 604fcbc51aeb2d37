//! The process's methods on the control channel: its end, and its round trip to Discord.

use crate::{admin::SharedTree, shutdown};
use protocol::method::{Asked, Checked, Method, MethodError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, OnceLock};
use supervision::{ROOT, Role};
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
    let stopping = stop.clone();
    let check = move |asked: Stop, _| {
        let plan = tree.get().map(|tree| shutdown::plan(tree, limits()));
        let busy = stopping.capacity() == 0;
        async move {
            let plan = plan.ok_or_else(|| MethodError::refused("the tree is not up yet"))?;
            match asked.plan {
                true => Ok(Checked::new(Some(plan.clone())).telling(plan)),
                false if busy => Err(MethodError::refused(UNDER_WAY)),
                false => Ok(Checked::new(None).telling(plan)),
            }
        }
    };
    Method::write("system.shutdown", Role::Admin, about, |_: &Stop| ROOT.into(), check, move |plan, asked: Asked| {
        let stop = stop.clone();
        async move {
            if let Some(plan) = plan {
                return Ok(plan);
            }
            let reason = format!("admin (uid {})", asked.peer.uid);
            stop.try_send(reason).map_err(|_full| MethodError::refused(UNDER_WAY))?;
            Ok(json!({ "stopping": true }))
        }
    })
}

const UNDER_WAY: &str = "it is shutting down already";

/// `system.ping`
pub fn ping_method(gateway: Arc<OnceLock<gateway::Gateway>>) -> Method {
    Method::read("system.ping", "The gateway's heartbeat round trip.", move |_: protocol::method::NoParams, _| {
        let latency = gateway.get().and_then(gateway::Gateway::latency);
        async move { Ok(json!({ "gateway_ms": latency.map(|latency| latency.as_secs_f64() * 1e3) })) }
    })
}
