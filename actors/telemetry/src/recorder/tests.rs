use super::*;
use metering::{commands, database, emoji, gateway, lanes, logs, rest, supervision, tasks};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

fn exporter(collectors: Vec<Arc<dyn Collector>>) -> Exporter {
    Exporter::new("default", collectors).unwrap()
}

#[test]
fn twenty_thousand_events_cost_less_than_half_a_millisecond_each() {
    let exporter = exporter(Vec::new());
    let events = ["MESSAGE_CREATE", "TYPING_START", "PRESENCE_UPDATE", "GUILD_CREATE"];
    let began = Instant::now();
    exporter.local(|| {
        for event in events.iter().cycle().take(20_000) {
            gateway::event_received(event);
        }
    });
    let mean = began.elapsed() / 20_000;
    assert!(mean < Duration::from_micros(500), "mean {mean:?}");
    let page = exporter.render();
    assert!(page.contains("discord_gateway_events_total{cluster=\"default\",event=\"MESSAGE_CREATE\"} 5000"), "{page}");
}

/// The gateway keeps its counters of events; it may have made them before the recorder was in its place.
#[test]
fn kept_counters_reach_a_recorder_that_is_installed_after_them() {
    let (exporter, mut kept) = (exporter(Vec::new()), gateway::EventCounters::new(["MESSAGE_CREATE", "TYPING_START"]));
    kept.received(0); // to nobody
    exporter.local(|| {
        kept.received(0); // looked up, as long as no recorder is announced
        metering::recorder_installed();
        for _ in 0..3 {
            kept.received(0);
            kept.dropped(1, gateway::DropReason::Unwanted);
            gateway::event_received("MESSAGE_CREATE");
        }
        kept.dropped(1, gateway::DropReason::Draining);
    });
    let page = exporter.render();
    let counts = [
        ("discord_gateway_events_total{cluster=\"default\",event=\"MESSAGE_CREATE\"} 7", 1),
        ("events_dropped_total{cluster=\"default\",event=\"TYPING_START\",reason=\"unwanted\"} 3", 1),
        ("events_dropped_total{cluster=\"default\",event=\"TYPING_START\",reason=\"draining\"} 1", 1),
    ];
    for (line, times) in counts {
        assert_eq!(page.matches(line).count(), times, "{line}: {page}");
    }
}

#[test]
fn no_id_reaches_the_page_from_any_hook() {
    const ID: &str = "80351110224678912";
    let exporter = exporter(Vec::new());
    exporter.local(|| {
        gateway::event_unknown(ID);
        gateway::payload_malformed(format!("op-{ID}").as_str());
        rest::request(metering::Route::new("GET", &format!("/guilds/{ID}/members/{ID}")), Some(200), 0.1);
        commands::finished(commands::Surface::Prefix, ID, ID, commands::CommandOutcome::Refused, 0.1);
        commands::panicked(format!("cog{ID}").as_str(), ID);
        tasks::run(format!("unban-{ID}").as_str(), "system", tasks::TaskOutcome::Done, 0.1);
        tasks::last_run(&metering::Scrape::begin(), format!("unban-{ID}").as_str(), 1.0);
        tasks::last_error(&metering::Scrape::begin(), format!("unban-{ID}").as_str(), 1.0);
        supervision::decision(format!("lanes/{ID}").as_str(), "restart");
        metering::control::call(ID, metering::control::CallOutcome::Invalid, 0.1);
        database::query(database::QueryOutcome::Done, 0.1);
        emoji::refreshed(emoji::RefreshOutcome::Done, 0.1);
        lanes::shed("presence");
        logs::record("gateway::session", "INFO");
    });
    let page = exporter.render();
    assert!(!page.contains(ID), "{page}");
    let allowed: Vec<_> = metering::Label::ALL.iter().map(|label| label.name()).chain(["cluster", "le"]).collect();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = line.split_once('{') else { continue };
        for pair in labels.split("\",").filter(|pair| pair.contains('=')) {
            let name = pair.split('=').next().unwrap_or_default();
            assert!(allowed.contains(&name), "{name} in {line}");
        }
    }
}

#[test]
fn label_sets_over_the_bound_are_counted_as_other() {
    let exporter = exporter(Vec::new());
    exporter.local(|| {
        for n in 0..100 {
            gateway::event_unknown(format!("NEW_EVENT_{n}").as_str());
        }
    });
    let page = exporter.render();
    let series = page.lines().filter(|line| line.starts_with("impresario_gateway_events_unknown_total{")).count();
    assert_eq!(series, 65, "64 and `other`");
    assert!(page.contains("impresario_gateway_events_unknown_total{cluster=\"default\",event=\"other\"} 36"), "{page}");
    let capped = "impresario_metric_series_capped_total{cluster=\"default\",type=\"impresario_gateway_events_unknown_total\"} 36";
    assert!(page.contains(capped), "{page}");
    assert_eq!(exporter.capped().len(), 1);
}

#[test]
fn gauges_are_read_when_the_page_is() {
    struct Guilds(AtomicU64);
    impl Collector for Guilds {
        fn name(&self) -> &'static str {
            "guilds"
        }
        fn collect(&self, scrape: &Scrape) {
            let guilds = usize::try_from(self.0.load(Ordering::Relaxed)).unwrap();
            gateway::cache(scrape, gateway::CacheSizes { guilds, ..Default::default() });
        }
    }
    struct Broken;
    impl Collector for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }
        fn collect(&self, _: &Scrape) {
            panic!("a broken collector")
        }
    }
    let guilds = Arc::new(Guilds(AtomicU64::new(1)));
    let exporter = exporter(vec![Arc::new(Broken), Arc::clone(&guilds) as Arc<dyn Collector>]);
    assert!(exporter.render().contains("discord_guilds{cluster=\"default\"} 1\n"));
    guilds.0.store(2, Ordering::Relaxed);
    let page = exporter.render();
    assert!(page.contains("discord_guilds{cluster=\"default\"} 2\n"), "{page}");
    assert!(
        page.contains("argus_instrumentation_errors_total{cluster=\"default\",hook=\"scrape:broken\"} 2"),
        "{page}"
    );
}

#[test]
fn durations_are_histograms_with_argus_buckets_for_commands() {
    let exporter = exporter(Vec::new());
    exporter.local(|| {
        commands::finished(commands::Surface::Slash, "info", "ping", commands::CommandOutcome::Panicked, 0.07);
        database::query(database::QueryOutcome::Done, f64::NAN);
        database::query(database::QueryOutcome::Done, -1.0);
    });
    let page = exporter.render();
    let bucket = "discord_app_command_duration_seconds_bucket{cluster=\"default\",command=\"ping\",le=\"0.1\"} 1";
    assert!(page.contains(bucket), "a failure is timed too: {page}");
    assert!(
        page.contains("discord_app_commands_total{cluster=\"default\",command=\"ping\",status=\"error\"} 1"),
        "{page}"
    );
    assert!(page.contains("discord_command_errors_total{cluster=\"default\",command=\"ping\",error_type=\"panic\"} 1"));
    assert!(!page.contains("impresario_database_query_duration_seconds_count"), "no duration, no sample");
    assert!(page.contains("discord_ratelimits_total{cluster=\"default\"} 0"), "counters without labels begin at 0");
}
