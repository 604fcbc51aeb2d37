//! The process's methods on the control channel: its end, and its round trip to Discord.

use crate::{admin::SharedTree, shutdown};
use protocol::method::{Asked, Checked, Method, MethodError, NoParams};
use rest::{Rest, RestError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
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
    Method::write(
        "system.shutdown",
        Role::Admin,
        about,
        |_: &Stop| ROOT.into(),
        check,
        move |plan, asked: Asked| {
            let stop = stop.clone();
            async move {
                if let Some(plan) = plan {
                    return Ok(plan);
                }
                let reason = format!("admin (uid {})", asked.peer.uid);
                stop.try_send(reason).map_err(|_full| MethodError::refused(UNDER_WAY))?;
                Ok(json!({ "stopping": true }))
            }
        },
    )
}

const UNDER_WAY: &str = "it is shutting down already";

/// How long `system.ping` waits for Discord.
const PING_DEADLINE: Duration = Duration::from_secs(5);

/// `system.ping`: measured by the instance itself, with its own token.
pub fn ping_method(rest: Rest, gateway: Arc<OnceLock<gateway::Gateway>>) -> Method {
    let about = "Round trips as the bot has them: its token and HTTP client, and a heartbeat of each shard.";
    Method::read("system.ping", about, move |_: NoParams, _| {
        let (rest, gateway) = (rest.clone(), gateway.get().cloned());
        async move {
            let asking = async {
                let began = Instant::now();
                (tokio::time::timeout(PING_DEADLINE, rest.current_user()).await, began.elapsed().as_millis())
            };
            let beating = async {
                match &gateway {
                    Some(gateway) => gateway.beat(PING_DEADLINE).await,
                    None => None,
                }
            };
            let ((asked, ms), beat) = tokio::join!(asking, beating);
            let failed = |reason: String| json!({ "ok": false, "ms": null, "reason": reason });
            let unknown = |reason: &str| json!({ "ok": null, "reason": reason });
            let (token, http) = match asked {
                Ok(Ok(_)) => (json!({ "ok": true, "reason": null }), json!({ "ok": true, "ms": ms, "reason": null })),
                Ok(Err(error @ RestError::Unauthorized)) => (
                    json!({ "ok": false, "reason": error.to_string() }),
                    json!({ "ok": true, "ms": ms, "reason": null }),
                ),
                Ok(Err(error)) => (unknown("not told: REST failed"), failed(error.to_string())),
                Err(_) => {
                    let late = format!("no answer within {} s", PING_DEADLINE.as_secs());
                    (unknown("not told: REST failed"), failed(late))
                }
            };
            Ok(json!({ "running": true, "token": token, "rest": http, "gateway": heartbeat(gateway.as_ref(), beat) }))
        }
    })
}

/// The gateway's part: the greatest heartbeat round trip, and why there is none.
fn heartbeat(gateway: Option<&gateway::Gateway>, latency: Option<Duration>) -> Value {
    let ms = latency.map(|latency| latency.as_secs_f64() * 1e3);
    let online = gateway.is_some_and(gateway::Gateway::is_online);
    let reason = match (online, ms) {
        (true, Some(_)) => None,
        (true, None) => Some("no heartbeat was answered yet"),
        (false, _) => Some("not every shard is connected"),
    };
    json!({ "ok": online, "ms": ms, "reason": reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::{
        Secret,
        method::{Handler, MethodCall, Peer},
    };
    use rest::{Access, RestConfig};
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn a_discord_that_does_not_answer_is_said_within_the_limit() {
        // It takes connections and says nothing, in a queue that nobody looks at.
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let access = Access {
            api_base: format!("http://{}/api/v10", silent.local_addr().unwrap()),
            token: Secret::new("a.b.c"),
            allow_hosts: vec!["127.0.0.1".to_owned()],
        };
        let config = RestConfig { global_per_second: 50, deadline_ms: 600_000, attempts: 3, invalid_limit: 5_000 };
        let method = ping_method(Rest::standalone(config, &access).unwrap(), Arc::default());
        let Handler::Call(run) = method.handler else { panic!("it answers once") };
        let peer = Peer { uid: 0, pid: None, role: Role::Observe };
        let began = Instant::now();
        let answer = run(MethodCall { params: Value::Null, peer }).await.unwrap();
        assert_eq!(began.elapsed(), PING_DEADLINE);
        assert_eq!(answer["rest"], json!({ "ok": false, "ms": null, "reason": "no answer within 5 s" }));
        assert_eq!((&answer["token"]["ok"], &answer["gateway"]["ok"]), (&Value::Null, &Value::Bool(false)));
    }
}
