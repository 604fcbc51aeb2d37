//! Options of a slash command, typed by the command's definition.

use serde_json::{Map, Value, json};

use super::World;
use super::guild::Guild;
use super::ids::Id;
use super::invoke::Invocation;
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

/// Turns typed options into the form that the command's definition asks for.
pub(crate) struct Typing<'a> {
    world: &'a World,
    guild: &'a Guild,
    /// Users, members, roles and channels that the options name, by kind and id.
    pub(crate) resolved: Map<String, Value>,
    invocation: &'a Invocation<'a>,
}

impl<'a> Typing<'a> {
    pub(crate) fn new(world: &'a World, guild: &'a Guild, invocation: &'a Invocation<'a>) -> Typing<'a> {
        Typing { world, guild, resolved: Map::new(), invocation }
    }

    /// The options of one level of the definition; `path` names the subcommands below it.
    pub(crate) fn level<'p>(
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

    pub(crate) fn value(&mut self, definition: &Value, name: &str, value: &Value) -> Result<Value, SandboxError> {
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
            let partial = super::guild::merged(json!(member.partial()), json!({ "permissions": granted.to_string() }));
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

fn in_range(definition: &Value, name: &str, number: f64) -> Result<(), SandboxError> {
    let below = definition["min_value"].as_f64().is_some_and(|min| number < min);
    let above = definition["max_value"].as_f64().is_some_and(|max| number > max);
    if below || above { Err(bad(name, "is out of range")) } else { Ok(()) }
}

fn bad(option: &str, problem: &'static str) -> SandboxError {
    SandboxError::BadOption { option: option.to_owned(), problem }
}
