//! Webhooks of channels, and the one door to them and to answers of interactions.

use serde_json::Value;

use super::interactions;
use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::form::Form;
use crate::shared::State;
use crate::world::draft::{Draft, Edit};
use crate::world::permissions;
use crate::world::webhook::Webhook;

/// Characters of a webhook's name.
const NAME_MAX: usize = 80;

pub(crate) fn create(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::MANAGE_WEBHOOKS)?;
    let mut form = Form::new(&call.body);
    form.require("name");
    let name = name_in(&mut form).unwrap_or_default();
    form.finish()?;
    let hook = state.world.create_webhook(channel, &name, call.reason.as_deref(), state.now_ms)?;
    Answer::ok(&state.world.webhook_object(&hook, true))
}

pub(crate) fn of_channel(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::MANAGE_WEBHOOKS)?;
    list(state, |hook| hook.channel == channel)
}

pub(crate) fn of_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let guild = call.guild()?;
    state.world.require_in(guild, permissions::MANAGE_WEBHOOKS)?;
    list(state, |hook| hook.guild == guild)
}

fn list(state: &State, fits: impl Fn(&Webhook) -> bool) -> Result<Answer, ApiError> {
    let hooks = state.world.webhooks.values().filter(|hook| fits(hook));
    Answer::ok(&hooks.map(|hook| state.world.webhook_object(hook, true)).collect::<Vec<Value>>())
}

pub(crate) fn one(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let hook = state.world.webhook(call.id("webhook_id")?)?;
    state.world.require(hook.channel, permissions::MANAGE_WEBHOOKS)?;
    Answer::ok(&state.world.webhook_object(hook, true))
}

pub(crate) fn edit(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let hook = state.world.webhook(call.id("webhook_id")?)?.clone();
    state.world.require(hook.channel, permissions::MANAGE_WEBHOOKS)?;
    let mut form = Form::new(&call.body);
    let (name, channel) = (name_in(&mut form), form.id("channel_id"));
    form.finish()?;
    if let Some(channel) = channel {
        state.world.require(channel, permissions::MANAGE_WEBHOOKS)?;
    }
    let hook = state.world.edit_webhook(hook.id, name, channel, call.reason.as_deref(), state.now_ms)?;
    Answer::ok(&state.world.webhook_object(&hook, true))
}

pub(crate) fn edit_by_token(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let hook = by_token(state, call)?;
    let mut form = Form::new(&call.body);
    let name = name_in(&mut form);
    form.finish()?;
    let hook = state.world.edit_webhook(hook.id, name, None, call.reason.as_deref(), state.now_ms)?;
    Answer::ok(&state.world.webhook_object(&hook, false))
}

/// The wanted name of a webhook.
fn name_in(form: &mut Form<'_>) -> Option<String> {
    let name = form.text("name", 1..=NAME_MAX)?;
    let lower = name.to_lowercase();
    if lower.contains("clyde") || lower.contains("discord") {
        form.refuse("name", "USERNAME_INVALID_CONTAINS", "Username cannot contain \"clyde\" or \"discord\"");
    }
    Some(name)
}

pub(crate) fn delete(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let hook = state.world.webhook(call.id("webhook_id")?)?.clone();
    state.world.require(hook.channel, permissions::MANAGE_WEBHOOKS)?;
    state.world.delete_webhook(hook.id, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn one_by_token(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let hook = state.world.webhook_by_token(call.id("webhook_id")?, call.param("webhook_token"))?;
    Answer::ok(&state.world.webhook_object(hook, false))
}

pub(crate) fn delete_by_token(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let hook = by_token(state, call)?;
    state.world.delete_webhook(hook.id, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

/// A message by a webhook, or a follow-up of an interaction: the path is the same.
pub(crate) fn execute(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if is_interaction(state, call)? {
        return interactions::follow_up(state, call);
    }
    let hook = by_token(state, call)?;
    let mut form = Form::new(&call.body);
    let name = form.text("username", 1..=NAME_MAX);
    form.finish()?;
    let draft = Draft::parse(&call.body, call.files.clone())?;
    let message = state.world.post_as_webhook(&hook, &draft, name.as_deref(), state.now_ms)?;
    if call.flag("wait")? { Answer::ok(&message) } else { Answer::nothing() }
}

pub(crate) fn message(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if is_interaction(state, call)? {
        return interactions::reply(state, call);
    }
    let hook = by_token(state, call)?;
    Answer::ok(state.world.webhook_message(&hook, call.message()?)?)
}

pub(crate) fn edit_message(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if is_interaction(state, call)? {
        return interactions::edit_reply(state, call);
    }
    let hook = by_token(state, call)?;
    let id = state.world.webhook_message(&hook, call.message()?)?.id;
    let edit = Edit::parse(&call.body, call.files.clone())?;
    Answer::ok(&state.world.edit(hook.channel, id, edit, state.now_ms)?.0)
}

pub(crate) fn delete_message(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    if is_interaction(state, call)? {
        return interactions::delete_reply(state, call);
    }
    let hook = by_token(state, call)?;
    let id = state.world.webhook_message(&hook, call.message()?)?.id;
    state.world.delete(hook.channel, id)?;
    Answer::nothing()
}

fn is_interaction(state: &State, call: &Call) -> Result<bool, ApiError> {
    Ok(call.id("webhook_id")? == state.world.application)
}

fn by_token(state: &State, call: &Call) -> Result<Webhook, ApiError> {
    state.world.webhook_by_token(call.id("webhook_id")?, call.param("webhook_token")).cloned()
}
