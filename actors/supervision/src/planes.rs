//! The two runtimes: supervision must not wait behind the work it supervises.

use tokio::runtime::Handle;

/// Where things run. Supervisors, the control channel, probes and watchdogs belong to `control`; everything else to
/// `data`. A data-plane worker that blocks then cannot delay a restart. Simulation passes one paused runtime for both.
#[derive(Debug, Clone)]
pub struct Planes {
    /// Supervisors and whatever must answer while the rest is stuck. No database call here.
    pub control: Handle,
    /// Actors and their work.
    pub data: Handle,
}

impl Planes {
    /// Both planes on the current runtime: for tests and simulation.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn single() -> Self {
        let here = Handle::current();
        Self { control: here.clone(), data: here }
    }
}
