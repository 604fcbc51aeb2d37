//! What people do in the sandbox: talk, react, use commands.

use std::time::Duration;

use serde_json::Value;

use crate::MessageId;
use crate::api_error::ApiError;
use crate::config::SandboxError;
use crate::faults::Fault;
use crate::handle::Sandbox;
use crate::shared::State;
use crate::world::draft::Draft;
use crate::world::ids::Id;
use crate::world::invoke::{Invocation, Target};
use crate::world::message::ReactionEmoji;
use crate::world::threads::ThreadEdit;

impl Sandbox {
    /// Id of the default guild.
    pub fn guild_id(&self) -> u64 {
        self.shared.with(|state| state.world.default_guild.0)
    }

    /// Id of #general in the default guild.
    pub fn general_id(&self) -> u64 {
        self.shared.with(|state| state.world.default_channel.0)
    }

    /// Id of the bot's user.
    pub fn bot_user_id(&self) -> u64 {
        self.shared.with(|state| state.world.bot.0)
    }

    /// Id of the application, which differs from that of the bot's user.
    pub fn application_id(&self) -> u64 {
        self.shared.with(|state| state.world.application.0)
    }

    /// Id of the application's and the guilds' owner, alice.
    pub fn owner_id(&self) -> u64 {
        self.shared.with(|state| state.world.owner.0)
    }

    /// Id of a user by name (alice, bob, carol, impresario, or whoever spoke).
    pub fn user_id(&self, name: &str) -> Option<u64> {
        self.shared.with(|state| state.world.user_named(name).map(|user| user.id.0))
    }

    /// Ids of all guilds that the bot is in.
    pub fn guild_ids(&self) -> Vec<u64> {
        self.shared.with(|state| state.world.guilds.keys().map(|id| id.0).collect())
    }

    /// Id of a channel by its name in a guild (`general`, `random`, `mod-log`, `lounge`).
    pub fn channel_id(&self, guild: u64, name: &str) -> Option<u64> {
        let find = |state: &mut State| Some(state.world.guild(Id(guild)).ok()?.channel_named(name)?.id.0);
        self.shared.with(find)
    }

    /// Id of a role by its name in a guild (`moderators`, `impresario`, `@everyone`).
    pub fn role_id(&self, guild: u64, name: &str) -> Option<u64> {
        let find = |state: &mut State| Some(state.world.guild(Id(guild)).ok()?.role_named(name)?.id.0);
        self.shared.with(find)
    }

    /// Name of a user, to show who wrote.
    pub fn user_name(&self, id: u64) -> Option<String> {
        self.shared.with(|state| state.world.users.get(&Id(id)).map(|user| user.username.clone()))
    }

    /// Somebody writes in #general of the default guild. A name that nobody has yet joins the guild first.
    /// Where nothing can be sent (empty text, or the bot was removed from the guild) nobody hears it and the
    /// id is that of no message; [`Sandbox::say_in`] tells the reason.
    pub fn say(&self, user: &str, text: &str) -> MessageId {
        self.shared.with(|state| state.say_anyhow(user, text))
    }

    /// Cuts every connection as [`Fault::CutConnection`] does, and somebody writes in #general before any bot can be back:
    /// only a replay brings it that message.
    pub fn cut_and_say(&self, user: &str, text: &str) -> MessageId {
        self.shared.with(|state| {
            state.make(Fault::CutConnection { shard: None }, None);
            state.say_anyhow(user, text)
        })
    }

    /// Somebody writes in a channel of a guild; a new name joins that guild first.
    ///
    /// # Errors
    /// [`SandboxError::Refused`] for an unknown guild or channel, or an empty message.
    pub fn say_in(&self, guild: u64, channel: u64, user: &str, text: &str) -> Result<MessageId, SandboxError> {
        Ok(self.shared.with(|state| state.say(Id(guild), Id(channel), user, text))?)
    }

    /// Somebody begins a public thread in a channel; the value is its id, by which people write in it.
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`], or [`SandboxError::Refused`] for a channel that is unknown or has no threads.
    pub fn begin_thread(&self, user: &str, channel: u64, name: &str) -> Result<u64, SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            let edit = ThreadEdit { name: Some(name.to_owned()), ..ThreadEdit::default() };
            let thread = state.world.start_thread(user, (Id(channel), None), false, edit, None, state.now_ms)?;
            Ok(Id::from_json(&thread["id"]).unwrap_or_default().0)
        })
    }

    /// Somebody writes to the bot directly.
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`], or [`SandboxError::Refused`] for an empty message.
    pub fn say_directly(&self, user: &str, text: &str) -> Result<MessageId, SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            let channel = state.world.direct_channel(user, state.now_ms)?;
            let posted = state.world.post(user, channel, Draft::text(text), state.now_ms)?;
            Ok(MessageId(posted.message.id.0))
        })
    }

    /// Somebody reacts to a message in #general; `emoji` is Unicode or `name:id`.
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`], or [`SandboxError::Refused`] for an unknown message or emoji.
    pub fn react(&self, user: &str, message: MessageId, emoji: &str) -> Result<(), SandboxError> {
        self.shared.with(|state| {
            let (user, channel) = (named(state, user)?, state.world.default_channel);
            Ok(state.world.react(user, channel, Id(message.0), ReactionEmoji::parse(emoji), true)?)
        })
    }

    /// Somebody uses a slash command in #general of the default guild; the value is the interaction's id.
    /// Subcommands follow after blanks (`"prefix set"`). Options are typed by the command's definition, so
    /// texts will do: numbers are parsed, users, channels and roles found by name or id, choices by name.
    ///
    /// # Errors
    /// [`SandboxError::UnknownCommand`] for a command that the bot did not register, [`SandboxError::BadOption`],
    /// [`SandboxError::NotAllowed`], [`SandboxError::UnknownUser`].
    pub fn slash(&self, user: &str, command: &str, options: &[(String, Value)]) -> Result<u64, SandboxError> {
        let (guild, channel) = (self.guild_id(), self.general_id());
        self.slash_in(guild, channel, user, command, options)
    }

    /// As [`Sandbox::slash`] in any channel of any guild.
    ///
    /// # Errors
    /// As [`Sandbox::slash`], and [`SandboxError::UnknownGuild`], [`SandboxError::UnknownChannel`].
    pub fn slash_in(
        &self,
        guild: u64,
        channel: u64,
        user: &str,
        command: &str,
        options: &[(String, Value)],
    ) -> Result<u64, SandboxError> {
        self.invoke(guild, channel, user, command, options, None)
    }

    /// Somebody uses a command of the bot's from the menu of another user, in #general.
    ///
    /// # Errors
    /// [`SandboxError::UnknownCommand`] when the bot registered no user command of that name,
    /// [`SandboxError::UnknownUser`].
    pub fn use_on_user(&self, user: &str, command: &str, target: &str) -> Result<u64, SandboxError> {
        self.shared.with(|state| {
            let (user, target) = (named(state, user)?, Target::User(named(state, target)?));
            let (channel, now_ms) = (state.world.default_channel, state.now_ms);
            Ok(state.world.invoke_on(user, channel, command, target, now_ms)?.0)
        })
    }

    /// Somebody uses a command of the bot's from the menu of a message.
    ///
    /// # Errors
    /// [`SandboxError::UnknownCommand`] when the bot registered no message command of that name,
    /// [`SandboxError::UnknownUser`], [`SandboxError::UnknownChannel`], or [`SandboxError::Refused`] for an
    /// unknown message.
    pub fn use_on_message(
        &self,
        user: &str,
        command: &str,
        channel: u64,
        message: MessageId,
    ) -> Result<u64, SandboxError> {
        self.shared.with(|state| {
            let (user, target) = (named(state, user)?, Target::Message(Id(message.0)));
            let now_ms = state.now_ms;
            Ok(state.world.invoke_on(user, Id(channel), command, target, now_ms)?.0)
        })
    }

    /// Somebody is typing the option `focused` of a command in #general and wants choices.
    ///
    /// # Errors
    /// As [`Sandbox::slash`].
    pub fn autocomplete(
        &self,
        user: &str,
        command: &str,
        options: &[(String, Value)],
        focused: &str,
    ) -> Result<u64, SandboxError> {
        let (guild, channel) = (self.guild_id(), self.general_id());
        self.invoke(guild, channel, user, command, options, Some(focused))
    }

    /// Somebody uses a button (no values) or a select menu of a message.
    ///
    /// # Errors
    /// [`SandboxError::UnknownComponent`], [`SandboxError::UnknownUser`].
    pub fn press(
        &self,
        user: &str,
        channel: u64,
        message: MessageId,
        custom_id: &str,
        values: &[String],
    ) -> Result<u64, SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            let now_ms = state.now_ms;
            Ok(state.world.press(user, Id(channel), Id(message.0), custom_id, values, now_ms)?.0)
        })
    }

    /// Whoever was shown a modal as the answer to `interaction` fills it in: pairs of field and text.
    ///
    /// # Errors
    /// [`SandboxError::UnknownComponent`] when there is no such interaction.
    pub fn submit_modal(
        &self,
        interaction: u64,
        custom_id: &str,
        fields: &[(String, String)],
    ) -> Result<u64, SandboxError> {
        self.shared.with(|state| Ok(state.world.submit_modal(Id(interaction), custom_id, fields, state.now_ms)?.0))
    }

    /// Somebody types in #general.
    ///
    /// # Errors
    /// [`SandboxError::UnknownUser`].
    pub fn types(&self, user: &str) -> Result<(), SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            Ok(state.world.typing(user, state.world.default_channel, state.now_ms)?)
        })
    }

    /// Blocks until an interaction got its first answer; false when the time is over.
    pub fn wait_answered(&self, interaction: u64, within: Duration) -> bool {
        use crate::events::SandboxEvent::InteractionReply;
        self.wait_for(within, |event| matches!(event, InteractionReply { interaction: id, .. } if *id == interaction))
            .is_some()
    }

    fn invoke(
        &self,
        guild: u64,
        channel: u64,
        user: &str,
        command: &str,
        options: &[(String, Value)],
        focused: Option<&str>,
    ) -> Result<u64, SandboxError> {
        self.shared.with(|state| {
            let user = named(state, user)?;
            let (guild, channel) = (Id(guild), Id(channel));
            let invocation = Invocation { user, guild, channel, command, options, focused };
            Ok(state.world.invoke(&invocation, state.now_ms)?.0)
        })
    }
}

impl State {
    /// Says it in #general, or gives the id of no message where nobody hears it.
    fn say_anyhow(&mut self, user: &str, text: &str) -> MessageId {
        let (guild, channel) = (self.world.default_guild, self.world.default_channel);
        self.say(guild, channel, user, text).unwrap_or_else(|error| {
            tracing::debug!(?error, "nobody hears what is said");
            MessageId(self.world.ids.next(self.now_ms).0)
        })
    }

    fn say(&mut self, guild: Id, channel: Id, user: &str, text: &str) -> Result<MessageId, ApiError> {
        let user = self.present(guild, user)?;
        self.world.require_voice(guild, user, self.now_ms)?;
        let posted = self.world.post(user, channel, Draft::text(text), self.now_ms)?;
        Ok(MessageId(posted.message.id.0))
    }

    /// The user of that name, made and joined to the guild where needed.
    pub(crate) fn present(&mut self, guild: Id, name: &str) -> Result<Id, ApiError> {
        self.world.guild(guild)?;
        let id = match self.world.user_named(name) {
            Some(user) => user.id,
            None => {
                let id = self.world.ids.next(self.now_ms);
                self.world.add_user(id, name, false).id
            }
        };
        self.world.join(guild, id, Vec::new(), self.now_ms)?;
        Ok(id)
    }
}

pub(crate) fn named(state: &State, user: &str) -> Result<Id, SandboxError> {
    let known = state.world.user_named(user).map(|user| user.id);
    known.ok_or_else(|| SandboxError::UnknownUser(user.to_owned()))
}
