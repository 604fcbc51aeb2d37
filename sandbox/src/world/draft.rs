//! A message as a request describes it, checked against Discord's limits.

use serde_json::{Value, json};

use super::components::components;
use super::ids::Id;
use super::mentions::AllowedMentions;
use super::message::flag;
use crate::api_error::ApiError;
use crate::form::Form;

/// Characters of a bot's message (Discord documentation, "Create Message").
pub(crate) const CONTENT_MAX: usize = 2_000;
/// Embeds of a message.
pub(crate) const EMBEDS_MAX: usize = 10;
/// Characters of all embeds of a message together.
pub(crate) const EMBED_TEXT_MAX: usize = 6_000;
/// Characters of a nonce.
pub(crate) const NONCE_MAX: usize = 25;

/// A message about to be posted.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub content: String,
    pub embeds: Vec<Value>,
    pub components: Vec<Value>,
    pub attachments: Vec<Value>,
    pub tts: bool,
    pub flags: u64,
    pub nonce: Option<Value>,
    pub enforce_nonce: bool,
    pub reply_to: Option<ReplyTo>,
    pub allowed: AllowedMentions,
}

/// The message that a draft answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyTo {
    pub message: Id,
    pub fail_if_not_exists: bool,
}

impl Draft {
    /// What a person types: plain text, all mentions open.
    pub(crate) fn text(content: &str) -> Draft {
        Draft {
            content: content.to_owned(),
            embeds: Vec::new(),
            components: Vec::new(),
            attachments: Vec::new(),
            tts: false,
            flags: 0,
            nonce: None,
            enforce_nonce: false,
            reply_to: None,
            allowed: AllowedMentions::unrestricted(),
        }
    }

    /// Reads a request's body; `files` are the attachments that came with it as parts.
    pub(crate) fn parse(body: &Value, files: Vec<Value>) -> Result<Draft, ApiError> {
        check_kinds(body)?;
        let draft = Draft {
            content: content(body)?.unwrap_or_default(),
            embeds: embeds(body)?.unwrap_or_default(),
            components: components(body)?.unwrap_or_default(),
            attachments: files,
            tts: body["tts"].as_bool().unwrap_or(false),
            flags: body["flags"].as_u64().unwrap_or(0) & flag::SETTABLE,
            nonce: nonce(body)?,
            enforce_nonce: body["enforce_nonce"].as_bool().unwrap_or(false),
            reply_to: reply_to(body)?,
            allowed: AllowedMentions::parse(body.get("allowed_mentions"))?,
        };
        let sticker = body["sticker_ids"].as_array().is_some_and(|ids| !ids.is_empty());
        let poll = body.get("poll").is_some_and(|poll| !poll.is_null());
        if sticker || poll {
            // Neither exists here; a message that dropped them silently would be a lie.
            return Err(ApiError::new(501, 0, "stickers and polls are not implemented by the sandbox"));
        }
        Ok(draft)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.content.trim().is_empty()
            && self.embeds.is_empty()
            && self.attachments.is_empty()
            && self.components.is_empty()
    }
}

/// What an edit changes: fields that are absent stay as they are.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub content: Option<String>,
    pub embeds: Option<Vec<Value>>,
    pub components: Option<Vec<Value>>,
    pub attachments: Option<Vec<Value>>,
    pub flags: Option<u64>,
    pub allowed: AllowedMentions,
}

impl Edit {
    pub(crate) fn parse(body: &Value, files: Vec<Value>) -> Result<Edit, ApiError> {
        check_kinds(body)?;
        let kept = list(body, "attachments")?;
        let attachments = match (kept, files.is_empty()) {
            (None, true) => None,
            (kept, _) => Some(kept.unwrap_or_default().into_iter().chain(files).collect()),
        };
        Ok(Edit {
            content: content(body)?.or_else(|| body.get("content").is_some().then(String::new)),
            embeds: embeds(body)?,
            components: components(body)?,
            attachments,
            flags: body["flags"].as_u64(),
            allowed: AllowedMentions::parse(body.get("allowed_mentions"))?,
        })
    }
}

/// Refuses flags and switches that are none; the other fields are checked where they are read.
fn check_kinds(body: &Value) -> Result<(), ApiError> {
    let mut form = Form::new(body);
    form.flag("tts");
    form.flag("enforce_nonce");
    form.number("flags", 0..=u64::MAX);
    form.finish()
}

fn content(body: &Value) -> Result<Option<String>, ApiError> {
    match &body["content"] {
        Value::Null => Ok(None),
        Value::String(text) if text.chars().count() > CONTENT_MAX => Err(ApiError::invalid_field(
            "content",
            "BASE_TYPE_MAX_LENGTH",
            &format!("Must be {CONTENT_MAX} or fewer in length."),
        )),
        Value::String(text) => Ok(Some(text.clone())),
        other => Ok(Some(other.to_string())),
    }
}

fn embeds(body: &Value) -> Result<Option<Vec<Value>>, ApiError> {
    let Some(mut embeds) = list(body, "embeds")? else { return Ok(None) };
    if embeds.len() > EMBEDS_MAX {
        let message = format!("Must be {EMBEDS_MAX} or fewer in length.");
        return Err(ApiError::invalid_field("embeds", "BASE_TYPE_MAX_LENGTH", &message));
    }
    if embeds.iter().map(embed_text).sum::<usize>() > EMBED_TEXT_MAX {
        let message = format!("Embed size exceeds maximum size of {EMBED_TEXT_MAX}");
        return Err(ApiError::invalid_field("embeds", "MAX_EMBED_SIZE_EXCEEDED", &message));
    }
    for embed in &mut embeds {
        if let Some(fields) = embed.as_object_mut() {
            fields.insert("type".into(), json!("rich"));
            for field in fields.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                field["inline"] = json!(field["inline"].as_bool().unwrap_or(false));
            }
        }
    }
    Ok(Some(embeds))
}

/// Characters that count towards the limit: title, description, fields, footer, author.
fn embed_text(embed: &Value) -> usize {
    let chars = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let fields = embed["fields"]
        .as_array()
        .map_or(0, |fields| fields.iter().map(|field| chars(&field["name"]) + chars(&field["value"])).sum::<usize>());
    chars(&embed["title"])
        + chars(&embed["description"])
        + chars(&embed["footer"]["text"])
        + chars(&embed["author"]["name"])
        + fields
}

pub(super) fn list(body: &Value, field: &str) -> Result<Option<Vec<Value>>, ApiError> {
    match &body[field] {
        Value::Null => Ok(None),
        Value::Array(values) => Ok(Some(values.clone())),
        _ => Err(ApiError::invalid_field(field, "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")),
    }
}

fn nonce(body: &Value) -> Result<Option<Value>, ApiError> {
    match &body["nonce"] {
        Value::Null => Ok(None),
        nonce @ Value::Number(_) => Ok(Some(nonce.clone())),
        Value::String(text) if text.chars().count() <= NONCE_MAX => Ok(Some(json!(text))),
        _ => Err(ApiError::invalid_field("nonce", "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer in length.")),
    }
}

fn reply_to(body: &Value) -> Result<Option<ReplyTo>, ApiError> {
    let reference = &body["message_reference"];
    if reference.is_null() {
        return Ok(None);
    }
    if reference["type"].as_u64().unwrap_or(0) != 0 {
        return Err(ApiError::new(501, 0, "forwarded messages are not implemented by the sandbox"));
    }
    let id = Id::from_json(&reference["message_id"]);
    let message = id.ok_or_else(|| {
        ApiError::invalid_form(json!({ "message_reference": { "message_id": { "_errors": [{
            "code": "NUMBER_TYPE_COERCE", "message": "Value is not a snowflake.",
        }] } } }))
    })?;
    Ok(Some(ReplyTo { message, fail_if_not_exists: reference["fail_if_not_exists"].as_bool().unwrap_or(true) }))
}
