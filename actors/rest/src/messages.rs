//! Messages and answers to interactions. In every one, only [`Send::mentions`] decides who is pinged.

use crate::{call::Call, error::RestError, handle::Rest, send::Send};
use serenity::{
    builder::{
        CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage, EditInteractionResponse,
        EditMessage,
    },
    http::{LightMethod, Route},
    model::{
        channel::Message,
        id::{ApplicationId, ChannelId, InteractionId, MessageId},
    },
};

impl Rest {
    /// Posts a message. Discord is given a nonce, so that a repetition after a broken connection makes no second one.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn create_message(
        &self,
        channel_id: ChannelId,
        message: CreateMessage,
        send: Send,
    ) -> Result<Message, RestError> {
        let call = Call::new(LightMethod::Post, Route::ChannelMessages { channel_id })?.json(&message)?;
        self.run(call, send).await
    }

    /// Posts a message as [`Rest::create_message`] does, for those who do not read what Discord made of it.
    ///
    /// # Errors
    /// See [`RestError`].
    pub fn post_message(
        &self,
        channel_id: ChannelId,
        message: &CreateMessage,
        send: Send,
    ) -> impl Future<Output = Result<(), RestError>> + std::marker::Send + use<'_> {
        let call = Call::new(LightMethod::Post, Route::ChannelMessages { channel_id });
        let call = call.and_then(|call| call.json(message)); // now: a builder is larger than what it builds
        async move { self.answer(call?, send).await.map(drop) }
    }

    /// Edits a message of the bot's own.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn edit_message(
        &self,
        channel_id: ChannelId,
        message_id: MessageId,
        edit: EditMessage,
        send: Send,
    ) -> Result<Message, RestError> {
        let call = Call::new(LightMethod::Patch, Route::ChannelMessage { channel_id, message_id })?.json(&edit)?;
        self.run(call, send).await
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn delete_message(
        &self,
        channel_id: ChannelId,
        message_id: MessageId,
        send: Send,
    ) -> Result<(), RestError> {
        self.run(Call::new(LightMethod::Delete, Route::ChannelMessage { channel_id, message_id })?, send).await
    }

    /// Answers an interaction for the first time; Discord takes it within 3 s. Never repeated when its outcome is
    /// unknown.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn respond(
        &self,
        interaction_id: InteractionId,
        token: &str,
        response: CreateInteractionResponse,
        send: Send,
    ) -> Result<(), RestError> {
        let route = Route::InteractionResponse { interaction_id, token };
        self.answer(Call::new(LightMethod::Post, route)?.json(&response)?, send).await?;
        Ok(())
    }

    /// Edits the first answer to an interaction, or fills in a deferred one; the token is good for 15 minutes.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn edit_response(
        &self,
        application_id: ApplicationId,
        token: &str,
        edit: EditInteractionResponse,
        send: Send,
    ) -> Result<Message, RestError> {
        let route = Route::WebhookOriginalInteractionResponse { application_id, token };
        self.run(Call::new(LightMethod::Patch, route)?.json(&edit)?, send).await
    }

    /// Sends a further message to an interaction; the token is good for 15 minutes.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn follow_up(
        &self,
        application_id: ApplicationId,
        token: &str,
        message: CreateInteractionResponseFollowup,
        send: Send,
    ) -> Result<Message, RestError> {
        let route = Route::WebhookFollowupMessages { application_id, token };
        self.run(Call::new(LightMethod::Post, route)?.json(&message)?, send).await
    }
}
