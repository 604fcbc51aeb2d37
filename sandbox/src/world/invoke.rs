//! People using commands and components: INTERACTION_CREATE with typed options.

use rand::Rng;
use serde_json::{Map, Value, json};

use super::World;
use super::guild::Guild;
use super::ids::Id;
use super::interaction::{Interaction, Kind, Progress};
use super::permissions;
use crate::config::SandboxError;

/// Discord's option types.
mod option_type {
    pub(super) const SUB_COMMAND: u64 = 1;
    pub(super) const SUB_COMMAND_GROUP: u64 = 2;
    pub(super) const STRING: u64 = 3;
    pub(super) const INTEGER: u64 = 4;
    pub(super) const BOOLEAN: u64 = 5;
    pub(super) const USER: u64 = 6;
    pub(super) const CHANNEL: u64 = 7;
    pub(super) const ROLE: u64 = 8;
    pub(super) const MENTIONABLE: u64 = 9;
    pub(super) const NUMBER: u64 = 10;
}

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
        let needed = command["default_member_permissions"].as_str().and_then(|bits| bits.parse::<u64>().ok());
        let has = permissions::of(guild, invocation.user, Some(invocation.channel));
        if needed.is_some_and(|needed| has & needed != needed || needed == 0 && has & permissions::ADMINISTRATOR == 0) {
            return Err(SandboxError::NotAllowed(invocation.command.to_owned()));
        }
        let mut typing = Typing { world: self, guild, resolved: Map::new(), invocation };
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
        let kind = component["type"].as_u64().unwrap_or(2);
        let mut data = json!({ "custom_id": custom_id, "component_type": kind, "id": 1 });
        if kind != 2 {
            data["values"] = json!(values);
        }
        let guild = self.guild_of(channel).map_err(|_| unknown())?.map(|guild| guild.id);
        self.create_interaction(Kind::Component, user, guild, channel, data, Some(message), now_ms)
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
        let earlier = self.interactions.get(opened_by).ok_or_else(unknown)?;
        let (user, guild, channel, source) = (earlier.user, earlier.guild, earlier.channel, earlier.source);
        let rows: Vec<Value> = fields
            .iter()
            .map(|(id, text)| json!({ "type": 1, "id": 1, "components": [{ "type": 4, "id": 2, "custom_id": id, "value": text }] }))
            .collect();
        let data = json!({ "custom_id": custom_id, "components": rows });
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
        });
        Ok(id)
    }
}

/// Turns typed options into the form that the command's definition asks for.
struct Typing<'a> {
    world: &'a World,
    guild: &'a Guild,
    resolved: Map<String, Value>,
    invocation: &'a Invocation<'a>,
}

impl Typing<'_> {
    fn level<'p>(
        &mut self,
        definitions: &Value,
        path: &mut impl Iterator<Item = &'p str>,
    ) -> Result<Vec<Value>, SandboxError> {
        let definitions = definitions.as_array().map_or(&[][..], Vec::as_slice);
        let is_branch = |kind: u64| matches!(kind, option_type::SUB_COMMAND | option_type::SUB_COMMAND_GROUP);
        let branches = definitions.iter().any(|d| is_branch(d["type"].as_u64().unwrap_or(0)));
        match path.next() {
            Some(name) => {
                let branch =
                    definitions.iter().find(|d| d["name"] == name && is_branch(d["type"].as_u64().unwrap_or(0)));
                let unknown = || SandboxError::UnknownCommand(self.invocation.command.to_owned());
                let branch = branch.ok_or_else(unknown)?;
                let inner = self.level(&branch["options"], path)?;
                Ok(vec![json!({ "name": name, "type": branch["type"], "options": inner })])
            }
            None if branches => Err(SandboxError::UnknownCommand(self.invocation.command.to_owned())),
            None => self.values(definitions),
        }
    }

    fn values(&mut self, definitions: &[Value]) -> Result<Vec<Value>, SandboxError> {
        let given = self.invocation.options;
        let known = |name: &str| definitions.iter().any(|definition| definition["name"] == name);
        if let Some((name, _)) = given.iter().find(|(name, _)| !known(name)) {
            return Err(bad(name, "the command has no such option"));
        }
        let mut options = Vec::with_capacity(given.len());
        for definition in definitions {
            let name = definition["name"].as_str().unwrap_or_default();
            let focused = self.invocation.focused == Some(name);
            match given.iter().find(|(option, _)| option == name) {
                Some((_, value)) if focused => {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    options.push(json!({ "name": name, "type": definition["type"], "value": text, "focused": true }));
                }
                Some((_, value)) => {
                    let value = self.value(definition, name, value)?;
                    options.push(json!({ "name": name, "type": definition["type"], "value": value }));
                }
                None if definition["required"].as_bool().unwrap_or(false) && self.invocation.focused.is_none() => {
                    return Err(bad(name, "is required"));
                }
                None => {}
            }
        }
        Ok(options)
    }

    fn value(&mut self, definition: &Value, name: &str, value: &Value) -> Result<Value, SandboxError> {
        let choices = definition["choices"].as_array().map_or(&[][..], Vec::as_slice);
        if let Some(chosen) = choices.iter().find(|choice| choice["name"] == *value) {
            // People pick a choice by its name.
            return Ok(chosen["value"].clone());
        }
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let typed = match definition["type"].as_u64().unwrap_or(0) {
            option_type::STRING => {
                let length = text.chars().count() as u64;
                let (min, max) = (definition["min_length"].as_u64(), definition["max_length"].as_u64());
                if min.is_some_and(|min| length < min) || max.is_some_and(|max| length > max) {
                    return Err(bad(name, "is too short or too long"));
                }
                json!(text)
            }
            option_type::INTEGER => {
                let number = text.parse::<i64>().map_err(|_| bad(name, "is not a whole number"))?;
                in_range(definition, name, number as f64)?;
                json!(number)
            }
            option_type::NUMBER => {
                let number = text.parse::<f64>().map_err(|_| bad(name, "is not a number"))?;
                in_range(definition, name, number)?;
                json!(number)
            }
            option_type::BOOLEAN => json!(text.parse::<bool>().map_err(|_| bad(name, "is neither true nor false"))?),
            option_type::USER => self.user(name, &text)?,
            option_type::CHANNEL => self.channel(name, &text)?,
            option_type::ROLE => self.role(name, &text)?,
            option_type::MENTIONABLE => self.user(name, &text).or_else(|_| self.role(name, &text))?,
            _ => return Err(bad(name, "has a type that the sandbox does not implement")),
        };
        if choices.is_empty() || choices.iter().any(|choice| choice["value"] == typed) {
            return Ok(typed);
        }
        Err(bad(name, "is none of the choices"))
    }

    fn user(&mut self, name: &str, text: &str) -> Result<Value, SandboxError> {
        let text = text.trim_start_matches("<@").trim_start_matches(['!', '@']).trim_end_matches('>');
        let user = self.world.user_named(text).ok_or_else(|| bad(name, "names nobody"))?;
        self.resolve("users", user.id, json!(user));
        if let Some(member) = self.guild.members.get(&user.id) {
            let granted = permissions::of(self.guild, user.id, Some(self.invocation.channel));
            let partial = super::guild::merged(member.partial(), json!({ "permissions": granted.to_string() }));
            self.resolve("members", user.id, partial);
        }
        Ok(json!(user.id))
    }

    fn channel(&mut self, name: &str, text: &str) -> Result<Value, SandboxError> {
        let text = text.trim_start_matches("<#").trim_start_matches('#').trim_end_matches('>');
        let by_id = text.parse().ok().and_then(|id| self.guild.channel(id));
        let channel = by_id.or_else(|| self.guild.channel_named(text)).ok_or_else(|| bad(name, "names no channel"))?;
        let granted = permissions::of(self.guild, self.invocation.user, Some(channel.id));
        let object = super::guild::merged(json!(channel), json!({ "permissions": granted.to_string() }));
        self.resolve("channels", channel.id, object);
        Ok(json!(channel.id))
    }

    fn role(&mut self, name: &str, text: &str) -> Result<Value, SandboxError> {
        let text = text.trim_start_matches("<@&").trim_start_matches('@').trim_end_matches('>');
        let by_id = text.parse().ok().and_then(|id| self.guild.role(id));
        let role = by_id.or_else(|| self.guild.role_named(text)).ok_or_else(|| bad(name, "names no role"))?;
        self.resolve("roles", role.id, json!(role));
        Ok(json!(role.id))
    }

    fn resolve(&mut self, kind: &str, id: Id, object: Value) {
        let shelf = self.resolved.entry(kind).or_insert_with(|| json!({}));
        shelf[id.to_string()] = object;
    }
}

fn find_component<'a>(component: &'a Value, custom_id: &str) -> Option<&'a Value> {
    if component["custom_id"] == custom_id {
        return Some(component);
    }
    let children = component["components"].as_array().into_iter().flatten();
    children.chain(component.get("accessory")).find_map(|child| find_component(child, custom_id))
}

fn in_range(definition: &Value, name: &str, number: f64) -> Result<(), SandboxError> {
    let below = definition["min_value"].as_f64().is_some_and(|min| number < min);
    let above = definition["max_value"].as_f64().is_some_and(|max| number > max);
    if below || above { Err(bad(name, "is out of range")) } else { Ok(()) }
}

fn bad(option: &str, problem: &'static str) -> SandboxError {
    SandboxError::BadOption { option: option.to_owned(), problem }
}
