//! The actor under a supervisor: what outlives it.

use super::{Rows, config};
use crate::{Access, Channel, Client, ControlSetup, PATH, Registry, Socket};
use protocol::{
    SystemClock,
    method::{Checked, Method, MethodError, NoParams},
    ports::AuditLog,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};
use supervision::{Flags, Planes, Role, Strategy, Tree, Verb, core::Outcome};

struct Grown {
    _home: tempfile::TempDir,
    path: PathBuf,
    tree: Tree,
    rows: Arc<Rows>,
}

async fn grow() -> Grown {
    grow_on(Planes::single()).await
}

async fn grow_on(planes: Planes) -> Grown {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run/s");
    let registry = Registry::new();
    let rows = Arc::new(Rows::default());
    let channel = Channel::new(ControlSetup {
        config: config(),
        socket: Socket::bind(&path).unwrap(),
        registry: registry.clone(),
        access: Access::own(),
        audit: Arc::clone(&rows) as Arc<dyn AuditLog>,
        clock: Arc::new(SystemClock),
        plane: planes.control.clone(),
        version: "0",
        incarnations: Arc::new(|_, _| Ok(())),
    });
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(planes, flags, vec![channel.child()], Arc::new(supervision::NoObserver)).await;
    let tree = tree.unwrap();
    tree.started().await.unwrap();
    let kept = Arc::new(OnceLock::new());
    assert!(kept.set(tree.clone()).is_ok());
    for (name, verb) in [("actor.kill", Verb::Kill), ("actor.restart", Verb::Restart { force: true })] {
        let kept = Arc::clone(&kept);
        let about = "Does it to the channel itself.";
        let check = |_: NoParams, _| async { Ok(Checked::new(())) };
        let order = Method::write(
            name,
            Role::Admin,
            about,
            |_: &NoParams| PATH.into(),
            check,
            move |(), _| {
                let tree: Option<Tree> = kept.get().cloned();
                async move {
                    let tree = tree.ok_or_else(|| MethodError::refused("no tree"))?;
                    let done = tree.order(&PATH.into(), verb, None, false).await;
                    done.map(|_: Outcome| json!("done")).map_err(MethodError::refused)
                }
            },
        );
        registry.add([order]).unwrap();
    }
    Grown { _home: home, path, tree, rows }
}

async fn hello(path: &Path) -> Value {
    Client::connect(path).await.unwrap().call("hello", Value::Null).await.unwrap()
}

async fn incarnation(tree: &Tree, wanted: u64) {
    let reached = async {
        while !tree
            .node(&PATH.into())
            .is_some_and(|n| n.incarnation >= wanted && n.status == supervision::Status::Running)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
}

#[tokio::test]
async fn killing_the_channel_over_itself_is_answered_and_it_comes_back_at_the_same_path() {
    let Grown { path, tree, rows, _home } = grow().await;
    let mut client = Client::connect(&path).await.unwrap();
    let before = std::fs::metadata(&path).unwrap();
    assert_eq!(client.call("actor.kill", Value::Null).await.unwrap(), "done");
    incarnation(&tree, 2).await;
    assert_eq!(hello(&path).await["version"], "0");
    use std::os::unix::fs::MetadataExt;
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), before.ino(), "the socket outlived the actor");
    assert!(client.call("hello", Value::Null).await.is_err(), "the old connection ended with its incarnation");
    tree.shutdown(None);
    tree.ended().await;
    let outcomes: Vec<_> = rows.0.lock().unwrap().iter().map(|row| row.outcome.clone()).collect();
    assert_eq!(outcomes, ["begun", "done"]);
    assert!(!path.exists(), "an orderly stop removes the socket");
}

#[tokio::test]
async fn restarting_the_channel_over_itself_is_answered() {
    let Grown { path, tree, _home, .. } = grow().await;
    let mut client = Client::connect(&path).await.unwrap();
    assert_eq!(client.call("actor.restart", Value::Null).await.unwrap(), "done");
    incarnation(&tree, 2).await;
    assert_eq!(hello(&path).await["version"], "0");
}

#[tokio::test]
async fn an_orderly_restart_binds_anew() {
    let Grown { path, tree, _home, .. } = grow().await;
    tree.order(&PATH.into(), supervision::Verb::Restart { force: true }, None, false).await.unwrap();
    incarnation(&tree, 2).await;
    assert_eq!(hello(&path).await["version"], "0");
}

#[tokio::test]
async fn a_removed_socket_file_is_noticed_and_comes_back() {
    let Grown { path, tree, _home, .. } = grow().await;
    std::fs::remove_file(&path).unwrap();
    let answer = tree.tell(&PATH.into(), "look", Value::Null, Duration::from_secs(5), None).await.unwrap();
    assert_eq!(answer, json!({"in_place": false}));
    incarnation(&tree, 2).await;
    assert_eq!(hello(&path).await["version"], "0");
}

#[tokio::test]
async fn a_removed_socket_file_is_noticed_within_seconds_unasked() {
    let Grown { path, tree, _home, .. } = grow().await;
    let began = std::time::Instant::now();
    std::fs::remove_file(&path).unwrap();
    incarnation(&tree, 2).await;
    assert_eq!(hello(&path).await["version"], "0");
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[test]
fn a_stuck_data_plane_keeps_nobody_from_asking_why() {
    let plane = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (control, data) = (plane(), plane());
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    let Grown { path, tree, _home, .. } = control.block_on(grow_on(planes));
    let (release, held) = std::sync::mpsc::channel::<()>();
    let (stuck, is_stuck) = std::sync::mpsc::channel();
    data.spawn(async move {
        stuck.send(()).unwrap();
        held.recv().ok(); // the only worker of the data plane waits here
    });
    is_stuck.recv().unwrap();
    assert_eq!(control.block_on(hello(&path))["version"], "0");
    drop(release);
    control.block_on(async {
        tree.shutdown(None);
        tree.ended().await;
    });
}
