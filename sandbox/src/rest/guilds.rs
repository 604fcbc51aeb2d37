//! Guilds, their channels, roles and members, as they are read.

use serde_json::json;

use super::request::{Answer, Call};
use crate::api_error::{ApiError, Unknown};
use crate::form::Form;
use crate::gateway::intents::MEMBERS;
use crate::shared::State;
use crate::world::guild::{Member, merged};
use crate::world::ids::Id;
use crate::world::permissions;

/// Characters of a guild's name.
const NAME_MAX: usize = 100;

pub(crate) fn guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let guild = state.world.guild(call.guild()?)?;
    let mut object = guild.as_object();
    if call.flag("with_counts")? {
        let count = guild.members.len();
        let counts = json!({ "approximate_member_count": count, "approximate_presence_count": count });
        object = merged(object, counts);
    }
    Answer::ok(&object)
}

/// The name is what can be changed; other fields are refused rather than dropped.
pub(crate) fn rename(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let id = call.guild()?;
    state.world.require_in(id, permissions::MANAGE_GUILD)?;
    let mut form = Form::new(&call.body);
    let name = form.text("name", 2..=NAME_MAX);
    form.finish()?;
    if call.body.as_object().is_some_and(|fields| fields.keys().any(|field| field != "name")) {
        return Err(ApiError::new(501, 0, "only a guild's name can be changed in the sandbox"));
    }
    if let Some(name) = name {
        state.world.rename_guild(id, name, call.reason.as_deref(), state.now_ms)?;
    }
    guild(state, call)
}

pub(crate) fn channels(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&state.world.guild(call.guild()?)?.channels)
}

pub(crate) fn roles(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&state.world.guild(call.guild()?)?.roles)
}

pub(crate) fn role(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let role = state.world.guild(call.guild()?)?.role(call.id("role_id")?);
    Answer::ok(role.ok_or_else(|| ApiError::unknown(Unknown::Role))?)
}

pub(crate) fn member(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let user = call.id("user_id")?;
    let guild = state.world.guild(call.guild()?)?;
    let member = guild.members.get(&user).ok_or_else(|| {
        let known = state.world.users.contains_key(&user);
        ApiError::unknown(if known { Unknown::Member } else { Unknown::User })
    })?;
    Answer::ok(member)
}

pub(crate) fn members(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if state.config.allowed_intents & MEMBERS == 0 {
        // The list is as privileged as the events.
        return Err(ApiError::missing_access());
    }
    let limit = call.limit(1, 1_000)?;
    let after = call.query::<Id>("after")?.unwrap_or_default();
    let guild = state.world.guild(call.guild()?)?;
    let page: Vec<&Member> = guild.members.iter().filter(|(id, _)| **id > after).map(|(_, m)| m).take(limit).collect();
    Answer::ok(&page)
}

pub(crate) fn search_members(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let limit = call.limit(1, 1_000)?;
    let Some(query) = call.query::<String>("query")? else {
        return Err(ApiError::invalid_field("query", "BASE_TYPE_REQUIRED", "This field is required"));
    };
    let query = query.to_lowercase();
    let guild = state.world.guild(call.guild()?)?;
    let fits = |member: &&Member| {
        let nick = member.nick.as_deref().unwrap_or_default().to_lowercase();
        member.user.username.starts_with(&query) || nick.starts_with(&query)
    };
    let page: Vec<&Member> = guild.members.values().filter(fits).take(limit).collect();
    Answer::ok(&page)
}
