//! Exit codes, and the one sentence that goes with each.

use std::{fmt, process::ExitCode};

/// Why the process ends. The numbers are a contract with scripts and service managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 0: stopped by a signal, by an admin, or (`try`) by the end of its input.
    Stopped = 0,
    /// 2: the command line was wrong.
    Usage = 2,
    /// 69: something vital cannot be had: database, data folder, control socket.
    Unavailable = 69,
    /// 70: internal: the tree gave up, or a required part cannot start.
    Internal = 70,
    /// 77: Discord refuses the token.
    TokenRefused = 77,
    /// 78: the configuration does not hold.
    Config = 78,
    /// 130: forced by a third signal.
    Forced = 130,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        Self::from(code as u8)
    }
}

/// An end with its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fatal {
    /// The exit code.
    pub code: Code,
    /// What is wrong and what to do, for whoever started the process.
    pub message: String,
}

impl Fatal {
    /// An end with `code` and its sentence.
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: message.to_string() }
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
