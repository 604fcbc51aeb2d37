//! Messages: read, created, edited, deleted.

use super::request::{Answer, Call};
use crate::MessageId;
use crate::api_error::ApiError;
use crate::events::SandboxEvent;
use crate::form::Form;
use crate::shared::State;
use crate::world::audit::action;
use crate::world::draft::{Draft, Edit};
use crate::world::ids::{DISCORD_EPOCH_MS, Id};
use crate::world::message::Message;
use crate::world::permissions;

pub(crate) fn page(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, 0)?;
    let limit = call.limit(50, 100)?;
    let (before, after, around) =
        (call.query::<Id>("before")?, call.query::<Id>("after")?, call.query::<Id>("around")?);
    // Without the right to read history a bot sees an empty page, not an error.
    let readable = state.world.bot_permissions(channel)? & permissions::READ_MESSAGE_HISTORY != 0;
    let log = state.world.logs.get(&channel).filter(|_| readable);
    let page: Vec<&Message> = log.map(|log| log.page(before, after, around, limit)).unwrap_or_default();
    Answer::ok(&page)
}

pub(crate) fn one(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::READ_MESSAGE_HISTORY)?;
    Answer::ok(state.world.message(channel, call.message()?)?)
}

pub(crate) fn create(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require_speech(channel)?;
    if let Some(guild) = state.world.guild_of(channel)?
        && !guild.channel(channel).is_some_and(crate::world::guild::Channel::is_text)
    {
        return Err(ApiError::new(400, 50008, "Cannot send messages in a non-text channel"));
    }
    let draft = Draft::parse(&call.body, call.files.clone())?;
    if !draft.attachments.is_empty() {
        state.world.require(channel, permissions::ATTACH_FILES)?;
    }
    if draft.tts {
        state.world.require(channel, permissions::SEND_TTS_MESSAGES)?;
    }
    if draft.reply_to.is_some() {
        state.world.require(channel, permissions::READ_MESSAGE_HISTORY)?;
    }
    let (message, seen) = state.world.post_as_bot(channel, draft, state.now_ms)?;
    if let Some(seen) = seen {
        let author = state.world.bot.0;
        state.journal.record_message(seen, author);
    }
    Answer::ok(&message)
}

pub(crate) fn edit(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, id) = (call.channel()?, call.message()?);
    state.world.require(channel, 0)?;
    if state.world.message(channel, id)?.author.id != state.world.bot {
        return Err(ApiError::new(403, 50005, "Cannot edit a message authored by another user"));
    }
    let edit = Edit::parse(&call.body, call.files.clone())?;
    let (message, _) = state.world.edit(channel, id, edit, state.now_ms)?;
    state.journal.record(SandboxEvent::BotMessageEdited {
        message: MessageId(id.0),
        channel: channel.0,
        content: message.content.clone(),
        embeds: message.embeds.clone(),
    });
    Answer::ok(&message)
}

pub(crate) fn delete(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, id) = (call.channel()?, call.message()?);
    state.world.require(channel, 0)?;
    state.world.require_unless_own(channel, id, permissions::MANAGE_MESSAGES)?;
    let message = state.world.delete(channel, id)?;
    state.journal.record(SandboxEvent::BotDeletedMessage { message: MessageId(id.0), channel: channel.0 });
    let guild = state.world.guild_of(channel)?.map(|guild| guild.id);
    if let Some(guild) = guild.filter(|_| message.author.id != state.world.bot) {
        let (author, reason) = (message.author.id, call.reason.as_deref());
        state.world.audit(guild, action::MESSAGE_DELETE, author, reason, state.now_ms);
    }
    Answer::nothing()
}

pub(crate) fn bulk_delete(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    /// Older messages cannot be deleted together.
    const AGE_MAX_MS: u64 = 14 * 24 * 60 * 60 * 1_000;
    let channel = call.channel()?;
    let guild = state.world.guild_of(channel)?.map(|guild| guild.id);
    let guild = guild.ok_or_else(|| ApiError::new(403, 50003, "Cannot execute action on a DM channel"))?;
    state.world.require(channel, permissions::MANAGE_MESSAGES)?;
    let mut form = Form::new(&call.body);
    form.require("messages");
    let ids = form.ids("messages", 0..=usize::MAX).unwrap_or_default();
    form.finish()?;
    if !(2..=100).contains(&ids.len()) {
        let message = "You can only bulk delete between 2 and 100 messages";
        return Err(ApiError::new(400, 50016, message));
    }
    let oldest = state.now_ms.saturating_sub(AGE_MAX_MS + DISCORD_EPOCH_MS) << 22;
    if ids.iter().any(|id| id.0 < oldest) {
        return Err(ApiError::new(400, 50034, "You can only bulk delete messages that are under 14 days old."));
    }
    state.world.delete_many(guild, channel, &ids);
    for id in ids {
        state.journal.record(SandboxEvent::BotDeletedMessage { message: MessageId(id.0), channel: channel.0 });
    }
    let reason = call.reason.as_deref();
    state.world.audit(guild, action::MESSAGE_BULK_DELETE, channel, reason, state.now_ms);
    Answer::nothing()
}
