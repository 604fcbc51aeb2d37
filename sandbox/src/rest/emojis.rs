//! Emojis of a guild and of the application.

use serde_json::json;

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::shared::State;
use crate::world::expressions::Shelf;
use crate::world::permissions;

pub(crate) fn of_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(state.world.emojis(Shelf::Guild(call.guild()?))?)
}

pub(crate) fn one_of_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(state.world.emoji(Shelf::Guild(call.guild()?), call.id("emoji_id")?)?)
}

pub(crate) fn create_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let shelf = managed(state, call, permissions::CREATE_GUILD_EXPRESSIONS)?;
    let emoji = create(state, call, shelf)?;
    Answer::created(&emoji)
}

pub(crate) fn rename_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let shelf = managed(state, call, permissions::MANAGE_GUILD_EXPRESSIONS)?;
    rename(state, call, shelf)
}

pub(crate) fn delete_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let shelf = managed(state, call, permissions::MANAGE_GUILD_EXPRESSIONS)?;
    state.world.delete_emoji(shelf, call.id("emoji_id")?)?;
    Answer::nothing()
}

pub(crate) fn of_application(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    Answer::ok(&json!({ "items": state.world.emojis(Shelf::Application)? }))
}

pub(crate) fn one_of_application(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    Answer::ok(state.world.emoji(Shelf::Application, call.id("emoji_id")?)?)
}

pub(crate) fn create_in_application(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    let emoji = create(state, call, Shelf::Application)?;
    Answer::created(&emoji)
}

pub(crate) fn rename_in_application(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    rename(state, call, Shelf::Application)
}

pub(crate) fn delete_in_application(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    state.world.delete_emoji(Shelf::Application, call.id("emoji_id")?)?;
    Answer::nothing()
}

fn managed(state: &State, call: &Call, needed: u64) -> Result<Shelf, ApiError> {
    let guild = state.world.guild(call.guild()?)?;
    if permissions::of(guild, state.world.bot, None) & needed == 0 {
        return Err(ApiError::missing_permissions());
    }
    Ok(Shelf::Guild(guild.id))
}

fn create(state: &mut State, call: &Call, shelf: Shelf) -> Result<crate::world::emoji::Emoji, ApiError> {
    let image = call.body["image"].as_str().unwrap_or_default();
    if !image.starts_with("data:image/") {
        return Err(ApiError::invalid_field("image", "IMAGE_INVALID", "Invalid image data"));
    }
    let name = call.body["name"].as_str().unwrap_or_default();
    state.world.add_emoji(shelf, name, state.world.bot, state.now_ms)
}

fn rename(state: &mut State, call: &Call, shelf: Shelf) -> Result<Answer, ApiError> {
    let id = call.id("emoji_id")?;
    match call.body["name"].as_str() {
        Some(name) => Answer::ok(&state.world.rename_emoji(shelf, id, name)?),
        None => Answer::ok(state.world.emoji(shelf, id)?),
    }
}
