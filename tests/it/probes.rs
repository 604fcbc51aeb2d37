//! Metrics and probes; a port that somebody else has is no reason not to run.

use crate::harness::{Bot, Home, PATIENCE, assert_answers, discord, until};
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

/// Status and body of a GET.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Where the probes of `bot` are.
pub(crate) fn address(bot: &Bot<'_>) -> String {
    let line = bot.log.wait("where the probes are", |record| {
        record["fields"]["address"].is_string() && record["fields"]["path"] == "telemetry"
    });
    line["fields"]["address"].as_str().unwrap().to_owned()
}

#[test]
fn metrics_and_probes_follow_what_happens() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let bot = home.start();
    let address = address(&bot);
    assert_answers(&discord);
    for probe in ["/livez", "/readyz", "/startupz", "/healthz"] {
        assert_eq!(get(&address, probe).0, 200, "{probe}");
    }
    let (status, metrics) = get(&address, "/metrics");
    assert_eq!(status, 200);
    for part in ["# TYPE ", "shard=\"0\"", "ping"] {
        assert!(metrics.contains(part), "{part} is not in\n{metrics}");
    }
    for id in [discord.guild_id(), discord.general_id(), discord.user_id("bob").unwrap()] {
        assert!(!metrics.contains(&id.to_string()), "an id is a label");
    }

    // A cog that was switched off on purpose takes no traffic from the others.
    bot.cli(&["stop", "cog-host/info"]).exits(0);
    let status = bot.cli(&["status"]).exits(1);
    assert!(status.out.contains("cog-host/info is stopped by order"), "{}", status.out);
    assert_eq!(get(&address, "/readyz").0, 200);
    bot.cli(&["start", "cog-host/info"]).exits(0);
    bot.cli(&["status"]).exits(0);

    bot.cli(&["stop", "database"]).exits(0);
    let ready = || get(&address, "/readyz");
    until("/readyz fails", || (ready().0 == 503).then_some(()));
    assert!(ready().1.contains("database"), "{}", ready().1);
    assert_eq!((get(&address, "/healthz").0, get(&address, "/livez").0), (503, 200));
    bot.cli(&["start", "database"]).exits(0);
    until("/readyz passes", || (ready().0 == 200).then_some(()));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn before_ready_it_is_alive_and_not_ready() {
    let discord = discord();
    discord.fault(sandbox::Fault::HoldHello);
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let bot = home.run();
    let address = address(&bot);
    until("boot is over", || (get(&address, "/startupz").0 == 200).then_some(()));
    assert_eq!((get(&address, "/livez").0, get(&address, "/readyz").0), (200, 503));
    bot.cli(&["status"]).exits(1);
    discord.fault(sandbox::Fault::ReleaseHello);
    until("/readyz passes", || (get(&address, "/readyz").0 == 200).then_some(()));
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_busy_metrics_port_is_warned_about_and_the_bot_runs() {
    let discord = discord();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new(&discord).set(&format!("telemetry.listen = {address:?}"));
    let bot = home.start();
    let warning = bot.log.wait("a warning that names the key and the address", |record| {
        let text = record.to_string();
        record["level"] == "warn" && text.contains("[telemetry].listen") && text.contains(&address)
    });
    assert!(warning["message"].is_string());
    assert_answers(&discord);
    drop(taken);
    assert_eq!(bot.terminate(), 0);
}

#[test]
fn a_shard_that_is_cut_again_and_again_is_not_ready_and_says_why() {
    let discord = discord();
    let home = Home::new(&discord).set("telemetry.listen = \"127.0.0.1:0\"");
    let home = home.set("gateway.reconnect_min_ms = 20").set("gateway.reconnect_max_ms = 100");
    let bot = home.start();
    let address = address(&bot);
    assert_eq!(get(&address, "/readyz").0, 200);
    for lost in 1..=10 {
        discord.fault(sandbox::Fault::CutConnection { shard: None });
        assert!(discord.wait_until(PATIENCE, |stats, _| stats.resumes == lost), "{:?}", discord.stats());
    }
    assert_answers(&discord); // it is connected all the same
    let status = bot.cli(&["status"]).exits(1);
    assert!(status.out.contains("shard 0 is unstable: "), "{}", status.out);
    let (code, body) = get(&address, "/readyz");
    assert!(code == 503 && body.contains("shard 0 is unstable: "), "{code}: {body}");
    assert_eq!(bot.terminate(), 0);
}
