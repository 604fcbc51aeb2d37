//! Application commands, global and of one guild.

use serde_json::Value;

use super::request::{Answer, Call};
use crate::api_error::ApiError;
use crate::events::SandboxEvent;
use crate::shared::State;
use crate::world::command::{Commands, Stamper};
use crate::world::ids::Id;

type Scope = Option<Id>;

pub(crate) fn global(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    list(state, call, None)
}

pub(crate) fn of_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let scope = guild(state, call)?;
    list(state, call, scope)
}

pub(crate) fn replace_global(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    replace(state, call, None)
}

pub(crate) fn replace_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let scope = guild(state, call)?;
    replace(state, call, scope)
}

pub(crate) fn create_global(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    create(state, call, None)
}

pub(crate) fn create_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let scope = guild(state, call)?;
    create(state, call, scope)
}

pub(crate) fn one_global(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    one(state, call, None)
}

pub(crate) fn one_of_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let scope = guild(state, call)?;
    one(state, call, scope)
}

pub(crate) fn modify_global(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    modify(state, call, None)
}

pub(crate) fn modify_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let scope = guild(state, call)?;
    modify(state, call, scope)
}

pub(crate) fn delete_global(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    delete(state, call, None)
}

pub(crate) fn delete_in_guild(state: &mut State, call: &Call) -> Result<Answer, ApiError> {
    let scope = guild(state, call)?;
    delete(state, call, scope)
}

fn guild(state: &State, call: &Call) -> Result<Scope, ApiError> {
    // A guild that the bot is not in is one it has no access to.
    let guild = state.world.guild(call.guild()?).map_err(|_| ApiError::missing_access())?;
    Ok(Some(guild.id))
}

fn list(state: &mut State, call: &Call, scope: Scope) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    Answer::ok(&state.world.commands.of(scope))
}

fn one(state: &mut State, call: &Call, scope: Scope) -> Result<Answer, ApiError> {
    call.application(state.world.application)?;
    Answer::ok(state.world.commands.get(scope, call.id("command_id")?)?)
}

fn replace(state: &mut State, call: &Call, scope: Scope) -> Result<Answer, ApiError> {
    let commands = change(state, call, scope, |commands, stamper| commands.replace(scope, &call.body, stamper))?;
    Answer::ok(&commands)
}

fn create(state: &mut State, call: &Call, scope: Scope) -> Result<Answer, ApiError> {
    let (command, new): (Value, bool) =
        change(state, call, scope, |commands, stamper| commands.upsert(scope, &call.body, stamper))?;
    if new { Answer::created(&command) } else { Answer::ok(&command) }
}

fn modify(state: &mut State, call: &Call, scope: Scope) -> Result<Answer, ApiError> {
    let id = call.id("command_id")?;
    let command = change(state, call, scope, |commands, stamper| commands.modify(scope, id, &call.body, stamper))?;
    Answer::ok(&command)
}

fn delete(state: &mut State, call: &Call, scope: Scope) -> Result<Answer, ApiError> {
    let id = call.id("command_id")?;
    change(state, call, scope, |commands, _| commands.remove(scope, id))?;
    Answer::nothing()
}

/// Makes one change, and tells onlookers how many commands there are now.
fn change<R>(
    state: &mut State,
    call: &Call,
    scope: Scope,
    make: impl FnOnce(&mut Commands, &mut Stamper<'_>) -> Result<R, ApiError>,
) -> Result<R, ApiError> {
    call.application(state.world.application)?;
    let world = &mut state.world;
    let mut stamper = Stamper { ids: &mut world.ids, application: world.application, now_ms: state.now_ms };
    let result = make(&mut world.commands, &mut stamper)?;
    let n = world.commands.of(scope).len();
    state.journal.record(SandboxEvent::CommandsRegistered { guild: scope.map(|guild| guild.0), n });
    Ok(result)
}
