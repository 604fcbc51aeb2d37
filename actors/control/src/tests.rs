//! The channel over a real socket, without the tree: lines in, lines out, bounds.

mod bounds;
mod client;
mod in_a_tree;

use crate::{
    Access, Client, ClientError, ControlConfig, ControlSetup, Registry, Socket, StreamItem,
    server::{Shared, accept},
};
use protocol::{
    BoxFuture, SystemClock,
    method::{Checked, Method, MethodError, NoParams},
    ports::{AuditLog, AuditRow},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};
use supervision::{ActorPath, AdminError, Role};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    runtime::Handle,
    sync::{Barrier, Notify, mpsc},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Default)]
struct Rows(Mutex<Vec<AuditRow>>);

impl AuditLog for Rows {
    fn record(&self, row: AuditRow) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().push(row);
        Box::pin(async {})
    }
}

struct Rig {
    _home: tempfile::TempDir,
    path: PathBuf,
    shared: Arc<Shared>,
    rows: Arc<Rows>,
    closing: CancellationToken,
    connections: TaskTracker,
    hold: Arc<Notify>,
    items: mpsc::Sender<Value>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Target {
    path: String,
}

fn config() -> ControlConfig {
    ControlConfig { socket: String::new(), line_max: 4096, connections_max: 4, idle_ms: 60_000 }
}

fn rig(config: ControlConfig, access: Access) -> Rig {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run/s");
    let (rows, hold) = (Arc::new(Rows::default()), Arc::new(Notify::new()));
    let (items, source) = mpsc::channel(1);
    let source = Arc::new(Mutex::new(Some(source)));
    let registry = Registry::new();
    let holding = Arc::clone(&hold);
    registry
        .add([
            Method::read("tree.get", "Gives the tree.", |_: NoParams, _| async { Ok(json!({"nodes": []})) }),
            Method::read("wait", "Waits.", move |_: NoParams, _| {
                let hold = Arc::clone(&holding);
                async move {
                    hold.notified().await;
                    Ok("waited")
                }
            }),
            Method::read::<NoParams, Value, _, _>("boom", "Panics.", |_, _| async { panic!("boom") }),
            Method::write(
                "actor.stop",
                Role::Admin,
                "Stops.",
                |target: &Target| ActorPath::from(target.path.as_str()),
                |target: Target, _| async move {
                    if target.path == "root" { Err(MethodError::refused("not the root")) } else { Ok(Checked::new(())) }
                },
                |(), _| async { Ok("stopped") },
            ),
            Method::stream("events.subscribe", "Streams.", move |_: NoParams, _| {
                let source = source.lock().unwrap().take();
                async move { source.ok_or_else(|| MethodError::refused("taken")) }
            }),
        ])
        .unwrap();
    let shared = Shared::new(ControlSetup {
        config,
        socket: Socket::bind(&path).unwrap(),
        registry,
        access,
        audit: Arc::clone(&rows) as Arc<dyn AuditLog>,
        clock: Arc::new(SystemClock),
        plane: Handle::current(),
        version: "1.2.3",
        incarnations: Arc::new(|path, wanted| match wanted {
            2 => Ok(()),
            _ => Err(AdminError::StaleIncarnation { path: path.to_string(), wanted, actual: 2 }),
        }),
    });
    let (closing, connections) = (CancellationToken::new(), TaskTracker::new());
    let listener = UnixListener::from_std(shared.listener()).unwrap();
    tokio::spawn({
        let (shared, closing, connections) = (Arc::clone(&shared), closing.clone(), connections.clone());
        async move { accept(listener, &shared, &closing, &connections).await }
    });
    Rig { _home: home, path, shared, rows, closing, connections, hold, items }
}

impl Rig {
    async fn client(&self) -> Client {
        Client::connect(&self.path).await.unwrap()
    }

    async fn raw(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(&self.path).await.unwrap())
    }
}

async fn line(raw: &mut BufReader<UnixStream>) -> Value {
    let mut text = String::new();
    raw.read_line(&mut text).await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
}

fn refused(answer: Result<Value, ClientError>) -> (i64, String) {
    match answer {
        Err(ClientError::Refused { code, message, .. }) => (code, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hello_and_discovery_tell_a_stranger_all_it_needs() {
    let rig = rig(config(), Access::own());
    let mut client = rig.client().await;
    let hello = client.call("hello", Value::Null).await.unwrap();
    assert_eq!((&hello["version"], &hello["protocol"], &hello["role"]), (&json!("1.2.3"), &json!(1), &json!("admin")));
    assert_eq!(hello["pid"], std::process::id());
    let found = client.call("rpc.discover", json!({})).await.unwrap();
    let stop = found["methods"].as_array().unwrap().iter().find(|m| m["name"] == "actor.stop").unwrap().clone();
    assert_eq!(stop["role"], "admin");
    assert_eq!(stop["mutates"], true);
    assert_eq!(stop["params"]["properties"]["path"]["type"], "string");
}

#[tokio::test]
async fn each_failure_has_its_code_and_the_connection_goes_on() {
    let rig = rig(config(), Access::own());
    let mut client = rig.client().await;
    let (code, text) = refused(client.call("tree.gte", Value::Null).await);
    assert_eq!((code, text.contains("tree.get")), (-32601, true), "{text}");
    assert_eq!(refused(client.call("actor.stop", json!({"pth": 1})).await).0, -32602);
    assert_eq!(refused(client.call("actor.stop", json!({"path": "root"})).await), (-32000, "not the root".to_owned()));
    let (code, text) = refused(client.call("boom", Value::Null).await);
    assert_eq!((code, text.contains("boom failed inside")), (-32603, true), "{text}");
    assert_eq!(client.call("tree.get", Value::Null).await.unwrap(), json!({"nodes": []}));
}

#[tokio::test]
async fn another_user_is_refused_before_a_line_is_read() {
    let uid = rustix::process::geteuid().as_raw();
    let rig = rig(config(), Access::only(uid + 1));
    let mut raw = rig.raw().await;
    assert_eq!(line(&mut raw).await["error"]["code"], -32001);
    assert_eq!(raw.read(&mut [0; 1]).await.unwrap(), 0, "closed");
}

#[tokio::test]
async fn a_last_line_without_its_newline_is_answered_after_half_close() {
    let rig = rig(config(), Access::own());
    let mut raw = rig.raw().await;
    raw.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tree.get\"}").await.unwrap();
    raw.get_mut().shutdown().await.unwrap();
    assert_eq!(line(&mut raw).await["result"], json!({"nodes": []}));
    assert_eq!(raw.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_mutation_leaves_a_row_before_and_after_and_a_rehearsal_none() {
    let rig = rig(config(), Access::own());
    let mut client = rig.client().await;
    client.call("actor.stop", json!({"path": "rest"})).await.unwrap();
    client.call("actor.stop", json!({"path": "rest", "dry_run": true})).await.unwrap();
    refused(client.call("actor.stop", json!({"path": "root"})).await);
    rig.shared.audit.flush().await;
    let rows: Vec<_> = rig
        .rows
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|row| (row.action.clone(), row.target.clone(), row.outcome.clone()))
        .collect();
    let row = |target: &str, outcome: &str| ("actor.stop".to_owned(), target.to_owned(), outcome.to_owned());
    assert_eq!(rows, [row("rest", "begun"), row("rest", "done"), row("root", "begun"), row("root", "not the root")]);
    let actor = rig.rows.0.lock().unwrap()[0].actor.clone();
    assert!(actor.starts_with(&format!("uid {}", rustix::process::geteuid().as_raw())), "{actor}");
}

#[tokio::test]
async fn a_wrong_incarnation_is_refused_with_the_typed_reason_and_a_rehearsal_of_it_as_well() {
    let rig = rig(config(), Access::own());
    let mut client = rig.client().await;
    for dry_run in [false, true] {
        let stop = |wanted: u64| json!({"path": "rest", "if_incarnation": wanted, "dry_run": dry_run});
        let Err(ClientError::Refused { code, data, .. }) = client.call("actor.stop", stop(1)).await else { panic!() };
        assert_eq!(code, -32000);
        let reason = json!({"error": "stale_incarnation", "path": "rest", "wanted": 1, "actual": 2});
        assert_eq!(data, Some(reason));
        client.call("actor.stop", stop(2)).await.unwrap();
    }
}

#[tokio::test]
async fn notifications_are_carried_out_without_an_answer() {
    let rig = rig(config(), Access::own());
    let mut raw = rig.raw().await;
    raw.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"actor.stop\",\"params\":{\"path\":\"a\"}}\n").await.unwrap();
    raw.write_all(b"{\"jsonrpc\":\"2.0\",\"method\":\"nonsense\"}\n").await.unwrap();
    raw.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"hello\"}\n").await.unwrap();
    assert_eq!(line(&mut raw).await["id"], 5, "the first answer is the request's");
}

#[tokio::test]
async fn a_stream_brings_items_in_order_and_ends_with_its_source() {
    let rig = rig(config(), Access::own());
    let mut stream = rig.client().await.subscribe("events.subscribe", json!({})).await.unwrap();
    for item in 0..3 {
        rig.items.send(json!(item)).await.unwrap();
        assert_eq!(stream.next().await.unwrap(), Some(StreamItem::Item(json!(item))));
    }
    let Rig { items, .. } = rig;
    drop(items);
    assert_eq!(stream.next().await.unwrap(), None);
}

#[tokio::test]
async fn closing_lets_an_answer_under_way_out() {
    let rig = rig(config(), Access::own());
    let mut client = rig.client().await;
    let started = Arc::new(Barrier::new(2));
    let waiting = tokio::spawn({
        let started = Arc::clone(&started);
        async move {
            started.wait().await;
            client.call("wait", Value::Null).await
        }
    });
    started.wait().await;
    while rig.shared.calls.available_permits() == 4 * 16 {
        tokio::task::yield_now().await;
    }
    rig.closing.cancel();
    rig.hold.notify_one();
    assert_eq!(waiting.await.unwrap().unwrap(), "waited");
    rig.connections.close();
    rig.connections.wait().await;
}
