//! Modals: what the bot may show, and what a person sends back.

use serde_json::{Map, Value, json};

use super::components;
use crate::api_error::ApiError;
use crate::config::SandboxError;

/// Characters of a modal's `custom_id` and title, and its components (Discord documentation, "Modal").
const LIMITS: [(&str, usize); 3] = [("custom_id", 100), ("title", 45), ("components", 5)];
/// A field of text; the one kind of input that is filled in here beside menus of given options.
const TEXT_INPUT: u64 = 4;
const STRING_SELECT: u64 = 3;
/// Characters of a text that sets no limit of its own.
const TEXT_MAX: u64 = 4_000;

/// Refuses a modal that Discord would not show.
pub(super) fn check(data: &Value) -> Result<(), ApiError> {
    let mut wrong = Map::new();
    for (field, max) in LIMITS {
        let length = match &data[field] {
            Value::String(text) if field != "components" => text.chars().count(),
            Value::Array(components) if field == "components" => components.len(),
            _ => {
                wrong.insert(field.to_owned(), told("BASE_TYPE_REQUIRED", "This field is required"));
                continue;
            }
        };
        if !(1..=max).contains(&length) {
            let message = format!("Must be between 1 and {max} in length.");
            wrong.insert(field.to_owned(), told("BASE_TYPE_BAD_LENGTH", &message));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid_form(json!({ "data": wrong }))) }
}

fn told(code: &str, message: &str) -> Value {
    json!({ "_errors": [{ "code": code, "message": message }] })
}

/// The components that a filled-in modal sends: each input with its value, in the shape of the modal.
pub(super) fn submission(modal: &Value, fields: &[(String, String)]) -> Result<Vec<Value>, SandboxError> {
    let mut shown = modal["components"].as_array().cloned().unwrap_or_default();
    components::number(&mut shown);
    let inputs: Vec<&Value> = shown.iter().flat_map(inputs).collect();
    if let Some((name, _)) =
        fields.iter().find(|(name, _)| !inputs.iter().any(|input| input["custom_id"] == name.as_str()))
    {
        return Err(bad(name, "the modal has no such field"));
    }
    let filled = |input: &Value| fill(input, fields);
    shown.iter().map(|holder| answered(holder, &filled)).collect()
}

/// The inputs of a row, or the one of a label.
fn inputs(holder: &Value) -> impl Iterator<Item = &Value> {
    let inside = holder["components"].as_array().into_iter().flatten().chain(holder.get("component"));
    inside.filter(|input| input["custom_id"].is_string())
}

fn answered(holder: &Value, fill: &impl Fn(&Value) -> Result<Value, SandboxError>) -> Result<Value, SandboxError> {
    let mut answer = json!({ "type": holder["type"], "id": holder["id"] });
    if let Some(row) = holder["components"].as_array() {
        answer["components"] = row.iter().map(fill).collect::<Result<Value, SandboxError>>()?;
    }
    if let Some(input) = holder.get("component") {
        answer["component"] = fill(input)?;
    }
    Ok(answer)
}

fn fill(input: &Value, fields: &[(String, String)]) -> Result<Value, SandboxError> {
    let name = input["custom_id"].as_str().unwrap_or_default();
    let given = fields.iter().find(|(field, _)| field == name).map(|(_, text)| text.as_str());
    let text = given.or(input["value"].as_str()).unwrap_or_default();
    if text.is_empty() && input["required"].as_bool().unwrap_or(true) {
        return Err(bad(name, "is required"));
    }
    let mut answer = json!({ "type": input["type"], "id": input["id"], "custom_id": name });
    match input["type"].as_u64().unwrap_or(0) {
        TEXT_INPUT => {
            let length = text.chars().count() as u64;
            let (min, max) = (input["min_length"].as_u64(), input["max_length"].as_u64().unwrap_or(TEXT_MAX));
            if length > max || !text.is_empty() && min.is_some_and(|min| length < min) {
                return Err(bad(name, "is too short or too long"));
            }
            answer["value"] = json!(text);
        }
        STRING_SELECT => {
            let chosen: Vec<&str> = text.split(',').map(str::trim).filter(|one| !one.is_empty()).collect();
            let options = input["options"].as_array().map_or(&[][..], Vec::as_slice);
            if chosen.iter().any(|one| !options.iter().any(|option| option["value"] == *one)) {
                return Err(bad(name, "is none of the options"));
            }
            answer["values"] = json!(chosen);
        }
        _ => return Err(bad(name, "has a type that the sandbox does not implement")),
    }
    Ok(answer)
}

fn bad(option: &str, problem: &'static str) -> SandboxError {
    SandboxError::BadOption { option: option.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, text: &str) -> (String, String) {
        (name.to_owned(), text.to_owned())
    }

    #[test]
    fn a_label_sends_its_one_input_and_a_menu_what_was_chosen() {
        let options = json!([{ "label": "A", "value": "a" }, { "label": "B", "value": "b" }]);
        let menu = json!({ "type": 3, "custom_id": "menu", "options": options });
        let text = json!({ "type": 4, "custom_id": "why", "style": 2, "required": false, "min_length": 3 });
        let label = |input: Value| json!({ "type": 18, "label": "L", "component": input });
        let modal = json!({ "components": [label(menu), label(text)] });
        let sent = submission(&modal, &[pair("menu", "a, b")]).unwrap();
        assert_eq!(sent[0]["component"]["values"], json!(["a", "b"]));
        assert_eq!((&sent[1]["type"], &sent[1]["component"]["value"]), (&json!(18), &json!("")));
        for wrong in [vec![pair("menu", "c")], vec![], vec![pair("menu", "a"), pair("why", "no")], vec![pair("x", "y")]]
        {
            assert!(submission(&modal, &wrong).is_err(), "{wrong:?}");
        }
    }
}
