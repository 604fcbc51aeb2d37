//! Why an actor ended: a type, never a string.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest text of an exit that is kept, in bytes: thousands of exits are remembered, whatever they have to say.
pub const EXIT_TEXT_MAX: usize = 4_096;

/// The reason an incarnation ended, or could not begin.
///
/// OTP's atoms map onto it: `normal` is [`Exit::Normal`], `shutdown` and `{shutdown, Info}` are [`Exit::Shutdown`],
/// `killed` is [`Exit::Killed`]; everything else is abnormal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Exit {
    /// The actor finished its work and ended itself.
    Normal,
    /// The actor was asked to stop and did, or a supervisor gave up in order.
    Shutdown {
        /// What the shutdown was for, when there is more to say than "asked to".
        #[serde(default, skip_serializing_if = "Option::is_none")]
        info: Option<String>,
    },
    /// The actor was killed: cancelled at an await point without cleaning up.
    Killed {
        /// Who killed it: `operator`, `stop deadline`, `start timeout`, `brutal`.
        by: String,
    },
    /// A handler returned a failure.
    Error {
        /// What went wrong, for an operator.
        message: String,
    },
    /// A handler returned a failure that no restart can mend: the actor is parked (or, when vital, escalates) at once.
    Fatal {
        /// What went wrong and what an operator has to do.
        message: String,
    },
    /// A handler panicked.
    Panic {
        /// The panic's message.
        message: String,
        /// `file:line:column`, when the panic hook saw it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
    },
    /// The actor said in its start that it is not needed here (OTP's `ignore`): no failure, and no restart.
    Ignored {
        /// Why it is not.
        why: String,
    },
    /// The actor never came up.
    StartFailed {
        /// The child that failed, when it was a supervisor's start that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        child: Option<String>,
        /// What ended the start.
        cause: Box<Exit>,
    },
    /// The actor made no progress within its stall limit.
    Stalled,
    /// The actor's task was cancelled from outside the supervision tree, or aborted after a kill had no effect.
    Aborted,
}

impl Exit {
    /// A plain shutdown.
    pub fn shutdown() -> Self {
        Self::Shutdown { info: None }
    }

    /// A shutdown with a reason to show.
    pub fn shutdown_because(info: impl Into<String>) -> Self {
        Self::Shutdown { info: Some(info.into()) }
    }

    /// Whether a transient child is restarted after it (OTP: anything but `normal`, `shutdown`, `{shutdown, _}`).
    pub fn is_abnormal(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown { .. } | Self::Ignored { .. })
    }

    /// Whether the actor itself said that a restart cannot help.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Fatal { .. } => true,
            Self::StartFailed { cause, .. } => cause.is_fatal(),
            _ => false,
        }
    }

    /// The same with no text longer than [`EXIT_TEXT_MAX`]; what is cut says so.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.with_text(&cut);
        self
    }

    /// Changes its text, if it has one.
    pub(crate) fn with_text(&mut self, change: &dyn Fn(&mut String)) {
        match self {
            Self::Normal | Self::Shutdown { info: None } | Self::Stalled | Self::Aborted => {}
            Self::Shutdown { info: Some(text) }
            | Self::Killed { by: text }
            | Self::Error { message: text }
            | Self::Fatal { message: text }
            | Self::Panic { message: text, .. }
            | Self::Ignored { why: text } => change(text),
            Self::StartFailed { cause, .. } => cause.with_text(change),
        }
    }

    /// The variant as one stable word, for labels and JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown { .. } => "shutdown",
            Self::Killed { .. } => "killed",
            Self::Error { .. } => "error",
            Self::Fatal { .. } => "fatal",
            Self::Panic { .. } => "panic",
            Self::Ignored { .. } => "ignored",
            Self::StartFailed { .. } => "start_failed",
            Self::Stalled => "stalled",
            Self::Aborted => "aborted",
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("finished"),
            Self::Shutdown { info: None } => f.write_str("shut down"),
            Self::Shutdown { info: Some(info) } => write!(f, "shut down: {info}"),
            Self::Killed { by } => write!(f, "killed by {by}"),
            Self::Error { message } => write!(f, "error: {message}"),
            Self::Fatal { message } => write!(f, "fatal: {message}"),
            Self::Panic { message, location: Some(location) } => write!(f, "panic at {location}: {message}"),
            Self::Panic { message, location: None } => write!(f, "panic: {message}"),
            Self::Ignored { why } => write!(f, "not needed: {why}"),
            Self::StartFailed { child: Some(child), cause } => write!(f, "{child} did not start: {cause}"),
            Self::StartFailed { child: None, cause } => write!(f, "start failed: {cause}"),
            Self::Stalled => f.write_str("stalled"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}

fn cut(text: &mut String) {
    if text.len() > EXIT_TEXT_MAX {
        let all = text.len();
        text.truncate(text.floor_char_boundary(EXIT_TEXT_MAX));
        text.push_str(&format!(" … (cut; {all} bytes in all)"));
    }
}

/// What a handler returns when its actor must end: the decision to restart is made explicit here.
///
/// Expected trouble is not a `Failure`: a handler answers its caller and returns `Ok`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    exit: Exit,
}

impl Failure {
    /// Ends the actor; its supervisor restarts it by rule.
    pub fn restart(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Error { message: message.to_string() } }
    }

    /// Ends the actor; no restart can help, so it is parked (a vital one escalates).
    pub fn fatal(message: impl fmt::Display) -> Self {
        Self { exit: Exit::Fatal { message: message.to_string() } }
    }

    /// Says from `start` that the actor is not needed here, which is no failure (OTP's `ignore`): the start of the tree
    /// goes on, the child is down and is not restarted. Its spec is kept, so that it can be ordered up later; a
    /// temporary child and a child of a dynamic supervisor are forgotten. Returned by a handler it is a normal end.
    pub fn ignore(why: impl fmt::Display) -> Self {
        Self { exit: Exit::Ignored { why: why.to_string() } }
    }

    /// The exit this failure becomes.
    pub fn into_exit(self) -> Exit {
        self.exit
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::restart(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_any_length_is_cut_between_characters_and_says_so() {
        let long = |text: String| Exit::StartFailed { child: None, cause: Box::new(Exit::Error { message: text }) };
        let Exit::StartFailed { cause, .. } = long("ä".repeat(1_000_000) + "b").bounded() else {
            panic!("it stays one")
        };
        let Exit::Error { message } = *cause else { panic!("it stays one") };
        assert!(message.starts_with("ää") && message.ends_with("ä … (cut; 2000001 bytes in all)"), "{message}");
        assert!(message.len() < EXIT_TEXT_MAX + 64);
        let short = long("x".repeat(EXIT_TEXT_MAX));
        assert_eq!(short.clone().bounded(), short);
    }
}
