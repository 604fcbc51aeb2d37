//! Reactions under messages.

use serde_json::json;

use super::World;
use super::ids::Id;
use super::message::{Reaction, ReactionEmoji};
use crate::MessageId;
use crate::api_error::{ApiError, Unknown};
use crate::events::SandboxEvent;

/// Different emojis under one message.
const REACTIONS_MAX: usize = 20;

impl World {
    /// Adds (or takes back) one user's reaction; doing it twice changes nothing.
    pub(crate) fn react(
        &mut self,
        user: Id,
        channel: Id,
        id: Id,
        emoji: ReactionEmoji,
        add: bool,
    ) -> Result<(), ApiError> {
        let author = self.message(channel, id)?.author.id;
        let custom = emoji.id.is_none_or(|id| self.knows_emoji(id));
        if !custom || emoji.name.is_empty() && emoji.id.is_none() || emoji.name.is_ascii() && emoji.id.is_none() {
            return Err(ApiError::unknown(Unknown::Emoji));
        }
        let bot = self.bot;
        let unknown = || ApiError::unknown(Unknown::Message);
        let message = self.logs.get_mut(&channel).and_then(|log| log.get_mut(id)).ok_or_else(unknown)?;
        if !change_reactions(&mut message.reactions, user, &emoji, add, user == bot)? {
            return Ok(());
        }
        let guild = self.guild_of(channel)?;
        let member = guild.and_then(|guild| guild.members.get(&user)).map(|member| json!(member));
        let guild = guild.map(|guild| guild.id);
        let mut body = json!({
            "user_id": user, "channel_id": channel, "message_id": id, "emoji": emoji.as_object(),
            "burst": false, "type": 0,
        });
        if let Some(guild) = guild {
            body["guild_id"] = json!(guild);
        }
        if add {
            body["message_author_id"] = json!(author);
            if let Some(member) = member {
                body["member"] = member;
            }
        }
        let name = if add { "MESSAGE_REACTION_ADD" } else { "MESSAGE_REACTION_REMOVE" };
        self.outbox.push(name, guild, &body, None::<&()>);
        if user == bot {
            let (message, channel) = (MessageId(id.0), channel.0);
            self.outbox.note(SandboxEvent::BotReaction { message, channel, emoji: emoji.as_path(), added: add });
        }
        Ok(())
    }

    /// Takes all reactions off a message, or all of one emoji.
    pub(crate) fn clear_reactions(
        &mut self,
        channel: Id,
        id: Id,
        emoji: Option<ReactionEmoji>,
    ) -> Result<(), ApiError> {
        self.message(channel, id)?;
        let guild = self.guild_of(channel)?.map(|guild| guild.id);
        if let Some(message) = self.logs.get_mut(&channel).and_then(|log| log.get_mut(id)) {
            message.reactions.retain(|known| emoji.as_ref().is_some_and(|emoji| !known.is_of(emoji)));
        }
        let mut body = json!({ "channel_id": channel, "message_id": id });
        if let Some(guild) = guild {
            body["guild_id"] = json!(guild);
        }
        let name = match emoji {
            None => "MESSAGE_REACTION_REMOVE_ALL",
            Some(emoji) => {
                body["emoji"] = emoji.as_object();
                // Not documented for this event, but foreign clients read it as they read the others.
                body["burst"] = json!(false);
                body["type"] = json!(0);
                "MESSAGE_REACTION_REMOVE_EMOJI"
            }
        };
        self.outbox.push(name, guild, &body, None::<&()>);
        Ok(())
    }

    fn knows_emoji(&self, id: Id) -> bool {
        self.application_emojis.iter().any(|emoji| emoji.id == id)
            || self.guilds.values().any(|guild| guild.emojis.iter().any(|emoji| emoji.id == id))
    }
}

/// Applies a reaction; says whether anything changed.
fn change_reactions(
    reactions: &mut Vec<Reaction>,
    user: Id,
    emoji: &ReactionEmoji,
    add: bool,
    by_bot: bool,
) -> Result<bool, ApiError> {
    let place = reactions.iter().position(|reaction| reaction.is_of(emoji));
    match (place, add) {
        (None, false) => Ok(false),
        (None, true) if reactions.len() >= REACTIONS_MAX => {
            Err(ApiError::new(400, 30010, "Maximum number of reactions reached (20)"))
        }
        (None, true) => {
            reactions.push(Reaction { emoji: emoji.clone(), users: vec![user], me: by_bot });
            Ok(true)
        }
        (Some(at), true) => {
            let there = reactions[at].users.contains(&user);
            if !there {
                reactions[at].users.push(user);
                reactions[at].me |= by_bot;
            }
            Ok(!there)
        }
        (Some(at), false) => {
            let before = reactions[at].users.len();
            reactions[at].users.retain(|other| *other != user);
            reactions[at].me &= !by_bot;
            let changed = reactions[at].users.len() < before;
            if reactions[at].users.is_empty() {
                reactions.remove(at);
            }
            Ok(changed)
        }
    }
}
