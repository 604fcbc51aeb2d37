use super::*;
use std::collections::HashSet;

#[test]
fn every_metric_keeps_the_naming_rules() {
    let mut seen = HashSet::new();
    for metric in catalogue() {
        let name = metric.name;
        assert!(seen.insert(name), "{name} is defined twice");
        assert!(["discord_", "argus_", "impresario_"].iter().any(|prefix| name.starts_with(prefix)), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}: only counters end in _total");
        assert!(metric.kind != Kind::Histogram || name.ends_with("_seconds"), "{name}: histograms hold seconds");
        assert!(metric.series >= 1 && (metric.series == 1 || !metric.labels.is_empty()), "{name}: bound of label sets");
        assert!(!metric.about.is_empty() && !metric.about.ends_with('.'), "{name}: one sentence of help, no full stop");
    }
}

#[test]
fn no_label_is_named_after_an_id() {
    for label in Label::ALL {
        for forbidden in ["guild", "user", "channel", "message", "id", "member"] {
            assert!(label.name().split('_').all(|word| word != forbidden), "{}", label.name());
        }
    }
}

#[test]
fn argus_series_keep_their_names_and_labels() {
    let expected: &[(&str, &[&str])] = &[
        ("discord_shard_latency_seconds", &["shard"]),
        ("discord_shard_up", &["shard"]),
        ("discord_shard_ws_ratelimited", &["shard"]),
        ("discord_shards_connected", &[]),
        ("discord_shards_configured", &[]),
        ("discord_event_loop_lag_seconds", &[]),
        ("discord_guilds", &[]),
        ("discord_cached_users", &[]),
        ("discord_voice_clients", &[]),
        ("discord_emojis", &[]),
        ("discord_stickers", &[]),
        ("discord_private_channels", &[]),
        ("discord_app_commands_registered", &[]),
        ("discord_uptime_seconds", &[]),
        ("discord_bot_info", &["discord_py_version", "argus_version"]),
        ("argus_up", &[]),
        ("argus_subsystem_up", &["subsystem"]),
        ("discord_interactions_total", &["type", "status"]),
        ("discord_app_commands_total", &["command", "status"]),
        ("discord_commands_total", &["command", "status"]),
        ("discord_command_errors_total", &["command", "error_type"]),
        ("discord_gateway_events_total", &["event"]),
        ("discord_shard_disconnects_total", &["shard"]),
        ("discord_shard_reconnects_total", &["shard"]),
        ("discord_log_records_total", &["logger", "level"]),
        ("discord_ratelimits_total", &[]),
        ("argus_instrumentation_errors_total", &["hook"]),
        ("argus_history_events_dropped_total", &[]),
        ("argus_timers_evicted_total", &[]),
        ("discord_app_command_duration_seconds", &["command"]),
        ("discord_command_duration_seconds", &["command"]),
    ];
    for (name, labels) in expected {
        let metric = catalogue().find(|metric| metric.name == *name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is missing"));
        assert_eq!(metric.labels.iter().map(|label| label.name()).collect::<Vec<_>>(), *labels, "{name}");
    }
}

#[test]
fn a_name_that_holds_an_id_becomes_other() {
    for text in ["80351110224678912", "guild-80351110224678912", "x".repeat(65).as_str(), "naïve", "a\nb", "a\"b"] {
        assert_eq!(Name::from(text).as_str(), "other", "{text:?}");
    }
    assert_eq!(Name::from("").as_str(), "unknown");
    assert_eq!(Name::from("prefix set").as_str(), "prefix set");
    assert_eq!(PathPattern::from("gateway/shard-12").as_str(), "gateway/shard-N");
    assert_eq!(PathPattern::from("task-supervisor/presence").as_str(), "task-supervisor/presence");
    assert_eq!(PathPattern::from("lanes/80351110224678912").as_str(), "lanes/N");
}

#[test]
fn a_route_holds_no_id_token_code_or_emoji() {
    let cases = [
        ("post", "/channels/80351110224678912/messages", "POST channels/:id/messages"),
        ("GET", "https://discord.com/api/v10/guilds/1?with_counts=true", "GET guilds/:id"),
        (
            "PATCH",
            "webhooks/12/aW50ZXJhY3Rpb246MTIz.secret/messages/@original",
            "PATCH webhooks/:id/:token/messages/@original",
        ),
        ("POST", "/interactions/12/aW50ZXJhY3Rpb24/callback", "POST interactions/:id/:token/callback"),
        (
            "PUT",
            "/channels/1/messages/2/reactions/%F0%9F%91%8D/@me",
            "PUT channels/:id/messages/:id/reactions/:emoji/@me",
        ),
        ("GET", "/invites/abcDEF", "GET invites/:code"),
        ("GET", "/gateway/bot", "GET gateway/bot"),
        ("GET", "/guilds/1/SECRET", "GET guilds/:id/:other"),
    ];
    for (method, path, route) in cases {
        assert_eq!(Route::new(method, path).as_str(), route, "{path}");
    }
}

#[test]
fn a_panicking_recorder_costs_its_caller_nothing() {
    struct Broken;
    impl metrics::Recorder for Broken {
        fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
        fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
        fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
        fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
            panic!("a broken recorder")
        }
        fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
            panic!("a broken recorder")
        }
        fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
            panic!("a broken recorder")
        }
    }
    let before = instrumentation::failures();
    metrics::with_local_recorder(&Broken, || {
        gateway::event_received("MESSAGE_CREATE");
        commands::finished(commands::Surface::Slash, "info", "ping", commands::CommandOutcome::Done, 0.1);
    });
    assert!(instrumentation::failures() >= before + 4, "each broken hook is counted");
    let (before, mut kept) = (instrumentation::failures(), gateway::EventCounters::new(["MESSAGE_CREATE"]));
    metrics::with_local_recorder(&Broken, || kept.received(0));
    assert!(instrumentation::failures() > before, "a kept counter fails open, too");
    kept.received(1); // of no type: nothing to count, nothing that breaks
}
