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

/// Whether what the child at `path` needs leads back to it. `needs_of` says what another needs.
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
            open.extend(needs_of(&last).into_iter().map(|next| [way.clone(), vec![next]].concat()));
        }
    }
    Ok(())
}
