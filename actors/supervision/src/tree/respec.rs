//! Live re-specification: what a supervisor shall be from now on.

use super::{OrderError, Tree};
use crate::{
    core::{Outcome, Removed, policy::Flags},
    path::ActorPath,
    spec::ChildSpec,
    supervisor::{Message, Respecify},
};

/// A supervisor's new rules and its new list of children.
///
/// A child that stays keeps its address: give its new spec the address that the old one has.
#[derive(Debug, Clone)]
pub struct Respec {
    /// Its rules.
    pub flags: Flags,
    /// Its children in start order. For a dynamic supervisor exactly one: a template, whose rules (all but name, kind and
    /// needs) its children adopt.
    pub children: Vec<ChildSpec>,
    /// What becomes of those that the list leaves out.
    pub removed: Removed,
    /// The names of children that have to be restarted to be what is wanted. Others run on: their new rules hold at
    /// once, what they are made by from their next start on.
    pub restart: Vec<String>,
}

impl Respec {
    /// As OTP's `code_change`: nobody is restarted, and those that `children` leaves out are kept.
    pub fn new(flags: Flags, children: Vec<ChildSpec>) -> Self {
        Self { flags, children, removed: Removed::Keep, restart: Vec::new() }
    }
}

impl Tree {
    /// Makes the supervisor at `supervisor` what `new` says, while it runs, and waits until those that go have gone and
    /// those that come are up or have failed: [`Outcome::Respecified`]. Its children that are supervisors are not asked
    /// to change; each of them takes a list of its own.
    ///
    /// With `dry_run` nothing is done: [`Outcome::Planned`].
    ///
    /// # Errors
    /// See [`OrderError`]; a list of which any part does not hold changes nothing.
    pub async fn respecify(&self, supervisor: &ActorPath, new: Respec, dry_run: bool) -> Result<Outcome, OrderError> {
        let Respec { flags, children, removed, restart } = new;
        let restart = restart.into_iter().collect();
        self.put_to(supervisor, supervisor, |reply| {
            Message::Respecify(Box::new(Respecify { flags, children, removed, restart, rehearse: dry_run, reply }))
        })
        .await
    }
}
