//! Threads, and who is in them.

use serde_json::Value;

use super::request::{Answer, Call};
use crate::api_error::{ApiError, Unknown};
use crate::form::Form;
use crate::shared::State;
use crate::world::guild::channel_type;
use crate::world::ids::Id;
use crate::world::threads::{Listed, ThreadEdit};

/// Characters of a name, seconds of slow mode, minutes until a quiet thread is archived.
const NAME_MAX: usize = 100;
const SLOW_MODE_MAX: u64 = 21_600;
const ARCHIVE_AFTER: [u64; 4] = [60, 1_440, 4_320, 10_080];
/// Members of one page.
const MEMBERS_MAX: usize = 100;

pub(crate) fn start_on_message(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let edit = new_thread(&call.body)?;
    start(state, call, Some(call.message()?), false, edit)
}

/// Without a type Discord makes a private thread, as its documentation warns.
pub(crate) fn start_alone(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let edit = new_thread(&call.body)?;
    let private = match call.body["type"].as_u64() {
        Some(kind) if kind == u64::from(channel_type::PUBLIC_THREAD) => false,
        Some(kind) if kind != u64::from(channel_type::PRIVATE_THREAD) => {
            return Err(ApiError::new(501, 0, "threads of this type are not implemented by the sandbox"));
        }
        _ => true,
    };
    start(state, call, None, private, edit)
}

fn start(
    state: &mut State,
    call: &Call,
    message: Option<Id>,
    private: bool,
    edit: ThreadEdit,
) -> Result<Answer, ApiError> {
    let (bot, channel, reason) = (state.world.bot, call.channel()?, call.reason.as_deref());
    Answer::created(&state.world.start_thread(bot, (channel, message), private, edit, reason, state.now_ms)?)
}

/// `PATCH /channels/{channel_id}` of a thread.
pub(crate) fn edit(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let edit = edit_of(&call.body)?;
    Answer::ok(&state.world.edit_thread(call.channel()?, edit, call.reason.as_deref(), state.now_ms)?)
}

/// `DELETE /channels/{channel_id}` of a thread.
pub(crate) fn delete(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&state.world.delete_thread(call.channel()?, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn join(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.join_thread(call.channel()?, state.world.bot, state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn add(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.join_thread(call.channel()?, call.id("user_id")?, state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn leave(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.leave_thread(call.channel()?, state.world.bot)?;
    Answer::nothing()
}

pub(crate) fn remove(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.leave_thread(call.channel()?, call.id("user_id")?)?;
    Answer::nothing()
}

pub(crate) fn member(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let user = call.id("user_id")?;
    let member = member_object(state, call.channel()?, user, call.flag("with_member")?)?;
    Answer::ok(&member.ok_or_else(|| ApiError::unknown(Unknown::Member))?)
}

pub(crate) fn members(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let (channel, with) = (call.channel()?, call.flag("with_member")?);
    let (limit, after) = (call.limit(MEMBERS_MAX, MEMBERS_MAX)?, call.query::<Id>("after")?.unwrap_or_default());
    let ids: Vec<Id> = state.world.thread(channel)?.members.keys().copied().filter(|id| *id > after).collect();
    let page: Result<Vec<Option<Value>>, ApiError> =
        ids.into_iter().take(limit).map(|id| member_object(state, channel, id, with)).collect();
    Answer::ok(&page?)
}

pub(crate) fn active(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    Answer::ok(&state.world.active_threads(call.guild()?)?)
}

pub(crate) fn archived_public(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    archived(state, call, Listed::Public)
}

pub(crate) fn archived_private(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    archived(state, call, Listed::Private)
}

pub(crate) fn archived_joined(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    archived(state, call, Listed::Joined)
}

fn archived(state: &mut State, call: &Call, listed: Listed) -> Result<Answer, ApiError> {
    let before = call.query::<String>("before")?;
    let time = |text: &String| chrono::DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    let before = before.as_ref().and_then(time).and_then(|millis| u64::try_from(millis).ok());
    let limit = call.limit(50, 100)?;
    Answer::ok(&state.world.archived_threads(call.channel()?, listed, before, limit)?)
}

fn member_object(state: &State, channel: Id, user: Id, with: bool) -> Result<Option<Value>, ApiError> {
    let mut member = state.world.thread(channel)?.member(user);
    if with && let Some(member) = &mut member {
        let home = state.world.guild_of(channel)?;
        member["member"] = serde_json::json!(home.and_then(|guild| guild.members.get(&user)));
    }
    Ok(member)
}

fn new_thread(body: &Value) -> Result<ThreadEdit, ApiError> {
    let mut form = Form::new(body);
    form.require("name");
    form.finish()?;
    let edit = edit_of(body)?;
    Ok(ThreadEdit { archived: None, locked: None, ..edit })
}

fn edit_of(body: &Value) -> Result<ThreadEdit, ApiError> {
    let mut form = Form::new(body);
    let after = form.number("auto_archive_duration", 0..=u64::MAX);
    if after.is_some_and(|after| !ARCHIVE_AFTER.contains(&after)) {
        let message = "Value must be one of {60, 1440, 4320, 10080}.";
        form.refuse("auto_archive_duration", "BASE_TYPE_CHOICES", message);
    }
    let edit = ThreadEdit {
        name: form.text("name", 1..=NAME_MAX),
        archived: form.flag("archived"),
        locked: form.flag("locked"),
        invitable: form.flag("invitable"),
        archive_after: after,
        slow_mode_s: form
            .number("rate_limit_per_user", 0..=SLOW_MODE_MAX)
            .map(|seconds| u16::try_from(seconds).unwrap_or(u16::MAX)),
    };
    form.finish()?;
    Ok(edit)
}
