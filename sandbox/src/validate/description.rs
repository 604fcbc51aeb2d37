//! Discord's OpenAPI description, read once for a process; its schemas are compiled when they are first needed.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::{Draft, Registry, Resource, Validator};
use serde_json::{Map, Value, json};

use super::faults::Misfit;

/// The name under which the description's parts refer to each other.
const NAME: &str = "urn:discord";

/// A schema, ready to judge by, or why it cannot be compiled.
pub(super) type Compiled = Result<Arc<Validator>, Misfit>;

/// Paths and schemas, with the schemas compiled so far.
pub(super) struct Description {
    document: Value,
    schemas: Value,
    registry: Registry<'static>,
    compiled: Mutex<HashMap<String, Compiled>>,
}

impl Description {
    /// The description in a file: `None` when it is not there or is none. Later calls share the first's.
    pub(super) fn at(path: &Path) -> Option<Arc<Description>> {
        type Known = Mutex<HashMap<PathBuf, Option<Arc<Description>>>>;
        static KNOWN: OnceLock<Known> = OnceLock::new();
        let mut known = KNOWN.get_or_init(Known::default).lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(path.to_owned()).or_insert_with(|| Description::read(path).map(Arc::new)).clone()
    }

    fn read(path: &Path) -> Option<Description> {
        let text = std::fs::read(path).ok()?;
        Description::new(serde_json::from_slice(&text).ok()?)
    }

    pub(super) fn new(mut document: Value) -> Option<Description> {
        let schemas = document["components"]["schemas"].clone();
        rewrite(&mut document, &schemas);
        // Rewritten, a part refers to others by the whole address; the schemas kept here serve for looking up.
        let shared = json!({ "components": { "schemas": document["components"]["schemas"].take() } });
        let resource = Resource::from_contents(shared);
        let registry = Registry::new().add(NAME, resource).ok()?.prepare().ok()?;
        Some(Description { document, schemas, registry, compiled: Mutex::default() })
    }

    /// The operation's entry: parameters, request body, responses.
    pub(super) fn operation(&self, method: &str, template: &str) -> Option<&Value> {
        self.document["paths"].get(template)?.get(method.to_ascii_lowercase())
    }

    /// The parameters of an operation, those of its path among them.
    pub(super) fn parameters(&self, method: &str, template: &str) -> Vec<&Value> {
        let of_path = self.document["paths"].get(template).map(|path| &path["parameters"]);
        let of_operation = self.operation(method, template).map(|operation| &operation["parameters"]);
        let lists = [of_path, of_operation].into_iter().flatten().filter_map(Value::as_array);
        lists.flatten().collect()
    }

    /// What is described for a status: the status itself, or its hundred (`4XX`).
    pub(super) fn response(&self, method: &str, template: &str, status: u16) -> Option<&Value> {
        let responses = &self.operation(method, template)?["responses"];
        let response = responses.get(status.to_string()).or_else(|| responses.get(format!("{}XX", status / 100)))?;
        match response["$ref"].as_str() {
            Some(reference) => self.document.pointer(reference.trim_start_matches('#')),
            None => Some(response),
        }
    }

    /// The compiled form of a schema of this description. One that cannot be compiled can judge nothing, which is told as a
    /// fault of what it should have judged: nothing passes because nobody could look at it.
    pub(super) fn compiled(&self, name: &str, schema: &Value) -> Compiled {
        let known = |all: &HashMap<String, Compiled>| all.get(name).cloned();
        if let Some(found) = known(&self.compiled.lock().unwrap_or_else(PoisonError::into_inner)) {
            return found;
        }
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_registry(&self.registry).offline();
        let compiled = options.should_validate_formats(true).should_ignore_unknown_formats(true).build(schema);
        let compiled = compiled.map(Arc::new).map_err(|error| Misfit {
            place: "description".into(),
            keyword: "schema".into(),
            problem: format!("the schema of {name} cannot be compiled: {error}"),
        });
        let mut all = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), compiled.clone());
        compiled
    }
}

impl Description {
    /// The fields that a schema of this description gives an object.
    pub(super) fn fields(&self, schema: &Value) -> BTreeSet<String> {
        fields_of(schema, &self.schemas)
    }
}

/// Makes references absolute, so that every schema can be compiled by itself, and unions strict.
fn rewrite(value: &mut Value, schemas: &Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| rewrite(value, schemas)),
        Value::Object(fields) => {
            if fields.get("x-discord-union").is_some_and(|kind| kind == "oneOf") {
                tell_members_apart(fields, schemas);
            }
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && reference.starts_with("#/components/schemas/")
            {
                reference.insert_str(0, NAME);
            }
            fields.values_mut().for_each(|value| rewrite(value, schemas));
        }
        _ => {}
    }
}

/// A union takes one member, but an honest body may fit several: those whose fields are all optional fit
/// everything. So one member has to be valid and to describe every field that any member describes.
fn tell_members_apart(union: &mut Map<String, Value>, schemas: &Value) {
    let Some(members) = union.get_mut("anyOf").and_then(Value::as_array_mut) else { return };
    let described: Vec<BTreeSet<String>> = members.iter().map(|member| fields_of(member, schemas)).collect();
    let all: BTreeSet<&String> = described.iter().flatten().collect();
    for (member, own) in members.iter_mut().zip(&described) {
        let foreign: Map<String, Value> =
            all.iter().filter(|field| !own.contains(**field)).map(|field| ((*field).clone(), json!(false))).collect();
        *member = json!({ "allOf": [member.take(), { "properties": foreign }] });
    }
}

/// The fields that a schema describes, by itself and by what it refers to.
fn fields_of(schema: &Value, schemas: &Value) -> BTreeSet<String> {
    let mut fields: BTreeSet<String> =
        schema["properties"].as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default();
    if let Some((_, name)) = schema["$ref"].as_str().and_then(|path| path.rsplit_once("#/components/schemas/")) {
        fields.extend(fields_of(&schemas[name], schemas));
    }
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let members = schema[keyword].as_array().into_iter().flatten();
        members.for_each(|member| fields.extend(fields_of(member, schemas)));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn union() -> Description {
        let named = json!({ "type": "object", "properties": { "name": { "type": "string" } } });
        let dated =
            json!({ "type": "object", "properties": { "name": { "type": "string" }, "day": { "type": "integer" } } });
        let members = json!([{ "$ref": "#/components/schemas/Named" }, { "$ref": "#/components/schemas/Dated" }]);
        Description::new(json!({
            "paths": { "/a": { "post": { "requestBody": { "anyOf": members, "x-discord-union": "oneOf" } } } },
            "components": { "schemas": { "Named": named, "Dated": dated } },
        }))
        .unwrap()
    }

    #[test]
    fn one_member_of_a_union_has_to_cover_all_described_fields() {
        let description = union();
        let schema = &description.operation("POST", "/a").unwrap()["requestBody"];
        let valid = |body: Value| description.compiled("a", schema).unwrap().is_valid(&body);
        assert!(valid(json!({ "name": "fits both" })));
        assert!(valid(json!({ "name": "x", "day": 1 })));
        assert!(!valid(json!({ "name": "x", "day": "wrong for the one, foreign to the other" })));
        assert!(valid(json!({ "elsewhere": 1 })), "what nobody describes is no matter of the union");
    }

    #[test]
    fn the_fields_of_a_union_are_those_of_all_members() {
        let description = union();
        let schema = &description.operation("POST", "/a").unwrap()["requestBody"];
        assert_eq!(description.fields(schema), ["day", "name"].map(str::to_owned).into());
    }
}
