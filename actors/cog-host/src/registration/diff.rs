//! What registering would change: the commands that Discord has against those that are declared. Pure.
//!
//! Discord answers more than it was sent (ids, versions, defaults it filled in) and leaves out what is empty, so both sides
//! are brought to one form first, field by field; a field that only Discord decides on is not looked at.

use serde::Serialize;
use serde_json::{Value, json};

/// Fields of a command, and what stands for an absent one.
const OF_COMMAND: [Known; 5] = [
    Known("description", Absent::Text),
    Known("default_member_permissions", Absent::Nothing),
    Known("nsfw", Absent::False),
    Known("name_localizations", Absent::Nothing),
    Known("description_localizations", Absent::Nothing),
];
/// Fields of an option, and what stands for an absent one.
const OF_OPTION: [Known; 12] = [
    Known("type", Absent::Nothing),
    Known("description", Absent::Text),
    Known("required", Absent::False),
    Known("autocomplete", Absent::False),
    Known("choices", Absent::Nothing),
    Known("channel_types", Absent::Nothing),
    Known("min_value", Absent::Nothing),
    Known("max_value", Absent::Nothing),
    Known("min_length", Absent::Nothing),
    Known("max_length", Absent::Nothing),
    Known("name_localizations", Absent::Nothing),
    Known("description_localizations", Absent::Nothing),
];
/// Fields of a global command that Discord fills in by itself unless they are declared.
const WHERE_IT_WORKS: [&str; 2] = ["contexts", "integration_types"];
/// Discord's number for direct messages with the bot, among the contexts that a command works in.
const BOT_DM: u64 = 1;
/// What runs from a chat box; Discord's type for a command that names none.
const CHAT_INPUT: u64 = 1;
/// The command that opens an Activity. Discord makes it and takes no replacement of all commands without it.
const ENTRY_POINT: u64 = 4;

struct Known(&'static str, Absent);

#[derive(Clone, Copy)]
enum Absent {
    Nothing,
    Text,
    False,
}

/// What registering would change.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Names of commands that Discord does not have.
    pub added: Vec<String>,
    /// Commands that Discord has otherwise.
    pub changed: Vec<Changed>,
    /// Names of commands that are declared no longer.
    pub removed: Vec<String>,
    /// How many commands are the same.
    pub unchanged: usize,
}

/// A command that Discord has otherwise than it is declared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    /// Its name.
    pub name: String,
    /// What differs, in the order of the declaration.
    pub fields: Vec<Field>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// The field, below the names of the options it stands in: `set.value.required`.
    pub field: String,
    /// What Discord has; null: nothing.
    pub from: Value,
    /// What is declared; null: nothing.
    pub to: Value,
}

impl Difference {
    /// Whether Discord has just what is declared.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// Holds what Discord has (`known`) against what is `declared`, both as Discord's objects; `global`: not of one guild.
pub(super) fn difference(known: &[Value], declared: &[Value], global: bool) -> Difference {
    let mut all = Difference::default();
    for command in declared {
        let Some(old) = known.iter().find(|old| key(old) == key(command)) else {
            all.added.push(name(command));
            continue;
        };
        let fields = command_fields(old, command, global);
        if fields.is_empty() {
            all.unchanged += 1;
        } else {
            all.changed.push(Changed { name: name(command), fields });
        }
    }
    let gone = known.iter().filter(|old| !is_entry_point(old) && !declared.iter().any(|new| key(new) == key(old)));
    all.removed = gone.map(name).collect();
    all
}

/// Whether Discord insists on this command of its own.
pub(super) fn is_entry_point(command: &Value) -> bool {
    command["type"] == ENTRY_POINT
}

/// A user or message command may have the name of another one.
fn key(command: &Value) -> (&str, u64) {
    (command["name"].as_str().unwrap_or_default(), command["type"].as_u64().unwrap_or(CHAT_INPUT))
}

fn name(thing: &Value) -> String {
    thing["name"].as_str().unwrap_or_default().to_owned()
}

fn command_fields(old: &Value, new: &Value, global: bool) -> Vec<Field> {
    let mut fields = Vec::new();
    compare(&OF_COMMAND, "", old, new, &mut fields);
    if global {
        push("dm_permission".to_owned(), direct(old).into(), direct(new).into(), &mut fields);
        for field in WHERE_IT_WORKS.into_iter().filter(|field| !new[field].is_null()) {
            push(field.to_owned(), sorted(&old[field]), sorted(&new[field]), &mut fields);
        }
    }
    options("", old, new, &mut fields);
    fields
}

/// Whether a global command works in direct messages. The field for that is deprecated: where Discord leaves it out, the
/// contexts tell.
fn direct(command: &Value) -> bool {
    let by_context = || Some(command["contexts"].as_array()?.iter().any(|context| *context == BOT_DM));
    command["dm_permission"].as_bool().or_else(by_context).unwrap_or(true)
}

fn compare(known: &[Known], above: &str, old: &Value, new: &Value, fields: &mut Vec<Field>) {
    for Known(field, absent) in known {
        push(format!("{above}{field}"), normal(&old[field], *absent), normal(&new[field], *absent), fields);
    }
}

fn push(field: String, from: Value, to: Value, fields: &mut Vec<Field>) {
    if from != to {
        fields.push(Field { field, from, to });
    }
}

/// The options of a command, or of a subcommand: each by its name, then their order.
fn options(above: &str, old: &Value, new: &Value, fields: &mut Vec<Field>) {
    let (old, new) = (listed(old), listed(new));
    for option in new {
        let at = format!("{above}{}", name(option));
        match old.iter().find(|old| old["name"] == option["name"]) {
            Some(old) => {
                let below = format!("{at}.");
                compare(&OF_OPTION, &below, old, option, fields);
                options(&below, old, option, fields);
            }
            None => fields.push(Field { field: at, from: Value::Null, to: bare(option) }),
        }
    }
    for gone in old.iter().filter(|old| !new.iter().any(|option| option["name"] == old["name"])) {
        fields.push(Field { field: format!("{above}{}", name(gone)), from: bare(gone), to: Value::Null });
    }
    let names = |options: &[Value]| options.iter().map(name).collect::<Vec<_>>();
    let (before, after) = (names(old), names(new));
    let same = before.len() == after.len() && before.iter().all(|name| after.contains(name));
    if same && before != after {
        fields.push(Field { field: format!("{above}order"), from: json!(before), to: json!(after) });
    }
}

fn listed(thing: &Value) -> &[Value] {
    thing["options"].as_array().map_or(&[], Vec::as_slice)
}

/// A value as it compares: absent, null and empty are one; numbers are numbers; lists of what holds no order are sorted.
fn normal(value: &Value, absent: Absent) -> Value {
    match bare(value) {
        Value::Null => match absent {
            Absent::Nothing => Value::Null,
            Absent::Text => json!(""),
            Absent::False => json!(false),
        },
        value => value,
    }
}

/// Without what is null or empty, at any depth.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(key, value)| (key.clone(), bare(value)));
            let kept: serde_json::Map<_, _> = kept.filter(|(_, value)| !value.is_null()).collect();
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) if items.iter().all(Value::is_number) => sorted(value),
        Value::Array(items) => items.iter().map(bare).collect(),
        Value::Number(number) => match number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0) {
            Some(whole) => json!(whole as i64), // Discord writes a bound of 1 as 1.0 or as 1
            None => value.clone(),
        },
        other => other.clone(),
    }
}

fn sorted(value: &Value) -> Value {
    let mut numbers: Vec<u64> = value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    numbers.sort_unstable();
    if numbers.is_empty() { Value::Null } else { json!(numbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> Value {
        json!({
            "name": "prefix", "description": "The prefix", "name_localizations": {}, "description_localizations": {},
            "nsfw": false, "default_member_permissions": "32", "dm_permission": false,
            "options": [
                {"type": 1, "name": "show", "description": "Shows it", "required": false, "choices": [], "options": []},
                {"type": 1, "name": "set", "description": "Sets it", "options": [
                    {"type": 3, "name": "value", "description": "The prefix", "required": true, "min_length": 1}]},
            ],
        })
    }

    /// The same as Discord answers it: ids, defaults, nothing that is empty.
    fn registered() -> Value {
        json!({
            "id": "7", "application_id": "8", "version": "9", "type": 1, "name": "prefix", "description": "The prefix",
            "default_member_permissions": "32", "dm_permission": false, "contexts": [0], "integration_types": [0],
            "name_localizations": null, "description_localizations": null,
            "options": [
                {"type": 1, "name": "show", "description": "Shows it"},
                {"type": 1, "name": "set", "description": "Sets it", "options": [
                    {"type": 3, "name": "value", "description": "The prefix", "required": true, "min_length": 1.0}]},
            ],
        })
    }

    fn changes(change: impl FnOnce(&mut Value)) -> Vec<(String, Value, Value)> {
        let mut known = registered();
        change(&mut known);
        let found = difference(&[known], &[declared()], true);
        let fields = found.changed.into_iter().flat_map(|changed| changed.fields);
        fields.map(|field| (field.field, field.from, field.to)).collect()
    }

    #[test]
    fn what_discord_adds_or_leaves_out_is_no_difference() {
        let found = difference(&[registered()], &[declared()], true);
        assert_eq!(found, Difference { unchanged: 1, ..Difference::default() });
        assert!(found.is_empty());
        let mut by_contexts = registered();
        by_contexts["dm_permission"] = Value::Null; // and contexts say the same
        assert!(difference(&[by_contexts], &[declared()], true).is_empty());
        let mut of_guild = registered();
        of_guild["dm_permission"] = Value::Null; // which a guild's commands do not have
        assert!(difference(&[of_guild], &[declared()], false).is_empty());
    }

    #[test]
    fn names_are_added_and_removed_and_kinds_have_names_of_their_own() {
        let command = |name: &str, kind: u64| json!({"name": name, "type": kind, "description": ""});
        let known = [command("old", 1), command("info", 2), command("launch", ENTRY_POINT)];
        let found = difference(&known, &[command("info", 1), command("info", 2), command("new", 1)], true);
        assert_eq!(found.added, ["info", "new"]);
        assert_eq!(found.removed, ["old"], "what opens an Activity is Discord's own");
        assert_eq!((found.changed.len(), found.unchanged), (0, 1));
    }

    #[test]
    fn a_field_is_named_with_the_options_it_stands_in() {
        assert_eq!(
            changes(|known| known["options"][1]["options"][0]["required"] = Value::Null),
            [("set.value.required".to_owned(), json!(false), json!(true))]
        );
        assert_eq!(
            changes(|known| known["description"] = json!("Another")),
            [("description".to_owned(), json!("Another"), json!("The prefix"))]
        );
        assert_eq!(
            changes(|known| known["default_member_permissions"] = Value::Null),
            [("default_member_permissions".to_owned(), Value::Null, json!("32"))]
        );
        assert_eq!(
            changes(|known| known["dm_permission"] = json!(true)),
            [("dm_permission".to_owned(), json!(true), json!(false))]
        );
        assert_eq!(changes(|known| known["nsfw"] = json!(true)), [("nsfw".to_owned(), json!(true), json!(false))]);
    }

    #[test]
    fn options_come_go_and_change_places() {
        let gone = changes(|known| drop(known["options"].as_array_mut().unwrap().remove(0)));
        assert_eq!(gone[0].0, "show");
        assert_eq!((&gone[0].1, &gone[0].2["description"]), (&Value::Null, &json!("Shows it")));
        let extra = json!({"type": 1, "name": "clear", "description": "Clears it"});
        let more = changes(|known| known["options"].as_array_mut().unwrap().push(extra));
        assert_eq!((more.len(), more[0].0.as_str(), &more[0].2), (1, "clear", &Value::Null));
        let turned = changes(|known| known["options"].as_array_mut().unwrap().reverse());
        assert_eq!(turned, [("order".to_owned(), json!(["set", "show"]), json!(["show", "set"]))]);
    }

    #[test]
    fn every_single_change_of_a_known_field_is_seen() {
        for (field, other) in [
            ("type", json!(4)),
            ("description", json!("x")),
            ("required", json!(false)),
            ("autocomplete", json!(true)),
            ("choices", json!([{"name": "a", "value": "a"}])),
            ("channel_types", json!([0])),
            ("min_value", json!(1)),
            ("max_value", json!(1.5)),
            ("min_length", json!(2)),
            ("max_length", json!(5)),
            ("name_localizations", json!({"de": "wert"})),
            ("description_localizations", json!({"de": "Wert"})),
        ] {
            let found = changes(|known| known["options"][1]["options"][0][field] = other.clone());
            assert_eq!(found.len(), 1, "{field}");
            assert_eq!(found[0].0, format!("set.value.{field}"));
        }
    }
}
