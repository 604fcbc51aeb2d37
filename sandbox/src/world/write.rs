//! Messages being posted, edited and deleted, and typing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::draft::{Draft, Edit};
use super::ids::{Id, Stamp};
use super::mentions::{self, AllowedMentions};
use super::message::{ChannelLog, Message, MessageEvent, flag, message_type};
use super::permissions;
use crate::MessageId;
use crate::api_error::{ApiError, Unknown};
use crate::events::{BotMessage, Pings, SandboxEvent};

/// How long Discord remembers a nonce ("the past few minutes").
const NONCE_MEMORY_MS: u64 = 5 * 60 * 1_000;
/// Nonces remembered at most.
const NONCES_MAX: usize = 10_000;

/// A message as posted, and whom it notified.
pub(crate) struct Posted {
    pub message: Message,
    pub pings: Pings,
    /// False when an earlier message with the same nonce was returned.
    pub new: bool,
}

impl World {
    /// Posts a message in a channel and tells the gateway. Permissions are the caller's business.
    pub(crate) fn post(&mut self, author: Id, channel: Id, draft: Draft, now_ms: u64) -> Result<Posted, ApiError> {
        self.guild_of(channel)?;
        if draft.is_empty() {
            return Err(ApiError::empty_message());
        }
        if let Some(earlier) = self.earlier_with_nonce(author, &draft, now_ms) {
            return Ok(Posted { message: earlier, pings: Pings::default(), new: false });
        }
        let (mut message, pings) = self.compose(author, channel, &draft, now_ms)?;
        if draft.enforce_nonce
            && let Some(nonce) = &message.nonce
        {
            if self.nonces.len() == NONCES_MAX {
                self.nonces.pop_front();
            }
            self.nonces.push_back((author, nonce_text(nonce), channel, message.id, now_ms));
        }
        self.publish(&message);
        // The nonce is echoed to the poster and the gateway; the stored message has none.
        let answer = message.clone();
        message.nonce = None;
        self.keep(message);
        self.spoken_in_thread(channel, author, now_ms)?;
        Ok(Posted { message: answer, pings, new: true })
    }

    /// As [`World::post`] by the bot, noted for onlookers.
    pub(crate) fn post_as_bot(
        &mut self,
        channel: Id,
        draft: Draft,
        now_ms: u64,
    ) -> Result<(Message, Option<BotMessage>), ApiError> {
        let reply_to = draft.reply_to.map(|reply| reply.message.0);
        let Posted { message, pings, new } = self.post(self.bot, channel, draft, now_ms)?;
        if !new {
            return Ok((message, None));
        }
        let seen = BotMessage {
            message: MessageId(message.id.0),
            channel: channel.0,
            content: message.content.clone(),
            reply_to: reply_to.filter(|_| message.message_reference.is_some()),
            embeds: message.embeds.clone(),
            pings,
            components: message.components.clone(),
            attachments: message.attachments.iter().filter_map(|a| a["filename"].as_str().map(str::to_owned)).collect(),
            nonce: message.nonce.as_ref().map(nonce_text),
        };
        Ok((message, Some(seen)))
    }

    /// Builds a message without storing or announcing it.
    pub(crate) fn compose(
        &mut self,
        author: Id,
        channel: Id,
        draft: &Draft,
        now_ms: u64,
    ) -> Result<(Message, Pings), ApiError> {
        let referenced = match draft.reply_to {
            None => None,
            Some(reply) => match self.logs.get(&channel).and_then(|log| log.get(reply.message)) {
                Some(message) => Some(message.clone()),
                None if reply.fail_if_not_exists => {
                    return Err(ApiError::invalid_form(json!({ "message_reference": { "_errors": [{
                        "code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message",
                    }] } })));
                }
                None => None,
            },
        };
        let id = self.ids.next(now_ms);
        let mut message = Message::new(id, channel, Arc::clone(self.user(author)?), Stamp(now_ms));
        message.content.clone_from(&draft.content);
        message.embeds.clone_from(&draft.embeds);
        message.components.clone_from(&draft.components);
        message.attachments = self.attached(channel, &draft.attachments, now_ms);
        message.tts = draft.tts;
        message.flags = draft.flags;
        message.nonce.clone_from(&draft.nonce);
        let replied = referenced.as_ref().map(|message| message.author.id);
        let pings = self.mention(&mut message, &draft.allowed, replied)?;
        if let Some(mut referenced) = referenced {
            let guild = self.guild_of(channel)?.map(|guild| guild.id);
            referenced.referenced_message = None;
            message.kind = message_type::REPLY;
            message.message_reference =
                Some(json!({ "type": 0, "message_id": referenced.id, "channel_id": channel, "guild_id": guild }));
            message.referenced_message = Some(Box::new(referenced));
        }
        Ok((message, pings))
    }

    /// Stores a message in its channel's log.
    pub(crate) fn keep(&mut self, message: Message) {
        let channel = message.channel_id;
        if !message.is_ephemeral() {
            let home = self.homes.get(&channel).copied();
            if let Some(place) = home.and_then(|g| self.guilds.get_mut(&g)).and_then(|g| g.channel_mut(channel)) {
                place.last_message_id = Some(message.id);
            }
        }
        self.logs.entry(channel).or_default().insert(message, self.messages_kept);
    }

    /// Announces a new message on the gateway, unless only one person sees it.
    pub(crate) fn publish(&mut self, message: &Message) {
        self.tell_of("MESSAGE_CREATE", message);
    }

    /// Changes a message and announces the change. The pings are those that the text would have if it were new.
    pub(crate) fn edit(&mut self, channel: Id, id: Id, edit: Edit, now_ms: u64) -> Result<(Message, Pings), ApiError> {
        let mut message = self.message(channel, id)?.clone();
        if let Some(content) = edit.content {
            message.content = content;
        }
        if let Some(embeds) = edit.embeds {
            message.embeds = embeds;
        }
        if let Some(components) = edit.components {
            message.components = components;
        }
        if let Some(attachments) = edit.attachments {
            message.attachments = self.attached(channel, &attachments, now_ms);
        }
        if let Some(flags) = edit.flags {
            message.flags = message.flags & !4 | flags & 4;
        }
        if message.is_empty() {
            return Err(ApiError::empty_message());
        }
        // Any edit of an "is thinking…" message is its answer.
        message.flags &= !flag::LOADING;
        message.edited_timestamp = Some(Stamp(now_ms));
        let replied = message.referenced_message.as_ref().map(|message| message.author.id);
        let pings = self.mention(&mut message, &edit.allowed, replied)?;
        self.tell_of("MESSAGE_UPDATE", &message);
        if let Some(old) = self.logs.get_mut(&channel).and_then(|log| log.get_mut(id)) {
            *old = message.clone();
        }
        Ok((message, pings))
    }

    pub(crate) fn delete(&mut self, channel: Id, id: Id) -> Result<Message, ApiError> {
        let unknown = || ApiError::unknown(Unknown::Message);
        let message = self.logs.get_mut(&channel).and_then(|log| log.remove(id)).ok_or_else(unknown)?;
        if !message.is_ephemeral() {
            let guild = self.guild_of(channel)?.map(|guild| guild.id);
            let mut body = json!({ "id": id, "channel_id": channel });
            if let Some(guild) = guild {
                body["guild_id"] = json!(guild);
            }
            self.outbox.push("MESSAGE_DELETE", guild, &body, None::<&()>);
        }
        Ok(message)
    }

    pub(crate) fn message(&self, channel: Id, id: Id) -> Result<&Message, ApiError> {
        let log: Option<&ChannelLog> = self.logs.get(&channel);
        log.and_then(|log| log.get(id)).ok_or_else(|| ApiError::unknown(Unknown::Message))
    }

    /// Tells the gateway that somebody types.
    pub(crate) fn typing(&mut self, user: Id, channel: Id, now_ms: u64) -> Result<(), ApiError> {
        let guild = self.guild_of(channel)?;
        let member = guild.and_then(|guild| guild.members.get(&user)).map(|member| json!(member));
        let guild = guild.map(|guild| guild.id);
        let mut body = json!({ "channel_id": channel, "user_id": user, "timestamp": now_ms / 1_000 });
        if let (Some(guild), Some(member)) = (guild, member) {
            body["guild_id"] = json!(guild);
            body["member"] = member;
        }
        self.outbox.push("TYPING_START", guild, &body, None::<&()>);
        if user == self.bot {
            self.outbox.note(SandboxEvent::BotTyping { channel: channel.0 });
        }
        Ok(())
    }

    pub(crate) fn tell_of(&mut self, name: &'static str, message: &Message) {
        if message.is_ephemeral() {
            return;
        }
        let home = self.homes.get(&message.channel_id).and_then(|guild| self.guilds.get(guild));
        let member =
            home.and_then(|guild| guild.members.get(&message.author.id)).filter(|_| message.webhook_id.is_none());
        let member = member.map(super::guild::Member::partial);
        let guild_id = home.map(|guild| guild.id);
        let channel_type = home
            .and_then(|guild| guild.channel(message.channel_id))
            .map_or(super::guild::channel_type::DM, |channel| channel.kind);
        let event = MessageEvent { message, guild_id, member: member.as_ref(), channel_type };
        if guild_id.is_none() || !self.outbox.blind_listeners || message.open_to(self.bot) {
            self.outbox.push(name, guild_id, &event, None::<&()>);
        } else {
            let blank = message.without_content();
            let blank = MessageEvent { message: &blank, guild_id, member: member.as_ref(), channel_type };
            self.outbox.push(name, guild_id, &event, Some(&blank));
        }
    }

    fn mention(
        &self,
        message: &mut Message,
        allowed: &AllowedMentions,
        replied: Option<Id>,
    ) -> Result<Pings, ApiError> {
        let guild = self.guild_of(message.channel_id)?;
        let channel = message.channel_id;
        let pings = mentions::pings(&message.content, guild, message.author.id, channel, allowed, replied);
        message.mention_everyone = pings.everyone;
        message.mentions = pings.users.iter().filter_map(|id| self.users.get(&Id(*id)).cloned()).collect();
        message.mention_roles = pings.roles.iter().map(|id| Id(*id)).collect();
        Ok(pings)
    }

    /// Gives new attachments their id and address; those that have an id already stay.
    fn attached(&mut self, channel: Id, files: &[Value], now_ms: u64) -> Vec<Value> {
        let known = |file: &Value| file["url"].is_string();
        files
            .iter()
            .map(|file| {
                if known(file) {
                    return file.clone();
                }
                let id = self.ids.next(now_ms);
                let name = file["filename"].as_str().unwrap_or("unnamed");
                let url = format!("https://cdn.discordapp.com/attachments/{channel}/{id}/{name}");
                let mut file = file.clone();
                file["id"] = json!(id);
                file["proxy_url"] = json!(url);
                file["url"] = json!(url);
                file
            })
            .collect()
    }

    fn earlier_with_nonce(&mut self, author: Id, draft: &Draft, now_ms: u64) -> Option<Message> {
        while self.nonces.front().is_some_and(|entry| entry.4 + NONCE_MEMORY_MS < now_ms) {
            self.nonces.pop_front();
        }
        let nonce = draft.nonce.as_ref().filter(|_| draft.enforce_nonce).map(nonce_text)?;
        let (_, _, channel, id, _) = self.nonces.iter().find(|entry| entry.0 == author && entry.1 == nonce)?;
        let mut message = self.message(*channel, *id).ok()?.clone();
        message.nonce.clone_from(&draft.nonce);
        Some(message)
    }

    /// Refuses unless the bot may see, and `needed`, for a message it did not write itself.
    pub(crate) fn require_unless_own(&self, channel: Id, id: Id, needed: u64) -> Result<(), ApiError> {
        let own = self.message(channel, id)?.author.id == self.bot;
        self.require(channel, if own { permissions::VIEW_CHANNEL } else { needed })
    }
}

fn nonce_text(nonce: &Value) -> String {
    nonce.as_str().map_or_else(|| nonce.to_string(), str::to_owned)
}
