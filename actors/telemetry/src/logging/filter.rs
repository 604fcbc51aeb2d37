//! What is logged: `LEVEL` or `TARGET=LEVEL`, comma-separated.

use std::{collections::BTreeMap, fmt};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Most targets that may be named.
const TARGETS_MAX: usize = 64;
/// Libraries that are not logged above this unless they are named: their details are not the bot's.
const QUIET: LevelFilter = LevelFilter::WARN;
const LIBRARIES: &[&str] = &[
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "ractor",
    "reqwest",
    "rustls",
    "sentry",
    "sentry_core",
    "serenity",
    "tokio_postgres",
    "tokio_tungstenite",
    "tower",
    "tungstenite",
    "ureq",
    "ureq_proto",
    "want",
];
const LEVELS: [(&str, LevelFilter); 6] = [
    ("off", LevelFilter::OFF),
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    default: LevelFilter,
    targets: BTreeMap<String, LevelFilter>,
}

/// A filter that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// No such level.
    #[error("{0:?} is no level; the levels are off, error, warn, info, debug, trace")]
    Level(String),
    /// A target that no module can have.
    #[error("{0:?} is no target; a target is a crate or module, e.g. gateway or gateway::session")]
    Target(String),
    /// More targets than are kept.
    #[error("more than {TARGETS_MAX} targets")]
    TooMany,
}

impl Directives {
    /// Reads `info,gateway=debug`; without a bare level the default is `info`.
    ///
    /// # Errors
    /// The first part that cannot be read.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self { default: LevelFilter::INFO, targets: BTreeMap::new() }.changed(text)
    }

    /// These directives with `text` applied: a bare level replaces the default, `TARGET=LEVEL` that target's level.
    ///
    /// # Errors
    /// The first part that cannot be read; nothing is changed then.
    pub fn changed(&self, text: &str) -> Result<Self, FilterError> {
        let mut changed = self.clone();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                None => changed.default = level(part)?,
                Some((target, wanted)) => {
                    changed.targets.insert(module(target.trim())?, level(wanted.trim())?);
                }
            }
        }
        if changed.targets.len() > TARGETS_MAX { Err(FilterError::TooMany) } else { Ok(changed) }
    }

    pub(crate) fn targets(&self) -> Targets {
        let quiet = LIBRARIES.iter().map(|library| ((*library).to_owned(), self.default.min(QUIET)));
        let named = self.targets.iter().map(|(target, level)| (target.clone(), *level));
        Targets::new().with_default(self.default).with_targets(quiet).with_targets(named)
    }
}

impl fmt::Display for Directives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

fn level(text: &str) -> Result<LevelFilter, FilterError> {
    let known = LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, level)| *level);
    known.ok_or_else(|| FilterError::Level(text.to_owned()))
}

/// A module path. A crate may be written as in the tree, with a dash.
fn module(text: &str) -> Result<String, FilterError> {
    let module = text.replace('-', "_");
    let word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if module.split("::").all(word) { Ok(module) } else { Err(FilterError::Target(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_named_target_overrides_the_default() {
        let filter = Directives::parse("warn, emoji-cache=debug").unwrap();
        assert_eq!(filter.to_string(), "warn,emoji_cache=debug");
        let targets = filter.targets();
        assert!(targets.would_enable("emoji_cache::refresh", &Level::DEBUG));
        assert!(!targets.would_enable("gateway", &Level::INFO));
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let filter = Directives::parse("info,gateway=debug").unwrap();
        assert_eq!(filter.changed("debug").unwrap().to_string(), "debug,gateway=debug");
        assert_eq!(filter.changed("gateway=warn,rest=trace").unwrap().to_string(), "info,gateway=warn,rest=trace");
    }

    #[test]
    fn libraries_stay_quiet_until_they_are_named() {
        let targets = Directives::parse("trace").unwrap().targets();
        assert!(!targets.would_enable("hyper::proto", &Level::INFO) && targets.would_enable("hyper", &Level::WARN));
        assert!(targets.would_enable("gateway", &Level::TRACE));
        let named = Directives::parse("info,hyper=debug").unwrap().targets();
        assert!(named.would_enable("hyper::proto", &Level::DEBUG));
        assert!(!Directives::parse("error").unwrap().targets().would_enable("hyper", &Level::WARN));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_part_at_fault() {
        assert_eq!(Directives::parse("loud"), Err(FilterError::Level("loud".into())));
        assert_eq!(Directives::parse("info,gateway=loud"), Err(FilterError::Level("loud".into())));
        assert_eq!(Directives::parse("a b=info"), Err(FilterError::Target("a b".into())));
        let many: Vec<_> = (0..=TARGETS_MAX).map(|n| format!("t{n}=info")).collect();
        assert_eq!(Directives::parse(&many.join(",")), Err(FilterError::TooMany));
    }
}
