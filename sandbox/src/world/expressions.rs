//! Emojis being made, renamed and deleted, in a guild or for the application.

use std::sync::Arc;

use serde_json::json;

use super::World;
use super::emoji::{Emoji, is_emoji_name};
use super::ids::Id;
use crate::api_error::{ApiError, Unknown};

/// Emojis of a guild without boosts.
pub(crate) const GUILD_EMOJIS_MAX: usize = 50;
/// Emojis of an application.
pub(crate) const APPLICATION_EMOJIS_MAX: usize = 2_000;

/// Where an emoji lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    Guild(Id),
    Application,
}

impl World {
    pub(crate) fn emojis(&self, shelf: Shelf) -> Result<&Vec<Emoji>, ApiError> {
        match shelf {
            Shelf::Guild(guild) => Ok(&self.guild(guild)?.emojis),
            Shelf::Application => Ok(&self.application_emojis),
        }
    }

    pub(crate) fn emoji(&self, shelf: Shelf, id: Id) -> Result<&Emoji, ApiError> {
        let found = self.emojis(shelf)?.iter().find(|emoji| emoji.id == id);
        found.ok_or_else(|| ApiError::unknown(Unknown::Emoji))
    }

    pub(crate) fn add_emoji(&mut self, shelf: Shelf, name: &str, by: Id, now_ms: u64) -> Result<Emoji, ApiError> {
        check_name(name)?;
        let (max, code) = match shelf {
            Shelf::Guild(_) => (GUILD_EMOJIS_MAX, 30008),
            Shelf::Application => (APPLICATION_EMOJIS_MAX, 30008),
        };
        if self.emojis(shelf)?.len() >= max {
            return Err(ApiError::new(400, code, &format!("Maximum number of emojis reached ({max})")));
        }
        if shelf == Shelf::Application && self.application_emojis.iter().any(|emoji| emoji.name == name) {
            // Application emojis have unique names, unlike those of guilds.
            return Err(ApiError::invalid_field(
                "name",
                "APPLICATION_EMOJI_NAME_ALREADY_TAKEN",
                "An emoji with this name already exists.",
            ));
        }
        let user = Arc::clone(self.user(by)?);
        let emoji = Emoji::new(self.ids.next(now_ms), name, false, user);
        self.emojis_mut(shelf)?.push(emoji.clone());
        self.announce_emojis(shelf);
        Ok(emoji)
    }

    pub(crate) fn rename_emoji(&mut self, shelf: Shelf, id: Id, name: &str) -> Result<Emoji, ApiError> {
        check_name(name)?;
        let emojis = self.emojis_mut(shelf)?;
        let emoji = emojis.iter_mut().find(|emoji| emoji.id == id);
        let emoji = emoji.ok_or_else(|| ApiError::unknown(Unknown::Emoji))?;
        emoji.name = name.to_owned();
        let emoji = emoji.clone();
        self.announce_emojis(shelf);
        Ok(emoji)
    }

    pub(crate) fn delete_emoji(&mut self, shelf: Shelf, id: Id) -> Result<(), ApiError> {
        self.emoji(shelf, id)?;
        self.emojis_mut(shelf)?.retain(|emoji| emoji.id != id);
        self.announce_emojis(shelf);
        Ok(())
    }

    fn emojis_mut(&mut self, shelf: Shelf) -> Result<&mut Vec<Emoji>, ApiError> {
        match shelf {
            Shelf::Guild(guild) => Ok(&mut self.guild_mut(guild)?.emojis),
            Shelf::Application => Ok(&mut self.application_emojis),
        }
    }

    /// A guild's emojis are announced all together; the application's never are.
    fn announce_emojis(&mut self, shelf: Shelf) {
        if let Shelf::Guild(id) = shelf
            && let Ok(guild) = self.guild(id)
        {
            let body = json!({ "guild_id": id, "emojis": guild.emojis });
            self.outbox.guild_event("GUILD_EMOJIS_UPDATE", id, &body);
        }
    }
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if is_emoji_name(name) {
        return Ok(());
    }
    let message = "Must be 2 to 32 letters, digits or underscores.";
    Err(ApiError::invalid_field("name", "STRING_TYPE_REGEX", message))
}
