//! Commands against an instance that is nothing but a control channel: what they ask, print and exit with.

mod local;
mod poison;
mod refusals;
mod rendering;

use super::{Cli, Exit, Output, execute};
use crate::config::{Sources, TokenRule};
use clap::{CommandFactory, Parser};
use control::{Access, Channel, ControlConfig, ControlSetup, Registry, Socket};
use protocol::{
    BoxFuture, SystemClock,
    method::{Method, MethodError},
    ports::{AuditLog, AuditRow},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex},
};
use supervision::{ChildSpec, Flags, NoObserver, Planes, Strategy, Tree};
use tokio::{runtime::Handle, sync::mpsc};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct NoRows;

impl AuditLog for NoRows {
    fn record(&self, _: AuditRow) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// What a command did.
struct Done {
    exit: Exit,
    out: String,
    err: String,
}

/// Runs `words` in `home`; an instance listens, if one does, at `run/s` below it.
async fn run_in(home: &tempfile::TempDir, env: &[(&str, &str)], words: &[&str]) -> Done {
    let cli = Cli::try_parse_from(std::iter::once("impresario").chain(words.iter().copied())).unwrap();
    let env: BTreeMap<String, String> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let sources = Sources {
        explicit: cli.config.clone(),
        cwd: home.path().to_owned(),
        env,
        flags: Vec::new(),
        token: TokenRule::Required,
        cogs: Vec::new(),
    };
    let socket = cli.socket.clone().unwrap_or_else(|| home.path().join("run/s"));
    let (out, err) = (Buffer::default(), Buffer::default());
    let mut output = Output::to(Box::new(out.clone()), Box::new(err.clone()), cli.json);
    let exit = execute(&cli, sources.with_socket(Some(&socket)), &mut output).await;
    Done { exit, out: out.text(), err: err.text() }
}

type Calls = Arc<Mutex<Vec<(String, Value)>>>;

/// An instance that answers every method with what the table says, and remembers what it was asked.
struct Instance {
    home: tempfile::TempDir,
    calls: Calls,
    tree: Tree,
}

const METHODS: [&str; 45] = [
    "status.get",
    "status.last_shutdown",
    "tree.get",
    "tree.log",
    "tree.explain",
    "tree.crash",
    "poison.list",
    "poison.show",
    "poison.release",
    "poison.drop",
    "events.recent",
    "actor.messages",
    "actor.send",
    "actor.restart",
    "actor.stop",
    "actor.start",
    "actor.kill",
    "log.set",
    "system.shutdown",
    "config.reload",
    "commands.sync",
    "system.ping",
    "cogs.list",
    "cogs.show",
    "cogs.load",
    "cogs.unload",
    "cogs.reload",
    "cogs.enable",
    "cogs.disable",
    "shards.list",
    "shards.reconnect",
    "tasks.list",
    "tasks.show",
    "tasks.run",
    "tasks.pause",
    "tasks.resume",
    "tasks.restart",
    "emoji.list",
    "emoji.refresh",
    "db.health",
    "db.status",
    "db.migrate",
    "db.history",
    "x.any",
    "x.refuses",
];

async fn instance(answers: &[(&str, Value)]) -> Instance {
    let home = tempfile::tempdir().unwrap();
    let calls = Calls::default();
    let answers: Arc<BTreeMap<String, Value>> =
        Arc::new(answers.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect());
    let registry = Registry::new();
    let methods = METHODS.into_iter().map(|name| {
        let (calls, answers) = (Arc::clone(&calls), Arc::clone(&answers));
        Method::read(name, "Answers.", move |params: Value, _| {
            calls.lock().unwrap().push((name.to_owned(), params));
            let answer = match name {
                "x.refuses" => Err(MethodError::refused("not today")),
                _ => Ok(answers.get(name).cloned().unwrap_or_else(|| json!({}))),
            };
            async move { answer }
        })
    });
    registry.add(methods).unwrap();
    let streamed = answers.get("events.subscribe").cloned();
    registry
        .add([Method::stream("events.subscribe", "Streams.", move |_: Value, _| {
            let (send, items) = mpsc::channel(16);
            for item in streamed.iter().filter_map(Value::as_array).flatten() {
                send.try_send(item.clone()).unwrap();
            }
            async move { Ok(items) }
        })])
        .unwrap();
    let (home, tree) = serve(home, registry, Vec::new()).await;
    Instance { home, calls, tree }
}

/// A tree of a control channel that offers what is in `registry`, and of `others`.
async fn serve(home: tempfile::TempDir, registry: Registry, others: Vec<ChildSpec>) -> (tempfile::TempDir, Tree) {
    let channel = Channel::new(ControlSetup {
        config: ControlConfig { socket: String::new(), line_max: 65536, connections_max: 8, idle_ms: 60_000 },
        socket: Socket::bind(&home.path().join("run/s")).unwrap(),
        registry,
        access: Access::own(),
        audit: Arc::new(NoRows),
        clock: Arc::new(SystemClock),
        plane: Handle::current(),
        version: "0",
        incarnations: Arc::new(|_, _| Ok(())),
    });
    let mut flags = Flags::new(Strategy::OneForOne);
    flags.intensity.restarts = 100;
    let children = std::iter::once(channel.child()).chain(others).collect();
    let tree = Tree::start(Planes::single(), flags, children, Arc::new(NoObserver)).await.unwrap();
    tree.started().await.unwrap();
    (home, tree)
}

impl Instance {
    async fn run(&self, words: &[&str]) -> Done {
        run_in(&self.home, &[], words).await
    }
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn a_wrong_command_line_is_usage() {
    for words in [&["nonsense"][..], &["tell", "x"], &["tree", "--watch", "--log"], &["restart"], &["run", "--fast"]] {
        let error = Cli::try_parse_from(std::iter::once("impresario").chain(words.iter().copied())).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?}");
    }
    let help = Cli::try_parse_from(["impresario", "--help"]).unwrap_err();
    assert_eq!(help.exit_code(), 0);
}

/// Every command that is one call, with what it asks.
fn table() -> Vec<(&'static [&'static str], &'static str, Value)> {
    vec![
        (&["status", "--last-shutdown"], "status.last_shutdown", json!({})),
        (&["tree"], "tree.get", json!({})),
        (&["tree", "--log"], "tree.log", json!({})),
        (&["explain", "gateway"], "tree.explain", json!({"path": "gateway"})),
        (&["explain", "gateway", "--crash"], "tree.crash", json!({"path": "gateway"})),
        (&["explain", "gateway", "--crash", "7"], "tree.crash", json!({"path": "gateway", "number": 7})),
        (&["poison", "list"], "poison.list", json!({})),
        (&["poison", "show", "2"], "poison.show", json!({"number": 2})),
        (&["poison", "release", "2"], "poison.release", json!({"number": 2})),
        (&["poison", "drop", "2"], "poison.drop", json!({"number": 2})),
        (&["events", "-n", "3"], "events.recent", json!({"limit": 3, "after": 0})),
        (&["events", "--path", "rest"], "events.recent", json!({"limit": 50, "after": 0, "path": "rest"})),
        (&["messages", "rest"], "actor.messages", json!({"path": "rest"})),
        (&["tell", "emoji-cache", "refresh"], "actor.send", json!({"path": "emoji-cache", "message": "refresh"})),
        (
            &["tell", "a", "m", "{\"x\": 1}", "--deadline-ms", "9", "--if-incarnation", "2"],
            "actor.send",
            json!({"path": "a", "message": "m", "params": {"x": 1}, "deadline_ms": 9, "if_incarnation": 2}),
        ),
        (
            &["restart", "rest", "--force", "--if-incarnation", "3", "--dry-run"],
            "actor.restart",
            json!({"path": "rest", "force": true, "if_incarnation": 3, "dry_run": true}),
        ),
        (&["stop", "rest"], "actor.stop", json!({"path": "rest"})),
        (&["start", "rest"], "actor.start", json!({"path": "rest"})),
        (&["kill", "rest"], "actor.kill", json!({"path": "rest"})),
        (&["log", "rest=debug"], "log.set", json!({"filter": "rest=debug"})),
        (&["shutdown"], "system.shutdown", json!({})),
        (&["shutdown", "--plan"], "system.shutdown", json!({"plan": true})),
        (&["reload", "--dry-run"], "config.reload", json!({"dry_run": true})),
        (&["sync"], "commands.sync", json!({})),
        (&["sync", "--dry-run"], "commands.sync", json!({"dry_run": true})),
        (&["ctl", "x.any", "{\"a\": [1]}"], "x.any", json!({"a": [1]})),
        (&["cogs", "list"], "cogs.list", json!({})),
        (&["cogs", "disable", "info"], "cogs.disable", json!({"name": "info"})),
        (&["shards", "list"], "shards.list", json!({})),
        (&["shards", "reconnect"], "shards.reconnect", json!({})),
        (&["shards", "reconnect", "1"], "shards.reconnect", json!({"shard": 1})),
        (&["tasks", "list"], "tasks.list", json!({})),
        (&["tasks", "run", "presence"], "tasks.run", json!({"name": "presence"})),
        (&["tasks", "restart", "presence"], "tasks.restart", json!({"name": "presence"})),
        (&["tasks", "restart", "presence", "--force"], "tasks.restart", json!({"name": "presence", "force": true})),
        (&["emoji", "list", "--guild", "80351110224678912"], "emoji.list", json!({"guild": "80351110224678912"})),
        (&["emoji", "refresh"], "emoji.refresh", json!({})),
        (&["db", "health"], "db.health", json!({})),
        (&["db", "history"], "db.history", json!({})),
        (&["ping"], "system.ping", json!({})),
    ]
}

#[tokio::test]
async fn each_command_asks_its_method_and_is_done() {
    let instance = instance(&[]).await;
    for (words, method, params) in table() {
        instance.calls.lock().unwrap().clear();
        let done = instance.run(words).await;
        assert_eq!((done.exit, done.err.as_str()), (Exit::Done, ""), "{words:?}");
        assert_eq!(*instance.calls.lock().unwrap(), [(method.to_owned(), params)], "{words:?}");
    }
    instance.tree.shutdown(None);
    instance.tree.ended().await;
}

#[tokio::test]
async fn with_nobody_listening_each_command_says_so_and_exits_3() {
    let home = tempfile::tempdir().unwrap();
    for (words, method, _) in table().into_iter().filter(|(_, method, _)| *method != "system.ping") {
        let done = run_in(&home, &[], words).await;
        assert_eq!(done.exit, Exit::NotRunning, "{words:?} {method}");
        assert!(done.err.contains("no instance is running") && done.err.contains("impresario run"), "{}", done.err);
        assert_eq!(done.err.lines().count(), 1, "{}", done.err);
    }
    for words in [&["status"][..], &["events", "--follow"], &["tree", "--watch"]] {
        assert_eq!(run_in(&home, &[], words).await.exit, Exit::NotRunning, "{words:?}");
    }
    let done = run_in(&home, &[], &["status", "--json"]).await;
    let error: Value = serde_json::from_str(&done.err).unwrap();
    assert_eq!(error["error"]["code"], "not_running");
    assert_eq!(done.out, "");
}

#[tokio::test]
async fn status_tells_ready_from_degraded() {
    let ready = instance(&[("status.get", json!({"ready": true}))]).await;
    assert_eq!(ready.run(&["status"]).await.exit, Exit::Done);
    assert_eq!(ready.run(&["status", "--boot"]).await.exit, Exit::Done);
    let sick = instance(&[("status.get", json!({"ready": false, "degraded": ["database is waiting"]}))]).await;
    let done = sick.run(&["status"]).await;
    assert_eq!(done.exit, Exit::Failed);
    assert!(done.out.contains("! database is waiting"), "{}", done.out);
    assert_eq!(sick.run(&["status", "--json"]).await.exit, Exit::Failed);
}

#[tokio::test]
async fn status_tells_a_refused_identify_in_words() {
    let identify = json!({"limit": 900, "used": null, "waiting": 1, "last_refusal": "Discord allows 1, and keeps 1"});
    let instance = instance(&[("status.get", json!({"ready": true, "identify": identify}))]).await;
    let done = instance.run(&["status"]).await;
    assert!(done.out.contains("900 limit, 1 waiting, last refusal: Discord allows 1, and keeps 1"), "{}", done.out);
}

#[tokio::test]
async fn shards_that_lost_events_or_are_unstable_say_so_in_the_table() {
    let shard =
        |lost: u64, unstable: Value| json!([{"shard": 0, "state": "online", "lost": lost, "unstable": unstable}]);
    let well = instance(&[("shards.list", shard(0, Value::Null))]).await;
    assert_eq!(well.run(&["shards", "list"]).await.out, "SHARD  STATE\n0      online\n");
    let sick = instance(&[("shards.list", shard(3, json!("12 connections lost")))]).await;
    let shown = sick.run(&["shards", "list"]).await.out;
    assert_eq!(shown, "SHARD  STATE   LOST  UNSTABLE\n0      online  3     12 connections lost\n");
}

#[tokio::test]
async fn an_order_that_missed_a_shard_exits_1_and_says_which() {
    let missed = json!({"reconnecting": [0, 1, 3], "not_reached": [{"shard": 2, "why": "shard 2 does not run"}]});
    let instance = instance(&[("shards.reconnect", missed)]).await;
    let done = instance.run(&["shards", "reconnect"]).await;
    assert_eq!((done.exit, done.out.as_str()), (Exit::Failed, "shards 0, 1 and 3 reconnect\nshard 2 does not run\n"));
}

#[tokio::test]
async fn a_refusal_is_one_sentence_and_exits_1_and_bad_json_exits_2() {
    let instance = instance(&[]).await;
    let done = instance.run(&["ctl", "x.refuses"]).await;
    assert_eq!((done.exit, done.err.as_str()), (Exit::Failed, "impresario: not today\n"));
    let done = instance.run(&["ctl", "x.refuses", "--json"]).await;
    assert_eq!(done.err, "{\"error\":{\"code\":-32000,\"data\":null,\"message\":\"not today\"}}\n");
    assert_eq!(instance.run(&["ctl", "x.nothing"]).await.exit, Exit::Failed);
    for words in [&["ctl", "x.any", "{"][..], &["tell", "a", "m", "{"]] {
        let done = instance.run(words).await;
        assert_eq!(done.exit, Exit::Usage, "{words:?}");
        assert!(done.err.contains("is no JSON"), "{}", done.err);
    }
}

#[tokio::test]
async fn json_answers_are_the_raw_result_on_one_line() {
    let answer = json!({"at": "t", "nodes": [{"path": "root"}]});
    let instance = instance(&[("tree.get", answer.clone())]).await;
    let done = instance.run(&["tree", "--json"]).await;
    assert_eq!(done.out.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&done.out).unwrap(), answer);
}

#[tokio::test]
async fn following_events_shows_the_past_then_the_new_and_each_once() {
    let event =
        |seq: u64| json!({"seq": seq, "at": "T", "path": "rest", "incarnation": 1, "decision": format!("d{seq}")});
    let past = json!({"events": [event(1), event(2)]});
    let stream = json!([event(2), event(3), {"lost": 4}]);
    let instance = instance(&[("events.recent", past), ("events.subscribe", stream)]).await;
    let done = instance.run(&["events", "--follow"]).await;
    assert_eq!(done.exit, Exit::Done);
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(lines[..3], ["T  rest#1  d1", "T  rest#1  d2", "T  rest#1  d3"]);
    assert!(lines[3].contains("4 lost"), "{lines:?}");
    let done = instance.run(&["events", "--follow", "--json"]).await;
    assert!(done.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[tokio::test]
async fn an_explicit_configuration_that_is_missing_exits_78() {
    let home = tempfile::tempdir().unwrap();
    let done = run_in(&home, &[], &["--config", "absent.toml", "status"]).await;
    assert_eq!(done.exit, Exit::Config);
    assert!(done.err.contains("absent.toml: there is no such file"), "{}", done.err);
}

#[tokio::test]
async fn something_else_on_the_socket_is_no_instance() {
    let home = tempfile::tempdir().unwrap();
    let path: PathBuf = home.path().join("s");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::AsyncWriteExt;
            stream.write_all(b"hello\n").await.ok();
        }
    });
    let done = run_in(&home, &[], &["--socket", path.to_str().unwrap(), "tree"]).await;
    assert_eq!(done.exit, Exit::Failed);
    assert!(done.err.contains("does not speak the control protocol"), "{}", done.err);
}
