//! What changed between two configurations, and which changes wait for a restart.

use super::{Loaded, key::Key, show};
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

/// Keys and sections that `reload` applies at once; it must really do so.
const LIVE: [&str; 2] = ["telemetry.log", "shutdown"];

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
    in_force.config.telemetry.log.clone_from(&new.config.telemetry.log);
    in_force.config.shutdown = new.config.shutdown.clone();
    for (key, setting) in new.values.iter().filter(|(key, _)| is_live(key)) {
        in_force.values.set(key.clone(), setting.clone());
    }
}

fn is_live(key: &Key) -> bool {
    LIVE.iter().any(|live| match live.split_once('.') {
        Some((section, name)) => key.section() == section && key.parts().get(1).is_some_and(|part| part == name),
        None => key.section() == *live,
    })
}
