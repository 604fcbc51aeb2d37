//! The commands that the bot registered.

use serde_json::{Map, Value, json};

use super::ids::{Id, Snowflakes};
use crate::api_error::{ApiError, Unknown};

/// Chat-input commands of one scope.
pub(crate) const COMMANDS_MAX: usize = 100;
/// Options of a command, and choices of an option.
pub(crate) const OPTIONS_MAX: usize = 25;
const CHAT_INPUT: u64 = 1;

/// Commands by scope. A command is kept as the JSON object that Discord would answer.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    all: Vec<(Option<Id>, Value)>,
}

impl Commands {
    /// The commands of one scope, in order of registration.
    pub(crate) fn of(&self, scope: Option<Id>) -> Vec<&Value> {
        self.all.iter().filter(|(of, _)| *of == scope).map(|(_, command)| command).collect()
    }

    /// The command that a person in `guild` finds under `name`: the guild's own hides a global one.
    pub(crate) fn named(&self, guild: Option<Id>, name: &str) -> Option<&Value> {
        let find = |scope: Option<Id>| self.of(scope).into_iter().find(|command| command["name"] == name);
        guild.and_then(|guild| find(Some(guild))).or_else(|| find(None))
    }

    pub(crate) fn get(&self, scope: Option<Id>, id: Id) -> Result<&Value, ApiError> {
        let id = id.to_string();
        self.of(scope)
            .into_iter()
            .find(|command| command["id"] == id.as_str())
            .ok_or_else(|| ApiError::unknown(Unknown::Command))
    }

    /// Registers one command; the same name and type replaces. The flag says whether it is new.
    pub(crate) fn upsert(
        &mut self,
        scope: Option<Id>,
        body: &Value,
        stamp: &mut Stamper<'_>,
    ) -> Result<(Value, bool), ApiError> {
        let wanted = checked(body)?;
        let same = |known: &Value| known["name"] == wanted["name"] && known["type"] == wanted["type"];
        let old = self.all.iter().position(|(of, known)| *of == scope && same(known));
        if old.is_none() && self.of(scope).len() >= COMMANDS_MAX {
            return Err(ApiError::new(400, 30032, "Maximum number of application commands reached (100)"));
        }
        let id = old.map(|at| self.all[at].1["id"].clone());
        let command = stamp.finish(wanted, id, scope);
        match old {
            Some(at) => self.all[at].1 = command.clone(),
            None => self.all.push((scope, command.clone())),
        }
        Ok((command, old.is_none()))
    }

    /// Makes the scope hold exactly these commands. Nothing changes when one of them is refused.
    pub(crate) fn replace(
        &mut self,
        scope: Option<Id>,
        body: &Value,
        stamp: &mut Stamper<'_>,
    ) -> Result<Vec<Value>, ApiError> {
        let Some(list) = body.as_array() else {
            return Err(ApiError::invalid_field("_", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"));
        };
        let mut next = Commands::default();
        for (at, body) in list.iter().enumerate() {
            let wanted = checked(body).map_err(|error| nested(at, error))?;
            if next.all.iter().any(|(_, known)| known["name"] == wanted["name"] && known["type"] == wanted["type"]) {
                return Err(nested(
                    at,
                    ApiError::invalid_field(
                        "name",
                        "APPLICATION_COMMANDS_DUPLICATE_NAME",
                        "Application command names must be unique",
                    ),
                ));
            }
            let same = |known: &&Value| known["name"] == wanted["name"] && known["type"] == wanted["type"];
            let id = self.of(scope).into_iter().find(same).map(|known| known["id"].clone());
            let command = stamp.finish(wanted, id, scope);
            next.all.push((scope, command));
        }
        if next.all.len() > COMMANDS_MAX {
            return Err(ApiError::new(400, 30032, "Maximum number of application commands reached (100)"));
        }
        let answer = next.all.iter().map(|(_, command)| command.clone()).collect();
        self.all.retain(|(of, _)| *of != scope);
        self.all.append(&mut next.all);
        Ok(answer)
    }

    /// Changes the given fields of one command.
    pub(crate) fn modify(
        &mut self,
        scope: Option<Id>,
        id: Id,
        body: &Value,
        stamp: &mut Stamper<'_>,
    ) -> Result<Value, ApiError> {
        let merged = super::guild::merged(self.get(scope, id)?.clone(), body.clone());
        let wanted = checked(&merged)?;
        let command = stamp.finish(wanted, Some(json!(id)), scope);
        let text = id.to_string();
        if let Some((_, known)) = self.all.iter_mut().find(|(of, known)| *of == scope && known["id"] == text.as_str()) {
            *known = command.clone();
        }
        Ok(command)
    }

    pub(crate) fn remove(&mut self, scope: Option<Id>, id: Id) -> Result<(), ApiError> {
        self.get(scope, id)?;
        let text = id.to_string();
        self.all.retain(|(of, known)| *of != scope || known["id"] != text.as_str());
        Ok(())
    }

    pub(crate) fn forget_guild(&mut self, guild: Id) {
        self.all.retain(|(of, _)| *of != Some(guild));
    }
}

/// Gives commands their ids and versions.
pub(crate) struct Stamper<'a> {
    pub ids: &'a mut Snowflakes,
    pub application: Id,
    pub now_ms: u64,
}

impl Stamper<'_> {
    fn finish(&mut self, mut command: Value, id: Option<Value>, guild: Option<Id>) -> Value {
        let id = id.unwrap_or_else(|| json!(self.ids.next(self.now_ms)));
        command["id"] = id;
        command["application_id"] = json!(self.application);
        command["version"] = json!(self.ids.next(self.now_ms));
        match guild {
            Some(guild) => command["guild_id"] = json!(guild),
            None => {
                command["contexts"] = command.get("contexts").cloned().unwrap_or(Value::Null);
                // discord.py sends null for what it leaves to Discord.
                let types = command.get("integration_types").filter(|types| !types.is_null());
                command["integration_types"] = types.cloned().unwrap_or_else(|| json!([0]));
            }
        }
        command
    }
}

/// The command with defaults filled in, or the refusal of its first fault.
fn checked(body: &Value) -> Result<Value, ApiError> {
    let kind = body["type"].as_u64().unwrap_or(CHAT_INPUT);
    let name = body["name"].as_str().unwrap_or_default();
    let length = name.chars().count();
    if !(1..=32).contains(&length) {
        return Err(ApiError::invalid_field("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 32 in length."));
    }
    if kind == CHAT_INPUT && !is_command_name(name) {
        let message = "Command name is invalid";
        return Err(ApiError::invalid_field("name", "APPLICATION_COMMAND_INVALID_NAME", message));
    }
    let description = body["description"].as_str().unwrap_or_default();
    let described = description.chars().count();
    if kind == CHAT_INPUT && !(1..=100).contains(&described) {
        let message = "Must be between 1 and 100 in length.";
        return Err(ApiError::invalid_field("description", "BASE_TYPE_BAD_LENGTH", message));
    }
    let mut options = body["options"].as_array().cloned().unwrap_or_default();
    options.iter_mut().for_each(forget_nulls);
    check_options(&options)?;
    let mut command = Map::new();
    for field in [
        "name_localizations",
        "description_localizations",
        "default_member_permissions",
        "dm_permission",
        "contexts",
        "integration_types",
        "nsfw",
        "handler",
    ] {
        if let Some(value) = body.get(field) {
            command.insert(field.into(), value.clone());
        }
    }
    command.entry("default_member_permissions").or_insert(Value::Null);
    command.entry("nsfw").or_insert(json!(false));
    command.insert("type".into(), json!(kind));
    command.insert("name".into(), json!(name));
    command.insert("description".into(), json!(description));
    if !options.is_empty() {
        command.insert("options".into(), json!(options));
    }
    Ok(Value::Object(command))
}

/// What a request gives as `null` it leaves out; Discord's answers never have it.
fn forget_nulls(option: &mut Value) {
    let Some(fields) = option.as_object_mut() else { return };
    fields.retain(|_, value| !value.is_null());
    for list in ["options", "choices"] {
        fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().for_each(forget_nulls);
    }
}

fn check_options(options: &[Value]) -> Result<(), ApiError> {
    if options.len() > OPTIONS_MAX {
        let message = format!("Must be {OPTIONS_MAX} or fewer in length.");
        return Err(ApiError::invalid_field("options", "BASE_TYPE_MAX_LENGTH", &message));
    }
    let mut optional_seen = false;
    for (at, option) in options.iter().enumerate() {
        let place = |error: ApiError| ApiError {
            errors: error.errors.map(|e| json!({ "options": { at.to_string(): e } })),
            ..error
        };
        let name = option["name"].as_str().unwrap_or_default();
        if !is_command_name(name) {
            let message = "Command name is invalid";
            return Err(place(ApiError::invalid_field("name", "APPLICATION_COMMAND_INVALID_NAME", message)));
        }
        let described = option["description"].as_str().map_or(0, |text| text.chars().count());
        if !(1..=100).contains(&described) {
            let message = "Must be between 1 and 100 in length.";
            return Err(place(ApiError::invalid_field("description", "BASE_TYPE_BAD_LENGTH", message)));
        }
        if !(1..=11).contains(&option["type"].as_u64().unwrap_or(0)) {
            return Err(place(ApiError::invalid_field("type", "BASE_TYPE_CHOICES", "Value must be one of 1 to 11.")));
        }
        if option["choices"].as_array().is_some_and(|choices| choices.len() > OPTIONS_MAX) {
            let message = format!("Must be {OPTIONS_MAX} or fewer in length.");
            return Err(place(ApiError::invalid_field("choices", "BASE_TYPE_MAX_LENGTH", &message)));
        }
        let required = option["required"].as_bool().unwrap_or(false);
        if required && optional_seen {
            return Err(place(ApiError::invalid_field(
                "required",
                "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
                "Required options must be placed before non-required options",
            )));
        }
        optional_seen |= !required;
        check_options(option["options"].as_array().map_or(&[][..], Vec::as_slice)).map_err(place)?;
    }
    Ok(())
}

/// Discord's pattern for names: 1 to 32 letters, digits, `-`, `_` or `'`, no capitals.
fn is_command_name(name: &str) -> bool {
    (1..=32).contains(&name.chars().count())
        && name.chars().all(|c| (c.is_alphanumeric() || matches!(c, '-' | '_' | '\'')) && !c.is_uppercase())
}

fn nested(at: usize, error: ApiError) -> ApiError {
    ApiError { errors: error.errors.map(|errors| json!({ at.to_string(): errors })), ..error }
}
