//! What a command answers: a reply, or why there is none.

use database::DbError;
use protocol::Class;
use rest::{Mentions, RestError};
use serenity::builder::CreateEmbed;
use std::time::Duration;

/// Longest message Discord takes, in characters.
pub const CONTENT_MAX: usize = 2000;
const CUT: &str = "…";

/// An answer to a command. It pings nobody unless [`Reply::mentions`] opens it.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub(crate) content: String,
    pub(crate) embeds: Vec<CreateEmbed>,
    pub(crate) ephemeral: bool,
    pub(crate) mentions: Mentions,
}

/// What a command function returns.
pub type Outcome = Result<Reply, Failure>;

impl Reply {
    /// Plain text; what is over Discord's limit is cut off with an ellipsis.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: clipped(content.into(), CONTENT_MAX), ..Self::default() }
    }

    /// Text in a code block, cut so that the block stays closed.
    pub fn code(content: &str) -> Self {
        const FENCES: usize = "```\n\n```".len();
        let inert = content.replace("```", "`\u{200b}`\u{200b}`"); // or the text would end the block
        let body = clipped(inert, CONTENT_MAX - FENCES);
        Self { content: format!("```\n{body}\n```"), ..Self::default() }
    }

    /// Says nothing more: for a command that has replied already.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an embed.
    #[must_use]
    pub fn embed(mut self, embed: CreateEmbed) -> Self {
        self.embeds.push(embed);
        self
    }

    /// Shows it to the caller alone, where Discord can: as the answer to a slash command that was not deferred.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.ephemeral = true;
        self
    }

    /// Opens mentions.
    #[must_use]
    pub fn mentions(mut self, mentions: Mentions) -> Self {
        self.mentions = mentions;
        self
    }

    /// Whether there is nothing to send.
    pub fn is_none(&self) -> bool {
        self.content.is_empty() && self.embeds.is_empty()
    }

    /// The text.
    pub fn content(&self) -> &str {
        &self.content
    }
}

fn clipped(mut text: String, max: usize) -> String {
    if let Some((end, _)) = text.char_indices().nth(max) {
        let keep = text[..end].char_indices().next_back().map_or(0, |(last, _)| last);
        text.truncate(keep);
        text.push_str(CUT);
    }
    text
}

/// Why a command did not do what was asked. None of it is a panic, and none of it is the cog's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The user asked for something that cannot be: the sentence is for them.
    Refused(String),
    /// Something that the command needs is not there at the moment.
    Unavailable {
        /// What, as a sentence for the user.
        what: String,
        /// When trying again makes sense.
        retry_after: Duration,
        /// Its class in metrics.
        error_type: &'static str,
    },
    /// Something is wrong with the bot: the user is given an incident's id, the log the message.
    Internal {
        /// What went wrong, for an operator.
        message: String,
        /// Its class in metrics.
        error_type: &'static str,
    },
}

impl Failure {
    /// Declines with a sentence for the user.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self::Refused(sentence.into())
    }

    /// Fails with a message for the operator.
    pub fn internal(message: impl std::fmt::Display) -> Self {
        Self::Internal { message: message.to_string(), error_type: "internal" }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        let error_type = "database";
        match error.class() {
            Class::Retry => Self::Unavailable {
                what: "My database is not available.".to_owned(),
                retry_after: error.retry_after(),
                error_type,
            },
            Class::Reject | Class::Fatal => Self::Internal { message: error.to_string(), error_type },
        }
    }
}

impl From<RestError> for Failure {
    fn from(error: RestError) -> Self {
        let error_type = "rest";
        match &error {
            RestError::Forbidden { .. } => Self::Refused("Discord does not let me do that here.".to_owned()),
            _ if error.class() == Class::Retry => Self::Unavailable {
                what: "Discord is not taking that at the moment.".to_owned(),
                retry_after: error.retry_after().unwrap_or(Duration::from_secs(5)),
                error_type,
            },
            _ => Self::Internal { message: error.to_string(), error_type },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut_at_a_character_and_a_code_block_stays_closed() {
        let reply = Reply::text("é".repeat(2001));
        assert_eq!(reply.content.chars().count(), CONTENT_MAX);
        assert!(reply.content.ends_with("é…"));
        assert_eq!(Reply::text("é".repeat(2000)).content.chars().count(), 2000);
        let code = Reply::code(&format!("a ``` b {}", "x".repeat(3000)));
        assert_eq!(code.content.matches("```").count(), 2);
        assert_eq!(code.content.chars().count(), CONTENT_MAX);
    }

    #[test]
    fn a_database_that_is_away_is_the_users_to_retry_and_a_bug_is_not() {
        let away = DbError::Unavailable { reason: "restarting".to_owned(), retry_after: Duration::from_secs(2) };
        assert!(matches!(Failure::from(away), Failure::Unavailable { retry_after, .. } if retry_after.as_secs() == 2));
        assert!(matches!(
            Failure::from(DbError::Other("no".to_owned())),
            Failure::Internal { error_type: "database", .. }
        ));
    }
}
