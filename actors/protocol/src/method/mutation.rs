//! Methods that change something: each is asked in two steps, so that a dry run makes the checks of the real one and
//! stops before the change, and each says which actor it changes, so that `if_incarnation` can be held against it.
//!
//! A room cannot forget either: [`Method::write`] takes the two parameters out before the room's own are read, adds them
//! to the schema, and never calls the second step of a dry run.

use super::{Handler, Method, MethodCall, MethodError, Peer};
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use std::{future::Future, sync::Arc};
use supervision::{ActorPath, Role};

/// What every mutation takes besides its own parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub struct Conditions {
    /// Only if this incarnation of the actor that it changes is still there.
    #[serde(default)]
    pub if_incarnation: Option<u64>,
    /// Only check, change nothing, leave no audit row.
    #[serde(default)]
    pub dry_run: bool,
}

/// The names of [`Conditions`]' fields.
const KEYS: [&str; 2] = ["if_incarnation", "dry_run"];

impl Conditions {
    /// Takes the conditions out of `params`; the rest is the method's own.
    ///
    /// # Errors
    /// [`MethodError::InvalidParams`] when one of them is not of its type.
    pub fn take(params: &Value) -> Result<(Self, Value), MethodError> {
        let Value::Object(fields) = params else { return Ok((Self::default(), params.clone())) };
        let (mut own, mut taken) = (fields.clone(), Map::new());
        for key in KEYS {
            taken.extend(own.remove(key).map(|value| (key.to_owned(), value)));
        }
        let read = |(key, value): (&String, &Value)| {
            serde_json::from_value::<Self>(json!({ key: value }))
                .map(|_| ())
                .map_err(|error| MethodError::InvalidParams(format!("{key}: {error}")))
        };
        taken.iter().try_for_each(read)?;
        let conditions = serde_json::from_value(Value::Object(taken));
        let conditions = conditions.map_err(|error| MethodError::InvalidParams(error.to_string()))?;
        Ok((conditions, Value::Object(own)))
    }
}

/// Who asks for a change, and of which incarnation.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Who is asking.
    pub peer: Peer,
    /// The incarnation that is meant. It was there a moment ago; what orders an actor through its mailbox passes it on.
    pub if_incarnation: Option<u64>,
}

/// The checks have passed: what the change needs to know, and what a dry run tells.
#[derive(Debug)]
pub struct Checked<T> {
    with: T,
    would: Value,
}

impl<T> Checked<T> {
    /// It can be done.
    pub fn new(with: T) -> Self {
        Self { with, would: Value::Null }
    }

    /// The same, and a dry run says `would`, an object, besides.
    pub fn telling(self, would: Value) -> Self {
        Self { would, ..self }
    }
}

/// The actor that a call with these parameters changes.
pub(super) type TargetFn = dyn Fn(&Value) -> Result<ActorPath, MethodError> + Send + Sync;

impl Method {
    /// A changing method. `target` names the actor that it changes, `check` finds out whether it can be done and changes
    /// nothing, `run` does it. A dry run ends after `check` with `{"dry_run": true, "path": …}` and what it tells.
    pub fn write<P, T, R, Check, Checking, Run, Running>(
        name: &'static str,
        role: Role,
        about: &'static str,
        target: impl Fn(&P) -> ActorPath + Send + Sync + 'static,
        check: Check,
        run: Run,
    ) -> Self
    where
        P: JsonSchema + DeserializeOwned + Send + 'static,
        T: Send + 'static,
        R: Serialize,
        Check: Fn(P, Asked) -> Checking + Send + Sync + 'static,
        Checking: Future<Output = Result<Checked<T>, MethodError>> + Send + 'static,
        Run: Fn(T, Asked) -> Running + Send + Sync + 'static,
        Running: Future<Output = Result<R, MethodError>> + Send + 'static,
    {
        let target: Arc<TargetFn> = Arc::new(move |params| Ok(target(&super::read(params)?)));
        let (steps, aim) = (Arc::new((check, run)), Arc::clone(&target));
        let handler = Handler::Call(Arc::new(move |call: MethodCall| {
            let (steps, aim) = (Arc::clone(&steps), Arc::clone(&aim));
            Box::pin(async move {
                let (conditions, own) = Conditions::take(&call.params)?;
                let asked = Asked { peer: call.peer, if_incarnation: conditions.if_incarnation };
                let checked = steps.0(super::read(&own)?, asked.clone()).await?;
                if conditions.dry_run {
                    let mut answer = json!({ "dry_run": true, "path": aim(&own)? });
                    if let (Value::Object(all), Value::Object(would)) = (&mut answer, checked.would) {
                        all.extend(would);
                    }
                    return Ok(answer);
                }
                let answer = steps.1(checked.with, asked).await?;
                serde_json::to_value(answer).map_err(MethodError::refused)
            })
        }));
        Self {
            name,
            role,
            about,
            params: with_conditions(schema_for!(P)),
            mutates: true,
            target: Some(target),
            handler,
        }
    }

    /// The actor that `call` would change, and the incarnation of it that is meant; `None` when any will do.
    ///
    /// # Errors
    /// [`MethodError::InvalidParams`].
    pub fn condition(&self, call: &MethodCall) -> Result<Option<(ActorPath, u64)>, MethodError> {
        let Some(target) = &self.target else { return Ok(None) };
        let (conditions, own) = Conditions::take(&call.params)?;
        conditions.if_incarnation.map(|wanted| Ok((target(&own)?, wanted))).transpose()
    }
}

/// The schema of a mutation's parameters: its own and [`Conditions`].
fn with_conditions(mut own: Schema) -> Schema {
    let conditions = schema_for!(Conditions).to_value();
    let fields = own.ensure_object();
    fields.insert("type".to_owned(), "object".into());
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    if let (Some(all), Some(more)) = (properties.as_object_mut(), conditions["properties"].as_object()) {
        all.extend(more.clone());
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Cog {
        name: String,
    }

    fn unload(done: &Arc<AtomicUsize>) -> Method {
        let done = Arc::clone(done);
        let check = |cog: Cog, _| async move {
            if cog.name != "info" {
                return Err(MethodError::refused("there is no such cog"));
            }
            Ok(Checked::new(cog.name).telling(json!({"state": "loaded"})))
        };
        Method::write("cogs.unload", Role::Operate, "", |cog: &Cog| format!("cogs/{}", cog.name).into(), check, {
            move |name: String, _| {
                done.fetch_add(1, SeqCst);
                async move { Ok(name) }
            }
        })
    }

    fn call(params: Value) -> MethodCall {
        MethodCall { params, peer: Peer { uid: 0, pid: None, role: Role::Admin } }
    }

    async fn ask(method: &Method, params: Value) -> Result<Value, MethodError> {
        let Handler::Call(run) = &method.handler else { panic!("not a call") };
        run(call(params)).await
    }

    #[tokio::test]
    async fn a_dry_run_makes_the_same_checks_and_changes_nothing() {
        let done = Arc::default();
        let method = unload(&done);
        let dry = ask(&method, json!({"name": "info", "dry_run": true, "if_incarnation": 3})).await.unwrap();
        assert_eq!(dry, json!({"dry_run": true, "path": "cogs/info", "state": "loaded"}));
        let refused = MethodError::refused("there is no such cog");
        assert_eq!(ask(&method, json!({"name": "x", "dry_run": true})).await, Err(refused.clone()));
        assert_eq!(ask(&method, json!({"name": "x"})).await, Err(refused));
        assert_eq!(done.load(SeqCst), 0);
        assert_eq!(ask(&method, json!({"name": "info", "dry_run": false})).await.unwrap(), "info");
        assert_eq!(done.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn a_wrong_parameter_is_refused_with_its_name() {
        let method = unload(&Arc::default());
        for (params, named) in [
            (json!({"name": "info", "dry_run": "yes"}), "dry_run"),
            (json!({"name": "info", "if_incarnation": -1}), "if_incarnation"),
            (json!({"name": "info", "dryrun": true}), "dryrun"),
            (json!({"dry_run": true}), "name"),
        ] {
            let Err(MethodError::InvalidParams(why)) = ask(&method, params).await else { panic!("{named}") };
            assert!(why.contains(named), "{why}");
        }
    }

    #[test]
    fn the_schema_shows_both_and_the_condition_names_the_actor() {
        let method = unload(&Arc::default());
        let shown = method.params.as_value();
        let properties = shown["properties"].as_object().unwrap();
        assert!(["name", "if_incarnation", "dry_run"].iter().all(|key| properties.contains_key(*key)), "{shown}");
        assert_eq!(shown["required"], json!(["name"]));
        let named = method.condition(&call(json!({"name": "info", "if_incarnation": 7}))).unwrap();
        assert_eq!(named, Some((ActorPath::from("cogs/info"), 7)));
        assert_eq!(method.condition(&call(json!({"name": "info"}))).unwrap(), None);
    }
}
