//! What changed between two configurations, and which changes wait for a restart.

use super::{Loaded, WatchConfig, key::Key, show};
use serde::Serialize;

/// One changed value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The key.
    pub key: String,
    /// The value before, as TOML, redacted; none when it is new.
    pub before: Option<String>,
    /// The value now; none when it is gone.
    pub now: Option<String>,
    /// Whether it takes effect at the next start only.
    pub needs_restart: bool,
}

/// What `reload` applies at once, `*` for any name; it must really do so. Everything else waits for a restart.
pub const LIVE: [&str; 9] = [
    "telemetry.log",
    "shutdown.*",
    "supervision.probe_ms",
    "supervision.stall_ms",
    "supervision.poison_deaths",
    "supervision.poison_window_s",
    "supervision.*.*",
    "tasks.zone",
    "tasks.*.*",
];

/// What `new` changes, in order of the shipped file.
pub fn diff(old: &Loaded, new: &Loaded) -> Vec<Change> {
    let shown = |loaded: &Loaded, key: &Key| loaded.values.get(key).map(|setting| show::shown(key, setting));
    let raw = |loaded: &Loaded, key: &Key| loaded.values.get(key).map(|setting| setting.value.clone());
    let token = Key::of(["discord", "token"]);
    let gone = old.values.iter().filter(|(key, _)| new.values.get(key).is_none());
    let keys = new.values.iter().chain(gone).map(|(key, _)| key);
    let mut changes: Vec<_> = keys
        .filter(|key| **key != token && raw(old, key) != raw(new, key))
        .map(|key| Change {
            key: key.to_string(),
            before: shown(old, key),
            now: shown(new, key),
            needs_restart: !is_live(key),
        })
        .collect();
    if old.token != new.token {
        let hidden = |there: bool| there.then(|| "\"***\"".to_owned());
        changes.push(Change {
            key: token.to_string(),
            before: hidden(old.token.is_some()),
            now: hidden(new.token.is_some()),
            needs_restart: true,
        });
    }
    changes
}

/// Takes over what a reload applies at once. The rest stays what it is: what is in force until the next start, so that
/// the next reload still tells that it waits.
pub fn adopt_live(in_force: &mut Loaded, new: &Loaded) {
    let (config, new_config) = (&mut in_force.config, &new.config);
    config.telemetry.log.clone_from(&new_config.telemetry.log);
    config.shutdown = new_config.shutdown.clone();
    config.watch = WatchConfig { quarantine_max: config.watch.quarantine_max, ..new_config.watch };
    config.supervision.clone_from(&new_config.supervision);
    config.task_rules.clone_from(&new_config.task_rules);
    config.tasks.zone.clone_from(&new_config.tasks.zone);
    let gone = in_force.values.iter().map(|(key, _)| key).filter(|key| is_live(key) && new.values.get(key).is_none());
    for key in gone.cloned().collect::<Vec<_>>() {
        in_force.values.remove(&key);
    }
    for (key, setting) in new.values.iter().filter(|(key, _)| is_live(key)) {
        in_force.values.set(key.clone(), setting.clone());
    }
}

fn is_live(key: &Key) -> bool {
    LIVE.iter().any(|live| {
        let parts: Vec<&str> = live.split('.').collect();
        parts.len() == key.parts().len()
            && parts.iter().zip(key.parts()).all(|(live, part)| *live == "*" || live == part)
    })
}
