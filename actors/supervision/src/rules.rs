//! What is said about the rules of a tree from outside, e.g. by a configuration: over what each child was declared with,
//! whenever it was added.

use crate::{
    core::policy::{Flags, Policy},
    path::ActorPath,
};
use arc_swap::ArcSwap;
use std::{collections::BTreeSet, sync::Arc};

/// Rules for the actors of a tree, by path. They are asked whenever a child is added or a supervisor begins, and of all
/// that is there when they are set ([`crate::Tree::set_rules`]). A child's name, kind and rank are not theirs to change.
pub trait Rules: Send + Sync + 'static {
    /// Changes the rules that the child at `path` was declared with.
    fn policy(&self, path: &ActorPath, policy: &mut Policy);

    /// Changes the rules that the supervisor at `path` was declared with.
    fn flags(&self, _path: &ActorPath, _flags: &mut Flags) {}
}

/// Nothing is said: what is declared holds.
struct AsDeclared;

impl Rules for AsDeclared {
    fn policy(&self, _: &ActorPath, _: &mut Policy) {}
}

/// The rules in force.
pub(crate) struct InForce(ArcSwap<Arc<dyn Rules>>);

impl Default for InForce {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Arc::new(AsDeclared)))
    }
}

impl InForce {
    pub(crate) fn get(&self) -> Arc<dyn Rules> {
        Arc::clone(&self.0.load())
    }

    /// Puts `rules` in force; returns those before them.
    pub(crate) fn swap(&self, rules: Arc<dyn Rules>) -> Arc<dyn Rules> {
        Arc::clone(&self.0.swap(Arc::new(rules)))
    }
}

/// What the child at `path` lives by, that was declared as `declared`.
pub(crate) fn ruled(rules: &dyn Rules, path: &ActorPath, declared: &Policy) -> Policy {
    let mut policy = declared.clone();
    rules.policy(path, &mut policy);
    Policy { id: declared.id.clone(), kind: declared.kind, rank: declared.rank, ..policy }
}

/// Whether what the child at `path` needs leads back to it. `needs_of` says what another needs; all need what they stand
/// below, so that nobody may need what stands below itself.
///
/// # Errors
/// The way back, as a sentence.
pub fn circle(path: &ActorPath, needs: &[String], needs_of: impl Fn(&str) -> Vec<String>) -> Result<(), String> {
    let (mut open, mut seen) = (needs.iter().map(|need| vec![need.clone()]).collect::<Vec<_>>(), BTreeSet::new());
    while let Some(way) = open.pop() {
        let Some(last) = way.last().cloned() else { continue };
        if last == path.as_str() {
            return Err(match way.len() {
                1 => "it needs itself".to_owned(),
                _ => format!("its needs go in a circle: {path} needs {}", way.join(", that needs ")),
            });
        }
        if seen.insert(last.clone()) {
            let above = ActorPath::from(last.as_str()).parent().filter(|above| !above.is_root());
            let next = needs_of(&last).into_iter().chain(above.map(|above| above.as_str().to_owned()));
            open.extend(next.map(|next| [way.clone(), vec![next]].concat()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_may_need_what_stands_below_itself_by_whatever_way() {
        let needs = |of: &str| match of {
            "gateway" => vec!["rest".to_owned()],
            _ => Vec::new(),
        };
        let judged = |path: &str, needed: &str| circle(&path.into(), &[needed.to_owned()], needs);
        assert_eq!(
            judged("cog-host", "cog-host/dispatch").unwrap_err(),
            "its needs go in a circle: cog-host needs cog-host/dispatch, that needs cog-host"
        );
        assert!(
            judged("rest", "gateway/identify")
                .unwrap_err()
                .ends_with("gateway/identify, that needs gateway, that needs rest")
        );
        assert_eq!(judged("gateway/shard-1", "gateway/identify"), Ok(()));
        assert_eq!(judged("task-supervisor/report", "gateway"), Ok(()));
    }
}
