//! Emojis of guilds and of the application.

use std::sync::Arc;

use serde::Serialize;

use super::ids::Id;
use super::user::User;

/// An emoji object (Discord documentation, "Emoji Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Emoji {
    pub id: Id,
    pub name: String,
    pub roles: Vec<Id>,
    pub user: Arc<User>,
    pub require_colons: bool,
    pub managed: bool,
    pub animated: bool,
    pub available: bool,
}

impl Emoji {
    pub(crate) fn new(id: Id, name: &str, animated: bool, user: Arc<User>) -> Emoji {
        Emoji {
            id,
            name: name.to_owned(),
            roles: Vec::new(),
            user,
            require_colons: true,
            managed: false,
            animated,
            available: true,
        }
    }
}

/// Whether `name` may name an emoji: 2 to 32 letters, digits or underscores.
pub(crate) fn is_emoji_name(name: &str) -> bool {
    (2..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
