use crate::{
    Redactor,
    logging::{Directives, Format, LINES_KEPT, LogHandle, LogOptions, TEXT_MAX, build},
    methods,
    redact::corpus,
    reports,
};
use protocol::{
    SystemClock,
    method::{Handler, MethodCall, Peer},
};
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::{Arc, mpsc},
    time::Duration,
};
use supervision::Role;

struct Out(mpsc::Sender<Vec<u8>>);

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send(bytes.to_vec()).ok();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `work` logs, and the handle.
fn logged(filter: &str, format: Format, work: impl FnOnce(&LogHandle)) -> String {
    let (sender, written) = mpsc::channel();
    let options = LogOptions {
        directives: Directives::parse(filter).unwrap(),
        format,
        redactor: Redactor::new(),
        clock: Arc::new(SystemClock),
        reports: false,
        traces: false,
    };
    let (subscriber, handle) = build(options, Box::new(Out(sender))).unwrap();
    tracing::subscriber::with_default(subscriber, || work(&handle));
    assert!(handle.flush(Duration::from_secs(10)));
    String::from_utf8(written.try_iter().flatten().collect()).unwrap()
}

#[test]
fn no_planted_secret_comes_out_of_the_log() {
    for format in [Format::Json, Format::Human { colour: true }] {
        for (text, secret) in corpus::planted() {
            let out = logged("trace", format, |handle| {
                let span = tracing::info_span!("call", url = %text, late = tracing::field::Empty);
                span.record("late", text.as_str());
                let _entered = span.enter();
                tracing::error!(why = %text, what = ?text, token = %secret, "failed: {text}");
                let kept = handle.recent("telemetry").concat();
                assert!(!kept.contains(&secret), "kept: {kept}");
            });
            assert!(!out.contains(&secret), "{out}");
            assert!(out.contains("***"));
        }
    }
}

#[test]
fn a_json_line_carries_the_fields_of_its_spans() {
    let out = logged("info", Format::Json, |_| {
        let _outer = tracing::info_span!("event", guild.id = 7_u64, path = "gateway/shard-0").entered();
        let _inner = tracing::info_span!("command", path = "cog-host/info").entered();
        tracing::info!(took_ms = 1.5, ok = true, "done\nfor now");
    });
    assert_eq!(out.lines().count(), 1);
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&line["level"], &line["message"]), (&json!("info"), &json!("done\nfor now")));
    let fields = json!({ "guild.id": 7, "path": "cog-host/info", "took_ms": 1.5, "ok": true });
    assert_eq!(line["fields"], fields);
    let stamp = line["timestamp"].as_str().unwrap();
    assert!(stamp.len() == 24 && stamp.ends_with('Z'), "{stamp}: RFC 3339, milliseconds, UTC");
}

#[test]
fn the_filter_changes_while_the_bot_runs() {
    let out = logged("info", Format::Json, |handle| {
        tracing::debug!("one");
        assert_eq!(handle.set("telemetry=debug").unwrap().to_string(), "info,telemetry=debug");
        tracing::debug!("two");
        assert!(handle.set("telemetry=loud").is_err());
        tracing::debug!("three");
        assert_eq!(handle.set("default").unwrap().to_string(), "info");
        tracing::debug!("four");
        assert_eq!(handle.status().filter, "info");
    });
    let messages: Vec<_> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["message"].clone()).collect();
    assert_eq!(messages, [json!("two"), json!("three")]);
}

#[test]
fn a_value_that_panics_or_logs_while_it_is_written_costs_itself_only() {
    struct Rude(bool);
    impl std::fmt::Debug for Rude {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            assert!(!self.0, "a rude value");
            tracing::info!("logged while being written");
            f.write_str("rude")
        }
    }
    let out = logged("info", Format::Json, |_| {
        let span = tracing::info_span!("call", before = 1, rude = tracing::field::Empty).entered();
        span.record("rude", tracing::field::debug(Rude(false)));
        span.record("rude", tracing::field::debug(Rude(true)));
        tracing::info!(first = 1, rude = ?Rude(true), "never reached");
        tracing::info!("still here");
    });
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((&last["message"], &last["fields"]["before"]), (&json!("still here"), &json!(1)), "{out}");
}

#[test]
fn a_secret_on_the_edge_of_a_long_text_is_not_cut_in_half() {
    for before in TEXT_MAX - corpus::TOKEN.len()..TEXT_MAX {
        let text = format!("{} {}", "x".repeat(before), corpus::TOKEN);
        let out = logged("info", Format::Json, |_| tracing::info!("{text}"));
        assert!(!out.contains(&corpus::TOKEN[..10]) && out.len() < TEXT_MAX + 200, "{before}");
    }
}

#[test]
fn a_panic_outside_the_tree_is_one_line_without_secrets() {
    reports::install_panic_hooks(&Redactor::new());
    let out = logged("info", Format::Json, |_| {
        let died = std::panic::catch_unwind(|| panic!("boom {}", corpus::TOKEN));
        assert!(died.is_err());
    });
    let line: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(line["fields"]["panic.message"], "boom ***");
    assert!(line["fields"]["panic.location"].as_str().unwrap().contains("log.rs:"), "{line}");
}

#[test]
fn the_last_lines_are_kept_by_actor() {
    logged("info", Format::Json, |handle| {
        for n in 0..LINES_KEPT + 5 {
            tracing::info!(path = "gateway/shard-0", n, "beat");
        }
        tracing::info!("of the crate");
        let kept = handle.recent("gateway/shard-0");
        assert_eq!(kept.len(), LINES_KEPT);
        assert!(kept[LINES_KEPT - 1].contains("\"n\":24"), "{kept:?}");
        assert_eq!(handle.recent("telemetry").len(), 1);
        assert!(handle.recent("nobody").is_empty());
    });
}

#[tokio::test]
async fn the_control_channel_reads_and_changes_the_filter() {
    let (sender, _written) = mpsc::channel();
    let options = LogOptions {
        directives: Directives::parse("info").unwrap(),
        format: Format::Json,
        redactor: Redactor::new(),
        clock: Arc::new(SystemClock),
        reports: false,
        traces: false,
    };
    let (subscriber, handle) = build(options, Box::new(Out(sender))).unwrap();
    let _default = tracing::subscriber::set_default(subscriber);
    let methods = methods(&handle);
    let call = async |name: &str, params: Value| {
        let method = methods.iter().find(|method| method.name == name).unwrap();
        let Handler::Call(run) = &method.handler else { panic!("{name} answers once") };
        run(MethodCall { params, peer: Peer { uid: 0, pid: None, role: Role::Admin } }).await
    };
    let set = call("log.set", json!({ "filter": "gateway=debug" })).await.unwrap();
    assert_eq!(set, json!({ "filter": "info,gateway=debug", "format": "json", "dropped": 0 }));
    assert_eq!(call("log.get", Value::Null).await.unwrap()["filter"], "info,gateway=debug");
    let refused = call("log.set", json!({ "filter": "loud" })).await.unwrap_err().to_string();
    assert!(refused.contains("the levels are off, error"), "{refused}");
    assert_eq!(call("log.recent", json!({ "path": "gateway" })).await.unwrap(), json!([]));
    assert_eq!(methods.iter().find(|method| method.name == "log.set").unwrap().role, Role::Operate);
}
