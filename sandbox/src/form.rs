//! The fields of a body, each checked as Discord checks it; everything wrong is told at once (code 50035).

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use crate::api_error::ApiError;
use crate::world::ids::Id;

/// Reads fields and remembers what is wrong with them.
pub(crate) struct Form<'a> {
    body: &'a Value,
    wrong: Map<String, Value>,
}

impl<'a> Form<'a> {
    pub(crate) fn new(body: &'a Value) -> Form<'a> {
        Form { body, wrong: Map::new() }
    }

    /// Whether the field is there at all, be it `null`.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.body.get(field).is_some()
    }

    /// Text of so many characters; absent and `null` give nothing.
    pub(crate) fn text(&mut self, field: &str, length: RangeInclusive<usize>) -> Option<String> {
        let text = match &self.body[field] {
            Value::Null => return None,
            Value::String(text) => text.clone(),
            _ => {
                self.refuse(field, "STRING_TYPE_CONVERT", "Could not interpret value as string.");
                return None;
            }
        };
        if length.contains(&text.chars().count()) {
            return Some(text);
        }
        let (least, most) = (length.start(), length.end());
        let (code, message) = if *least == 0 {
            ("BASE_TYPE_MAX_LENGTH", format!("Must be {most} or fewer in length."))
        } else {
            ("BASE_TYPE_BAD_LENGTH", format!("Must be between {least} and {most} in length."))
        };
        self.refuse(field, code, &message);
        None
    }

    pub(crate) fn number(&mut self, field: &str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = &self.body[field];
        if value.is_null() {
            return None;
        }
        match value.as_u64() {
            None if !value.is_number() => {
                self.refuse(field, "NUMBER_TYPE_COERCE", "Value is not an int.");
                None
            }
            Some(number) if range.contains(&number) => Some(number),
            _ => {
                let message = format!("int value should be between {} and {}.", range.start(), range.end());
                self.refuse(field, "NUMBER_TYPE_RANGE", &message);
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, field: &str) -> Option<bool> {
        let value = &self.body[field];
        if !value.is_null() && !value.is_boolean() {
            self.refuse(field, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.");
        }
        value.as_bool()
    }

    /// Permission bits: digits in a string, or a number.
    pub(crate) fn bits(&mut self, field: &str) -> Option<u64> {
        let value = &self.body[field];
        let bits = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        if bits.is_none() && !value.is_null() {
            self.refuse(field, "NUMBER_TYPE_COERCE", "Value is not an int.");
        }
        bits
    }

    pub(crate) fn id(&mut self, field: &str) -> Option<Id> {
        let value = &self.body[field];
        let id = Id::from_json(value);
        if id.is_none() && !value.is_null() {
            self.refuse(field, "NUMBER_TYPE_COERCE", "Value is not snowflake.");
        }
        id
    }

    /// A list of ids, so many of them; absent and `null` give nothing.
    pub(crate) fn ids(&mut self, field: &str, count: RangeInclusive<usize>) -> Option<Vec<Id>> {
        let value = &self.body[field];
        if value.is_null() {
            return None;
        }
        let ids: Option<Vec<Id>> = value.as_array().and_then(|all| all.iter().map(Id::from_json).collect());
        let Some(mut ids) = ids else {
            self.refuse(field, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType");
            return None;
        };
        if !count.contains(&ids.len()) {
            let message = format!("Must be between {} and {} in length.", count.start(), count.end());
            self.refuse(field, "BASE_TYPE_BAD_LENGTH", &message);
            return None;
        }
        ids.sort_unstable();
        ids.dedup();
        Some(ids)
    }

    /// A time in ISO 8601, in Unix milliseconds.
    pub(crate) fn time(&mut self, field: &str) -> Option<u64> {
        let value = &self.body[field];
        let time = value.as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
        if time.is_none() && !value.is_null() {
            self.refuse(field, "DATE_TIME_TYPE_PARSE", "Could not parse value. Should be ISO8601.");
        }
        time.map(|time| u64::try_from(time.timestamp_millis()).unwrap_or(0))
    }

    /// Refuses unless the field was given a value.
    pub(crate) fn require(&mut self, field: &str) {
        if self.body[field].is_null() {
            self.refuse(field, "BASE_TYPE_REQUIRED", "This field is required");
        }
    }

    pub(crate) fn refuse(&mut self, field: &str, code: &str, message: &str) {
        let error = json!({ "_errors": [{ "code": code, "message": message }] });
        self.wrong.entry(field).or_insert(error);
    }

    /// The refusal of everything that was wrong.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        if self.wrong.is_empty() { Ok(()) } else { Err(ApiError::invalid_form(Value::Object(self.wrong))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let body = json!({ "name": "", "position": -1, "nsfw": "yes", "topic": null, "allow": "8" });
        let mut form = Form::new(&body);
        assert_eq!((form.text("name", 1..=100), form.number("position", 0..=9), form.flag("nsfw")), (None, None, None));
        assert_eq!((form.text("topic", 0..=9), form.has("topic"), form.bits("allow")), (None, true, Some(8)));
        form.require("kind");
        let errors = form.finish().unwrap_err().errors.unwrap();
        let fields: Vec<&String> = errors.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["kind", "name", "nsfw", "position"]);
    }
}
