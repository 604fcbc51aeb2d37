//! Reading what Discord knows, and registering commands.

use crate::{call::Call, error::RestError, handle::Rest, send::Send};
use protocol::{
    BoxFuture,
    ports::{GatewayBot, GatewayDirectory, NotNow},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serenity::{
    http::{LightMethod, Route},
    model::{
        application::Command,
        channel::Channel,
        guild::{Emoji, Member, PartialGuild},
        id::{ChannelId, GuildId, UserId},
        user::CurrentUser,
    },
};
use std::time::Duration;

/// When to ask for the gateway again if nothing better is known.
const GATEWAY_RETRY: Duration = Duration::from_secs(5);

impl Rest {
    /// The bot's own user.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn current_user(&self) -> Result<CurrentUser, RestError> {
        self.run(Call::new(LightMethod::Get, Route::UserMe)?, Send::default()).await
    }

    /// The application's own emojis.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn application_emojis(&self, send: Send) -> Result<Vec<Emoji>, RestError> {
        #[derive(Deserialize)]
        struct Items {
            items: Vec<Emoji>,
        }
        let application_id = self.current_application().await?.id;
        let found: Items = self.run(Call::new(LightMethod::Get, Route::Emojis { application_id })?, send).await?;
        Ok(found.items)
    }

    /// A guild's emojis.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn guild_emojis(&self, guild_id: GuildId, send: Send) -> Result<Vec<Emoji>, RestError> {
        self.run(Call::new(LightMethod::Get, Route::GuildEmojis { guild_id })?, send).await
    }

    /// A channel.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn get_channel(&self, channel_id: ChannelId, send: Send) -> Result<Channel, RestError> {
        self.run(Call::new(LightMethod::Get, Route::Channel { channel_id })?, send).await
    }

    /// A guild.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn get_guild(&self, guild_id: GuildId, send: Send) -> Result<PartialGuild, RestError> {
        self.run(Call::new(LightMethod::Get, Route::Guild { guild_id })?, send).await
    }

    /// A member of a guild.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn get_member(&self, guild_id: GuildId, user_id: UserId, send: Send) -> Result<Member, RestError> {
        let call = Call::new(LightMethod::Get, Route::GuildMember { guild_id, user_id })?;
        let pattern = call.pattern.clone();
        let mut member: Value = self.run(call, send).await?;
        // Discord leaves the guild out of its answer; serenity's type wants it.
        if let Some(member) = member.as_object_mut() {
            member.insert("guild_id".to_owned(), Value::String(guild_id.to_string()));
        }
        let kind = |error: serde_json::Error| format!("{:?} error in the answer to {pattern}", error.classify());
        serde_json::from_value(member).map_err(|error| RestError::Malformed(kind(error)))
    }

    /// The commands that the application has in `guild`, or the global ones, with their names in other languages: as
    /// Discord's objects, since a type would leave out the fields that it does not know.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn commands(&self, guild: Option<GuildId>) -> Result<Vec<Value>, RestError> {
        let application_id = self.current_application().await?.id;
        let route = match guild {
            Some(guild_id) => Route::GuildCommands { application_id, guild_id },
            None => Route::Commands { application_id },
        };
        let mut call = Call::new(LightMethod::Get, route)?;
        call.query = Some("with_localizations=true".to_owned());
        let found: Option<Vec<Value>> = self.run(call, Send::background()).await?;
        Ok(found.unwrap_or_default())
    }

    /// Replaces every global command of the application with `commands`, a list of Discord's objects.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn set_global_commands(&self, commands: &(impl Serialize + Sync)) -> Result<Vec<Command>, RestError> {
        let application_id = self.current_application().await?.id;
        let call = Call::new(LightMethod::Put, Route::Commands { application_id })?.json(commands)?;
        self.run(call, Send::background()).await
    }

    /// Replaces every command that the application has in one guild with `commands`, a list of Discord's objects.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn set_guild_commands(
        &self,
        guild_id: GuildId,
        commands: &(impl Serialize + Sync),
    ) -> Result<Vec<Command>, RestError> {
        let application_id = self.current_application().await?.id;
        let call = Call::new(LightMethod::Put, Route::GuildCommands { application_id, guild_id })?.json(commands)?;
        self.run(call, Send::background()).await
    }
}

#[derive(Deserialize)]
struct GatewayBotWire {
    url: String,
    shards: u32,
    session_start_limit: SessionStartLimit,
}

#[derive(Deserialize)]
struct SessionStartLimit {
    remaining: u32,
    reset_after: u64,
    max_concurrency: u32,
}

impl GatewayDirectory for Rest {
    fn gateway_bot(&self) -> BoxFuture<'_, Result<GatewayBot, NotNow>> {
        Box::pin(async move {
            let asked = async { self.run(Call::new(LightMethod::Get, Route::GatewayBot)?, Send::default()).await };
            let wire: GatewayBotWire = asked.await.map_err(|error| NotNow {
                retry_after: error.retry_after().unwrap_or(GATEWAY_RETRY),
                what: error.to_string(),
            })?;
            let limit = wire.session_start_limit;
            Ok(GatewayBot {
                url: wire.url,
                shards: wire.shards,
                remaining: limit.remaining,
                reset_after_ms: limit.reset_after,
                max_concurrency: limit.max_concurrency,
            })
        })
    }
}
