//! Channels made, changed, moved and deleted, and their overwrites.

use serde_json::{Value, json};

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::form::Form;
use crate::shared::State;
use crate::world::guild::{Overwrite, channel_type};
use crate::world::ids::Id;
use crate::world::places::ChannelEdit;

/// Characters of a channel's name and topic.
const NAME_MAX: usize = 100;
const TOPIC_MAX: usize = 1_024;
/// Seconds of slow mode.
const SLOW_MODE_MAX: u64 = 21_600;
/// Overwrites of a channel.
const OVERWRITES_MAX: usize = 1_000;

pub(crate) fn create(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let mut form = Form::new(&call.body);
    form.require("name");
    let kind = form.number("type", 0..=255).unwrap_or(u64::from(channel_type::TEXT));
    form.finish()?;
    let edit = edit_of(&call.body)?;
    let served = [channel_type::TEXT, channel_type::VOICE, channel_type::CATEGORY];
    let Some(kind) = served.into_iter().find(|served| u64::from(*served) == kind) else {
        return Err(ApiError::new(501, 0, "channels of this type are not implemented by the sandbox"));
    };
    Answer::created(&state.world.create_channel(call.guild()?, kind, edit, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn edit(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if state.world.is_thread(call.channel()?) {
        return super::threads::edit(state, call);
    }
    let edit = edit_of(&call.body)?;
    Answer::ok(&state.world.edit_channel(call.channel()?, edit, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn delete(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if state.world.is_thread(call.channel()?) {
        return super::threads::delete(state, call);
    }
    Answer::ok(&state.world.delete_channel(call.channel()?, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn reorder(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let places = super::roles::places(call)?;
    state.world.move_channels(call.guild()?, &places)?;
    Answer::nothing()
}

pub(crate) fn set_overwrite(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let overwrite = overwrite_of(call.id("overwrite_id")?, &call.body)?;
    state.world.set_overwrite(call.channel()?, overwrite, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn delete_overwrite(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, target) = (call.channel()?, call.id("overwrite_id")?);
    state.world.delete_overwrite(channel, target, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

fn edit_of(body: &Value) -> Result<ChannelEdit, ApiError> {
    let mut form = Form::new(body);
    let short = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let (topic, parent) = (form.text("topic", 0..=TOPIC_MAX), form.id("parent_id"));
    let edit = ChannelEdit {
        name: form.text("name", 1..=NAME_MAX),
        position: form.number("position", 0..=u64::from(u16::MAX)).map(short),
        topic: form.has("topic").then_some(topic),
        nsfw: form.flag("nsfw"),
        slow_mode_s: form.number("rate_limit_per_user", 0..=SLOW_MODE_MAX).map(short),
        parent: form.has("parent_id").then_some(parent),
        overwrites: None,
    };
    form.finish()?;
    let overwrites = body["permission_overwrites"].as_array().map(|list| {
        list.iter().take(OVERWRITES_MAX).enumerate().map(|(at, one)| {
            let nested = |error: ApiError| ApiError {
                errors: error.errors.map(|errors| json!({ "permission_overwrites": { at.to_string(): errors } })),
                ..error
            };
            let mut form = Form::new(one);
            form.require("id");
            let id = form.id("id").unwrap_or_default();
            form.finish().and_then(|()| overwrite_of(id, one)).map_err(nested)
        })
    });
    let overwrites = overwrites.map(Iterator::collect::<Result<Vec<Overwrite>, ApiError>>).transpose()?;
    Ok(ChannelEdit { overwrites, ..edit })
}

fn overwrite_of(id: Id, body: &Value) -> Result<Overwrite, ApiError> {
    let mut form = Form::new(body);
    let kind = form.number("type", 0..=1).unwrap_or(0);
    let (allow, deny) = (form.bits("allow").unwrap_or(0), form.bits("deny").unwrap_or(0));
    form.finish()?;
    Ok(Overwrite::new(id, u8::from(kind == 1), allow, deny))
}
