//! What a way down took, read from the tree's decisions.

use super::report::StepTime;
use crate::wire::millis;
use std::{sync::Arc, time::SystemTime};
use supervision::{ActorPath, Status, Tree, core::Rule};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Each child of the root, in the order of its end.
    pub(super) steps: Vec<StepTime>,
    /// What did not end by itself in time.
    pub(super) cut_off: Vec<String>,
    /// Of those, what was killed.
    pub(super) killed: Vec<String>,
    /// Of those, what even a kill did not end.
    pub(super) left_behind: Vec<String>,
}

/// What each child of the root took, and what had to be cut off. What was still on its way down, or had not been told to
/// stop, when nobody waited any longer was cut off too.
pub(super) fn measure(tree: &Tree, after: u64, since: SystemTime) -> Measured {
    let mut open: Vec<(String, SystemTime)> = Vec::new();
    let mut found = Measured::default();
    // A supervisor's own word about itself (without a child's id) is not a step of the root's.
    let relevant = |entry: &&Arc<supervision::Entry>| entry.wall >= since && !entry.decision.id.is_empty();
    for entry in tree.decisions(after, usize::MAX).iter().filter(relevant) {
        let path = entry.path.to_string();
        match entry.decision.rule {
            Rule::Stop if entry.path.depth() == 1 => open.push((path, entry.wall)),
            Rule::StopDeadline => {
                found.cut_off.push(path.clone());
                found.killed.push(path);
            }
            Rule::Quarantine => {
                found.cut_off.push(path.clone());
                found.left_behind.push(path);
            }
            Rule::Down if entry.path.depth() == 1 => {
                if let Some((_, began)) = open.iter().find(|(open, _)| *open == path) {
                    let took = entry.wall.duration_since(*began).unwrap_or_default();
                    let within = |cut: &String| ActorPath::from(cut.as_str()).is_within(&entry.path);
                    let cut_off = found.cut_off.iter().any(within);
                    found.steps.push(StepTime { path, took_ms: millis(took), cut_off });
                }
            }
            _ => {}
        }
    }
    let ended = |path: &str| found.steps.iter().any(|step| step.path == path);
    let stopping: Vec<_> = open.iter().filter(|(path, _)| !ended(path)).collect();
    let told = |path: &str| open.iter().any(|(open, _)| open == path);
    let nodes = tree.nodes();
    let up = nodes.iter().filter(|node| node.path.depth() == 1 && node.status == Status::Running);
    let untold = up.map(|node| node.path.to_string()).filter(|path| !ended(path) && !told(path));
    let untold: Vec<String> = untold.map(|path| format!("{path} (not told to stop)")).collect();
    found.cut_off.extend(stopping.iter().map(|(path, _)| path.clone()));
    found.cut_off.extend(untold);
    found.steps.extend(stopping.into_iter().map(|(path, began)| StepTime {
        path: path.clone(),
        took_ms: millis(began.elapsed().unwrap_or_default()),
        cut_off: true,
    }));
    found.cut_off.dedup();
    found
}
