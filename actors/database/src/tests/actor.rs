//! The actor in a small tree: what callers see when it comes, is killed, comes back, or cannot.

use super::world::{config, file, handle, until};
use crate::{Db, DbError, child, db::Op};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use protocol::{
    id::GuildId,
    method::{Handler, MethodCall, MethodError, Peer},
    ports::{AuditLog, AuditRow},
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use supervision::{
    ActorPath, Backoff, Criticality, Exit, Flags, Intensity, NoObserver, Planes, Role, Status, Strategy, Tree, Verb,
};

const GUILD: GuildId = GuildId::new(1_180_351_110_224_678_912);
/// How long a killed incarnation stays away here, so that the time without it can be seen.
const AWAY: Duration = Duration::from_secs(3);

fn path() -> ActorPath {
    ActorPath::from("database")
}

/// A tree with the database alone, parked when it is beyond help so that the test can look at it.
async fn tree(db: &Db) -> Tree {
    let backoff = Backoff { jitter: 0.0, ..Backoff::doubling(AWAY, AWAY) };
    let spec = child(db).criticality(Criticality::Important).backoff(backoff).budget(10, Duration::from_secs(60));
    let flags = Flags { intensity: Intensity::new(10, Duration::from_secs(60)), ..Flags::new(Strategy::OneForOne) };
    Tree::start(Planes::single(), flags, vec![spec], Arc::new(NoObserver)).await.unwrap()
}

async fn running(db: &Db) -> Tree {
    let tree = tree(db).await;
    tree.started().await.unwrap();
    until("the database runs", async || status(&tree) == Status::Running).await;
    tree
}

fn status(tree: &Tree) -> Status {
    tree.node(&path()).map_or(Status::Starting, |node| node.status) // not published yet
}

async fn tell(tree: &Tree, message: &str) -> Result<Value, supervision::AdminError> {
    tree.tell(&path(), message, Value::Null, Duration::from_secs(10), None).await
}

async fn is_back(db: &Db) {
    until("calls are answered again", async || db.guild_config(GUILD).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_database_says_unavailable_at_once_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    db.set_prefix(GUILD, Some("?")).await.unwrap();
    tree.order(&path(), Verb::Kill, None, false).await.unwrap();
    until("the kill is seen", async || status(&tree) == Status::Waiting).await;
    let asked = std::time::Instant::now();
    let error = db.guild_config(GUILD).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
    assert!(asked.elapsed() < AWAY / 2, "it waited {:?}", asked.elapsed());
    is_back(&db).await;
    assert_eq!(db.guild_config(GUILD).await.unwrap().unwrap().prefix.as_deref(), Some("?"));
    assert_eq!(tree.node(&path()).unwrap().incarnation, 2);
    tree.shutdown(None);
    tree.ended().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_cuts_off_no_write() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    // Another process holds the write lock, so that the write is under way when the actor is killed.
    let mut other = SqliteConnection::establish(file(folder.path()).to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let write = tokio::spawn({
        let db = db.clone();
        async move { db.set_prefix(GUILD, Some("kept")).await }
    });
    until("the write is under way", async || db.status().writer.is_some_and(|writer| writer.in_use == 1)).await;
    tree.order(&path(), Verb::Kill, None, false).await.unwrap();
    until("the kill is seen", async || db.status().state == "closed").await;
    other.batch_execute("COMMIT").unwrap();
    assert_eq!(write.await.unwrap().unwrap().prefix.as_deref(), Some("kept"));
    is_back(&db).await;
    assert_eq!(db.guild_config(GUILD).await.unwrap().unwrap().prefix.as_deref(), Some("kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_finishes_what_is_under_way_and_empties_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    let writes: Vec<_> = (1..=40)
        .map(|guild| {
            let db = db.clone();
            tokio::spawn(async move { db.set_prefix(GuildId::new(guild), Some("?")).await })
        })
        .collect();
    until("some are under way", async || db.status().calls_open > 0 || db.status().calls_done > 0).await;
    tree.shutdown(None);
    tree.ended().await;
    let mut done = Vec::new();
    for (guild, write) in (1..).zip(writes) {
        match write.await.unwrap() {
            Ok(_) => done.push(guild),
            Err(error) => assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}"),
        }
    }
    assert!(!done.is_empty());
    assert_eq!(db.side_bytes("-wal"), Some(0));
    let again = handle(folder.path());
    super::world::open(&again).await.unwrap();
    for guild in done {
        assert!(again.guild_config(GuildId::new(guild)).await.unwrap().is_some(), "{guild} was answered and is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_restart_can_mend_is_fatal_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(file(folder.path()), "x".repeat(4096)).unwrap();
    let db = handle(folder.path());
    let tree = tree(&db).await;
    until("it has given up", async || status(&tree) == Status::Parked).await;
    let exit = tree.node(&path()).unwrap().last_exit.unwrap();
    assert!(exit.is_fatal(), "{exit:?}");
    assert!(exit.to_string().contains("is damaged"), "{exit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_database_that_cannot_start_ends_the_tree_with_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(&folder.path().join("nowhere"));
    let flags = Flags::new(Strategy::OneForOne);
    let tree = Tree::start(Planes::single(), flags, vec![child(&db)], Arc::new(NoObserver)).await.unwrap();
    let exit = tree.started().await.unwrap_err();
    assert!(exit.to_string().contains("mkdir -p -m 0700"), "{exit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_deleted_under_the_running_bot_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    std::fs::rename(file(folder.path()), folder.path().join("elsewhere.db")).unwrap();
    until("it has ended", async || status(&tree) == Status::Parked).await;
    let exit = tree.node(&path()).unwrap().last_exit.unwrap();
    assert!(matches!(&exit, Exit::Fatal { message } if message.contains("was deleted or replaced")), "{exit:?}");
    assert!(!file(folder.path()).exists(), "it was created anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_that_a_call_meets_ends_the_actor_until_an_operator_starts_it() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    assert!(!db.opening_plan().check, "this process has read all of it");
    let met = db.call(Op::read("test"), async |_| Err::<(), _>(DbError::Corrupt("bot.db is damaged".into()).into()));
    assert_eq!(met.await.unwrap_err().kind(), "corrupt");
    until("it has ended", async || status(&tree) == Status::Parked).await;
    let exit = tree.node(&path()).unwrap().last_exit.unwrap();
    assert_eq!(exit, Exit::Fatal { message: "bot.db is damaged".to_owned() });
    assert_eq!(db.guild_config(GUILD).await.unwrap_err().kind(), "unavailable");
    assert!(db.opening_plan().check, "the next start reads all of it again");
    tree.order(&path(), Verb::Start, None, false).await.unwrap();
    is_back(&db).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnecting_loses_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    let writes: Vec<_> = (1..=60)
        .map(|guild| {
            let db = db.clone();
            tokio::spawn(async move { db.set_prefix(GuildId::new(guild), Some("?")).await })
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(tell(&tree, "reconnect").await, Ok(json!({ "reconnected": true })));
    }
    for write in writes {
        write.await.unwrap().unwrap();
    }
    assert_eq!(tree.node(&path()).unwrap().incarnation, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn admin_messages_answer_and_unknown_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    db.set_prefix(GUILD, Some("?")).await.unwrap();
    let health = tell(&tree, "health").await.unwrap();
    assert_eq!(health["engine"], "sqlite");
    assert!(health["wal_bytes"].as_u64().unwrap() > 0, "{health}");
    assert_eq!(tell(&tree, "checkpoint").await, Ok(json!({ "wal_bytes": 0 })));
    assert!(tell(&tree, "vacuum").await.unwrap_err().to_string().contains("health, reconnect, checkpoint"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_row_of_the_kill_itself_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    let tree = running(&db).await;
    tree.order(&path(), Verb::Kill, None, false).await.unwrap();
    until("the kill is seen", async || db.status().state == "closed").await;
    let row = AuditRow {
        at: db.inner.clock.now(),
        actor: "uid 0".to_owned(),
        action: "actor.kill".to_owned(),
        target: "database".to_owned(),
        detail: Value::Null,
        outcome: "done".to_owned(),
    };
    db.record(row.clone()).await;
    is_back(&db).await;
    until("the row is written", async || db.audit_rows(5).await.is_ok_and(|rows| rows == [row.clone()])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_answer_and_say_unavailable_with_a_time_to_retry() {
    let folder = tempfile::tempdir().unwrap();
    let db = handle(folder.path());
    assert_eq!(call(&db, "db.status", Value::Null).await.unwrap()["state"], "closed");
    let error = call(&db, "db.health", Value::Null).await.unwrap_err();
    let MethodError::Refused { data: Some(data), .. } = error else { panic!("{error:?}") };
    assert_eq!(data, json!({ "kind": "unavailable", "retry_after_ms": 1000 }));
    let _tree = running(&db).await;
    assert_eq!(call(&db, "db.health", Value::Null).await.unwrap()["engine"], "sqlite");
    let known = crate::migrate::known().len();
    assert_eq!(call(&db, "db.history", Value::Null).await.unwrap().as_array().unwrap().len(), known);
    for params in [json!({ "dry_run": true }), json!({})] {
        let migrated = call(&db, "db.migrate", params).await.unwrap();
        assert_eq!((&migrated["pending"], &migrated["ran"]), (&json!([]), &json!([])));
        assert_eq!(migrated["applied"].as_array().unwrap().len(), known);
    }
    assert!(call(&db, "db.migrate", json!({ "drop": true })).await.is_err());
}

async fn call(db: &Db, name: &str, params: Value) -> Result<Value, MethodError> {
    let method = crate::methods(db).into_iter().find(|method| method.name == name).unwrap();
    let Handler::Call(run) = method.handler else { panic!("{name} streams") };
    run(MethodCall { params, peer: Peer { uid: 0, pid: None, role: Role::Admin } }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_answer_fails_the_start_after_connect_ms() {
    let mut given = config("postgres://bot:hunter2@127.0.0.1:1/impresario");
    given.connect_ms = 300;
    let db = Db::new(given, Path::new(""), Arc::new(super::world::TestClock::new())).unwrap();
    let tree = Tree::start(Planes::single(), Flags::new(Strategy::OneForOne), vec![child(&db)], Arc::new(NoObserver));
    let exit = tree.await.unwrap().started().await.unwrap_err();
    assert!(!exit.is_fatal() && !exit.to_string().contains("hunter2"), "{exit}");
}
