//! The way out to Discord: the HTTP client behind [`Outbox`].

use crate::ports::Outbox;
use protocol::BoxFuture;
use rest::{Mentions, Rest, RestError, Send};
use serde_json::Value;
use serenity::{
    builder::{CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage, EditInteractionResponse},
    model::id::{ApplicationId, ChannelId, GuildId, InteractionId},
};

impl Outbox for Rest {
    fn post(
        &self,
        channel: ChannelId,
        message: CreateMessage,
        mentions: Mentions,
        nonce: String,
    ) -> BoxFuture<'_, Result<(), RestError>> {
        let send = Send::default().mentions(mentions).nonce(nonce);
        Box::pin(self.post_message(channel, &message, send))
    }

    fn respond<'a>(
        &'a self,
        id: InteractionId,
        token: &'a str,
        response: CreateInteractionResponse,
        mentions: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        Box::pin(async move { Rest::respond(self, id, token, response, Send::interaction().mentions(mentions)).await })
    }

    fn edit<'a>(
        &'a self,
        application: ApplicationId,
        token: &'a str,
        edit: EditInteractionResponse,
        mentions: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        let send = Send::interaction().mentions(mentions);
        Box::pin(async move { self.edit_response(application, token, edit, send).await.map(drop) })
    }

    fn follow_up<'a>(
        &'a self,
        application: ApplicationId,
        token: &'a str,
        message: CreateInteractionResponseFollowup,
        mentions: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>> {
        let send = Send::interaction().mentions(mentions);
        Box::pin(async move { Rest::follow_up(self, application, token, message, send).await.map(drop) })
    }

    fn commands(&self, guild: Option<GuildId>) -> BoxFuture<'_, Result<Vec<Value>, RestError>> {
        Box::pin(Rest::commands(self, guild))
    }

    fn set_commands(&self, guild: Option<GuildId>, commands: Vec<Value>) -> BoxFuture<'_, Result<usize, RestError>> {
        Box::pin(async move {
            let registered = match guild {
                Some(guild) => self.set_guild_commands(guild, &commands).await?,
                None => self.set_global_commands(&commands).await?,
            };
            Ok(registered.len())
        })
    }
}
