use crate::{reports::SentryCapture, *};
use protocol::Secret;
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};
use supervision::{Flags, Intensity, NoObserver, Strategy, Tree, Verb};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Default)]
struct Switch {
    ready: AtomicBool,
    broken: AtomicBool,
}

impl Health for Switch {
    fn live(&self) -> Verdict {
        Verdict::pass(json!({ "planes": ["control", "data"] }))
    }
    fn ready(&self) -> Verdict {
        assert!(!self.broken.load(Ordering::Relaxed), "a broken probe");
        if self.ready.load(Ordering::Relaxed) {
            Verdict::pass(Value::Null)
        } else {
            Verdict::fail(json!({ "waiting_for": "gateway" }))
        }
    }
    fn started(&self) -> Verdict {
        self.ready()
    }
}

/// Nobody has memory to give up.
struct Nobody;

impl Relief for Nobody {
    fn relieve(&self) -> String {
        "nothing is kept".to_owned()
    }

    fn ease(&self) {}
}

fn parts(listen: &str, health: Arc<Switch>, planes: Planes) -> Parts {
    let config = TelemetryConfig {
        listen: listen.into(),
        log: "info".into(),
        log_format: "auto".into(),
        sentry_dsn: Secret::new(""),
        sentry_environment: "test".into(),
        sentry_traces: 0.0,
    };
    Parts {
        config,
        exporter: Exporter::new(CLUSTER, Vec::new()).unwrap(),
        health,
        capture: SentryCapture::disabled(),
        log: None,
        planes,
        memory: Memory::marked(None, Arc::new(Nobody)),
        version: "0.0.0",
        library: "serenity 0.12",
    }
}

async fn tree(parts: Parts) -> (Tree, Telemetry) {
    let planes = parts.planes.clone();
    let (spec, telemetry) = child(parts);
    let flags = Flags { intensity: Intensity::new(1, Duration::from_secs(5)), ..Flags::new(Strategy::OneForOne) };
    let tree = Tree::start(planes, flags, vec![spec], Arc::new(NoObserver)).await.unwrap();
    tree.started().await.unwrap();
    (tree, telemetry)
}

async fn here() -> (Tree, SocketAddr, Arc<Switch>) {
    let health = Arc::new(Switch::default());
    let (tree, telemetry) = tree(parts("127.0.0.1:0", Arc::clone(&health), Planes::single())).await;
    (tree, telemetry.address().expect("it listens once the tree is up"), health)
}

/// Sends `request` as it stands and reads until the end.
async fn raw(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn get(address: SocketAddr, page: &str) -> (u16, String) {
    split(&raw(address, &format!("GET {page} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")).await)
}

fn split(answer: &str) -> (u16, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn the_probes_say_what_health_says() {
    let (_tree, address, health) = here().await;
    assert_eq!(get(address, "/livez").await.0, 200);
    for page in ["/readyz", "/healthz", "/startupz"] {
        let (status, body) = get(address, page).await;
        assert_eq!(status, 503, "{page}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body, json!({ "ok": false, "detail": { "waiting_for": "gateway" } }));
    }
    health.ready.store(true, Ordering::Relaxed);
    assert_eq!(get(address, "/readyz").await.0, 200);
    assert_eq!(get(address, "/startupz").await.0, 200);
    health.broken.store(true, Ordering::Relaxed);
    assert_eq!(get(address, "/readyz").await.0, 503, "a probe that panics fails");
    assert_eq!(get(address, "/livez").await.0, 200, "and nothing else does");
    assert_eq!(get(address, "/nothing").await.0, 404);
}

#[tokio::test]
async fn a_scrape_gets_the_telemetrys_own_gauges() {
    let (_tree, address, _) = here().await;
    let (status, page) = get(address, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "argus_up{cluster=\"default\"} 1",
        "argus_subsystem_up{cluster=\"default\",subsystem=\"server\"} 1",
        "discord_bot_info{cluster=\"default\",discord_py_version=\"serenity 0.12\",argus_version=\"0.0.0\"} 1",
        "impresario_build_info{cluster=\"default\",version=\"0.0.0\"} 1",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[tokio::test]
async fn a_foreign_host_and_any_method_but_get_are_refused() {
    let (_tree, address, _) = here().await;
    let port = address.port();
    let send = |method: &str, host: &str| format!("{method} /metrics HTTP/1.1\r\n{host}connection: close\r\n\r\n");
    for (request, wanted) in [
        (send("GET", &format!("host: localhost:{port}\r\n")), 200),
        (send("GET", &format!("host: 127.0.0.1.evil.com:{port}\r\n")), 421),
        (send("GET", "host: evil.com\r\n"), 421),
        (send("GET", ""), 421),
        (send("GET", &format!("host: {address}\r\nhost: evil.com\r\n")), 421),
        (format!("GET http://evil.com/metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"), 421),
        (send("POST", &format!("host: {address}\r\ncontent-length: 0\r\n")), 405),
        (send("DELETE", &format!("host: {address}\r\n")), 405),
        (send("HEAD", &format!("host: {address}\r\n")), 405),
    ] {
        assert_eq!(split(&raw(address, &request).await).0, wanted, "{request}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_port_is_tried_again_while_the_bot_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let (tree, telemetry) = tree(parts(&address.to_string(), Arc::default(), Planes::single())).await;
    tokio::time::sleep(BIND_RETRY * 3).await;
    assert_eq!(telemetry.address(), None);
    let node = tree.node(&PATH.into()).unwrap();
    assert_eq!((node.incarnation, node.status), (1, supervision::Status::Running), "it has not crashed over it");
    let status = tree.tell(&PATH.into(), "status", Value::Null, Duration::from_secs(5), None).await.unwrap();
    assert_eq!((&status["listen"], &status["address"]), (&json!(address.to_string()), &Value::Null));
    drop(taken);
    tokio::time::sleep(BIND_RETRY * 2).await;
    assert_eq!(telemetry.address(), Some(address));
    assert_eq!(get(address, "/livez").await.0, 200);
}

#[tokio::test]
async fn no_address_means_no_listener_and_no_trouble() {
    let (tree, telemetry) = tree(parts("", Arc::default(), Planes::single())).await;
    assert_eq!(telemetry.address(), None);
    let flushed = tree.tell(&PATH.into(), "flush", Value::Null, Duration::from_secs(5), None).await;
    assert_eq!(flushed, Ok(json!({ "reports": true, "log": true })));
}

#[tokio::test]
async fn a_killed_listener_comes_back_on_its_address() {
    let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = first.local_addr().unwrap();
    drop(first);
    let (tree, telemetry) = tree(parts(&address.to_string(), Arc::default(), Planes::single())).await;
    assert_eq!(get(address, "/livez").await.0, 200);
    tree.order(&PATH.into(), Verb::Kill, None, false).await.unwrap();
    let back = async {
        while tree.node(&PATH.into()).is_none_or(|node| node.incarnation < 2) || telemetry.address().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back).await.expect("it is back");
    assert_eq!(get(address, "/livez").await.0, 200);
}

#[tokio::test]
async fn a_stop_closes_the_listener() {
    let (tree, address, _) = here().await;
    tree.shutdown(None);
    tree.ended().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_is_closed() {
    let (_tree, address, _) = here().await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /metrics HT").await.unwrap();
    let began = tokio::time::Instant::now();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.ok(); // closed or reset: either ends it
    assert!(began.elapsed() >= IDLE && began.elapsed() < IDLE * 2, "{:?}", began.elapsed());
}

#[test]
fn the_probes_answer_while_every_data_worker_is_blocked() {
    let runtime = |name| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().thread_name(name).build().unwrap()
    };
    let (control, data) = (runtime("control"), runtime("data"));
    let planes = Planes { control: control.handle().clone(), data: data.handle().clone() };
    let (_tree, telemetry) = data.block_on(tree(parts("127.0.0.1:0", Arc::default(), planes)));
    let (release, held) = mpsc::channel::<()>();
    let (blocked, is_blocked) = mpsc::channel();
    data.spawn(async move {
        blocked.send(()).unwrap();
        held.recv().ok();
    });
    is_blocked.recv().unwrap();
    let address = telemetry.address().unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET /livez HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(split(&answer).0, 200);
    drop(release);
}
