//! Roles made, changed, moved and deleted.

use std::collections::BTreeMap;

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::form::Form;
use crate::shared::State;
use crate::world::ids::Id;
use crate::world::roles::RoleEdit;

/// Characters of a role's name.
const NAME_MAX: usize = 100;
/// The greatest colour.
const COLOR_MAX: u64 = 0xFF_FFFF;

pub(crate) fn create(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let edit = edit_of(call)?;
    Answer::ok(&state.world.create_role(call.guild()?, edit, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn edit(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let edit = edit_of(call)?;
    let (guild, role) = (call.guild()?, call.id("role_id")?);
    Answer::ok(&state.world.edit_role(guild, role, edit, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn delete(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    state.world.delete_role(call.guild()?, call.id("role_id")?, call.reason.as_deref(), state.now_ms)?;
    Answer::nothing()
}

pub(crate) fn reorder(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let places = places(call)?;
    Answer::ok(&state.world.move_roles(call.guild()?, &places, call.reason.as_deref(), state.now_ms)?)
}

pub(crate) fn member_counts(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let guild = state.world.guild(call.guild()?)?;
    let held = |role: Id| guild.members.values().filter(|member| member.roles.contains(&role)).count();
    let others = guild.roles.iter().filter(|role| role.id != guild.id);
    let counts: BTreeMap<String, usize> = others.map(|role| (role.id.to_string(), held(role.id))).collect();
    Answer::ok(&counts)
}

/// Pairs of id and position, as a list of objects.
pub(crate) fn places(call: &Call) -> Result<Vec<(Id, u16)>, ApiError> {
    let Some(list) = call.body.as_array() else {
        return Err(ApiError::invalid_field("_", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"));
    };
    let mut places = Vec::new();
    for place in list {
        let mut form = Form::new(place);
        form.require("id");
        let (id, position) = (form.id("id"), form.number("position", 0..=u64::from(u16::MAX)));
        form.finish()?;
        if let (Some(id), Some(position)) = (id, position.and_then(|position| u16::try_from(position).ok())) {
            places.push((id, position));
        }
    }
    Ok(places)
}

fn edit_of(call: &Call) -> Result<RoleEdit, ApiError> {
    let mut form = Form::new(&call.body);
    let primary = call.body.get("colors").filter(|colors| !colors.is_null()).map(|colors| {
        let mut colors = Form::new(colors);
        let primary = colors.number("primary_color", 0..=COLOR_MAX);
        colors.finish().map(|()| primary)
    });
    let primary = primary.transpose()?.flatten();
    let edit = RoleEdit {
        name: form.text("name", 1..=NAME_MAX),
        permissions: form.bits("permissions"),
        color: primary.or(form.number("color", 0..=COLOR_MAX)).and_then(|color| u32::try_from(color).ok()),
        hoist: form.flag("hoist"),
        mentionable: form.flag("mentionable"),
    };
    let picture = ["icon", "unicode_emoji"].into_iter().any(|field| !call.body[field].is_null());
    form.finish()?;
    if picture {
        return Err(ApiError::new(403, 50101, "This server needs more boosts to perform this action"));
    }
    Ok(edit)
}
