//! Which parameters a message's schema knows, and whether an argument holds others.

use serde_json::Value;

/// How deep a schema is followed through references and alternatives, which may be circular.
const DEPTH_MAX: usize = 16;

/// What a schema says about the argument as a whole.
enum Takes {
    /// Nothing.
    Nothing,
    /// An object with these keys and no others.
    Keys(Vec<String>),
    /// Something that only the actor's reader can judge: any JSON, a map, a plain string.
    Anything,
}

/// `argument` as the message called `name` takes it.
///
/// # Errors
/// What does not fit, as a sentence.
pub(super) fn admit(name: &str, schema: &Value, argument: Value) -> Result<Value, String> {
    match (takes(schema), argument) {
        (Takes::Anything, argument) => Ok(argument),
        (_, Value::Null) => Ok(Value::Null),
        (Takes::Nothing, Value::Object(given)) => match given.keys().next() {
            Some(key) => Err(format!("{name:?} has no parameter {key:?}; it takes none")),
            None => Ok(Value::Null),
        },
        (Takes::Nothing, other) => Err(format!("{name:?} takes no parameters; {} was given", kind(&other))),
        (Takes::Keys(keys), Value::Object(given)) => match given.keys().find(|key| !keys.contains(key)) {
            Some(key) => Err(format!("{name:?} has no parameter {key:?}; it takes: {}", keys.join(", "))),
            None => Ok(Value::Object(given)),
        },
        (Takes::Keys(keys), other) => {
            Err(format!("{name:?} takes an object with: {}; {} was given", keys.join(", "), kind(&other)))
        }
    }
}

fn takes(schema: &Value) -> Takes {
    if schema["type"] == "null" {
        return Takes::Nothing;
    }
    let mut keys = Vec::new();
    let object = collect(schema, schema, DEPTH_MAX, &mut keys);
    match (object, keys.is_empty()) {
        (false, _) => Takes::Anything,
        (true, true) => Takes::Nothing,
        (true, false) => Takes::Keys(keys),
    }
}

/// Adds the keys of the objects that `part` of the schema `whole` stands for. False when it stands for anything but
/// objects of known keys.
fn collect(part: &Value, whole: &Value, depth: usize, keys: &mut Vec<String>) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let mut object = false;
    if let Some(reference) = part["$ref"].as_str() {
        let target = reference.strip_prefix('#').and_then(|pointer| whole.pointer(pointer));
        if !target.is_some_and(|target| collect(target, whole, depth, keys)) {
            return false;
        }
        object = true;
    }
    // A struct with an enum flattened into it has keys of its own and those of every alternative.
    for alternatives in ["oneOf", "anyOf", "allOf"].iter().filter_map(|word| part[word].as_array()) {
        if !alternatives.iter().all(|alternative| collect(alternative, whole, depth, keys)) {
            return false;
        }
        object = true;
    }
    if part["type"] == "object" {
        let open = |rule: &Value| !rule.is_null() && rule != false;
        if open(&part["additionalProperties"]) || !part["patternProperties"].is_null() {
            return false;
        }
        object = true;
    } else if !part["type"].is_null() {
        return false;
    }
    for key in part["properties"].as_object().into_iter().flat_map(|properties| properties.keys()) {
        if !keys.contains(key) {
            keys.push(key.clone());
        }
    }
    object
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::{JsonSchema, schema_for};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Outer {
        own: u8,
        #[serde(flatten)]
        more: Inner,
        #[serde(flatten)]
        which: Which,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        nested: Option<Box<Inner>>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    #[serde(tag = "kind", rename_all = "snake_case")]
    enum Which {
        One { left: u8 },
        Other { right: u8 },
    }

    #[derive(JsonSchema)]
    struct Empty {}

    fn refused(schema: schemars::Schema, argument: Value) -> Option<String> {
        admit("m", schema.as_value(), argument).err()
    }

    #[test]
    fn keys_of_flattened_and_alternative_parts_are_known_and_others_are_not() {
        for argument in [json!({"own": 1, "nested": null, "kind": "one", "left": 1}), json!({"right": 1}), json!({})] {
            assert_eq!(refused(schema_for!(Outer), argument), None);
        }
        let said = refused(schema_for!(Outer), json!({"lft": 1})).expect("refused");
        assert!(said.starts_with("\"m\" has no parameter \"lft\"; it takes: "), "{said}");
        for key in ["own", "nested", "kind", "left", "right"] {
            assert!(said.contains(key), "{key} in {said}");
        }
        assert!(refused(schema_for!(Which), json!({"kind": "one", "lft": 1})).is_some());
        assert!(refused(schema_for!(Inner), json!({"nested": {}, "other": 1})).is_some());
    }

    #[test]
    fn a_struct_without_fields_takes_nothing() {
        assert_eq!(refused(schema_for!(Empty), json!({})), None);
        assert_eq!(
            refused(schema_for!(Empty), json!({"a": 1})).as_deref(),
            Some("\"m\" has no parameter \"a\"; it takes none")
        );
    }

    #[test]
    fn what_is_no_object_of_known_keys_is_left_to_the_reader() {
        for schema in [schema_for!(Value), schema_for!(BTreeMap<String, u8>), schema_for!(String), schema_for!(Vec<u8>)]
        {
            for argument in [json!({"a": 1}), json!("a"), json!([1]), json!(null)] {
                assert_eq!(refused(schema.clone(), argument), None);
            }
        }
        let circular = json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}});
        assert_eq!(admit("m", &circular, json!({"a": 1})), Ok(json!({"a": 1})));
    }
}
