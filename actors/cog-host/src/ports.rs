//! What cogs need from rooms that this crate does not know; boot fills it.

use chrono::{DateTime, Utc};
use protocol::{BoxFuture, ShardId};
use rest::{Mentions, RestError};
use serde_json::Value;
use serenity::{
    builder::{CreateInteractionResponse, CreateInteractionResponseFollowup, CreateMessage, EditInteractionResponse},
    model::id::{ApplicationId, ChannelId, GuildId, InteractionId},
};
use std::time::Duration;

/// The actor tree, as far as owners may reach it from Discord.
pub trait TreeOps: Send + Sync + 'static {
    /// The tree as text, for a code block.
    fn text(&self) -> BoxFuture<'_, Result<String, String>>;

    /// Sends an admin message to the actor at `path` on behalf of `by` (for the audit log).
    ///
    /// # Errors
    /// One sentence: no such actor or message, a bad argument, no answer in time.
    fn tell<'a>(
        &'a self,
        path: &'a str,
        message: &'a str,
        params: Value,
        by: &'a str,
    ) -> BoxFuture<'a, Result<Value, String>>;
}

/// Sets what the bot is shown to be doing.
pub trait Presence: Send + Sync + 'static {
    /// Shows `activity` on every shard that is connected; gives how many those are.
    ///
    /// # Errors
    /// One sentence.
    fn show<'a>(&'a self, activity: &'a str) -> BoxFuture<'a, Result<u32, String>>;
}

/// Facts about the running process.
pub trait BotInfo: Send + Sync + 'static {
    /// The program's version.
    fn version(&self) -> String;
    /// When the process began.
    fn started(&self) -> DateTime<Utc>;
    /// Shards of this process.
    fn shards(&self) -> u32;
    /// The newest heartbeat round trip of `shard`.
    fn heartbeat(&self, shard: ShardId) -> Option<Duration>;
}

/// The few requests by which commands are answered and registered. `rest::Rest` is behind it; tests put a list there.
pub trait Outbox: Send + Sync + 'static {
    /// Posts a message. `nonce` makes Discord drop a second one with the same text of digits and letters.
    fn post(
        &self,
        channel: ChannelId,
        message: CreateMessage,
        mentions: Mentions,
        nonce: String,
    ) -> BoxFuture<'_, Result<(), RestError>>;

    /// Answers an interaction for the first time.
    fn respond<'a>(
        &'a self,
        id: InteractionId,
        token: &'a str,
        response: CreateInteractionResponse,
        mentions: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>>;

    /// Edits the first answer to an interaction.
    fn edit<'a>(
        &'a self,
        application: ApplicationId,
        token: &'a str,
        edit: EditInteractionResponse,
        mentions: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>>;

    /// Answers an interaction again.
    fn follow_up<'a>(
        &'a self,
        application: ApplicationId,
        token: &'a str,
        message: CreateInteractionResponseFollowup,
        mentions: Mentions,
    ) -> BoxFuture<'a, Result<(), RestError>>;

    /// The slash commands that Discord has of `guild`, or the global ones, as its objects: no type of ours may leave out
    /// a field of them.
    fn commands(&self, guild: Option<GuildId>) -> BoxFuture<'_, Result<Vec<Value>, RestError>>;

    /// Replaces the slash commands of `guild`, or the global ones; gives how many Discord now has.
    fn set_commands(&self, guild: Option<GuildId>, commands: Vec<Value>) -> BoxFuture<'_, Result<usize, RestError>>;
}
