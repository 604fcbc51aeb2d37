//! Bans, kicks, edits of members, the audit log.

use serde_json::{Value, json};

use super::request::{Answer, Call};
use crate::api_error::{ApiError, Unknown};
use crate::form::Form;
use crate::shared::State;
use crate::world::audit::Entry;
use crate::world::guild::Guild;
use crate::world::ids::Id;
use crate::world::moderation::{MemberEdit, TIMEOUT_MAX_MS};
use crate::world::permissions;

/// Seconds of messages that a ban may delete.
const DELETE_SECONDS_MAX: u64 = 604_800;
/// Users of one bulk ban.
const BULK_MAX: usize = 200;
/// Roles of a member in one request.
const ROLES_MAX: usize = 350;
/// Characters of a nickname.
const NICK_MAX: usize = 32;

pub(crate) fn bans(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let limit = call.limit(1_000, 1_000)?;
    let (before, after) = (call.query::<Id>("before")?, call.query::<Id>("after")?.unwrap_or_default());
    let guild = state.world.require_in(call.guild()?, permissions::BAN_MEMBERS)?;
    let listed = guild.bans.keys().filter(|user| **user > after && before.is_none_or(|before| **user < before));
    let page: Vec<Value> = listed.take(limit).map(|user| ban_object(state, guild, *user)).collect();
    Answer::ok(&page)
}

pub(crate) fn ban(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let guild = state.world.require_in(call.guild()?, permissions::BAN_MEMBERS)?;
    let user = call.id("user_id")?;
    if !guild.bans.contains_key(&user) {
        return Err(ApiError::unknown(Unknown::Ban));
    }
    Answer::ok(&ban_object(state, guild, user))
}

fn ban_object(state: &State, guild: &Guild, user: Id) -> Value {
    json!({ "user": state.world.users.get(&user), "reason": guild.bans.get(&user) })
}

pub(crate) fn create_ban(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let mut form = Form::new(&call.body);
    let days = form.number("delete_message_days", 0..=7).map(|days| days * 24 * 60 * 60);
    let seconds = form.number("delete_message_seconds", 0..=DELETE_SECONDS_MAX).or(days).unwrap_or(0);
    form.finish()?;
    let (guild, user) = (call.guild()?, call.id("user_id")?);
    state.world.ban(guild, user, call.reason.as_deref(), seconds, state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn delete_ban(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.unban(call.guild()?, call.id("user_id")?, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn bulk_ban(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let guild = call.guild()?;
    state.world.require_in(guild, permissions::BAN_MEMBERS | permissions::MANAGE_GUILD)?;
    let mut form = Form::new(&call.body);
    form.require("user_ids");
    let users = form.ids("user_ids", 1..=BULK_MAX).unwrap_or_default();
    let seconds = form.number("delete_message_seconds", 0..=DELETE_SECONDS_MAX).unwrap_or(0);
    form.finish()?;
    let (mut banned, mut failed) = (Vec::new(), Vec::new());
    for user in users {
        let known = state.world.guild(guild)?.bans.contains_key(&user);
        let done = !known && state.world.ban(guild, user, call.reason.as_deref(), seconds, state.now_ms).is_ok();
        if done { banned.push(user) } else { failed.push(user) }
    }
    if banned.is_empty() {
        return Err(ApiError::new(400, 500_000, "Failed to ban users"));
    }
    Answer::ok(&json!({ "banned_users": banned, "failed_users": failed }))
}

pub(crate) fn kick(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.kick(call.guild()?, call.id("user_id")?, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn edit_member(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let mut form = Form::new(&call.body);
    let nick = form.text("nick", 0..=NICK_MAX);
    let roles = form.ids("roles", 0..=ROLES_MAX);
    let until = form.time("communication_disabled_until");
    if until.is_some_and(|until| until > state.now_ms + TIMEOUT_MAX_MS) {
        let message = "Communication disabled timestamp must be within the next 28 days.";
        form.refuse("communication_disabled_until", "GUILD_COMMUNICATION_DISABLED_UNTIL_INVALID", message);
    }
    let edit = MemberEdit {
        nick: form.has("nick").then_some(nick),
        roles: form.has("roles").then(|| roles.unwrap_or_default()),
        timeout: form.has("communication_disabled_until").then_some(until.filter(|until| *until > state.now_ms)),
    };
    let voice = ["mute", "deaf", "channel_id"].into_iter().any(|field| !call.body[field].is_null());
    form.finish()?;
    if voice {
        // Nobody is in a voice channel here.
        return Err(ApiError::new(400, 40032, "Target user is not connected to voice."));
    }
    let (guild, user) = (call.guild()?, call.id("user_id")?);
    Answer::ok(&state.world.edit_member(guild, user, edit, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn edit_me(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let mut form = Form::new(&call.body);
    let nick = form.text("nick", 0..=NICK_MAX);
    let edit = MemberEdit { nick: form.has("nick").then_some(nick), ..MemberEdit::default() };
    form.finish()?;
    let (guild, bot) = (call.guild()?, state.world.bot);
    Answer::ok(&state.world.edit_member(guild, bot, edit, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn add_role(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    change_role(state, call, |roles, role| {
        if !roles.contains(&role) {
            roles.push(role);
        }
    })
}

pub(crate) fn remove_role(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    change_role(state, call, |roles, role| roles.retain(|held| *held != role))
}

fn change_role(state: &mut State, call: &Call, change: fn(&mut Vec<Id>, Id)) -> Result<Answer, ApiError> {
    let (guild, user, role) = (call.guild()?, call.id("user_id")?, call.id("role_id")?);
    let home = state.world.require_in(guild, permissions::MANAGE_ROLES)?;
    permissions::require_above_role(home, state.world.bot, role)?;
    let mut roles = state.world.member(guild, user)?.roles.clone();
    let before = roles.clone();
    change(&mut roles, role);
    if roles != before {
        let edit = MemberEdit { roles: Some(roles), ..MemberEdit::default() };
        state.world.edit_member(guild, user, edit, call.reason.as_deref(), state.now_ms)?;
    }
    Answer::nothing()
}

pub(crate) fn audit_log(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let limit = call.limit(50, 100)?;
    let (by, action) = (call.query::<Id>("user_id")?, call.query::<u8>("action_type")?);
    let (before, after) = (call.query::<Id>("before")?, call.query::<Id>("after")?);
    let target = call.query::<Id>("target_id")?;
    let guild = state.world.require_in(call.guild()?, permissions::VIEW_AUDIT_LOG)?;
    let fits = |entry: &&Entry| {
        by.is_none_or(|by| entry.user_id == by)
            && target.is_none_or(|target| entry.target_id == Some(target))
            && action.is_none_or(|action| entry.action_type == action)
            && before.is_none_or(|before| entry.id < before)
            && after.is_none_or(|after| entry.id > after)
    };
    let entries: Vec<&Entry> = guild.audit.newest().filter(fits).take(limit).collect();
    let mut named: Vec<Id> =
        entries.iter().flat_map(|entry| entry.target_id.into_iter().chain([entry.user_id])).collect();
    named.sort_unstable();
    named.dedup();
    let users: Vec<_> = named.iter().filter_map(|id| state.world.users.get(id)).collect();
    Answer::ok(&json!({
        "audit_log_entries": entries, "users": users, "integrations": [], "webhooks": [], "guild_scheduled_events": [],
        "threads": [], "application_commands": [], "auto_moderation_rules": [],
    }))
}
