//! The same facts on a real PostgreSQL: the server that `IMPRESARIO_TEST_POSTGRES` names, else a throw-away one of our own
//! when its programs are installed, else skipped, loudly.

use super::{
    jumps, promises, schema,
    world::{TestClock, config, open, until},
};
use crate::{Db, DbError, child};
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use protocol::{
    Class,
    id::GuildId,
    ports::{IdentifyAsk, IdentifyLedger},
};
use std::{
    fs,
    io::ErrorKind,
    net::TcpListener as StdListener,
    os::unix::{fs::MetadataExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Flags, NoObserver, Planes, Strategy, Tree};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A URL of a server where databases may be created: `postgres://USER:PASSWORD@HOST:PORT/NAME`.
const SERVER: &str = "IMPRESARIO_TEST_POSTGRES";
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_keeps_every_promise_that_sqlite_keeps() {
    let Some(server) = Server::find().await else { return };
    promises::all(async || {
        let db = server.fresh_database().await;
        open(&db).await.unwrap();
        db
    })
    .await;
    jumps::all(async || {
        server.fresh_database().await;
        jumps::Place { url: server.newest_url(), folder: PathBuf::new() }
    })
    .await;
    let db = server.fresh_database().await;
    open(&db).await.unwrap();
    schema::is_as_expected(&db).await;
    schema::reads_every_column(&db).await;
    two_programs_that_start_at_once_migrate_once(&server).await;
    a_newer_schema_is_refused(&server).await;
    a_wrong_database_is_the_configurations_fault(&server).await;
    a_refused_password_is_the_configurations_fault(&server).await;
    a_lost_server_is_unavailable_until_it_is_back(&server).await;
    server.clean_up().await;
}

async fn two_programs_that_start_at_once_migrate_once(server: &Server) {
    let one = server.fresh_database().await;
    let url = server.newest_url();
    let others: Vec<Db> = (0..4).map(|_| database(&url)).collect();
    let opened = futures_util::future::join_all(others.iter().chain([&one]).map(open)).await;
    assert!(opened.iter().all(Result::is_ok), "{:?}", opened.into_iter().filter_map(Result::err).collect::<Vec<_>>());
}

async fn a_newer_schema_is_refused(server: &Server) {
    let db = server.fresh_database().await;
    open(&db).await.unwrap();
    let url = server.newest_url();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')";
    AsyncPgConnection::establish(&url).await.unwrap().batch_execute(newer).await.unwrap();
    let error = open(&database(&url)).await.map(|_| ()).unwrap_err();
    assert!(matches!(&error, DbError::Newer(text) if text.contains("20990101000001")), "{error:?}");
}

async fn a_wrong_database_is_the_configurations_fault(server: &Server) {
    let error = open(&database(&server.url("no_such_database"))).await.map(|_| ()).unwrap_err();
    assert_eq!(error.class(), Class::Fatal, "{error:?}");
    let text = error.to_string();
    for part in ["database.url", "no_such_database", "create that database", "bot:***@"] {
        assert!(text.contains(part), "no {part}: {text}");
    }
}

/// On a server of our own: somebody's server may believe everybody.
async fn a_refused_password_is_the_configurations_fault(server: &Server) {
    if server.own.is_none() {
        return;
    }
    let mut conn = AsyncPgConnection::establish(&server.base).await.unwrap();
    conn.batch_execute("CREATE ROLE locked LOGIN PASSWORD 'right'").await.unwrap();
    for (password, told) in [(":wrong", "password authentication failed"), ("", "password missing")] {
        let url = server.base.replace("bot:hunter2", &format!("locked{password}"));
        let error = open(&database(&url)).await.map(|_| ()).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.class(), Class::Fatal, "{error:?}");
        assert!(text.contains(told) && text.contains("correct user and password in database.url"), "{text}");
        assert!(!text.contains("wrong"), "{text}");
    }
    conn.batch_execute("DROP ROLE locked").await.unwrap();
}

async fn a_lost_server_is_unavailable_until_it_is_back(server: &Server) {
    let guild = GuildId::new(5);
    server.fresh_database().await;
    let wire = Wire::to(&server.newest_url()).await;
    let db = database(&wire.url);
    let tree = Tree::start(Planes::single(), Flags::new(Strategy::OneForOne), vec![child(&db)], Arc::new(NoObserver));
    let tree = tree.await.unwrap();
    tree.started().await.unwrap();
    db.set_prefix(guild, Some("?")).await.unwrap();

    wire.connected.send_replace(false);
    until("it is seen to be away", async || db.status().state == "away").await;
    let asked = std::time::Instant::now();
    let error = db.guild_config(guild).await.unwrap_err();
    assert!(matches!(error, DbError::Unavailable { .. }), "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(1), "it waited {:?}", asked.elapsed());
    assert!(
        db.take(
            IdentifyAsk { shard: 0, limit: 900, buckets: 1, spacing: Duration::from_secs(5) },
            db.inner.clock.now()
        )
        .await
        .is_err(),
        "no grant without a database"
    );

    wire.connected.send_replace(true);
    until("it answers again", async || db.guild_config(guild).await.is_ok()).await;
    let node = tree.node(&"database".into()).unwrap();
    assert_eq!(node.incarnation, 1, "a blip restarts nobody");
    tree.shutdown(None);
    tree.ended().await;
}

fn database(url: &str) -> Db {
    Db::new(config(url), Path::new(""), Arc::new(TestClock::new())).unwrap()
}

/// A server, and our own process behind it if we started it.
struct Server {
    base: String,
    made: AtomicU32,
    own: Option<Own>,
}

impl Server {
    async fn find() -> Option<Self> {
        let (base, own) = match std::env::var(SERVER) {
            Ok(url) => (url, None),
            Err(_unset) => match Own::start() {
                Ok(own) => (own.url.clone(), Some(own)),
                Err(why) => {
                    let form = "postgres://USER:PASSWORD@HOST:PORT/NAME";
                    super::world::skipped(&format!("no PostgreSQL ({why}); set {SERVER}={form}"));
                    return None;
                }
            },
        };
        let server = Self { base, made: AtomicU32::new(0), own };
        until("the server answers", async || AsyncPgConnection::establish(&server.base).await.is_ok()).await;
        Some(server)
    }

    /// A handle to a database that nobody has used.
    async fn fresh_database(&self) -> Db {
        self.made.fetch_add(1, Relaxed);
        let create = format!("CREATE DATABASE {}", self.newest());
        let mut conn = AsyncPgConnection::establish(&self.base).await.unwrap();
        conn.batch_execute(&create).await.unwrap();
        database(&self.newest_url())
    }

    /// Leaves nothing behind on somebody's server.
    async fn clean_up(&self) {
        let mut conn = AsyncPgConnection::establish(&self.base).await.unwrap();
        for number in 1..=self.made.load(Relaxed) {
            conn.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", name(number))).await.unwrap();
        }
    }

    fn newest(&self) -> String {
        name(self.made.load(Relaxed))
    }

    fn newest_url(&self) -> String {
        self.url(&self.newest())
    }

    fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.base.rsplit_once('/').unwrap().0)
    }
}

fn name(number: u32) -> String {
    format!("impresario_test_{}_{number}", std::process::id())
}

/// A throw-away cluster on a loopback port; it ends with this process however that ends.
struct Own {
    url: String,
    shell: Child,
    folder: TempDir,
}

impl Own {
    fn start() -> Result<Self, String> {
        let programs = programs().ok_or("initdb is not installed")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        // The server refuses to run as root.
        let is_root = fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0);
        let command = |mut command: Command| {
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command.current_dir(folder.path());
            command
        };
        if is_root {
            std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).map_err(|error| error.to_string())?;
        let mut initdb = command(Command::new(programs.join("initdb")));
        initdb.args(["--no-sync", "-A", "trust", "-U", "bot", "-E", "UTF8", "--locale=C", "-D"]).arg(&data);
        let made = initdb.output().map_err(|error| error.to_string())?;
        if !made.status.success() {
            return Err(format!("initdb failed: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let rules = data.join("pg_hba.conf");
        let trusting = fs::read_to_string(&rules).map_err(|error| error.to_string())?;
        let asking = format!("host all locked all scram-sha-256\n{trusting}");
        fs::write(&rules, asking).map_err(|error| error.to_string())?;
        let port =
            StdListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(|e| e.to_string())?.port();
        // The shell ends the server when its standard input closes: also when this process is killed.
        let script = format!(
            "{}/postgres -D {} -c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories= -c fsync=off \
             >server.log 2>&1 & server=$!; cat >/dev/null; kill -INT $server; wait $server",
            programs.display(),
            data.display()
        );
        let mut shell = command(Command::new("sh"));
        shell.args(["-c", &script]).stdin(Stdio::piped());
        let shell = shell.spawn().map_err(|error| error.to_string())?;
        Ok(Self { url: format!("postgres://bot:hunter2@127.0.0.1:{port}/postgres"), shell, folder })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        if self.shell.wait().is_err() {
            eprintln!("the server in {} may still run", self.folder.path().display());
        }
    }
}

/// The folder of `initdb` and `postgres`: on the path, or where Debian keeps them.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|v| v.path().join("bin"));
    std::env::split_paths(&on_path)
        .chain(debian)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

/// A wire to the server that a test can cut.
struct Wire {
    url: String,
    connected: watch::Sender<bool>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let at = url.rfind('@').unwrap() + 1;
        let end = at + url[at..].find('/').unwrap();
        let target = url[at..end].to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (connected, state) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target.clone(), state.clone()));
            }
        });
        Self { url: format!("{}{here}{}", &url[..at], &url[end..]), connected }
    }
}

async fn carry(mut client: TcpStream, target: String, mut state: watch::Receiver<bool>) {
    if !*state.borrow() {
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = state.wait_for(|connected| !connected) => {}
        ended = tokio::io::copy_bidirectional(&mut client, &mut server) => {
            assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() != ErrorKind::Unsupported));
        }
    }
}
