use super::*;
use crate::{
    logging::{self, Directives, Format, LogOptions},
    redact::corpus::TOKEN,
};
use protocol::SystemClock;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
};

/// Answers every envelope with 200 and hands its body over.
fn sentry_server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (bodies, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let bodies = bodies.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let (mut length, mut line) = (0, String::new());
                    while reader.read_line(&mut line).unwrap() > 2 {
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                        line.clear();
                    }
                    if length == 0 {
                        return;
                    }
                    let mut body = vec![0; length];
                    reader.read_exact(&mut body).unwrap();
                    bodies.send(String::from_utf8_lossy(&body).into_owned()).ok();
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
                }
            });
        }
    });
    (format!("http://0123456789abcdef0123456789abcdef@127.0.0.1:{port}/1"), received)
}

fn options(dsn: &str) -> ReportOptions {
    ReportOptions {
        dsn: Secret::new(dsn),
        environment: "test".into(),
        release: "impresario@0.0.0".into(),
        traces: 0.0,
        tags: vec![("engine", "sqlite".into())],
        redactor: Redactor::new(),
    }
}

fn log_options() -> LogOptions {
    LogOptions {
        directives: Directives::parse("info").unwrap(),
        format: Format::Json,
        redactor: Redactor::new(),
        clock: Arc::new(SystemClock),
        reports: true,
        traces: true,
    }
}

fn report(message: &str, fingerprint: &str) -> Report {
    Report {
        level: ReportLevel::Error,
        message: message.into(),
        fingerprint: vec![fingerprint.into()],
        tags: vec![("path", "gateway/shard-0".into())],
    }
}

/// One test, since Sentry's main hub belongs to the process.
#[tokio::test(flavor = "multi_thread")]
async fn reports_and_panics_arrive_without_secrets_and_within_their_limit() {
    let (dsn, received) = sentry_server();
    let guard = SentryGuard::start(ReportOptions { traces: 1.0, ..options(&dsn) }).unwrap();
    let capture = guard.capture();
    assert!(capture.is_enabled());
    capture.describe(BTreeMap::from([("guilds".to_owned(), 3.into())]));
    let (subscriber, _log) = logging::build(log_options(), Box::new(std::io::sink())).unwrap();
    let _log_here = tracing::subscriber::set_default(subscriber);
    Hub::run(Arc::new(Hub::new_from_top(Hub::main())), || {
        tracing::info!("a line before, with {TOKEN}");
        drop(tracing::info_span!("a traced step", url = TOKEN).entered());
        for n in 0..20 {
            capture.capture(report(&format!("refused {TOKEN}"), "refused"));
            capture.capture(report(&format!("run {n}"), &format!("run {n}")));
        }
        let died = supervision::guarded_sync(|| panic!("boom with {TOKEN}"));
        let Err::<(), _>(supervision::Exit::Panic { message, location }) = died else { panic!("not caught") };
        assert!(message.contains("boom") && location.is_some(), "the kernel's hook ran too");
    });
    assert!(capture.flush(Duration::from_secs(10)).await, "everything was delivered");
    let bodies: Vec<String> = received.try_iter().collect();
    let holding = |text: &str| bodies.iter().filter(|body| body.contains(text)).count();
    assert_eq!(holding("refused ***"), REPORTS_MAX as usize, "one problem is limited: {bodies:?}");
    assert!(holding("\"run 19\"") == 1 && holding("\"engine\":\"sqlite\"") > 0 && holding("gateway/shard-0") > 0);
    assert_eq!(holding("boom with ***"), 1);
    assert!(holding(r#""guilds":3"#) > 20, "what is known of the bot goes with each: {bodies:?}");
    assert!(holding("a line before, with ***") > 0, "log lines go with a report");
    assert_eq!(holding("a traced step"), 1, "a span became a trace: {bodies:?}");
    assert!(holding(TOKEN) == 0, "no token leaves the process");
    drop(guard);
    a_silent_server_delays_the_end_by_its_limit_only();
}

fn a_silent_server_delays_the_end_by_its_limit_only() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://0123456789abcdef0123456789abcdef@{}/1", silent.local_addr().unwrap());
    let guard = SentryGuard::start(options(&dsn)).unwrap();
    let capture = guard.capture();
    let began = std::time::Instant::now();
    Hub::run(Arc::new(Hub::new_from_top(Hub::main())), || {
        (0..100).for_each(|n| capture.capture(report("x", &format!("more than the queue holds {n}"))));
    });
    assert!(began.elapsed() < Duration::from_secs(10), "reporting never waits: {:?}", began.elapsed());
    assert!(!guard.flush(Duration::from_millis(50)), "nothing was delivered");
    let began = std::time::Instant::now();
    drop(guard);
    assert!(began.elapsed() < DROP_WAIT + Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn without_a_dsn_nothing_is_sent_and_nothing_waits() {
    let guard = SentryGuard::start(options("")).unwrap();
    guard.capture().capture(report("x", "x"));
    assert!(!guard.is_enabled() && guard.flush(Duration::ZERO));
}

#[test]
fn a_bad_dsn_is_refused_without_being_repeated() {
    let refused = SentryGuard::start(options("https://hunter2/1")).map(drop);
    assert_eq!(refused, Err(BadDsn));
    assert!(!BadDsn.to_string().contains("hunter2"));
}

#[test]
fn a_share_out_of_range_is_brought_into_it() {
    assert_eq!([share(f64::NAN), share(-1.0), share(0.25), share(7.0)], [0.0, 0.0, 0.25, 1.0]);
}
