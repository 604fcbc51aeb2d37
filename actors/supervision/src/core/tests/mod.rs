//! The core alone: hand-made situations, and a simulation that makes up its own.

mod carried;
mod causes;
mod draining;
mod explore;
mod ignoring;
mod model;
mod orders;
mod parked;
mod poison;
mod probe;
mod respec;
mod rounds;
mod script;
mod simulation;
mod stopping;
mod waiting;

use super::{
    policy::Shutdown,
    state::{Child, Life},
};

/// Whether something will still happen to `child`, which has a timer or has none, unless it need not.
fn goes_on(child: &Child, timed: bool) -> bool {
    match &child.life {
        Life::Starting | Life::Waiting { .. } => timed,
        Life::Stopping { .. } => timed || child.policy.shutdown == Shutdown::Infinity,
        Life::Parked { retry_at, .. } => retry_at.is_none() || timed,
        Life::Down | Life::Running | Life::Quarantined => true,
    }
}
