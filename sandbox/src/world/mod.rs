//! The world that the stand-in shows: users, guilds, messages, commands, interactions. It is pure: every
//! change takes the time it happens at and leaves what it caused in the [`Outbox`].

pub(crate) mod audit;
pub(crate) mod command;
pub(crate) mod components;
pub(crate) mod draft;
pub(crate) mod emoji;
pub(crate) mod expressions;
pub(crate) mod guild;
pub(crate) mod ids;
pub(crate) mod interaction;
pub(crate) mod invoke;
pub(crate) mod membership;
pub(crate) mod mentions;
pub(crate) mod message;
pub(crate) mod modal;
pub(crate) mod moderation;
pub(crate) mod options;
pub(crate) mod outbox;
pub(crate) mod permissions;
pub(crate) mod pins;
pub(crate) mod places;
pub(crate) mod react;
pub(crate) mod reply;
pub(crate) mod roles;
pub(crate) mod threads;
pub(crate) mod user;
pub(crate) mod webhook;
pub(crate) mod write;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use self::command::Commands;
use self::emoji::Emoji;
use self::guild::{Channel, Guild};
use self::ids::{Id, Snowflakes};
use self::interaction::Interactions;
use self::message::ChannelLog;
use self::outbox::Outbox;
use self::user::User;
use self::webhook::Webhook;
use crate::api_error::{ApiError, Unknown};

/// How long an interaction's token works unless configured (Discord documentation, "Receiving and Responding").
pub(crate) const TOKEN_LIFE_MS: u64 = 15 * 60 * 1_000;

/// Everything there is, and what the last changes caused.
pub(crate) struct World {
    pub ids: Snowflakes,
    pub random: StdRng,
    pub users: HashMap<Id, Arc<User>>,
    names: HashMap<String, Id>,
    pub guilds: BTreeMap<Id, Guild>,
    /// Guild of each guild channel.
    homes: HashMap<Id, Id>,
    /// Person whom each direct-message channel is with.
    pub direct: BTreeMap<Id, Id>,
    pub logs: HashMap<Id, ChannelLog>,
    pub commands: Commands,
    pub interactions: Interactions,
    pub application_emojis: Vec<Emoji>,
    pub webhooks: BTreeMap<Id, Webhook>,
    /// Messages sent with `enforce_nonce`: author, nonce, channel, message, when.
    nonces: VecDeque<(Id, String, Id, Id, u64)>,
    pub bot: Id,
    pub application: Id,
    pub owner: Id,
    pub default_guild: Id,
    pub default_channel: Id,
    /// Messages kept of each channel.
    pub messages_kept: usize,
    pub outbox: Outbox,
}

impl World {
    /// An empty world; [`crate::seed`] fills it.
    pub(crate) fn new(seed: u64, messages_kept: usize) -> World {
        World {
            ids: Snowflakes::default(),
            random: StdRng::seed_from_u64(seed),
            users: HashMap::new(),
            names: HashMap::new(),
            guilds: BTreeMap::new(),
            homes: HashMap::new(),
            direct: BTreeMap::new(),
            logs: HashMap::new(),
            commands: Commands::default(),
            interactions: Interactions::new(TOKEN_LIFE_MS),
            application_emojis: Vec::new(),
            webhooks: BTreeMap::new(),
            nonces: VecDeque::new(),
            bot: Id(0),
            application: Id(0),
            owner: Id(0),
            default_guild: Id(0),
            default_channel: Id(0),
            messages_kept,
            outbox: Outbox::default(),
        }
    }

    pub(crate) fn add_user(&mut self, id: Id, name: &str, bot: bool) -> Arc<User> {
        let user = Arc::new(User::new(id, name, bot));
        self.users.insert(id, Arc::clone(&user));
        self.names.insert(name.to_owned(), id);
        user
    }

    pub(crate) fn add_channel(&mut self, channel: Channel) {
        self.homes.insert(channel.id, channel.guild_id);
        if let Some(guild) = self.guilds.get_mut(&channel.guild_id) {
            guild.channels.push(channel);
        }
    }

    pub(crate) fn user(&self, id: Id) -> Result<&Arc<User>, ApiError> {
        self.users.get(&id).ok_or_else(|| ApiError::unknown(Unknown::User))
    }

    /// The user of that name, or of that id in digits.
    pub(crate) fn user_named(&self, name: &str) -> Option<&Arc<User>> {
        let id = self.names.get(name).copied().or_else(|| name.parse().ok())?;
        self.users.get(&id)
    }

    /// A guild that the bot is in. One with an outage is as unknown as one it left.
    pub(crate) fn guild(&self, id: Id) -> Result<&Guild, ApiError> {
        self.guilds.get(&id).filter(|guild| !guild.unavailable).ok_or_else(|| ApiError::unknown(Unknown::Guild))
    }

    pub(crate) fn guild_mut(&mut self, id: Id) -> Result<&mut Guild, ApiError> {
        self.guilds.get_mut(&id).filter(|guild| !guild.unavailable).ok_or_else(|| ApiError::unknown(Unknown::Guild))
    }

    /// The guild of a channel: `None` for a direct message.
    pub(crate) fn guild_of(&self, channel: Id) -> Result<Option<&Guild>, ApiError> {
        if self.direct.contains_key(&channel) {
            return Ok(None);
        }
        let unknown = || ApiError::unknown(Unknown::Channel);
        let guild = self.homes.get(&channel).and_then(|guild| self.guild(*guild).ok()).ok_or_else(unknown)?;
        guild.channel(channel).ok_or_else(unknown)?;
        Ok(Some(guild))
    }

    /// The channel object of a guild channel or direct message.
    pub(crate) fn channel_object(&self, id: Id) -> Result<Value, ApiError> {
        match self.guild_of(id)? {
            Some(guild) => {
                Ok(guild.thread(id).map_or_else(|| json!(guild.channel(id)), |thread| thread.as_object(self.bot)))
            }
            None => {
                let with = self.direct.get(&id).and_then(|user| self.users.get(user));
                let last = self.logs.get(&id).and_then(|log| log.page(None, None, None, 1).first().map(|m| m.id));
                Ok(json!({
                    "id": id, "type": guild::channel_type::DM, "last_message_id": last, "flags": 0,
                    "recipients": with.map(|user| vec![Arc::clone(user)]).unwrap_or_default(),
                }))
            }
        }
    }

    /// What the bot may do in a channel: everything that exists in a direct message.
    pub(crate) fn bot_permissions(&self, channel: Id) -> Result<u64, ApiError> {
        Ok(self.guild_of(channel)?.map_or(permissions::ALL, |guild| permissions::of(guild, self.bot, Some(channel))))
    }

    /// Refuses with Discord's code unless the bot sees the channel and has all of `needed` there.
    pub(crate) fn require(&self, channel: Id, needed: u64) -> Result<(), ApiError> {
        let has = self.bot_permissions(channel)?;
        if has & permissions::VIEW_CHANNEL == 0 {
            return Err(ApiError::missing_access());
        }
        if has & needed != needed {
            return Err(ApiError::missing_permissions());
        }
        Ok(())
    }

    /// The application object of `GET /applications/@me`.
    pub(crate) fn application_object(&self) -> Value {
        let (bot, owner) = (self.users.get(&self.bot), self.users.get(&self.owner));
        json!({
            "id": self.application, "name": bot.map(|bot| bot.username.clone()), "icon": null, "description": "",
            "summary": "", "type": null, "is_monetized": false, "is_verified": false, "is_discoverable": false,
            "bot": bot, "bot_public": true, "bot_require_code_grant": false, "owner": owner, "team": null,
            "verify_key": "0".repeat(64), "flags": APPLICATION_FLAGS, "hook": true, "redirect_uris": [],
            "interactions_endpoint_url": null, "role_connections_verification_url": null,
            "approximate_guild_count": self.guilds.len(), "approximate_user_install_count": 0,
            "integration_types_config": { "0": {} }, "event_webhooks_status": 1, "explicit_content_filter": 0,
            "storefront_available": false, "flags_new": APPLICATION_FLAGS.to_string(),
            "approximate_user_authorization_count": 0, "eligible_oauth2_scopes": [], "rpc_origins": [], "tags": [],
        })
    }
}

/// All three limited privileged intents: presences, members, message content.
pub(crate) const APPLICATION_FLAGS: u64 = 1 << 13 | 1 << 15 | 1 << 19;
