//! Reactions under messages.

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::shared::State;
use crate::world::ids::Id;
use crate::world::message::ReactionEmoji;
use crate::world::permissions;

pub(crate) fn react(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::READ_MESSAGE_HISTORY)?;
    let emoji = ReactionEmoji::parse(call.param("emoji_name"));
    let there = state.world.message(channel, call.message()?)?.reactions.iter().any(|known| known.is_of(&emoji));
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

pub(crate) fn remove(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, emoji) = (call.channel()?, ReactionEmoji::parse(call.param("emoji_name")));
    let user = call.id("user_id")?;
    state.world.require(channel, if user == state.world.bot { 0 } else { permissions::MANAGE_MESSAGES })?;
    state.world.react(user, channel, call.message()?, emoji, false)?;
    Answer::nothing()
}

/// Who chose an emoji, in order of their ids.
pub(crate) fn users(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, emoji) = (call.channel()?, ReactionEmoji::parse(call.param("emoji_name")));
    state.world.require(channel, permissions::READ_MESSAGE_HISTORY)?;
    let limit = call.limit(25, 100)?;
    let after = call.query::<Id>("after")?.unwrap_or_default();
    let message = state.world.message(channel, call.message()?)?;
    let reaction = message.reactions.iter().find(|known| known.is_of(&emoji));
    let mut users: Vec<Id> = reaction.map(|reaction| reaction.users.clone()).unwrap_or_default();
    users.sort_unstable();
    let page = users.iter().filter(|user| **user > after).filter_map(|user| state.world.users.get(user));
    Answer::ok(&page.take(limit).collect::<Vec<_>>())
}

pub(crate) fn clear(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    clear_of(state, call, None)
}

pub(crate) fn clear_emoji(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    clear_of(state, call, Some(ReactionEmoji::parse(call.param("emoji_name"))))
}

fn clear_of(state: &mut State, call: &Call, emoji: Option<ReactionEmoji>) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::MANAGE_MESSAGES)?;
    state.world.clear_reactions(channel, call.message()?, emoji)?;
    Answer::nothing()
}
