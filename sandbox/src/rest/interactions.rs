//! Answers to interactions, and the webhook that their token is.

use super::request::{Answer, Call};
use crate::api_error::{ApiError, Unknown};
use crate::shared::State;
use crate::world::ids::Id;

pub(crate) fn answer(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (id, token) = (call.id("interaction_id")?, call.param("interaction_token"));
    let deadline_ms = state.config.interaction_deadline_ms;
    let shown = state.world.answer(id, token, &call.body, call.files.clone(), state.now_ms, deadline_ms)?;
    if call.flag("with_response")? { Answer::ok(&shown) } else { Answer::nothing() }
}

pub(crate) fn follow_up(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let token = token(state, call)?;
    Answer::ok(&state.world.follow_up(token, &call.body, call.files.clone(), state.now_ms)?)
}

pub(crate) fn original(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(state.world.reply(token(state, call)?, None, state.now_ms)?)
}

pub(crate) fn edit_original(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    edit(state, call, None)
}

pub(crate) fn delete_original(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.delete_reply(token(state, call)?, None, state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn reply(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(state.world.reply(token(state, call)?, named(call)?, state.now_ms)?)
}

pub(crate) fn edit_reply(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let message = named(call)?;
    edit(state, call, message)
}

pub(crate) fn delete_reply(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.delete_reply(token(state, call)?, named(call)?, state.now_ms)?;
    Answer::nothing()
}

fn edit(state: &mut State, call: &Call, message: Option<Id>) -> Result<Answer, ApiError> {
    let token = token(state, call)?;
    Answer::ok(&state.world.edit_reply(token, message, &call.body, call.files.clone(), state.now_ms)?)
}

/// The message that the path names. A client that writes `%40original` means the first answer all the same;
/// routes are told apart before that is decoded.
fn named(call: &Call) -> Result<Option<Id>, ApiError> {
    if call.param("message_id") == "@original" { Ok(None) } else { call.message().map(Some) }
}

/// The token in the path, when the webhook is the application's own; the sandbox has no others.
fn token<'a>(state: &State, call: &'a Call) -> Result<&'a str, ApiError> {
    if call.id("webhook_id")? != state.world.application {
        return Err(ApiError::unknown(Unknown::Webhook));
    }
    Ok(call.param("webhook_token"))
}
