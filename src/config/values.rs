//! Values before they are typed, each with its origin.

use super::{key::Key, show};
use serde::Serialize;
use std::{collections::HashMap, fmt, path::PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// The shipped file.
    Default,
    /// A configuration file.
    File {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        name: String,
    },
    /// A command-line flag.
    Flag {
        /// Its name.
        name: String,
    },
    /// A file that holds this value alone: a token file or a systemd credential.
    Alone {
        /// The file.
        file: PathBuf,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Environment { name } => write!(f, "environment {name}"),
            Self::Flag { name } => write!(f, "flag {name}"),
            Self::Alone { file } => write!(f, "file {}", file.display()),
        }
    }
}

/// A value and its origin.
#[derive(Clone, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: toml::Value,
    /// Where it came from.
    pub origin: Origin,
}

impl fmt::Debug for Setting {
    /// Without the value, which may be a secret: only its key would tell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Setting({})", self.origin)
    }
}

/// Every value, in the shipped file's order, what it does not know behind.
#[derive(Clone, Default, PartialEq)]
pub struct Values {
    order: Vec<Key>,
    settings: HashMap<Key, Setting>,
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(key, setting)| (key, show::shown(key, setting)))).finish()
    }
}

impl Values {
    /// Sets a value; a later layer overrides an earlier one.
    pub(super) fn set(&mut self, key: Key, setting: Setting) {
        if self.settings.insert(key.clone(), setting).is_none() {
            self.order.push(key);
        }
    }

    /// Forgets a value.
    pub(super) fn remove(&mut self, key: &Key) {
        if self.settings.remove(key).is_some() {
            self.order.retain(|known| known != key);
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &Key) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// Every value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Setting)> {
        self.order.iter().filter_map(|key| self.settings.get(key).map(|setting| (key, setting)))
    }

    /// The text of `key`; empty when it is missing or no text.
    pub(super) fn text(&self, key: &str) -> &str {
        self.get(&Key::dotted(key)).and_then(|setting| setting.value.as_str()).unwrap_or_default()
    }
}
