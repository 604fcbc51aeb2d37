//! Which mentions in a text notify whom.

use serde_json::{Value, json};

use super::guild::Guild;
use super::ids::Id;
use super::permissions;
use crate::api_error::ApiError;
use crate::events::Pings;

/// What a message lets its mentions do (Discord documentation, "Allowed Mentions Object").
#[derive(Clone, Debug)]
pub(crate) struct AllowedMentions {
    users: Allow,
    roles: Allow,
    everyone: bool,
    replied_user: bool,
}

#[derive(Clone, Debug)]
enum Allow {
    All,
    Only(Vec<Id>),
}

impl Allow {
    fn allows(&self, id: Id) -> bool {
        match self {
            Allow::All => true,
            Allow::Only(ids) => ids.contains(&id),
        }
    }
}

impl AllowedMentions {
    /// Without the field every mention counts, also @everyone and the author replied to.
    pub(crate) fn unrestricted() -> AllowedMentions {
        AllowedMentions { users: Allow::All, roles: Allow::All, everyone: true, replied_user: true }
    }

    /// Reads the field of a request. Naming a kind in `parse` and listing its ids as well is refused.
    pub(crate) fn parse(field: Option<&Value>) -> Result<AllowedMentions, ApiError> {
        let Some(field) = field.filter(|field| !field.is_null()) else { return Ok(AllowedMentions::unrestricted()) };
        let kinds: Vec<&str> =
            field["parse"].as_array().map(|kinds| kinds.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
        let list = |kind: &str| -> Result<Allow, ApiError> {
            let ids: Vec<Id> =
                field[kind].as_array().map(|ids| ids.iter().filter_map(Id::from_json).collect()).unwrap_or_default();
            match (kinds.contains(&kind), ids.is_empty()) {
                (true, false) => Err(ApiError::invalid_form(json!({ "allowed_mentions": { "_errors": [{
                    "code": "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                    "message": format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive."),
                }] } }))),
                (true, true) => Ok(Allow::All),
                (false, _) => Ok(Allow::Only(ids)),
            }
        };
        Ok(AllowedMentions {
            users: list("users")?,
            roles: list("roles")?,
            everyone: kinds.contains(&"everyone"),
            replied_user: field["replied_user"].as_bool().unwrap_or(false),
        })
    }
}

/// Whom `content` by `author` notifies in `guild`. `replied` is the author of the message replied to.
pub(crate) fn pings(
    content: &str,
    guild: Option<&Guild>,
    author: Id,
    channel: Id,
    allowed: &AllowedMentions,
    replied: Option<Id>,
) -> Pings {
    let may_all =
        guild.is_some_and(|guild| permissions::of(guild, author, Some(channel)) & permissions::MENTION_EVERYONE != 0);
    let mut pings = Pings {
        everyone: may_all && allowed.everyone && (content.contains("@everyone") || content.contains("@here")),
        ..Pings::default()
    };
    for tag in tags(content) {
        if let Some(id) = tag.strip_prefix("@&").and_then(|id| id.parse().ok()) {
            let role = guild.and_then(|guild| guild.role(id));
            if allowed.roles.allows(id) && role.is_some_and(|role| role.mentionable || may_all) {
                add(&mut pings.roles, id);
            }
        } else if let Some(id) = tag.strip_prefix('@').and_then(|id| id.trim_start_matches('!').parse().ok())
            && allowed.users.allows(id)
        {
            add(&mut pings.users, id);
        }
    }
    if let Some(replied) = replied.filter(|replied| allowed.replied_user && *replied != author) {
        add(&mut pings.users, replied);
    }
    pings
}

/// The insides of every `<…>` in a text.
fn tags(content: &str) -> impl Iterator<Item = &str> {
    content.split('<').skip(1).filter_map(|rest| rest.split_once('>').map(|(tag, _)| tag))
}

fn add(ids: &mut Vec<u64>, id: Id) {
    if !ids.contains(&id.0) {
        ids.push(id.0);
    }
}
