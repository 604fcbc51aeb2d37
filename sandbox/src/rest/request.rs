//! One request, taken apart, and its answer.

use std::str::FromStr;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api_error::{ApiError, Unknown};
use crate::world::ids::Id;

/// A request to one operation.
pub(crate) struct Call {
    pub params: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
    pub body: Value,
    /// Attachments that came as parts of a form.
    pub files: Vec<Value>,
    /// Why, for the audit log: the header `X-Audit-Log-Reason`.
    pub reason: Option<String>,
}

/// An answer; no body means 204.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: Option<String>,
}

impl Answer {
    pub(crate) fn ok(body: &impl Serialize) -> Result<Answer, ApiError> {
        Answer::with(200, body)
    }

    pub(crate) fn created(body: &impl Serialize) -> Result<Answer, ApiError> {
        Answer::with(201, body)
    }

    pub(crate) fn nothing() -> Result<Answer, ApiError> {
        Ok(Answer { status: 204, body: None })
    }

    fn with(status: u16, body: &impl Serialize) -> Result<Answer, ApiError> {
        let body = serde_json::to_string(body).map_err(|_| ApiError::new(500, 0, "500: Internal Server Error"))?;
        Ok(Answer { status, body: Some(body) })
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Answer {
        Answer { status: error.status, body: Some(error.body().to_string()) }
    }
}

impl Call {
    /// A path parameter's text; empty when the template lacks it.
    pub(crate) fn param(&self, name: &str) -> &str {
        find(&self.params, name).unwrap_or_default()
    }

    /// A path parameter that is an id.
    pub(crate) fn id(&self, name: &str) -> Result<Id, ApiError> {
        self.param(name).parse().map_err(|_| not_a_snowflake(name, self.param(name)))
    }

    /// The guild in the path, and so on.
    pub(crate) fn guild(&self) -> Result<Id, ApiError> {
        self.id("guild_id")
    }

    pub(crate) fn channel(&self) -> Result<Id, ApiError> {
        self.id("channel_id")
    }

    pub(crate) fn message(&self) -> Result<Id, ApiError> {
        self.id("message_id")
    }

    /// The application in the path, which has to be the bot's own.
    pub(crate) fn application(&self, own: Id) -> Result<(), ApiError> {
        if self.id("application_id")? == own { Ok(()) } else { Err(ApiError::unknown(Unknown::Application)) }
    }

    /// An optional query parameter of some type.
    pub(crate) fn query<T: FromStr>(&self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(text) = find(&self.query, name) else { return Ok(None) };
        let invalid = |_| ApiError::invalid_field(name, "BASE_TYPE_BAD", &format!("Value \"{text}\" is invalid."));
        text.parse().map(Some).map_err(invalid)
    }

    /// An optional yes or no in the query; absent means no. Clients spell it in several ways.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match find(&self.query, name) {
            None | Some("false" | "False" | "0") => Ok(false),
            Some("true" | "True" | "1") => Ok(true),
            Some(other) => {
                let message = format!("Value \"{other}\" is not a boolean.");
                Err(ApiError::invalid_field(name, "BOOLEAN_TYPE_PARSE", &message))
            }
        }
    }

    /// `limit` in the query, between 1 and `max`.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        let limit = self.query("limit")?.unwrap_or(default);
        if (1..=max).contains(&limit) {
            return Ok(limit);
        }
        let message = format!("int value should be between 1 and {max}.");
        Err(ApiError::invalid_field("limit", "NUMBER_TYPE_RANGE", &message))
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn not_a_snowflake(name: &str, text: &str) -> ApiError {
    let message = format!("Value \"{text}\" is not snowflake.");
    ApiError::invalid_field(name, "NUMBER_TYPE_COERCE", &message)
}

/// The JSON and the files of a body. A form carries its JSON in the part `payload_json`.
pub(crate) fn read_body(content_type: &str, bytes: &[u8]) -> Result<(Value, Vec<Value>), ApiError> {
    if let Some(boundary) =
        content_type.strip_prefix("multipart/form-data").and_then(|rest| rest.split_once("boundary="))
    {
        return read_form(boundary.1.trim_matches('"'), bytes);
    }
    if bytes.is_empty() {
        return Ok((Value::Null, Vec::new()));
    }
    if !content_type.starts_with("application/json") {
        let message = "Expected \"Content-Type\" header to be one of {'application/json'}.";
        return Err(ApiError::new(400, 50035, message));
    }
    serde_json::from_slice(bytes).map(|body| (body, Vec::new())).map_err(|_| ApiError::invalid_json())
}

fn read_form(boundary: &str, bytes: &[u8]) -> Result<(Value, Vec<Value>), ApiError> {
    let (mut body, mut files) = (Value::Null, Vec::new());
    for Part { name, filename, kind, content } in parts(boundary, bytes) {
        match (name.as_deref(), filename) {
            (Some("payload_json"), _) => {
                body = serde_json::from_slice(content).map_err(|_| ApiError::invalid_json())?
            }
            (Some(_), Some(filename)) => {
                let mut file = json!({ "filename": filename, "size": content.len() });
                if let Some(kind) = kind {
                    file["content_type"] = json!(kind);
                }
                files.push(file);
            }
            (Some(name), None) => {
                let text = String::from_utf8_lossy(content).into_owned();
                body = crate::world::guild::merged(body, json!({ name: text }));
            }
            (None, _) => {}
        }
    }
    // Descriptions of new files refer to them by index; they are not attachments that are already there.
    if let Some(described) = body.get_mut("attachments").and_then(Value::as_array_mut) {
        described.retain(|attachment| attachment["id"].as_str().is_some_and(|id| id.len() > 6));
    }
    Ok((body, files))
}

/// One part of a form.
pub(crate) struct Part<'a> {
    pub name: Option<String>,
    pub filename: Option<String>,
    pub kind: Option<String>,
    pub content: &'a [u8],
}

/// The parts of a form.
pub(crate) fn parts<'a>(boundary: &str, bytes: &'a [u8]) -> Vec<Part<'a>> {
    split(bytes, format!("--{boundary}").as_bytes()).filter_map(part).collect()
}

fn part(piece: &[u8]) -> Option<Part<'_>> {
    let at = position(piece, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&piece[..at]);
    let content = piece[at + 4..].strip_suffix(b"\r\n").unwrap_or(&piece[at + 4..]);
    let field = |name: &str| {
        let from = head.find(&format!(" {name}=\""))? + name.len() + 3;
        head[from..].split_once('"').map(|(value, _)| value.to_owned())
    };
    let kind =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-type: ").map(str::to_owned));
    Some(Part { name: field("name"), filename: field("filename"), kind, content })
}

fn split<'a>(bytes: &'a [u8], boundary: &[u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        match position(bytes, boundary) {
            Some(at) => {
                rest = Some(&bytes[at + boundary.len()..]);
                Some(&bytes[..at])
            }
            None => {
                rest = None;
                Some(bytes)
            }
        }
    })
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_gives_its_json_and_names_its_files() {
        let form = "--X\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{\"content\":\"hi\"}\r\n\
                    --X\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\nabc\r\n--X--\r\n";
        let (body, files) = read_body("multipart/form-data; boundary=X", form.as_bytes()).unwrap();
        assert_eq!(body, json!({ "content": "hi" }));
        assert_eq!(files, vec![json!({ "filename": "a.txt", "size": 3, "content_type": "text/plain" })]);
    }

    #[test]
    fn a_body_that_is_not_json_is_refused_with_50109() {
        assert_eq!(read_body("application/json", b"{").unwrap_err().code, 50109);
    }
}
