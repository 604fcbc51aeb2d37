//! The types an argument can have.

use super::duration::show_duration;
use serenity::model::id::{ChannelId, RoleId, UserId};
use std::{ops::Deref, time::Duration};

/// What an argument may be, as both front ends understand it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// One word, or several in double quotes.
    Word,
    /// Everything to the end of the message, verbatim. Only as the last argument.
    Text,
    /// A whole number, both bounds included.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A number.
    Number,
    /// Yes or no.
    Bool,
    /// A user.
    User,
    /// A channel.
    Channel,
    /// A role.
    Role,
    /// A user or a role.
    Mentionable,
    /// A span of time.
    Duration,
    /// One of these.
    Choice(&'static [Choice]),
}

/// One of the values a choice admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// What is typed and shown; at most 100 characters.
    pub name: &'static str,
}

impl Kind {
    /// What it has to be, so that "`count` must be …" is a sentence.
    pub fn expected(&self) -> String {
        match self {
            Self::Word => "a word, or several in double quotes".to_owned(),
            Self::Text => "some text".to_owned(),
            Self::Integer { min: i64::MIN, max: i64::MAX } => "a whole number".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number => "a number".to_owned(),
            Self::Bool => "yes or no".to_owned(),
            Self::User => "a user: a mention or an id".to_owned(),
            Self::Channel => "a channel: a mention or an id".to_owned(),
            Self::Role => "a role: a mention or an id".to_owned(),
            Self::Mentionable => "a mention of a user or a role".to_owned(),
            Self::Duration => "a duration such as 90s, 1h30m or 2d".to_owned(),
            Self::Choice(choices) => {
                let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
                format!("one of {}", names.join(", "))
            }
        }
    }
}

/// A value that has been read and checked against its [`Kind`].
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A word, a text or a choice.
    Str(String),
    /// A whole number.
    Int(i64),
    /// A number.
    Num(f64),
    /// Yes or no.
    Bool(bool),
    /// A user.
    User(UserId),
    /// A channel.
    Channel(ChannelId),
    /// A role.
    Role(RoleId),
    /// A span of time.
    Duration(Duration),
}

/// A type that an argument can have. `Option` of it makes the argument optional.
pub trait Value: Sized + Send + 'static {
    /// Whether the argument must be given.
    const REQUIRED: bool = true;

    /// What is admitted.
    fn kind() -> Kind;

    /// Takes a checked value; none when the value is of another kind.
    fn from_scalar(scalar: Scalar) -> Option<Self>;

    /// What stands for an argument that was not given.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    const REQUIRED: bool = false;

    fn kind() -> Kind {
        T::kind()
    }

    fn from_scalar(scalar: Scalar) -> Option<Self> {
        T::from_scalar(scalar).map(Some)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

macro_rules! plain {
    ($($type:ty: $kind:expr, $scalar:ident;)+) => {$(
        impl Value for $type {
            fn kind() -> Kind {
                $kind
            }

            fn from_scalar(scalar: Scalar) -> Option<Self> {
                if let Scalar::$scalar(value) = scalar { Some(value) } else { None }
            }
        }
    )+};
}

plain! {
    String: Kind::Word, Str;
    i64: Kind::Integer { min: i64::MIN, max: i64::MAX }, Int;
    f64: Kind::Number, Num;
    bool: Kind::Bool, Bool;
    UserId: Kind::User, User;
    ChannelId: Kind::Channel, Channel;
    RoleId: Kind::Role, Role;
}

/// The rest of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest(pub String);

impl Value for Rest {
    fn kind() -> Kind {
        Kind::Text
    }

    fn from_scalar(scalar: Scalar) -> Option<Self> {
        String::from_scalar(scalar).map(Self)
    }
}

impl Deref for Rest {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

/// A whole number from `MIN` to `MAX`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int<const MIN: i64, const MAX: i64>(pub i64);

impl<const MIN: i64, const MAX: i64> Value for Int<MIN, MAX> {
    fn kind() -> Kind {
        Kind::Integer { min: MIN, max: MAX }
    }

    fn from_scalar(scalar: Scalar) -> Option<Self> {
        i64::from_scalar(scalar).map(Self)
    }
}

/// A user or a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mentionable {
    /// A user.
    User(UserId),
    /// A role.
    Role(RoleId),
}

impl Value for Mentionable {
    fn kind() -> Kind {
        Kind::Mentionable
    }

    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::User(user) => Some(Self::User(user)),
            Scalar::Role(role) => Some(Self::Role(role)),
            _ => None,
        }
    }
}

/// A span of time, more than nothing and at most 10 years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Value for Span {
    fn kind() -> Kind {
        Kind::Duration
    }

    fn from_scalar(scalar: Scalar) -> Option<Self> {
        if let Scalar::Duration(duration) = scalar { Some(Self(duration)) } else { None }
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&show_duration(self.0))
    }
}
