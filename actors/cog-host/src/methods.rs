//! Methods of the control channel: `cogs.*`.

use crate::{
    actors::{Change, CogMsg},
    cell::CogCell,
    host::{CogHost, Shared},
};
use protocol::method::{Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};
use supervision::{ActorPath, Role};

/// An unload and a load, each within its own deadline, and some.
const CHANGE_DEADLINE: Duration = Duration::from_secs(20);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The cog.
    name: String,
}

impl CogHost {
    /// `cogs.list`, `cogs.show`, `cogs.load`, `cogs.unload`, `cogs.reload`, `cogs.enable`, `cogs.disable`.
    pub fn methods(&self) -> Vec<Method> {
        let shared = Arc::clone(&self.shared);
        let list = Method::read("cogs.list", "Every cog and its state", move |_: NoParams, _| {
            let rows: Vec<Value> = shared.cells.iter().map(|cell| row(cell)).collect();
            async move { Ok(rows) }
        });
        let shared = Arc::clone(&self.shared);
        let show = Method::read("cogs.show", "A cog: its manifest and its state", move |named: Named, _| {
            let shown = find(&shared, &named.name).map(|cell| manifest(&cell, &shared));
            async move { shown }
        });
        let mut methods = vec![list, show];
        for (name, about, change) in [
            ("cogs.load", "Loads a cog", Change::Load),
            ("cogs.unload", "Unloads a cog: its commands are off until it is loaded", Change::Unload),
            ("cogs.reload", "Unloads a cog and loads it anew", Change::Reload),
            ("cogs.enable", "Loads a cog and keeps it loaded", Change::Enable),
            ("cogs.disable", "Unloads a cog and leaves it out at restarts of its actor", Change::Disable),
        ] {
            let shared = Arc::clone(&self.shared);
            let target = |named: &Named| ActorPath::from(crate::host::PATH).child(&named.name);
            let check = move |named: Named, _| {
                let checked = find(&shared, &named.name).and_then(|cell| check(cell, change));
                async move { checked }
            };
            methods.push(Method::write(
                name,
                Role::Operate,
                about,
                target,
                check,
                move |cell: Arc<CogCell>, _| async move { apply(&cell, change).await },
            ));
        }
        methods
    }
}

/// Whether the cog could be changed like that; what its own hooks make of it only the change itself can tell.
fn check(cell: Arc<CogCell>, change: Change) -> Result<Checked<Arc<CogCell>>, MethodError> {
    if cell.skipped() {
        let reason = cell.reason().unwrap_or_default();
        return Err(MethodError::refused(format!("{} was skipped: {reason}; then restart", cell.cog.name)));
    }
    if matches!(change, Change::Load | Change::Reload) && cell.disabled.load(Relaxed) {
        return Err(MethodError::refused("it is disabled: enable it first"));
    }
    let would = json!({ "name": cell.cog.name, "state": cell.word() });
    Ok(Checked::new(cell).telling(would))
}

async fn apply(cell: &CogCell, change: Change) -> Result<Value, MethodError> {
    let done = cell.addr.call(CHANGE_DEADLINE, |reply| CogMsg::Change(change, reply)).await;
    let told = done.map_err(|error| MethodError::refused(format!("{}: {error}", cell.addr.path())))?;
    let state = told.map_err(MethodError::refused)?;
    Ok(json!({ "name": cell.cog.name, "state": state }))
}

fn find(shared: &Shared, name: &str) -> Result<Arc<CogCell>, MethodError> {
    shared.cell(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = shared.cells.iter().map(|cell| cell.cog.name).collect();
        MethodError::refused(format!("there is no cog {name:?}; there are: {}", known.join(", ")))
    })
}

fn row(cell: &CogCell) -> Value {
    json!({
        "name": cell.cog.name,
        "state": cell.word(),
        "reason": cell.reason(),
        "about": cell.cog.about,
        "priority": cell.cog.priority,
        "optional": cell.cog.optional,
        "commands": cell.cog.commands.len(),
        "invocations": cell.invocations.load(Relaxed),
        "panics": cell.panics.load(Relaxed),
    })
}

fn manifest(cell: &CogCell, shared: &Shared) -> Value {
    let prefix = shared.services.prefixes.default_prefix();
    let commands: Vec<Value> = shared
        .catalogue
        .entries()
        .iter()
        .flat_map(|entry| entry.runnables())
        .filter(|runnable| runnable.cog() == cell.cog.name)
        .map(|runnable| {
            json!({ "name": runnable.path, "about": runnable.about, "usage": runnable.usage(prefix),
                "owner_only": runnable.guard.owner_only, "guild_only": runnable.guard.guild_only,
                "permissions": runnable.guard.permissions.get_permission_names(), "serial": runnable.serial,
                "deadline_ms": runnable.deadline.as_millis() })
        })
        .collect();
    let mut shown = row(cell);
    shown["commands"] = commands.into();
    shown["events"] = cell.cog.events.iter().map(|kind| kind.name()).collect();
    shown["settings"] = json!(cell.cog.settings);
    shown["capabilities"] = json!(cell.cog.capabilities);
    shown
}
