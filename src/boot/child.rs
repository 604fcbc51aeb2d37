//! One child of the root: added with the configuration's rules, waited for, and what its failure means for boot.

use crate::{
    config::SupervisionRules,
    exit::{Code, Fatal},
};
use std::collections::BTreeMap;
use supervision::{ActorPath, ChildSpec, Exit, OrderError, Tree, core::Refusal};

/// Adds children to the root.
pub(super) struct Builder<'a> {
    pub(super) tree: Tree,
    pub(super) rules: &'a BTreeMap<String, SupervisionRules>,
}

impl Builder<'_> {
    /// Adds one child and waits until it is up. A child that is not required may fail: its restart rule goes on.
    pub(super) async fn add(&self, spec: ChildSpec) -> Result<(), Fatal> {
        let id = spec.policy().id.clone();
        let spec = self.ruled(&ActorPath::root().child(&id), spec);
        let required = spec.policy().required;
        match self.tree.start_child(&ActorPath::root(), spec).await {
            Ok(_) => Ok(()),
            Err(_) if !required => Ok(()),
            Err(OrderError::Refused { refusal: Refusal::StartFailed { exit }, .. }) => Err(not_started(&id, &exit)),
            Err(error) => Err(Fatal::new(Code::Internal, error)),
        }
    }

    /// The spec with the configuration's say, for it and everything below it.
    fn ruled(&self, path: &ActorPath, spec: ChildSpec) -> ChildSpec {
        spec.map_policies(path, &|path, policy| {
            if let Some(rules) = self.rules.get(path.as_str()) {
                rules.apply(policy);
            }
        })
    }
}

/// A required child did not come up: the database is a vital dependency (69), anything else is ours (70).
fn not_started(id: &str, exit: &Exit) -> Fatal {
    let code = if id == "database" { Code::Unavailable } else { Code::Internal };
    Fatal::new(code, format!("{id} cannot start: {}", reason(exit)))
}

/// The innermost cause, without the words that only say that something failed.
fn reason(exit: &Exit) -> String {
    match exit {
        Exit::StartFailed { cause, child: None } => reason(cause),
        Exit::StartFailed { cause, child: Some(child) } => format!("{child}: {}", reason(cause)),
        Exit::Fatal { message } | Exit::Error { message } => message.clone(),
        other => other.to_string(),
    }
}
