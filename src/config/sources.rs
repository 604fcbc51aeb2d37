//! What the configuration is read from; tests make it by hand, the program from its process.

use super::{
    key::Key,
    problem::Problem,
    values::{Origin, Setting},
};
use protocol::Secret;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Longest configuration file that is read, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Everything outside the program that the configuration depends on.
#[derive(Debug, Clone)]
pub struct Sources {
    /// `--config`.
    pub explicit: Option<PathBuf>,
    /// The working directory.
    pub cwd: PathBuf,
    /// The environment.
    pub env: BTreeMap<String, String>,
    /// Values given by flags.
    pub flags: Vec<Flag>,
    /// What to do about the token.
    pub token: TokenRule,
    /// Names of cogs beside the built-in ones: there may be rules for them.
    pub cogs: Vec<String>,
}

/// A value given on the command line.
#[derive(Debug, Clone)]
pub struct Flag {
    /// The key, dotted.
    pub key: &'static str,
    /// The value.
    pub value: toml::Value,
    /// The flag that was used.
    pub flag: &'static str,
}

/// Whether a token is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenRule {
    /// A missing or malformed one is a problem: `run`, `check`.
    Required,
    /// It is not looked at: commands that only talk to a running instance.
    Ignored,
    /// This one: `try`.
    Given(Secret),
}

impl Flag {
    pub(super) fn setting(&self) -> (Key, Setting) {
        let origin = Origin::Flag { name: self.flag.to_owned() };
        (Key::dotted(self.key), Setting { value: self.value.clone(), origin })
    }
}

impl Sources {
    /// The process's own environment and working directory, a token required.
    pub fn of_process(explicit: Option<PathBuf>) -> Self {
        // A value that is no UTF-8 is kept as well as it can be: it is then refused for what it is, not as missing.
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        };
        Self {
            explicit,
            cwd: std::env::current_dir().unwrap_or_default(),
            env: std::env::vars_os().filter_map(text).collect(),
            flags: Vec::new(),
            token: TokenRule::Required,
            cogs: Vec::new(),
        }
    }

    /// The same with `--socket`, if one was given.
    #[must_use]
    pub fn with_socket(mut self, socket: Option<&Path>) -> Self {
        if let Some(socket) = socket {
            let value = toml::Value::from(socket.to_string_lossy().into_owned());
            self.flags.push(Flag { key: "control.socket", value, flag: "--socket" });
        }
        self
    }

    /// The same with another rule for the token.
    #[must_use]
    pub fn with_token(mut self, token: TokenRule) -> Self {
        self.token = token;
        self
    }

    /// Whether the file, if there is one, can be read.
    ///
    /// # Errors
    /// Why not.
    pub fn readable(&self) -> Result<(), Problem> {
        self.file().map(drop)
    }

    /// An environment variable that is set and not empty.
    pub(super) fn var(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The file to read, as it is shown, and its text. A missing implicit file means defaults.
    pub(super) fn file(&self) -> Result<Option<(PathBuf, String)>, Problem> {
        let read = |path: &Path| {
            let mut text = String::new();
            File::open(self.cwd.join(path))?.take(FILE_MAX + 1).read_to_string(&mut text)?;
            if text.len() as u64 > FILE_MAX { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(text) }
        };
        let unreadable = |path: &Path, error: &io::Error| {
            let origin = Origin::Alone { file: path.to_owned() };
            let why = match error.kind() {
                io::ErrorKind::NotFound => "there is no such file; `impresario init` writes one".to_owned(),
                io::ErrorKind::FileTooLarge => format!("it has more than {FILE_MAX} bytes: that is no configuration"),
                io::ErrorKind::IsADirectory => "it is a folder; name the file in it".to_owned(),
                io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
                _ => error.to_string(),
            };
            Problem::new(&origin, &Key::of::<String>([]), why)
        };
        if let Some(path) = &self.explicit {
            return read(path).map(|text| Some((path.clone(), text))).map_err(|error| unreadable(path, &error));
        }
        let xdg = self.xdg();
        for path in [Some(PathBuf::from("config.toml")), xdg].into_iter().flatten() {
            match read(&path) {
                Ok(text) => return Ok(Some((path, text))),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(unreadable(&path, &error)),
            }
        }
        Ok(None)
    }

    fn xdg(&self) -> Option<PathBuf> {
        let home = || self.var("HOME").map(|home| Path::new(home).join(".config"));
        let base = self.var("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute()).or_else(home)?;
        Some(base.join("impresario/config.toml"))
    }
}
