//! What an operator reads when the database cannot be had: one sentence with the key, the target and the remedy.

use super::world::{TestClock, config, handle, open};
use crate::{Db, DbError, error, location::Location};
use protocol::{Class, Secret};
use std::{
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::net::TcpListener;

fn database(address: &str) -> Db {
    let url = format!("postgres://bot:hunter2@{address}/impresario");
    Db::new(config(&url), Path::new(""), Arc::new(TestClock::new())).unwrap()
}

/// The error of opening `db`: one line that names the key and the target, and no password.
async fn sentence(db: &Db, expected: Class) -> String {
    let error = open(db).await.map(|_| ()).unwrap_err();
    assert_eq!(error.class(), expected, "{error:?}");
    let text = error.to_string();
    assert!(text.contains("database.url") && text.contains("postgres://bot:***@") && !text.contains('\n'), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    text
}

/// A port that takes connections and never says a word.
async fn mute() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok(client) = listener.accept().await {
            kept.push(client);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_named_with_the_systems_reason() {
    let text = sentence(&database("127.0.0.1:1"), Class::Retry).await; // nobody listens on port 1
    assert!(text.contains("does not answer") && text.contains("Connection refused"), "{text}");
    assert!(text.contains("start the PostgreSQL server, or correct host and port in database.url"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_the_connection_and_says_nothing_is_given_up_in_time() {
    let db = database(&mute().await);
    let begun = Instant::now();
    let text = sentence(&db, Class::Retry).await;
    let (took, patience) = (begun.elapsed(), db.inner.config.connect());
    assert!(took >= patience && took < patience + Duration::from_secs(4), "{took:?}");
    assert!(text.contains("it said nothing for"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_behind_the_port_is_no_answer_either() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::io::AsyncWriteExt::write_all(&mut client, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        }
    });
    let text = sentence(&database(&address), Class::Retry).await;
    assert!(text.contains("does not answer"), "{text}");
}

#[test]
fn what_a_server_says_is_known_by_its_code_in_any_language() {
    let at = Location::parse(&Secret::new("postgres://bot:hunter2@db/x"), Path::new("")).unwrap();
    for (said, kind, remedy) in [
        ("Passwort-Authentifizierung fehlgeschlagen (SQLSTATE 28P01)", "config", "user and password in database.url"),
        ("Rolle existiert nicht (SQLSTATE 28000)", "config", "user and password in database.url"),
        ("invalid configuration: password missing", "config", "user and password in database.url"),
        ("Datenbank existiert nicht (SQLSTATE 3D000)", "config", "create that database on the server"),
        ("zu viele (SQLSTATE 53300)", "unavailable", "database.pool_size"),
        ("startet (SQLSTATE 57P03)", "unavailable", ""),
        ("could not extend file \"base/1/2\": No space left on device", "unavailable", "free some there"),
    ] {
        let error = error::by_message(said, &at);
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(remedy) && text.contains("postgres://bot:***@db/x"), "{text}");
    }
}

#[test]
fn a_full_disk_and_a_place_without_writes_name_both_keys_and_the_remedy() {
    let at = Location::parse(&Secret::new("sqlite://bot.db"), Path::new("data")).unwrap();
    let full = error::by_message("database or disk is full", &at);
    assert_eq!(crate::sqlite::unwritable(&at, &io::ErrorKind::StorageFull.into()), full);
    let (no_writes, broken) = (error::read_only(&at), error::by_message("disk I/O error", &at));
    for (error, remedy) in [(full, "free some"), (no_writes, "chmod u+w"), (broken, "see to its file system")] {
        let text = error.to_string();
        for part in ["data/bot.db", "database.url", "data.dir", remedy] {
            assert!(text.contains(part), "no {part}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_data_folder_is_the_configurations_fault() {
    let error = open(&handle(Path::new("/nowhere/at/all"))).await.map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(error, DbError::Config(_)) && text.contains("data.dir") && text.contains("/nowhere/at/all"),
        "{text}"
    );
}
