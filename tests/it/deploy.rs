//! The systemd unit agrees with the program: exit codes, folders, deadlines.

use crate::harness::BINARY;
use impresario::{
    config::{self, DEFAULTS, Sources, TokenRule},
    exit::Code,
    shutdown::{Limits, OVERRUN},
};
use std::{collections::BTreeMap, fs, path::Path, process::Command, time::Duration};

fn unit() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/impresario.service")).unwrap()
}

/// Every setting with its values, in the order of the file.
fn settings() -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in unit().lines().filter(|line| !line.starts_with(['#', '['])) {
        if let Some((key, value)) = line.split_once('=') {
            all.entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    all
}

fn value(key: &str) -> String {
    let all = settings();
    let values = all.get(key).unwrap_or_else(|| panic!("{key} is not in the unit"));
    assert_eq!(values.len(), 1, "{key}");
    values[0].clone()
}

fn seconds(key: &str) -> Duration {
    Duration::from_secs(value(key).parse().unwrap())
}

/// The configuration that the unit's environment makes, with `%S` and `%t` as systemd fills them in.
fn configured() -> config::Loaded {
    let lines = settings().remove("Environment").unwrap();
    let fill = |line: &String| line.replace("%S", "/var/lib").replace("%t", "/run");
    let env = lines
        .iter()
        .map(fill)
        .filter_map(|line| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())));
    let sources = Sources {
        explicit: None,
        cwd: "/nowhere".into(),
        env: env.collect(),
        flags: Vec::new(),
        token: TokenRule::Ignored,
        cogs: Vec::new(),
    };
    config::load(&sources).unwrap()
}

#[test]
fn what_trying_again_does_not_mend_is_not_tried_again() {
    let codes: Vec<u8> = value("RestartPreventExitStatus").split(' ').map(|code| code.parse().unwrap()).collect();
    assert_eq!(codes, [Code::TokenRefused as u8, Code::Config as u8]);
    assert_eq!(value("Restart"), "on-failure");
    assert_eq!(value("SuccessExitStatus"), (Code::Forced as u8).to_string());
}

#[test]
fn systemd_waits_longer_than_the_way_down_may_take() {
    let shutdown = configured().config.shutdown;
    assert!(DEFAULTS.contains(&format!("total_ms = {}", shutdown.total_ms)), "the unit runs with the defaults");
    let limits =
        Limits { total: Duration::from_millis(shutdown.total_ms), drain: Duration::from_millis(shutdown.drain_ms) };
    assert_eq!(limits.worst(), limits.total + OVERRUN);
    assert!(seconds("TimeoutStopSec") > limits.worst() * 2, "{:?}", limits.worst());
    // Twice Discord's heartbeat of 41 s, and the time in which the watchdog is fed twice.
    assert!(seconds("WatchdogSec") > Duration::from_secs(2 * 42));
    assert!(seconds("TimeoutStartSec") > seconds("WatchdogSec") / 2, "a look before the time is over");
    assert_eq!(value("Type"), "notify");
}

#[test]
fn the_folders_are_those_that_systemd_makes() {
    let loaded = configured();
    let state = Path::new("/var/lib").join(value("StateDirectory"));
    assert_eq!(loaded.config.data.dir, state);
    assert_eq!(loaded.socket, Path::new("/run").join(value("RuntimeDirectory")).join("control.sock"));
    assert_eq!(value("WorkingDirectory").replace("%S", "/var/lib"), state.to_str().unwrap());
    // The name that the configuration looks for in $CREDENTIALS_DIRECTORY.
    assert!(value("LoadCredential").starts_with("discord_token:"));
    for hardened in ["NoNewPrivileges", "PrivateTmp", "RestrictSUIDSGID", "ProtectHome"] {
        assert_eq!(value(hardened), "yes");
    }
    assert_eq!(value("ProtectSystem"), "strict");
}

#[test]
fn systemd_finds_nothing_wrong_with_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("impresario.service");
    fs::write(&file, unit().replace("/usr/local/bin/impresario", BINARY)).unwrap();
    let Ok(done) = Command::new("systemd-analyze").arg("verify").arg(&file).output() else {
        eprintln!("skipped: systemd-analyze is not there");
        return;
    };
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && !said.contains("impresario.service"), "{said}");
}
