//! People and the bot.

use serde::Serialize;
use serde_json::{Value, json};

use super::ids::Id;

/// A user object as others see it (Discord documentation, "User Object").
#[derive(Clone, Debug, Serialize)]
pub(crate) struct User {
    pub id: Id,
    pub username: String,
    pub discriminator: &'static str,
    pub global_name: Option<String>,
    pub avatar: Option<String>,
    pub bot: bool,
    pub system: bool,
    pub banner: Option<String>,
    pub accent_color: Option<u32>,
    pub public_flags: u64,
    pub flags: u64,
    pub avatar_decoration_data: Option<Value>,
    pub collectibles: Option<Value>,
    pub clan: Option<Value>,
    pub primary_guild: Option<Value>,
}

impl User {
    pub(crate) fn new(id: Id, username: &str, bot: bool) -> User {
        User {
            id,
            username: username.to_owned(),
            discriminator: "0",
            global_name: (!bot).then(|| title(username)),
            avatar: None,
            bot,
            system: false,
            banner: None,
            accent_color: None,
            public_flags: 0,
            flags: 0,
            avatar_decoration_data: None,
            collectibles: None,
            clan: None,
            primary_guild: None,
        }
    }

    /// The user as it sees itself in `GET /users/@me` and READY: the public fields and the account's own.
    pub(crate) fn as_current(&self) -> Value {
        let mut own = json!(self);
        if let Some(fields) = own.as_object_mut() {
            fields.insert("mfa_enabled".into(), json!(true));
            fields.insert("verified".into(), json!(true));
            fields.insert("email".into(), Value::Null);
            fields.insert("locale".into(), json!("en-US"));
            fields.insert("premium_type".into(), json!(0));
        }
        own
    }
}

fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
