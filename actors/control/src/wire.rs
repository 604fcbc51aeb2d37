//! JSON-RPC 2.0 as it stands on a line: requests in, answers and notifications out. Pure.

use serde::Deserialize;
use serde_json::{Value, json};

/// Version of what this crate adds to JSON-RPC: framing, `hello`, subscriptions. Raised on an incompatible change.
pub const PROTOCOL: u32 = 1;

/// Error codes: JSON-RPC's own, and ours from the range that it leaves to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Code {
    /// Not JSON.
    Parse = -32700,
    /// JSON, but no request.
    InvalidRequest = -32600,
    /// No such method.
    MethodNotFound = -32601,
    /// The parameters do not fit the method's schema.
    InvalidParams = -32602,
    /// The method panicked.
    Internal = -32603,
    /// Understood and declined, or failed.
    Refused = -32000,
    /// The peer's role does not suffice.
    Forbidden = -32001,
    /// A bound was reached: connections, calls, subscriptions, idle time, line length.
    Limit = -32002,
    /// No answer in time; a change may still be carried out.
    Deadline = -32003,
}

impl Code {
    /// The number on the wire.
    pub fn number(self) -> i64 {
        self as i64
    }
}

/// One request.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    /// `None` for a notification, which gets no answer.
    pub(crate) id: Option<Value>,
    pub(crate) method: String,
    pub(crate) params: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    jsonrpc: String,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    method: String,
    #[serde(default)]
    params: Value,
}

/// Tells `"id": null` (answered with a null id) from a missing id (a notification).
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Reads one line.
///
/// # Errors
/// The answer to send instead of a result.
pub(crate) fn parse(line: &[u8]) -> Result<Request, String> {
    let value: Value = serde_json::from_slice(line)
        .map_err(|error| failure(Value::Null, Code::Parse, format!("not JSON: {error}"), None))?;
    if value.is_array() {
        return Err(invalid(Value::Null, "batches are not served: send one request a line"));
    }
    if !value.is_object() {
        return Err(invalid(Value::Null, "a request is an object"));
    }
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    if !(id.is_null() || id.is_string() || id.is_number()) {
        return Err(invalid(Value::Null, "an id is a string or a number"));
    }
    let raw: RawRequest = serde_json::from_value(value).map_err(|error| invalid(id.clone(), &error.to_string()))?;
    if raw.jsonrpc != "2.0" {
        return Err(invalid(id, "\"jsonrpc\" must be \"2.0\""));
    }
    if !(raw.params.is_object() || raw.params.is_null()) {
        let text = "parameters go by name: \"params\" is an object";
        return Err(failure(id, Code::InvalidParams, text.to_owned(), None));
    }
    Ok(Request { id: raw.id, method: raw.method, params: raw.params })
}

fn invalid(id: Value, why: &str) -> String {
    failure(id, Code::InvalidRequest, format!("not a request: {why}"), None)
}

/// An answer.
pub(crate) fn success(id: Value, result: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string()
}

/// An error as an answer.
pub(crate) fn failure(id: Value, code: Code, message: String, data: Option<Value>) -> String {
    let mut error = json!({"code": code.number(), "message": message});
    if let Some(data) = data {
        error["data"] = data;
    }
    json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string()
}

/// A notification.
pub(crate) fn notification(method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> (i64, Value) {
        let answer: Value = serde_json::from_str(&parse(line.as_bytes()).unwrap_err()).unwrap();
        (answer["error"]["code"].as_i64().unwrap(), answer["id"].clone())
    }

    #[test]
    fn a_missing_id_is_a_notification_and_a_null_id_is_not() {
        assert_eq!(parse(br#"{"jsonrpc":"2.0","method":"a"}"#).unwrap().id, None);
        assert_eq!(parse(br#"{"jsonrpc":"2.0","id":null,"method":"a"}"#).unwrap().id, Some(Value::Null));
    }

    #[test]
    fn each_kind_of_bad_line_has_its_code() {
        assert_eq!(code("{bad").0, -32700);
        assert_eq!(code("").0, -32700);
        assert_eq!(code("[]").0, -32600);
        assert_eq!(code(r#"[{"jsonrpc":"2.0","id":1,"method":"a"}]"#).0, -32600);
        assert_eq!(code("7").0, -32600);
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":3,"method":"a"}"#), (-32600, json!(3)));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":"x","method":7}"#), (-32600, json!("x")));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":{},"method":"a"}"#), (-32600, Value::Null));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"a","parms":{}}"#).0, -32600);
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1]}"#), (-32602, json!(1)));
    }

    #[test]
    fn deep_nesting_is_a_parse_error() {
        assert_eq!(code(&"[".repeat(60_000)).0, -32700);
    }
}
