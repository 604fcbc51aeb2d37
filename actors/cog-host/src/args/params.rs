//! An argument list: its declaration, its values on the way, and what can be wrong with them.

use super::value::{Kind, Scalar, Value};

/// One argument of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Param {
    /// Its name: lower case, as a slash option is named.
    pub name: &'static str,
    /// One sentence or phrase, 1 to 100 characters.
    pub about: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// Whether it must be given.
    pub required: bool,
}

impl Param {
    /// The argument `name` of type `T`; one with a default need not be given.
    pub fn of<T: Value>(name: &'static str, about: &'static str, has_default: bool) -> Self {
        Self { name, about, kind: T::kind(), required: T::REQUIRED && !has_default }
    }

    /// Its place in a usage line: `<name>` or `[name]`, `…` where it takes the rest of the message.
    pub fn usage(&self) -> String {
        let name = match &self.kind {
            Kind::Choice(choices) => choices.iter().map(|choice| choice.name).collect::<Vec<_>>().join("|"),
            Kind::Text => format!("{}…", self.name),
            _ => self.name.to_owned(),
        };
        if self.required { format!("<{name}>") } else { format!("[{name}]") }
    }
}

/// The arguments of a command, as a struct; [`crate::args!`] writes this for you.
pub trait Args: Sized + Send + 'static {
    /// The declaration, in order.
    fn params() -> Vec<Param>;

    /// Takes the values that were read for [`Args::params`]; none when they are not of its kinds, which the readers
    /// rule out.
    fn take(values: &mut Values) -> Option<Self>;
}

impl Args for () {
    fn params() -> Vec<Param> {
        Vec::new()
    }

    fn take(_: &mut Values) -> Option<Self> {
        Some(())
    }
}

/// Values in the order of the declaration; none where nothing was given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values(std::collections::VecDeque<Option<Scalar>>);

impl Values {
    /// Takes the next value, `default` standing in for a missing one.
    pub fn next<T: Value>(&mut self, default: impl FnOnce() -> Option<T>) -> Option<T> {
        match self.0.pop_front().flatten() {
            Some(scalar) => T::from_scalar(scalar),
            None => default().or_else(T::absent),
        }
    }

    pub(super) fn push(&mut self, value: Option<Scalar>) {
        self.0.push_back(value);
    }
}

/// What is wrong with what somebody typed. `Display` is one sentence that names the argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgError {
    /// A required argument was not given.
    #[error("`{name}` is missing: {about}.")]
    Missing {
        /// The argument.
        name: &'static str,
        /// What it is.
        about: &'static str,
    },
    /// A value does not fit.
    #[error("`{name}` must be {expected}.")]
    Bad {
        /// The argument.
        name: &'static str,
        /// What it has to be.
        expected: String,
    },
    /// More was given than the command takes.
    #[error("That is more than this command takes; several words for one argument go in double quotes.")]
    TooMany,
    /// A quote was opened and never closed.
    #[error("A double quote is opened but never closed.")]
    UnclosedQuote,
    /// The subcommand is not one of the command's.
    #[error("That must be followed by one of: {}.", known.join(", "))]
    Subcommand {
        /// The ones there are.
        known: Vec<&'static str>,
    },
}
