//! A channel as it is read, and typing in it.

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::shared::State;

pub(crate) fn channel(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, 0)?;
    Answer::ok(&state.world.channel_object(channel)?)
}

pub(crate) fn typing(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require_speech(channel)?;
    state.world.typing(state.world.bot, channel, state.now_ms)?;
    Answer::nothing()
}
