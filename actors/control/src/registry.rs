//! The methods that are offered, by name.

use arc_swap::ArcSwap;
use protocol::method::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Names that the channel itself answers.
pub(crate) const BUILT_IN: [(&str, &str); 2] =
    [("hello", "Gives versions, process id and the peer's role."), ("rpc.discover", "Lists methods and schemas.")];

/// The methods, shared: rooms may be added while the channel is open.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    methods: Arc<ArcSwap<BTreeMap<&'static str, Arc<Method>>>>,
}

/// Two rooms offered the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the control method {0:?} is offered twice")]
pub struct Duplicate(pub &'static str);

impl Registry {
    /// A registry without methods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Offers `methods`, all of them or none.
    ///
    /// # Errors
    /// [`Duplicate`] when one of the names is taken.
    pub fn add(&self, methods: impl IntoIterator<Item = Method>) -> Result<(), Duplicate> {
        let methods: Vec<_> = methods.into_iter().map(Arc::new).collect();
        let mut taken = None;
        self.methods.rcu(|current| {
            taken = None;
            let mut next = BTreeMap::clone(current);
            for method in &methods {
                let built_in = BUILT_IN.iter().any(|(name, _)| *name == method.name);
                if built_in || next.insert(method.name, Arc::clone(method)).is_some() {
                    taken = Some(Duplicate(method.name));
                    return Arc::clone(current);
                }
            }
            Arc::new(next)
        });
        taken.map_or(Ok(()), Err)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Method>> {
        self.methods.load().get(name).cloned()
    }

    /// Offered names that have a part in common with `name`, for a helpful refusal.
    pub(crate) fn near(&self, name: &str) -> Vec<&'static str> {
        let (room, verb) = name.split_once('.').unwrap_or((name, name));
        let alike = |offered: &&'static str| {
            let (a, b) = offered.split_once('.').unwrap_or((offered, offered));
            a == room || b == verb
        };
        self.methods.load().keys().copied().filter(alike).take(NEAR_MAX).collect()
    }

    /// What `rpc.discover` answers: name, role, about, mutates, stream and parameter schema of each method.
    pub fn discover(&self) -> Value {
        let built_in = BUILT_IN.iter().map(|(name, about)| {
            let params = json!({"type": "object", "properties": {}});
            json!({"name": name, "role": "observe", "about": about, "mutates": false, "stream": false, "params": params})
        });
        let methods = self.methods.load();
        let offered = methods.values().map(|method| {
            let stream = matches!(method.handler, protocol::method::Handler::Stream(_));
            json!({
                "name": method.name, "role": method.role, "about": method.about, "mutates": method.mutates,
                "stream": stream, "params": method.params,
            })
        });
        json!({"methods": built_in.chain(offered).collect::<Vec<_>>()})
    }
}

/// Names that a refusal suggests at most.
const NEAR_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::method::NoParams;

    fn method(name: &'static str) -> Method {
        Method::read(name, "Does nothing.", |_: NoParams, _| async { Ok(Value::Null) })
    }

    #[test]
    fn a_name_is_offered_once_and_a_refused_batch_adds_nothing() {
        let registry = Registry::new();
        registry.add([method("tree.get")]).unwrap();
        assert_eq!(registry.add([method("tree.log"), method("tree.get")]), Err(Duplicate("tree.get")));
        assert!(registry.get("tree.log").is_none());
        assert_eq!(registry.add([method("hello")]), Err(Duplicate("hello")));
        assert_eq!(registry.near("tree.gte"), ["tree.get"]);
    }

    #[test]
    fn discovery_lists_schemas_and_roles() {
        let registry = Registry::new();
        registry.add([method("tree.get")]).unwrap();
        let found = registry.discover();
        let names: Vec<_> = found["methods"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["hello", "rpc.discover", "tree.get"]);
        assert_eq!(found["methods"][2]["role"], "observe");
        assert_eq!(found["methods"][2]["params"]["type"], "object");
    }
}
