//! What must not be opened is refused with a sentence, and is left exactly as it was.

use super::world::{TestClock, close, config, file, fresh, handle, open};
use crate::{Db, DbError, error, location::Location};
use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use protocol::{Class, Secret, id::GuildId};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
    sync::Arc,
};

/// Set for the copy of this test binary that runs as an ordinary user: the folder to try.
const AS_USER: &str = "IMPRESARIO_TEST_READ_ONLY_FOLDER";
/// `nobody`, on every Linux.
const NOBODY: u32 = 65_534;

/// Every file below `folder` with its bytes.
fn picture(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// Opens as a new process would; it must be refused, for good, and change nothing.
async fn refused(folder: &Path) -> String {
    let before = picture(folder);
    let error = open(&handle(folder)).await.map(|_| ()).unwrap_err();
    assert_eq!(error.class(), Class::Fatal, "{error:?}");
    assert_eq!(picture(folder).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{error}");
    assert!(picture(folder) == before, "bytes have changed: {error}");
    let sentence = error.to_string();
    assert!(sentence.contains("bot.db"), "the file is not named: {sentence}");
    assert!(sentence.contains("database.url") || sentence.contains("backup"), "no remedy: {sentence}");
    sentence
}

/// A closed database with enough in it to damage.
async fn filled() -> tempfile::TempDir {
    let (folder, db) = fresh().await;
    for guild in 1..400 {
        db.set_prefix(GuildId::new(guild), Some("a prefix of some length")).await.unwrap();
    }
    close(&db).await;
    folder
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(file(folder.path()), "this is a shopping list, long enough for a header".repeat(10)).unwrap();
    assert!(refused(folder.path()).await.contains("does not begin like a SQLite database"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_or_cut_off_header_is_refused() {
    let folder = filled().await;
    for length in [0, 16, 99] {
        fs::File::options().write(true).open(file(folder.path())).unwrap().set_len(length).unwrap();
        assert!(refused(folder.path()).await.contains(&format!("it has {length} bytes")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_refused() {
    let folder = filled().await;
    let whole = fs::metadata(file(folder.path())).unwrap().len();
    fs::File::options().write(true).open(file(folder.path())).unwrap().set_len(whole / 2).unwrap();
    assert!(refused(folder.path()).await.contains("is damaged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn flipped_bytes_in_a_page_are_refused() {
    let folder = filled().await;
    let mut bytes = fs::read(file(folder.path())).unwrap();
    // The header of the third page: a b-tree of ours.
    bytes[2 * 4096..2 * 4096 + 16].fill(0xa5);
    fs::write(file(folder.path()), bytes).unwrap();
    assert!(refused(folder.path()).await.contains("is damaged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    let folder = filled().await;
    let mut conn = SqliteConnection::establish(file(folder.path()).to_str().unwrap()).unwrap();
    conn.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')").unwrap();
    drop(conn);
    let sentence = refused(folder.path()).await;
    assert!(sentence.contains("newer version") && sentence.contains("20990101000001"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut conn = SqliteConnection::establish(file(folder.path()).to_str().unwrap()).unwrap();
    conn.batch_execute("CREATE TABLE bookmarks (id INTEGER PRIMARY KEY)").unwrap();
    drop(conn);
    assert!(refused(folder.path()).await.contains("another program"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_without_its_database_is_refused() {
    let (folder, db) = fresh().await;
    db.set_prefix(GuildId::new(7), Some("?")).await.unwrap();
    let log = fs::read(folder.path().join("bot.db-wal")).unwrap();
    let lost = tempfile::tempdir().unwrap();
    fs::write(lost.path().join("bot.db-wal"), log).unwrap();
    assert!(refused(lost.path()).await.contains("is missing, but its log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_lost_since_it_was_open_is_not_created_anew() {
    let (folder, db) = fresh().await;
    close(&db).await;
    fs::remove_file(file(folder.path())).unwrap();
    let error = open(&db).await.map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("is gone"), "{error}");
    assert!(!file(folder.path()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_folder_is_named_with_the_command_that_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    let error = open(&handle(&missing)).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, DbError::Config(text) if text.contains("mkdir -p -m 0700")), "{error:?}");
    assert!(!missing.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_creation_leaves_nothing_that_stands_in_the_way() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bot.db.new"), "half a database").unwrap();
    fs::write(folder.path().join("bot.db.new-journal"), "half a journal").unwrap();
    let db = handle(folder.path());
    open(&db).await.unwrap();
    assert_eq!(db.guild_config(GuildId::new(1)).await, Ok(None));
    let left: Vec<String> = picture(folder.path()).into_keys().filter(|name| name.contains(".new")).collect();
    assert_eq!(left, Vec::<String>::new());
    assert_eq!(fs::metadata(file(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
}

/// Modes do not bind root: as root, a copy of this test binary runs as `nobody`.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_or_folder_is_refused() {
    if let Some(folder) = std::env::var_os(AS_USER) {
        let sentence = refused(Path::new(&folder)).await;
        assert!(sentence.contains("read-only") || sentence.contains("cannot be read"), "{sentence}");
        return;
    }
    let folder = filled().await;
    let is_root = fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0);
    let set = |folder_mode, file_mode| {
        fs::set_permissions(file(folder.path()), fs::Permissions::from_mode(file_mode)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(folder_mode)).unwrap();
        if is_root {
            std::os::unix::fs::chown(file(folder.path()), Some(NOBODY), Some(NOBODY)).unwrap();
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    };
    for (folder_mode, file_mode) in [(0o700, 0o400), (0o500, 0o600), (0o500, 0o400)] {
        set(folder_mode, file_mode);
        let mut again = Command::new(std::env::current_exe().unwrap());
        again.args(["--exact", "tests::refusal::a_read_only_file_or_folder_is_refused"]).env(AS_USER, folder.path());
        if is_root {
            again.uid(NOBODY).gid(NOBODY);
        }
        let output = match again.output() {
            Ok(output) => output,
            Err(error) => {
                super::world::skipped(&format!("this binary cannot be run as uid {NOBODY} ({error})"));
                return;
            }
        };
        assert!(output.status.success(), "{folder_mode:o}/{file_mode:o}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
    }
    set(0o700, 0o600);
}

#[test]
fn sqlites_words_for_trouble_become_the_right_errors() {
    let at = Location::parse(&Secret::new("sqlite://bot.db"), Path::new("data")).unwrap();
    let kind = |message: &str| error::by_message(message, &at).kind();
    assert_eq!(kind("attempt to write a readonly database"), "read_only");
    assert_eq!(kind("file is not a database"), "corrupt");
    assert_eq!(kind("database disk image is malformed"), "corrupt");
    assert_eq!(kind("database is locked"), "timeout");
    assert_eq!(kind("database or disk is full"), "unavailable");
    assert_eq!(kind("disk I/O error"), "unavailable");
    assert_eq!(kind("no such table: x"), "other");
}

#[test]
fn the_configuration_is_read_by_the_names_of_the_shipped_file_and_no_others() {
    let read = |text: &str| serde_json::from_str::<crate::DatabaseConfig>(text);
    let whole = r#"{"url":"sqlite://x.db","pool_size":4,"acquire_ms":1000,"health_ms":5000,"connect_ms":10000"#;
    read(&format!("{whole}}}")).unwrap().validate().unwrap();
    assert!(read(&format!("{whole},\"pools\":1}}")).is_err());
    for (key, value) in [("pool_size", 0), ("pool_size", 101), ("acquire_ms", 0), ("health_ms", 1)] {
        let mut given = config("sqlite://x.db");
        match key {
            "pool_size" => given.pool_size = value,
            "acquire_ms" => given.acquire_ms = value as u64,
            _ => given.health_ms = value as u64,
        }
        let sentence = given.validate().unwrap_err().to_string();
        assert!(sentence.contains(&format!("database.{key} is {value}")), "{sentence}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_password_is_in_no_output() {
    // Nobody listens on port 1.
    let given = config("postgres://bot:hunter2@127.0.0.1:1/impresario?connect_timeout=1");
    let shown = format!("{given:?}");
    let db = Db::new(given, Path::new(""), Arc::new(TestClock::new())).unwrap();
    let error = open(&db).await.map(|_| ()).unwrap_err();
    assert_eq!(error.class(), Class::Retry, "{error:?}");
    let status = serde_json::to_string(&db.status()).unwrap();
    for text in [shown, format!("{db:?}"), db.location(), format!("{error:?}"), error.to_string(), status] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(error.to_string().contains("postgres://bot:***@127.0.0.1:1/impresario"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_column_or_a_table_that_somebody_took_away_is_named_with_what_to_do() {
    for (change, table, missing) in [
        ("ALTER TABLE audit RENAME COLUMN outcome TO result", "audit", "outcome"),
        ("DROP TABLE guild_config", "guild_config", "no such table"),
    ] {
        let folder = filled().await;
        let mut conn = SqliteConnection::establish(folder.path().join("bot.db").to_str().unwrap()).unwrap();
        conn.batch_execute(change).unwrap();
        drop(conn);
        let error = open(&handle(folder.path())).await.map(|_| ()).unwrap_err();
        assert_eq!((error.class(), error.kind()), (Class::Fatal, "newer_schema"), "{error}");
        let said = error.to_string();
        for part in [&format!("the table {table} of "), missing, "bot.db", "restore a backup", "database.url"] {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
    }
}
