//! From a message or an interaction to the call of a command.

pub(crate) use crate::responder::Target;

use crate::{
    args::{ArgError, Tokens, Values, read_slash, read_text},
    catalogue::{Entry, Runnable},
    context::{Invocation, Source},
    guard::Caller,
    host::Shared,
    permissions::in_channel,
    prefix::addressed,
    responder::Responder,
};
use chrono::{DateTime, Utc};
use protocol::{ShardId, id::GuildId};
use serenity::model::{
    application::{CommandDataOptionValue, CommandInteraction},
    channel::Message,
};
use std::sync::Arc;
use tokio::time::Instant;

/// A command about to be run.
pub(crate) struct Call {
    pub(crate) runnable: Arc<Runnable>,
    pub(crate) values: Result<Values, ArgError>,
    pub(crate) caller: Caller,
    pub(crate) invocation: Arc<Invocation>,
    pub(crate) responder: Arc<Responder>,
}

/// What somebody who spoke to the bot gets.
pub(crate) enum Called {
    /// A command.
    Run(Box<Call>),
    /// A sentence.
    Say { invocation: Box<Invocation>, responder: Arc<Responder>, text: String, is_error: bool },
}

/// Where an event came from.
#[derive(Clone, Copy)]
pub(crate) struct Whence {
    pub(crate) shard: ShardId,
    pub(crate) received: Instant,
    pub(crate) guild: Option<GuildId>,
}

/// The call in `message`; none when it does not speak to the bot or names no command of it.
pub(crate) async fn from_message(shared: &Arc<Shared>, message: &Message, whence: Whence) -> Option<Called> {
    if message.author.bot || message.webhook_id.is_some() {
        return None;
    }
    let services = &shared.services;
    let prefix = match whence.guild {
        Some(guild) => services.prefixes.of(guild).await,
        None => Arc::clone(services.prefixes.default_prefix()),
    };
    let said = addressed(&message.content, &prefix, services.cache.own_id())?;
    let invocation = Invocation {
        command: String::new(),
        author: message.author.id,
        guild: whence.guild,
        channel: message.channel_id,
        source: Source::Prefix { message: message.id },
        prefix: Arc::clone(&prefix),
        shard: whence.shard,
        created: created(message.id.get()),
        received: whence.received,
    };
    let target = Target::Message { channel: message.channel_id, message: message.id };
    let responder = Responder::new(Arc::clone(&shared.outbox), target);
    if said.text.is_empty() {
        let text = format!("My prefix here is `{prefix}`; `{prefix}help` lists what I can do.");
        return Some(Called::Say { invocation: Box::new(invocation), responder, text, is_error: false });
    }
    let (name, args) = said.text.split_once(char::is_whitespace).unwrap_or((said.text, ""));
    let entry = shared.catalogue.find(name)?;
    let mut tokens = Tokens::new(args);
    let runnable = match entry.called(&mut tokens) {
        Ok(runnable) => Arc::clone(runnable),
        Err(error) => return Some(wrong(entry, &error, invocation, responder)),
    };
    let values = read_text(&runnable.params, &mut tokens);
    let roles = message.member.as_ref().map_or(&[][..], |member| &member.roles);
    let guild = whence.guild.and_then(|guild| services.cache.guild(guild));
    let caller = Caller {
        user: message.author.id,
        in_guild: whence.guild.is_some(),
        permissions: guild.map(|guild| in_channel(&guild, message.channel_id, message.author.id, roles)),
    };
    Some(call(runnable, values, caller, invocation, responder))
}

/// The call in `command`.
pub(crate) fn from_interaction(
    shared: &Arc<Shared>,
    command: &CommandInteraction,
    responder: Arc<Responder>,
    whence: Whence,
) -> Called {
    let prefixes = &shared.services.prefixes;
    let prefix = whence.guild.and_then(|guild| prefixes.peek(guild));
    let invocation = Invocation {
        command: String::new(),
        author: command.user.id,
        guild: whence.guild,
        channel: command.channel_id,
        source: Source::Slash { interaction: command.id },
        prefix: prefix.unwrap_or_else(|| Arc::clone(prefixes.default_prefix())),
        shard: whence.shard,
        created: created(command.id.get()),
        received: whence.received,
    };
    let Some(entry) = shared.catalogue.find(&command.data.name) else {
        let text = "I do not have that command any more; Discord may take a while to forget it.".to_owned();
        return Called::Say { invocation: Box::new(invocation), responder, text, is_error: true };
    };
    let (sub, options) = match command.data.options.first().map(|option| (&option.name, &option.value)) {
        Some((name, CommandDataOptionValue::SubCommand(options))) => (Some(name), options.as_slice()),
        _ => (None, command.data.options.as_slice()),
    };
    // The subcommand's name goes the way of the typed one, so that both forms find the same command.
    let runnable = match entry.called(&mut Tokens::new(sub.map_or("", String::as_str))) {
        Ok(runnable) => Arc::clone(runnable),
        Err(error) => return wrong(entry, &error, invocation, responder),
    };
    let values = read_slash(&runnable.params, options, &command.data.resolved);
    let permissions = command.member.as_ref().and_then(|member| member.permissions);
    let caller = Caller { user: command.user.id, in_guild: whence.guild.is_some(), permissions };
    call(runnable, values, caller, invocation, responder)
}

fn call(
    runnable: Arc<Runnable>,
    values: Result<Values, ArgError>,
    caller: Caller,
    mut invocation: Invocation,
    responder: Arc<Responder>,
) -> Called {
    invocation.command.clone_from(&runnable.path);
    Called::Run(Box::new(Call { runnable, values, caller, invocation: Arc::new(invocation), responder }))
}

fn wrong(entry: &Entry, error: &ArgError, invocation: Invocation, responder: Arc<Responder>) -> Called {
    let text = format!("`{}{}`: {error}", invocation.prefix, entry.name);
    Called::Say { invocation: Box::new(invocation), responder, text, is_error: true }
}

/// When Discord made `id`: milliseconds since the first second of 2015, above 22 bits of other things.
fn created(id: u64) -> DateTime<Utc> {
    const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;
    let ms = i64::try_from(id >> 22).unwrap_or_default() + DISCORD_EPOCH_MS;
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
}
