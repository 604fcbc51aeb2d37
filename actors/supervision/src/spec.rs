//! Child specifications: the rules of [`Policy`] and how to make the child.

use crate::{
    actor::Actor,
    addr::Addr,
    core::policy::{Backoff, Criticality, Flags, Intensity, Kind, Poison, Policy, Probe, Restart, Shutdown},
    path::ActorPath,
    starter::{Starter, supervisor_starter, worker_starter},
};
use std::{fmt, sync::Arc, time::Duration};

/// A child of a supervisor: what it is, and the rules it lives by.
///
/// ```
/// use supervision::{Actor, Addr, ChildSpec, Ctx, Failure, Restart};
/// struct Echo;
/// impl Actor for Echo {
///     type Msg = ();
///     async fn handle(&mut self, _: (), _: &Ctx<Self>) -> Result<(), Failure> { Ok(()) }
/// }
/// let echo = Addr::new("echo", 64);
/// let spec = ChildSpec::worker(&echo, || Echo).restart(Restart::Transient);
/// assert_eq!(spec.policy().id, "echo");
/// ```
#[derive(Clone)]
pub struct ChildSpec {
    pub(crate) policy: Policy,
    pub(crate) path: Option<ActorPath>,
    pub(crate) starter: Arc<dyn Starter>,
}

impl ChildSpec {
    /// A worker reached at `addr`; `make` builds its state anew for each incarnation, from what outlives it.
    pub fn worker<A: Actor>(addr: &Addr<A::Msg>, make: impl Fn() -> A + Send + Sync + 'static) -> Self {
        let path = addr.path().clone();
        let policy = Policy::new(path.id(), Kind::Worker);
        Self { policy, path: Some(path), starter: worker_starter(addr.clone(), make) }
    }

    /// A supervisor of `children`, started in their order and stopped in the reverse.
    pub fn supervisor(id: &str, flags: Flags, children: Vec<ChildSpec>) -> Self {
        let policy = Policy::new(id, Kind::Supervisor);
        Self { policy, path: None, starter: supervisor_starter(flags, children) }
    }

    /// The rules.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Changes the rules at once, e.g. from configuration.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    /// Changes the rules of this child, standing at `path`, and of everything below it, e.g. from configuration.
    #[must_use]
    pub fn map_policies(mut self, path: &ActorPath, change: &dyn Fn(&ActorPath, &mut Policy)) -> Self {
        change(path, &mut self.policy);
        if let Some(mapped) = self.starter.map_children(path, change) {
            self.starter = mapped;
        }
        self
    }

    /// When it is started again.
    #[must_use]
    pub fn restart(self, restart: Restart) -> Self {
        self.with(|policy| policy.restart = restart)
    }

    /// How it is stopped.
    #[must_use]
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        self.with(|policy| policy.shutdown = shutdown)
    }

    /// What the tree does without it. Only a vital child is required at boot unless [`ChildSpec::required`] says so.
    #[must_use]
    pub fn criticality(self, criticality: Criticality) -> Self {
        self.with(|policy| {
            policy.criticality = criticality;
            policy.required = criticality == Criticality::Vital;
        })
    }

    /// Whether its supervisor's start fails when it cannot start.
    #[must_use]
    pub fn required(self, required: bool) -> Self {
        self.with(|policy| policy.required = required)
    }

    /// A restart budget of its own.
    #[must_use]
    pub fn budget(self, restarts: u32, window: Duration) -> Self {
        self.with(|policy| policy.budget = Some(Intensity::new(restarts, window)))
    }

    /// Delay before a restart.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.with(|policy| policy.backoff = Some(backoff))
    }

    /// Least time between the beginnings of two restarts.
    #[must_use]
    pub fn cooldown(self, cooldown: Duration) -> Self {
        self.with(|policy| policy.cooldown = Some(cooldown))
    }

    /// How long `start` may take.
    #[must_use]
    pub fn start_timeout(self, timeout: Duration) -> Self {
        self.with(|policy| policy.start_timeout = timeout)
    }

    /// Half-open retries while parked.
    #[must_use]
    pub fn retry_parked(self, backoff: Backoff) -> Self {
        self.with(|policy| policy.retry_parked = Some(backoff))
    }

    /// How it is watched for progress.
    #[must_use]
    pub fn probe(self, probe: Probe) -> Self {
        self.with(|policy| policy.probe = Some(probe))
    }

    /// It is started again although its last incarnation could not be ended and may still be alive.
    #[must_use]
    pub fn overlap_ok(self) -> Self {
        self.with(|policy| policy.overlap_ok = true)
    }

    /// When a message of it counts as poison.
    #[must_use]
    pub fn poison(self, poison: Poison) -> Self {
        self.with(|policy| policy.poison = Some(poison))
    }

    /// Paths without which it is suspended.
    #[must_use]
    pub fn needs<'a>(self, needs: impl IntoIterator<Item = &'a str>) -> Self {
        let needs = needs.into_iter().map(str::to_owned).collect();
        self.with(|policy| policy.needs = needs)
    }

    /// Its place among its siblings: a higher rank starts earlier and stops later.
    #[must_use]
    pub fn rank(self, rank: i32) -> Self {
        self.with(|policy| policy.rank = rank)
    }

    /// Whether its end counts for the supervisor's `auto_shutdown`.
    #[must_use]
    pub fn significant(self) -> Self {
        self.with(|policy| policy.significant = true)
    }
}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ChildSpec").field(&self.policy).finish()
    }
}
