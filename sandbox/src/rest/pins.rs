//! Pinned messages, by the present routes and by those of before.

use serde_json::{Value, json};

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::shared::State;
use crate::world::message::Message;
use crate::world::permissions;

pub(crate) fn page(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let limit = call.limit(50, 50)?;
    let before: Option<String> = call.query("before")?;
    let before = before.map(|text| chrono::DateTime::parse_from_rfc3339(&text).map(|time| time.timestamp_millis()));
    let before = before.transpose().map_err(|_| {
        ApiError::invalid_field("before", "DATE_TIME_TYPE_PARSE", "Could not parse value. Should be ISO8601.")
    })?;
    let pins = readable(state, call)?;
    let when = |message: &Message| message.pinned_at.map_or(0, |at| i64::try_from(at.0).unwrap_or(i64::MAX));
    let mut older = pins.into_iter().filter(|message| before.is_none_or(|before| when(message) < before));
    let pin = |message: &Message| json!({ "pinned_at": message.pinned_at, "message": message });
    let items: Vec<Value> = older.by_ref().take(limit).map(pin).collect();
    Answer::ok(&json!({ "items": items, "has_more": older.next().is_some() }))
}

pub(crate) fn all(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    /// The old route gives no more.
    const OLD_MAX: usize = 50;
    let pins = readable(state, call)?;
    Answer::ok(&pins.into_iter().take(OLD_MAX).collect::<Vec<_>>())
}

pub(crate) fn pin(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    set(state, call, true)
}

pub(crate) fn unpin(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    set(state, call, false)
}

fn set(state: &mut State, call: &Call, pinned: bool) -> Result<Answer, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, permissions::PIN_MESSAGES)?;
    state.world.pin(channel, call.message()?, pinned, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

/// Without the right to read history there are no pins, and no error.
fn readable<'a>(state: &'a State, call: &Call) -> Result<Vec<&'a Message>, ApiError> {
    let channel = call.channel()?;
    state.world.require(channel, 0)?;
    let readable = state.world.bot_permissions(channel)? & permissions::READ_MESSAGE_HISTORY != 0;
    Ok(if readable { state.world.pins(channel) } else { Vec::new() })
}
