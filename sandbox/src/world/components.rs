//! Components of a message as Discord keeps them: checked, numbered, with their defaults.

use serde_json::{Map, Value, json};

use super::draft::list;
use crate::api_error::ApiError;

/// Components of a message at its top, of the old kind (action rows).
const ROWS_MAX: usize = 5;
/// Components of a message that is made of nothing else (flag IS_COMPONENTS_V2).
const COMPONENTS_MAX: usize = 40;
/// Characters of a `custom_id`.
const CUSTOM_ID_MAX: usize = 100;

mod kind {
    pub(super) const ROW: u64 = 1;
    pub(super) const STRING_SELECT: u64 = 3;
    pub(super) const OTHER_SELECTS: [u64; 4] = [5, 6, 7, 8];
    pub(super) const THUMBNAIL: u64 = 11;
    pub(super) const FILE: u64 = 13;
    pub(super) const SEPARATOR: u64 = 14;
    pub(super) const CONTAINER: u64 = 17;
}

/// The components of a body; absent ones give nothing.
pub(super) fn components(body: &Value) -> Result<Option<Vec<Value>>, ApiError> {
    let Some(mut components) = list(body, "components")? else { return Ok(None) };
    check(&components)?;
    number(&mut components);
    Ok(Some(components))
}

/// Completes every component: its id, and what it leaves to the default.
pub(super) fn number(components: &mut [Value]) {
    let mut taken = Vec::new();
    components.iter().for_each(|component| collect_ids(component, &mut taken));
    let mut last = 0;
    components.iter_mut().for_each(|component| complete(component, &taken, &mut last));
}

fn check(components: &[Value]) -> Result<(), ApiError> {
    let rows_only = components.iter().all(|component| component["type"] == kind::ROW);
    let most = if rows_only { ROWS_MAX } else { COMPONENTS_MAX };
    if components.len() > most {
        let message = format!("Must be {most} or fewer in length.");
        return Err(ApiError::invalid_field("components", "BASE_TYPE_MAX_LENGTH", &message));
    }
    let mut seen: Vec<&str> = Vec::new();
    for (at, component) in components.iter().enumerate() {
        check_custom_ids(component, &mut seen).map_err(|(code, message)| {
            let error = json!({ "_errors": [{ "code": code, "message": message }] });
            ApiError::invalid_form(json!({ "components": { at.to_string(): error } }))
        })?;
    }
    Ok(())
}

fn check_custom_ids<'a>(component: &'a Value, seen: &mut Vec<&'a str>) -> Result<(), (&'static str, &'static str)> {
    if let Some(id) = component["custom_id"].as_str() {
        if id.is_empty() || id.chars().count() > CUSTOM_ID_MAX {
            return Err(("BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length."));
        }
        if seen.contains(&id) {
            return Err(("COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"));
        }
        seen.push(id);
    }
    children(component).try_for_each(|child| check_custom_ids(child, seen))
}

fn children(component: &Value) -> impl Iterator<Item = &Value> {
    let inside = component["components"].as_array().into_iter().flatten();
    inside.chain(component.get("accessory")).chain(component.get("component"))
}

fn collect_ids(component: &Value, taken: &mut Vec<u64>) {
    taken.extend(component["id"].as_u64());
    children(component).for_each(|child| collect_ids(child, taken));
}

/// Gives those without an id the next free number, in reading order, and all the fields that answers have.
fn complete(component: &mut Value, taken: &[u64], last: &mut u64) {
    let Some(fields) = component.as_object_mut() else { return };
    if fields.get("id").and_then(Value::as_u64).is_none_or(|id| id == 0) {
        *last += 1;
        while taken.contains(last) {
            *last += 1;
        }
        fields.insert("id".into(), json!(*last));
    }
    for (field, default) in defaults(fields) {
        fields.entry(field).or_insert(default);
    }
    for child in fields.get_mut("components").and_then(Value::as_array_mut).into_iter().flatten() {
        complete(child, taken, last);
    }
    for holder in ["accessory", "component"] {
        if let Some(child) = fields.get_mut(holder) {
            complete(child, taken, last);
        }
    }
}

/// What Discord's answers say of a component where the request was silent.
fn defaults(fields: &Map<String, Value>) -> Vec<(&'static str, Value)> {
    match fields.get("type").and_then(Value::as_u64).unwrap_or(0) {
        kind if kind == kind::STRING_SELECT || kind::OTHER_SELECTS.contains(&kind) => {
            vec![("min_values", json!(1)), ("max_values", json!(1))]
        }
        kind::THUMBNAIL => vec![("description", Value::Null), ("spoiler", json!(false))],
        kind::FILE => vec![("name", Value::Null), ("size", Value::Null), ("spoiler", json!(false))],
        kind::SEPARATOR => vec![("spacing", json!(1)), ("divider", json!(true))],
        kind::CONTAINER => vec![("accent_color", Value::Null), ("spoiler", json!(false))],
        _ => Vec::new(),
    }
}
