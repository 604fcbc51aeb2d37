//! Webhooks of channels: made by the bot, and posting under a name of their own.

use std::sync::Arc;

use rand::Rng;
use serde_json::{Value, json};

use super::World;
use super::audit::action;
use super::draft::Draft;
use super::ids::Id;
use super::message::Message;
use super::user::User;
use crate::api_error::{ApiError, Unknown};

/// Webhooks of a channel.
const WEBHOOKS_MAX: usize = 15;

/// One webhook of type 1 (incoming).
#[derive(Clone, Debug)]
pub(crate) struct Webhook {
    pub id: Id,
    pub guild: Id,
    pub channel: Id,
    pub name: String,
    pub token: String,
}

impl World {
    /// A new webhook of a text channel of a guild.
    pub(crate) fn create_webhook(
        &mut self,
        channel: Id,
        name: &str,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Webhook, ApiError> {
        let guild = self.guild_of(channel)?.map(|guild| guild.id);
        let guild = guild.ok_or_else(|| ApiError::new(403, 50003, "Cannot execute action on a DM channel"))?;
        if self.webhooks.values().filter(|hook| hook.channel == channel).count() >= WEBHOOKS_MAX {
            return Err(ApiError::new(400, 30007, "Maximum number of webhooks reached (15)"));
        }
        let id = self.ids.next(now_ms);
        let token = format!("{:032x}{:032x}", self.random.random::<u128>(), self.random.random::<u128>());
        let hook = Webhook { id, guild, channel, name: name.to_owned(), token };
        self.webhooks.insert(id, hook.clone());
        self.outbox.guild_event("WEBHOOKS_UPDATE", guild, &json!({ "guild_id": guild, "channel_id": channel }));
        self.audit(guild, action::WEBHOOK_CREATE, id, reason, now_ms);
        Ok(hook)
    }

    /// Renames a webhook, or moves it to another channel of its guild.
    pub(crate) fn edit_webhook(
        &mut self,
        id: Id,
        name: Option<String>,
        channel: Option<Id>,
        reason: Option<&str>,
        now_ms: u64,
    ) -> Result<Webhook, ApiError> {
        let guild = self.webhook(id)?.guild;
        if let Some(channel) = channel
            && self.guild_of(channel)?.map(|home| home.id) != Some(guild)
        {
            return Err(ApiError::unknown(Unknown::Channel));
        }
        let hook = self.webhooks.get_mut(&id).ok_or_else(|| ApiError::unknown(Unknown::Webhook))?;
        hook.name = name.unwrap_or_else(|| hook.name.clone());
        hook.channel = channel.unwrap_or(hook.channel);
        let hook = hook.clone();
        let body = json!({ "guild_id": guild, "channel_id": hook.channel });
        self.outbox.guild_event("WEBHOOKS_UPDATE", guild, &body);
        self.audit(guild, action::WEBHOOK_UPDATE, id, reason, now_ms);
        Ok(hook)
    }

    pub(crate) fn delete_webhook(&mut self, id: Id, reason: Option<&str>, now_ms: u64) -> Result<(), ApiError> {
        let hook = self.webhooks.remove(&id).ok_or_else(|| ApiError::unknown(Unknown::Webhook))?;
        let body = json!({ "guild_id": hook.guild, "channel_id": hook.channel });
        self.outbox.guild_event("WEBHOOKS_UPDATE", hook.guild, &body);
        self.audit(hook.guild, action::WEBHOOK_DELETE, id, reason, now_ms);
        Ok(())
    }

    pub(crate) fn webhook(&self, id: Id) -> Result<&Webhook, ApiError> {
        self.webhooks.get(&id).ok_or_else(|| ApiError::unknown(Unknown::Webhook))
    }

    /// The webhook of that id when the token is its own.
    pub(crate) fn webhook_by_token(&self, id: Id, token: &str) -> Result<&Webhook, ApiError> {
        let hook = self.webhook(id)?;
        if hook.token == token { Ok(hook) } else { Err(ApiError::new(401, 50027, "Invalid Webhook Token")) }
    }

    /// The webhook object; the user who made it is shown only to those who need no token for it.
    pub(crate) fn webhook_object(&self, hook: &Webhook, with_user: bool) -> Value {
        let mut object = json!({
            "id": hook.id, "type": 1, "name": hook.name, "avatar": null, "guild_id": hook.guild,
            "channel_id": hook.channel, "application_id": self.application, "token": hook.token,
            "url": format!("https://discord.com/api/webhooks/{}/{}", hook.id, hook.token),
        });
        if with_user {
            object["user"] = json!(self.users.get(&self.bot));
        }
        object
    }

    /// Posts as a webhook, under `name` or its own.
    pub(crate) fn post_as_webhook(
        &mut self,
        hook: &Webhook,
        draft: &Draft,
        name: Option<&str>,
        now_ms: u64,
    ) -> Result<Message, ApiError> {
        if draft.is_empty() {
            return Err(ApiError::empty_message());
        }
        let (mut message, _) = self.compose(self.bot, hook.channel, draft, now_ms)?;
        message.author = Arc::new(User::new(hook.id, name.unwrap_or(&hook.name), true));
        message.webhook_id = Some(hook.id);
        message.application_id = Some(self.application);
        message.nonce = None;
        self.publish(&message);
        self.keep(message.clone());
        Ok(message)
    }

    /// A message that this webhook wrote.
    pub(crate) fn webhook_message(&self, hook: &Webhook, id: Id) -> Result<&Message, ApiError> {
        let message = self.message(hook.channel, id)?;
        if message.webhook_id == Some(hook.id) { Ok(message) } else { Err(ApiError::unknown(Unknown::Message)) }
    }
}
