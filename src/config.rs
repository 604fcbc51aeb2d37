//! The configuration: one object, read once, and where each of its values came from. Nobody else reads the environment.
//!
//! Defaults (the shipped `config.toml`, embedded) < file < `IMPRESARIO_SECTION__KEY` and its aliases < flags. Everything
//! that is wrong is reported at once, each with its place, its key and what to do.

mod actors;
mod diff;
mod environment;
mod file;
mod judge;
mod key;
mod known;
mod modes;
mod problem;
mod sections;
mod sentry;
mod service;
mod show;
mod socket;
mod sources;
mod standing;
mod tasks;
mod token;
mod typed;
mod validate;
mod values;

pub(crate) use judge::place as place_of_rule;
pub(crate) use tasks::place as place_of_task_rule;
pub(crate) use validate::SHARDS_MAX;

#[cfg(test)]
mod tests;

pub use actors::{SupervisionRules, WatchConfig};
pub use diff::{Change, LIVE, adopt_live, diff};
pub use key::Key;
pub use problem::{Problem, Problems};
pub use sections::{
    BootConfig, CogConfig, Config, DataConfig, DiscordConfig, Intents, MemoryConfig, PluginsConfig, Shards,
    ShutdownConfig,
};
pub use sentry::{SentryKeys, sentry_keys};
pub use service::{ServiceManager, service_manager};
pub use show::{human, json, json_problems};
pub use socket::{locate_data, locate_socket, socket_path};
pub use sources::{Flag, Sources, TokenRule};
pub use standing::{KnownActors, Standing, standing};
pub(crate) use tasks::declared_tasks;
pub use token::check_shape as check_token;
pub use values::{Origin, Setting, Values};

use protocol::Secret;
use std::{collections::HashMap, path::PathBuf};

/// The shipped file: every key, its default and one comment line.
pub const DEFAULTS: &str = include_str!("../config.toml");

/// A configuration that has passed every check.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values, typed.
    pub config: Config,
    /// The bot's token; none when the sources said to ignore it.
    pub token: Option<Secret>,
    /// Where the control socket belongs.
    pub socket: PathBuf,
    /// Every value with its origin.
    pub values: Values,
    /// What deserves a word but stops nothing.
    pub warnings: Vec<String>,
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
}

/// Reads and checks everything.
///
/// # Errors
/// [`Problems`]: all of them, not the first one.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let known = known::Known::shipped();
    let mut values = known.defaults();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();

    let file = match sources.file() {
        Ok(file) => file,
        Err(problem) => return Err(Problems { list: vec![problem], warnings, values: values.into(), file: None }),
    };
    let mut layers = Vec::new();
    if let Some((shown, text)) = &file {
        let read = file::read(shown, text, &mut problems);
        warnings.extend(modes::warning(shown, &sources.cwd.join(shown), &read));
        layers.push(read);
    }
    layers.push(environment::aliases(&sources.env, &mut problems, &mut warnings));
    layers.push(environment::settings(&sources.env, &known, &mut problems, &mut warnings));
    layers.push(sources.flags.iter().map(Flag::setting).collect());
    for layer in layers {
        let mut written = HashMap::new();
        for (key, setting) in layer {
            let meant = key.canonical();
            if let Some(other) = written.insert(meant.clone(), key.clone()).filter(|other| *other != key) {
                let reason = format!("is {other} once more, in another spelling: keep one");
                problems.push(Problem::new(&setting.origin, &key, reason));
            } else if let Err(problem) = known.check(&meant, &setting) {
                problems.push(problem);
            } else {
                values.set(meant, setting);
            }
        }
    }

    let token = token::find(sources, &values, &mut problems, &mut warnings);
    let mut config = None;
    match typed::config(&values) {
        Ok(read) => {
            validate::check(&read, &values, &mut problems);
            tasks::check(&read, &values, &mut problems);
            judge::check(&read, &values, &sources.cogs, &mut problems);
            config = Some(read);
        }
        Err(more) => problems.extend(more),
    }
    if let Some((_, origin)) = &token {
        let origin = origin.clone();
        values.set(Key::of(["discord", "token"]), Setting { value: toml::Value::from("***"), origin });
    }
    let file = file.map(|(shown, _)| shown);
    match config {
        Some(config) if problems.is_empty() => {
            let socket = socket_path(&config.control.socket, &config.data.dir, &sources.env);
            Ok(Loaded { config, token: token.map(|(token, _)| token), socket, values, warnings, file })
        }
        _ => Err(Problems { list: problems, warnings, values: values.into(), file }),
    }
}
