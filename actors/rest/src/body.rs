//! Closes mentions and fixes the nonce in every message-like body, whatever the builder left in it.

use crate::{call::Call, error::RestError, send};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Discord's limit, in characters.
pub(crate) const NONCE_MAX: usize = 25;

/// Interaction answers that are no messages: pong, deferred update, autocomplete, modal, premium, activity.
const WORDLESS_ANSWERS: [u64; 6] = [1, 6, 8, 9, 10, 12];

/// Puts `allowed_mentions`, and on channel messages a nonce that Discord enforces, into the body.
pub(crate) fn close(call: &mut Call, send: &send::Send) -> Result<(), RestError> {
    refuse_attachments(call)?;
    let method = call.method.clone();
    let body = &mut call.body;
    match (method, call.pattern.as_str()) {
        (Method::POST, "channels/{id}/messages") => {
            let nonce = nonce(body.as_ref(), send)?;
            edit(body.get_or_insert_default(), |message| {
                allow(message, send);
                message.insert("nonce".to_owned(), Value::String(nonce));
                message.insert("enforce_nonce".to_owned(), Value::Bool(true));
            });
        }
        (Method::PATCH, "channels/{id}/messages/{id}")
        | (Method::POST, "webhooks/{id}/{token}")
        | (Method::PATCH, "webhooks/{id}/{token}/messages/{id}" | "webhooks/{id}/{token}/messages/@original") => {
            edit(body.get_or_insert_default(), |message| allow(message, send));
        }
        (Method::POST, "interactions/{id}/{token}/callback") => edit(body.get_or_insert_default(), |answer| {
            let kind = answer.get("type").and_then(Value::as_u64);
            if !kind.is_some_and(|kind| WORDLESS_ANSWERS.contains(&kind)) {
                edit(answer.entry("data").or_insert(Value::Null), |message| allow(message, send));
            }
        }),
        (Method::POST, "channels/{id}/threads") => edit(body.get_or_insert_default(), |thread| {
            if let Some(first) = thread.get_mut("message") {
                edit(first, |message| allow(message, send));
            }
        }),
        _ => {}
    }
    Ok(())
}

/// Whether Discord recognises a repetition of this request by its nonce.
pub(crate) fn has_enforced_nonce(call: &Call) -> bool {
    call.method == Method::POST
        && call.pattern == "channels/{id}/messages"
        && call.body.as_ref().is_some_and(|body| body["nonce"].is_string() && body["enforce_nonce"] == json!(true))
}

fn allow(message: &mut Map<String, Value>, send: &send::Send) {
    message.insert("allowed_mentions".to_owned(), send.mentions.allowed());
}

/// A builder's files stay in the builder: their names alone would be sent, and Discord would refuse the message.
fn refuse_attachments(call: &Call) -> Result<(), RestError> {
    let Some(body) = call.body.as_ref().filter(|_| call.method == Method::POST) else { return Ok(()) };
    let files = [body, &body["data"], &body["message"]].map(|part| &part["attachments"]);
    if files.iter().any(|files| files.as_array().is_some_and(|files| !files.is_empty())) {
        return Err(RestError::refused_here("requests with attachments are not supported here"));
    }
    Ok(())
}

/// The caller's nonce, else the builder's, else a random one.
fn nonce(body: Option<&Value>, send: &send::Send) -> Result<String, RestError> {
    let given = send.nonce.clone().or_else(|| match body.and_then(|body| body.get("nonce")) {
        Some(Value::String(nonce)) => Some(nonce.clone()),
        Some(Value::Number(nonce)) => Some(nonce.to_string()),
        _ => None,
    });
    let nonce = given.unwrap_or_else(|| format!("{:016x}", rand::random::<u64>()));
    if (1..=NONCE_MAX).contains(&nonce.chars().count()) {
        Ok(nonce)
    } else {
        Err(RestError::refused_here(format!("a nonce has 1 to {NONCE_MAX} characters")))
    }
}

/// Edits `value` as an object; anything else is replaced by one, since Discord takes nothing else in these places.
fn edit(value: &mut Value, change: impl FnOnce(&mut Map<String, Value>)) {
    let mut object = match value.take() {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    change(&mut object);
    *value = Value::Object(object);
}
