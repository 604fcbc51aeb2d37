//! The bot itself, other users, the application, and where the gateway is.

use serde_json::{Value, json};

use super::request::{Answer, Call};
use crate::api_error::{ApiError, Unknown};
use crate::shared::State;
use crate::world::ids::Id;
use crate::world::permissions;

pub(crate) fn gateway(state: &mut State, _: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&json!({ "url": state.gateway_url }))
}

pub(crate) fn gateway_bot(state: &mut State, _: &Call) -> Result<Answer, ApiError> {
    let (total, remaining, reset_after, max_concurrency) = state.starts.report(state.now_ms);
    Answer::ok(&json!({
        "url": state.gateway_url, "shards": state.config.shards.max(1),
        "session_start_limit": { "total": total, "remaining": remaining, "reset_after": reset_after,
            "max_concurrency": max_concurrency },
    }))
}

pub(crate) fn me(state: &mut State, _: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&state.world.user(state.world.bot)?.as_current())
}

pub(crate) fn user(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(state.world.user(call.id("user_id")?)?)
}

pub(crate) fn application(state: &mut State, _: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&state.world.application_object())
}

pub(crate) fn my_guilds(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let limit = call.limit(200, 200)?;
    let after = call.query::<Id>("after")?.unwrap_or_default();
    let before = call.query::<Id>("before")?.unwrap_or(Id(u64::MAX));
    let bot = state.world.bot;
    let guilds: Vec<Value> = state
        .world
        .guilds
        .values()
        .filter(|guild| !guild.unavailable && guild.id > after && guild.id < before)
        .take(limit)
        .map(|guild| {
            json!({
                "id": guild.id, "name": guild.name, "icon": null, "banner": null, "owner": guild.owner == bot,
                "permissions": permissions::of(guild, bot, None).to_string(), "features": [],
            })
        })
        .collect();
    Answer::ok(&guilds)
}

pub(crate) fn leave_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.lose_guild(call.guild()?, false)?;
    Answer::nothing()
}

pub(crate) fn open_direct(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let Some(user) = Id::from_json(&call.body["recipient_id"]) else {
        return Err(ApiError::invalid_field("recipient_id", "BASE_TYPE_REQUIRED", "This field is required"));
    };
    if state.world.user(user)?.bot {
        return Err(ApiError::new(400, 50007, "Cannot send messages to this user"));
    }
    let channel = state.world.direct_channel(user, state.now_ms)?;
    let object = state.world.channel_object(channel).map_err(|_| ApiError::unknown(Unknown::Channel))?;
    Answer::ok(&object)
}
