//! A channel, typing in it, reactions under its messages.

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::shared::State;
use crate::world::message::ReactionEmoji;
use crate::world::permissions;

pub(crate) fn channel(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, 0)?;
    Answer::ok(&state.world.channel_object(channel)?)
}

pub(crate) fn typing(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::SEND_MESSAGES)?;
    state.world.typing(state.world.bot, channel, state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn react(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::READ_MESSAGE_HISTORY)?;
    let emoji = ReactionEmoji::parse(call.param("emoji_name"));
    let there = state.world.message(channel, call.message()?)?.reactions.iter().any(|known| known.emoji == emoji);
    if !there {
        // Only the first to choose an emoji needs this permission.
        state.world.require(channel, permissions::ADD_REACTIONS)?;
    }
    state.world.react(state.world.bot, channel, call.message()?, emoji, true)?;
    Answer::nothing()
}

pub(crate) fn unreact(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, emoji) = (call.channel()?, ReactionEmoji::parse(call.param("emoji_name")));
    state.world.require(channel, 0)?;
    state.world.react(state.world.bot, channel, call.message()?, emoji, false)?;
    Answer::nothing()
}

pub(crate) fn remove_reaction(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, emoji) = (call.channel()?, ReactionEmoji::parse(call.param("emoji_name")));
    let user = call.id("user_id")?;
    state.world.require(channel, if user == state.world.bot { 0 } else { permissions::MANAGE_MESSAGES })?;
    state.world.react(user, channel, call.message()?, emoji, false)?;
    Answer::nothing()
}
