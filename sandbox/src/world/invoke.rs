//! People using commands and components: INTERACTION_CREATE with typed options.

use rand::Rng;
use serde_json::{Map, Value, json};

use super::World;
use super::ids::Id;
use super::interaction::{Interaction, Kind, Progress};
use super::modal;
use super::options::Typing;
use super::permissions;
use crate::config::SandboxError;

/// The types of commands that stand in the menu of a user and of a message.
const USER_COMMAND: u64 = 2;
const MESSAGE_COMMAND: u64 = 3;

/// What a command of the menu is used on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    User(Id),
    Message(Id),
}

/// The type of a component that is a button.
const BUTTON: u64 = 2;

/// What a person typed after the slash.
pub(crate) struct Invocation<'a> {
    pub user: Id,
    pub guild: Id,
    pub channel: Id,
    /// Name, with subcommands after spaces (`prefix set`).
    pub command: &'a str,
    pub options: &'a [(String, Value)],
    /// The option being typed, for an autocompletion.
    pub focused: Option<&'a str>,
}

impl World {
    /// Uses a registered command; the id is the new interaction's.
    pub(crate) fn invoke(&mut self, invocation: &Invocation<'_>, now_ms: u64) -> Result<Id, SandboxError> {
        let guild = self.guild(invocation.guild).map_err(|_| SandboxError::UnknownGuild(invocation.guild.0))?;
        let mut path = invocation.command.trim_start_matches('/').split_whitespace();
        let unknown = || SandboxError::UnknownCommand(invocation.command.to_owned());
        let name = path.next().ok_or_else(unknown)?;
        let command = self.commands.named(Some(invocation.guild), name).ok_or_else(unknown)?;
        if !may_use(command, permissions::of(guild, invocation.user, Some(invocation.channel))) {
            return Err(SandboxError::NotAllowed(invocation.command.to_owned()));
        }
        let mut typing = Typing::new(self, guild, invocation);
        let options = typing.level(&command["options"], &mut path)?;
        let mut data = json!({ "id": command["id"], "name": command["name"], "type": command["type"] });
        if !options.is_empty() {
            data["options"] = json!(options);
        }
        if !typing.resolved.is_empty() {
            data["resolved"] = Value::Object(typing.resolved);
        }
        if let Some(guild) = command.get("guild_id") {
            data["guild_id"] = guild.clone();
        }
        let kind = if invocation.focused.is_some() { Kind::Autocomplete } else { Kind::Command };
        self.create_interaction(kind, invocation.user, Some(invocation.guild), invocation.channel, data, None, now_ms)
    }

    /// Uses a command of the menu on a user or on a message in a channel.
    pub(crate) fn invoke_on(
        &mut self,
        user: Id,
        channel: Id,
        name: &str,
        target: Target,
        now_ms: u64,
    ) -> Result<Id, SandboxError> {
        let unknown = || SandboxError::UnknownCommand(name.to_owned());
        let guild = self.guild_of(channel).ok().flatten().ok_or(SandboxError::UnknownChannel(channel.0))?;
        let (kind, id) = match target {
            Target::User(id) => (USER_COMMAND, id),
            Target::Message(id) => (MESSAGE_COMMAND, id),
        };
        let scopes = [Some(guild.id), None].into_iter().flat_map(|scope| self.commands.of(scope));
        let command = scopes.into_iter().find(|command| command["name"] == name && command["type"] == kind);
        let command = command.ok_or_else(unknown)?;
        if !may_use(command, permissions::of(guild, user, Some(channel))) {
            return Err(SandboxError::NotAllowed(name.to_owned()));
        }
        let mut resolved = Map::new();
        match target {
            Target::User(id) => {
                let person = self.users.get(&id).ok_or_else(|| SandboxError::UnknownUser(id.to_string()))?;
                resolved.insert("users".to_owned(), json!({ id.to_string(): person }));
                if let Some(member) = guild.members.get(&id) {
                    let granted = permissions::of(guild, id, Some(channel)).to_string();
                    let partial = super::guild::merged(json!(member.partial()), json!({ "permissions": granted }));
                    resolved.insert("members".to_owned(), json!({ id.to_string(): partial }));
                }
            }
            Target::Message(id) => {
                resolved.insert("messages".to_owned(), json!({ id.to_string(): self.message(channel, id)? }));
            }
        }
        let data = json!({
            "id": command["id"], "name": name, "type": kind, "target_id": id, "resolved": resolved,
        });
        let guild = guild.id;
        self.create_interaction(Kind::Command, user, Some(guild), channel, data, None, now_ms)
    }

    /// Uses a button or a select menu of a message.
    pub(crate) fn press(
        &mut self,
        user: Id,
        channel: Id,
        message: Id,
        custom_id: &str,
        values: &[String],
        now_ms: u64,
    ) -> Result<Id, SandboxError> {
        let unknown = || SandboxError::UnknownComponent(custom_id.to_owned());
        let held = self.message(channel, message).map_err(|_| unknown())?;
        let component = held.components.iter().find_map(|row| find_component(row, custom_id)).ok_or_else(unknown)?;
        let component = component.clone();
        let kind = component["type"].as_u64().unwrap_or(BUTTON);
        check_use(&component, custom_id, values)?;
        let mut data = json!({ "custom_id": custom_id, "component_type": kind, "id": component["id"] });
        if kind != BUTTON {
            let (values, resolved) = self.chosen(channel, user, &component, custom_id, values)?;
            data["values"] = json!(values);
            if !resolved.is_empty() {
                data["resolved"] = Value::Object(resolved);
            }
        }
        let guild = self.guild_of(channel).map_err(|_| unknown())?.map(|guild| guild.id);
        self.create_interaction(Kind::Component, user, guild, channel, data, Some(message), now_ms)
    }

    /// What a menu's values mean: ids of people, roles and channels are found by name, and described.
    fn chosen(
        &self,
        channel: Id,
        user: Id,
        menu: &Value,
        custom_id: &str,
        values: &[String],
    ) -> Result<(Vec<Value>, Map<String, Value>), SandboxError> {
        // The types of options that fit the types of menus.
        let option = match menu["type"].as_u64().unwrap_or(0) {
            5 => 6,
            6 => 8,
            7 => 9,
            8 => 7,
            _ => return Ok((values.iter().map(|value| json!(value)).collect(), Map::new())),
        };
        let guild = self.guild_of(channel).ok().flatten().ok_or(SandboxError::UnknownChannel(channel.0))?;
        let invocation = Invocation { user, guild: guild.id, channel, command: "", options: &[], focused: None };
        let mut typing = Typing::new(self, guild, &invocation);
        let definition = json!({ "type": option });
        let named = values.iter().map(|value| typing.value(&definition, custom_id, &json!(value)));
        let named = named.collect::<Result<Vec<Value>, SandboxError>>()?;
        Ok((named, typing.resolved))
    }

    /// Sends the modal that the bot showed as its answer to `opened_by`, with the text of each field.
    pub(crate) fn submit_modal(
        &mut self,
        opened_by: Id,
        custom_id: &str,
        fields: &[(String, String)],
        now_ms: u64,
    ) -> Result<Id, SandboxError> {
        let unknown = || SandboxError::UnknownComponent(custom_id.to_owned());
        let earlier = self.interactions.get_mut(opened_by).ok_or_else(unknown)?;
        let modal = earlier.modal.as_ref().filter(|modal| modal["custom_id"] == custom_id).ok_or_else(unknown)?;
        let filled_in = modal::submission(modal, fields)?;
        // A modal is sent once.
        earlier.modal = None;
        let (user, guild, channel, source) = (earlier.user, earlier.guild, earlier.channel, earlier.source);
        let data = json!({ "custom_id": custom_id, "components": filled_in });
        self.create_interaction(Kind::Modal, user, guild, channel, data, source, now_ms)
    }

    #[expect(clippy::too_many_arguments, reason = "one private step shared by the four kinds of interaction")]
    fn create_interaction(
        &mut self,
        kind: Kind,
        user: Id,
        guild: Option<Id>,
        channel: Id,
        data: Value,
        source: Option<Id>,
        now_ms: u64,
    ) -> Result<Id, SandboxError> {
        let id = self.ids.next(now_ms);
        let from_menu = data.get("target_id").is_some();
        let token = format!("{id}-{:032x}", self.random.random::<u128>());
        let person = self.users.get(&user).ok_or_else(|| SandboxError::UnknownUser(user.to_string()))?;
        let mut event = json!({
            "id": id, "application_id": self.application, "type": kind.number(), "data": data, "token": token,
            "version": 1, "channel_id": channel, "locale": "en-US", "entitlements": [],
            "entitlement_sku_ids": [], "attachment_size_limit": 10_485_760, "context": if guild.is_some() { 0 } else { 1 },
            "authorizing_integration_owners": { "0": guild.unwrap_or(Id(0)) },
        });
        match guild.and_then(|guild| self.guilds.get(&guild)) {
            Some(guild) => {
                let member = guild.members.get(&user).ok_or_else(|| SandboxError::UnknownUser(user.to_string()))?;
                let granted = permissions::of(guild, user, Some(channel));
                let place = guild.channel(channel).ok_or(SandboxError::UnknownChannel(channel.0))?;
                event["member"] = member.with(json!({ "permissions": granted.to_string() }));
                event["guild_id"] = json!(guild.id);
                event["guild"] = json!({ "id": guild.id, "locale": "en-US", "features": [] });
                event["guild_locale"] = json!("en-US");
                event["channel"] = super::guild::merged(json!(place), json!({ "permissions": granted.to_string() }));
                event["app_permissions"] = json!(permissions::of(guild, self.bot, Some(channel)).to_string());
            }
            None => {
                event["user"] = json!(person);
                event["app_permissions"] = json!(permissions::ALL.to_string());
                event["channel"] = self.channel_object(channel).map_err(|_| SandboxError::UnknownChannel(channel.0))?;
            }
        }
        if let Some(message) = source.and_then(|message| self.message(channel, message).ok()) {
            event["message"] = json!(message);
        }
        self.outbox.push("INTERACTION_CREATE", guild, &event, None::<&()>);
        self.interactions.insert(Interaction {
            id,
            token,
            kind,
            user,
            guild,
            channel,
            created_ms: now_ms,
            progress: Progress::Waiting,
            original: None,
            source,
            followups: Vec::new(),
            modal: None,
            from_menu,
        });
        Ok(id)
    }
}

/// Whether somebody with these permissions finds the command at all; none needed by name means administrators.
fn may_use(command: &Value, has: u64) -> bool {
    let needed = command["default_member_permissions"].as_str().and_then(|bits| bits.parse::<u64>().ok());
    needed.is_none_or(|needed| has & needed == needed && (needed != 0 || has & permissions::ADMINISTRATOR != 0))
}

/// Refuses what a person could not do: press a disabled button, choose too little, too much or what is not there.
fn check_use(component: &Value, custom_id: &str, values: &[String]) -> Result<(), SandboxError> {
    let bad = |problem| Err(SandboxError::BadOption { option: custom_id.to_owned(), problem });
    if component["disabled"] == true {
        return bad("is disabled");
    }
    if component["type"] == BUTTON {
        return if values.is_empty() { Ok(()) } else { bad("is a button and takes no values") };
    }
    let (least, most) = (component["min_values"].as_u64().unwrap_or(1), component["max_values"].as_u64().unwrap_or(1));
    if !(least..=most).contains(&(values.len() as u64)) {
        return bad("does not take so many values");
    }
    let options = component["options"].as_array();
    let offered = |value: &String| options.is_none_or(|all| all.iter().any(|option| option["value"] == value.as_str()));
    if values.iter().all(offered) { Ok(()) } else { bad("has no such option") }
}

fn find_component<'a>(component: &'a Value, custom_id: &str) -> Option<&'a Value> {
    if component["custom_id"] == custom_id {
        return Some(component);
    }
    let children = component["components"].as_array().into_iter().flatten();
    children.chain(component.get("accessory")).find_map(|child| find_component(child, custom_id))
}
