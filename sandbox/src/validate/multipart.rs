//! The JSON of a request as it was sent, before anything is read into it.

use serde_json::Value;

use crate::rest::request::parts;

/// The body that the description is about: `Null` when there is none, `None` when it is not JSON.
pub(super) fn payload(content_type: &str, bytes: &[u8]) -> Option<Value> {
    if let Some(boundary) =
        content_type.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary="))
    {
        let form = parts(boundary.1.trim_matches('"'), bytes);
        let payload = form.into_iter().find(|part| part.name.as_deref() == Some("payload_json"));
        return payload.and_then(|part| serde_json::from_slice(part.content).ok());
    }
    if bytes.is_empty() { Some(Value::Null) } else { serde_json::from_slice(bytes).ok() }
}
