//! What a schema finds wrong, down to the value at fault.

use std::cmp::Reverse;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

/// One value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// JSON pointer to it; for a missing field, to the field.
    pub place: String,
    pub keyword: String,
    pub problem: String,
}

/// Everything in `value` that does not fit the schema.
pub(super) fn misfits(validator: &Validator, value: &Value) -> Vec<Misfit> {
    let mut all: Vec<Misfit> = validator.iter_errors(value).flat_map(|error| leaves(&error)).collect();
    all.dedup();
    all
}

/// A union says only that no member fits; what is wrong is seen in the member that comes nearest.
fn leaves(error: &ValidationError<'_>) -> Vec<Misfit> {
    let place = error.instance_path().to_string();
    match error.kind() {
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let members = context.iter().map(|errors| errors.iter().flat_map(leaves).collect::<Vec<_>>());
            members.min_by_key(|faults| distance(faults, &place)).unwrap_or_default()
        }
        ValidationErrorKind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            vec![Misfit { place: format!("{place}/{field}"), keyword: "required".into(), problem: "is missing".into() }]
        }
        kind => {
            let problem = error.masked().to_string();
            vec![Misfit { place, keyword: kind.keyword().to_owned(), problem }]
        }
    }
}

/// A member that is of another kind altogether (`null`, or with another `type`) is farther than any that only
/// has a fault somewhere; among the others, the one that fits farther down is meant.
fn distance(faults: &[Misfit], union: &str) -> (usize, Reverse<usize>, usize) {
    let tells = format!("{union}/type");
    let other_kind = faults.iter().filter(|fault| {
        (fault.place == union && fault.keyword == "type")
            || (fault.place == tells && matches!(fault.keyword.as_str(), "const" | "enum" | "oneOf"))
    });
    let depth = faults.iter().map(|fault| fault.place.matches('/').count()).max();
    (other_kind.count(), Reverse(depth.unwrap_or_default()), faults.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_fault_is_named_in_the_member_that_was_meant() {
        let button =
            json!({ "properties": { "type": { "const": 2 }, "label": { "type": "string" } }, "required": ["type"] });
        let menu = json!({ "properties": { "type": { "const": 3 } }, "required": ["type", "options"] });
        let schema = json!({ "items": { "oneOf": [{ "type": "null" }, button, menu] } });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let found = |value: Value| -> Vec<(String, String)> {
            misfits(&validator, &value).into_iter().map(|fault| (fault.place, fault.keyword)).collect()
        };
        assert_eq!(found(json!([{ "type": 2, "label": 1 }])), [("/0/label".to_owned(), "type".to_owned())]);
        assert_eq!(found(json!([{ "type": 3 }])), [("/0/options".to_owned(), "required".to_owned())]);
    }
}
