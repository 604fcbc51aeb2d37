//! Parked messages on the control channel: what they are, and letting them pass.

use crate::wire;
use protocol::method::{Asked, Checked, Method, MethodError, NoParams};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use supervision::{ActorPath, Role, Tree};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// The parked message's number, as `poison.list` shows it.
    number: u64,
}

/// `poison.list`, `poison.show`, `poison.release`, `poison.drop`.
pub(super) fn methods(tree: &Tree) -> Vec<Method> {
    let listed = tree.clone();
    let list = Method::read("poison.list", "Messages that are parked as poison.", move |_: NoParams, _| {
        let parked: Vec<Value> = listed.poisons().iter().map(|parked| wire::parked(parked, false)).collect();
        async move { Ok(json!({ "poison": parked })) }
    });
    let shown = tree.clone();
    let show = Method::read("poison.show", "One parked message, whole.", move |which: Which, _| {
        let found = shown.poison(which.number).map(|parked| wire::parked(&parked, true));
        async move { found.map_err(MethodError::refused) }
    });
    let released = "Lets a parked message pass once more: if its actor dies of it again, it is parked again.";
    let dropped = "Forgets a parked message, and that incarnations died of it.";
    vec![list, show, pardon(tree, "poison.release", released, false), pardon(tree, "poison.drop", dropped, true)]
}

fn pardon(tree: &Tree, name: &'static str, about: &'static str, forget: bool) -> Method {
    let (aim, checking, tree) = (tree.clone(), tree.clone(), tree.clone());
    let target =
        move |which: &Which| aim.poison(which.number).map_or_else(|_| ActorPath::root(), |parked| parked.path.clone());
    let check = move |which: Which, _: Asked| {
        let found = checking.poison(which.number);
        async move {
            let parked = found.map_err(MethodError::refused)?;
            let would = json!({ "number": parked.number, "message": parked.name });
            Ok(Checked::new(which.number).telling(would))
        }
    };
    Method::write(name, Role::Operate, about, target, check, move |number: u64, _: Asked| {
        let tree = tree.clone();
        async move {
            let parked = tree.pardon(number, forget).await.map_err(MethodError::refused)?;
            Ok(json!({ "path": parked.path, "number": number, "message": parked.name, "done": true }))
        }
    })
}
