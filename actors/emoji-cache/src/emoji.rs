//! One custom emoji, as small as answers need it.

use protocol::cache::GuildEmoji;
use serde::Serialize;
use serenity::model::{
    guild::Emoji,
    id::{EmojiId, GuildId},
};
use std::{fmt, sync::Arc};

/// Where an emoji belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// To the application: usable everywhere.
    Application,
    /// To a guild.
    Guild(GuildId),
}

/// A custom emoji. Its `Display` is the text that shows it in a message: `<:name:id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachedEmoji {
    /// Its id.
    pub id: EmojiId,
    /// Its name, without colons.
    pub name: Box<str>,
    /// Whether it moves.
    pub animated: bool,
    /// Whether it can be used: a guild that loses boosts keeps emojis it cannot use.
    pub available: bool,
    /// Where it belongs.
    pub origin: Origin,
}

/// The emojis of one origin, ascending by id.
pub(crate) type Set = Arc<[Arc<CachedEmoji>]>;

/// Takes over what Discord sent for one origin.
pub(crate) fn set<'a>(emojis: impl IntoIterator<Item = &'a Emoji>, origin: Origin) -> Set {
    sorted(emojis.into_iter().map(|emoji| CachedEmoji {
        id: emoji.id,
        name: emoji.name.as_str().into(),
        animated: emoji.animated,
        available: emoji.available,
        origin,
    }))
}

/// Takes over what the gateway's cache has read of a guild.
pub(crate) fn of_guild(guild: GuildId, emojis: &[GuildEmoji]) -> Set {
    sorted(emojis.iter().map(|emoji| CachedEmoji {
        id: emoji.id,
        name: emoji.name.clone(),
        animated: emoji.animated,
        available: emoji.available,
        origin: Origin::Guild(guild),
    }))
}

fn sorted(emojis: impl Iterator<Item = CachedEmoji>) -> Set {
    let mut set: Vec<_> = emojis.map(Arc::new).collect();
    set.sort_unstable_by_key(|emoji| emoji.id);
    set.into()
}

impl fmt::Display for CachedEmoji {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}:{}:{}>", if self.animated { "a" } else { "" }, self.name, self.id)
    }
}
