//! What OTP's read calls tell, from what supervisors published last: asking nobody, so also while one is wedged.

use super::Tree;
use crate::{
    core::policy::{Kind, Policy},
    path::ActorPath,
    view::{Node, Status},
};

/// A supervisor's children by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All that it knows, up or not.
    pub specs: usize,
    /// Those that are up. One that is starting, between two incarnations, down or parked is not.
    pub active: usize,
    /// The supervisors among all.
    pub supervisors: usize,
    /// The workers among all.
    pub workers: usize,
}

impl Tree {
    /// The children of the supervisor at `path`, in start order; none when there is no such supervisor.
    pub fn which_children(&self, path: &ActorPath) -> Option<Vec<Node>> {
        let view = self.world.office(path)?.view.load_full();
        Some(view.rows.iter().map(|row| self.row(row, &view)).collect())
    }

    /// The children of the supervisor at `path`, counted; none when there is no such supervisor.
    pub fn count_children(&self, path: &ActorPath) -> Option<Counts> {
        let mut counts = Counts::default();
        for node in self.which_children(path)? {
            counts.specs += 1;
            match node.status {
                Status::Running | Status::Suspended | Status::Stopping => counts.active += 1,
                Status::Starting | Status::Waiting | Status::Down | Status::Parked | Status::Quarantined => {}
            }
            match node.kind {
                Kind::Supervisor => counts.supervisors += 1,
                Kind::Worker => counts.workers += 1,
            }
        }
        Some(counts)
    }

    /// The rules that the child at `path` lives by; none when there is no such child.
    pub fn get_childspec(&self, path: &ActorPath) -> Option<Policy> {
        let view = self.world.office(&path.parent()?)?.view.load_full();
        view.rows.iter().find(|row| row.child.id() == path.id()).map(|row| row.child.policy.clone())
    }
}
