//! How a request is to be sent, apart from what it says.

use serde_json::json;
use serenity::model::id::{RoleId, UserId};
use std::{borrow::Cow, time::Duration};

/// Who goes first when requests have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Answers to interactions: Discord drops them after 3 s.
    Interaction,
    /// Moderation: it protects people.
    Moderation,
    /// Everything else that somebody waits for.
    #[default]
    Normal,
    /// Refreshes and bookkeeping; may starve while there is other work, until its deadline.
    Background,
}

impl Priority {
    /// Every priority, first to last.
    pub const ALL: [Self; 4] = [Self::Interaction, Self::Moderation, Self::Normal, Self::Background];

    /// The word shown to people and on metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interaction => "interaction",
            Self::Moderation => "moderation",
            Self::Normal => "normal",
            Self::Background => "background",
        }
    }
}

/// Whom a message may ping. Whatever its text or its builder says, only what is opened here gets through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Mentions {
    /// Nobody.
    #[default]
    None,
    /// These users, where the text mentions them; Discord takes 100 at most.
    Users(Vec<UserId>),
    /// These roles, where the text mentions them; Discord takes 100 at most.
    Roles(Vec<RoleId>),
    /// `@everyone` and `@here`.
    Everyone,
}

impl Mentions {
    /// Discord's `allowed_mentions` object, as JSON.
    pub(crate) fn allowed(&self) -> Cow<'static, str> {
        match self {
            Self::None => r#"{"parse":[]}"#.into(),
            Self::Users(ids) => json!({ "parse": [], "users": ids }).to_string().into(),
            Self::Roles(ids) => json!({ "parse": [], "roles": ids }).to_string().into(),
            Self::Everyone => r#"{"parse":["everyone"]}"#.into(),
        }
    }
}

/// How a request is to be sent. The default: normal priority, the configured deadline, nobody pinged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Send {
    /// Who goes first.
    pub priority: Priority,
    /// How long it may take in all, waiting included; none: as configured.
    pub deadline: Option<Duration>,
    /// Whom it may ping.
    pub mentions: Mentions,
    /// The key by which Discord recognises a repeated channel message (25 characters at most); none: a random one.
    pub nonce: Option<String>,
}

impl Send {
    /// For answers to interactions.
    pub fn interaction() -> Self {
        Self::at(Priority::Interaction)
    }

    /// For moderation.
    pub fn moderation() -> Self {
        Self::at(Priority::Moderation)
    }

    /// For what nobody waits for.
    pub fn background() -> Self {
        Self::at(Priority::Background)
    }

    /// With `priority`, the rest as by default.
    pub fn at(priority: Priority) -> Self {
        Self { priority, ..Self::default() }
    }

    /// With a deadline of its own.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Opens mentions.
    #[must_use]
    pub fn mentions(mut self, mentions: Mentions) -> Self {
        self.mentions = mentions;
        self
    }

    /// With a nonce of its own, e.g. one derived from a case's id.
    #[must_use]
    pub fn nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }
}
