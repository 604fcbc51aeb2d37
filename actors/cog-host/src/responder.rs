//! Answers one invocation: by messages in its channel, or by the sequence that Discord wants of an interaction.

use crate::{ports::Outbox, reply::Reply};
use protocol::Secret;
use rest::RestError;
use serenity::{
    builder::{
        CreateInteractionResponse, CreateInteractionResponseFollowup, CreateInteractionResponseMessage, CreateMessage,
        EditInteractionResponse,
    },
    model::id::{ApplicationId, ChannelId, InteractionId, MessageId},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// An interaction that nobody has answered after this time is deferred: Discord drops it after 3 s.
pub(crate) const DEFER_AFTER: Duration = Duration::from_secs(2);

/// Where answers go.
pub(crate) enum Target {
    /// Into the channel of `message`.
    Message { channel: ChannelId, message: MessageId },
    /// To an interaction.
    Interaction { id: InteractionId, application: ApplicationId, token: Secret, ephemeral: bool },
}

pub(crate) struct Responder {
    outbox: Arc<dyn Outbox>,
    target: Target,
    // Held while a request is under way: a deferral and an answer must not overtake each other.
    sent: Mutex<Sent>,
}

#[derive(Default)]
struct Sent {
    deferred: bool,
    answers: u32,
}

impl Responder {
    pub(crate) fn new(outbox: Arc<dyn Outbox>, target: Target) -> Arc<Self> {
        Arc::new(Self { outbox, target, sent: Mutex::default() })
    }

    pub(crate) fn is_interaction(&self) -> bool {
        matches!(self.target, Target::Interaction { .. })
    }

    /// Sends `reply` in the form that is due.
    pub(crate) async fn send(&self, reply: &Reply) -> Result<(), RestError> {
        let mut sent = self.sent.lock().await;
        match &self.target {
            Target::Message { channel, message } => {
                // The nonce comes from the message: should the same message be handled twice, Discord drops the second.
                let nonce = format!("{message}-{}", sent.answers);
                self.outbox.post(*channel, as_message(reply), reply.mentions.clone(), nonce).await?;
            }
            Target::Interaction { id, application, token, .. } => {
                let (token, mentions) = (token.expose(), reply.mentions.clone());
                match *sent {
                    Sent { answers: 0, deferred: false } => {
                        let response = CreateInteractionResponse::Message(as_response(reply));
                        self.outbox.respond(*id, token, response, mentions).await?;
                    }
                    Sent { answers: 0, deferred: true } => {
                        self.outbox.edit(*application, token, as_edit(reply), mentions).await?;
                    }
                    Sent { .. } => self.outbox.follow_up(*application, token, as_follow_up(reply), mentions).await?,
                }
            }
        }
        sent.answers += 1;
        Ok(())
    }

    /// Defers, unless something was said already or this is no interaction.
    pub(crate) async fn defer(&self) -> Result<(), RestError> {
        let Target::Interaction { id, token, ephemeral, .. } = &self.target else { return Ok(()) };
        let mut sent = self.sent.lock().await;
        if sent.deferred || sent.answers > 0 {
            return Ok(());
        }
        let response = CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(*ephemeral));
        self.outbox.respond(*id, token.expose(), response, rest::Mentions::None).await?;
        sent.deferred = true;
        Ok(())
    }

    /// Defers at [`DEFER_AFTER`] past `received`. Ends early when nobody is left who could answer.
    pub(crate) async fn defer_when_slow(responder: std::sync::Weak<Self>, received: Instant) {
        tokio::time::sleep_until(received + DEFER_AFTER).await;
        let Some(responder) = responder.upgrade() else { return };
        if let Err(error) = responder.defer().await {
            tracing::debug!(%error, "an interaction could not be deferred");
        }
    }

    /// Whether anything was said.
    pub(crate) async fn has_answered(&self) -> bool {
        self.sent.lock().await.answers > 0
    }
}

fn as_message(reply: &Reply) -> CreateMessage {
    CreateMessage::new().content(&reply.content).embeds(reply.embeds.clone())
}

fn as_response(reply: &Reply) -> CreateInteractionResponseMessage {
    let response = CreateInteractionResponseMessage::new().content(&reply.content).embeds(reply.embeds.clone());
    response.ephemeral(reply.ephemeral)
}

/// An edit cannot change who sees the answer: that was settled when it was deferred.
fn as_edit(reply: &Reply) -> EditInteractionResponse {
    EditInteractionResponse::new().content(&reply.content).embeds(reply.embeds.clone())
}

fn as_follow_up(reply: &Reply) -> CreateInteractionResponseFollowup {
    let follow_up = CreateInteractionResponseFollowup::new().content(&reply.content).embeds(reply.embeds.clone());
    follow_up.ephemeral(reply.ephemeral)
}
