//! A system with its puppets: what the cases are told in.

use super::{
    puppet::{Puppets, What},
    system::{Exit, Flags, How, Spec, State, System},
};
use std::{ops::Deref, time::Duration};
use tokio::time::Instant;

/// One more than this is waited for nowhere (in a case's own time).
const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for everything to happen that is going to.
const QUIET: Duration = Duration::from_secs(10);

pub(crate) struct Rig<S> {
    system: S,
    pub(crate) puppets: Puppets,
}

impl<S> Deref for Rig<S> {
    type Target = S;
    fn deref(&self) -> &S {
        &self.system
    }
}

impl<S: System> Rig<S> {
    /// A supervisor that is up.
    pub(crate) async fn up(flags: Flags, children: Vec<Spec>) -> Self {
        let puppets = Puppets::default();
        let system = S::start(flags, children, &puppets).await.expect("it starts");
        Self { system, puppets }
    }

    /// What ended the start of a supervisor that does not come up, and what its workers did.
    pub(crate) async fn refused(flags: Flags, children: Vec<Spec>) -> (Exit, Puppets) {
        let puppets = Puppets::default();
        match S::start(flags, children, &puppets).await {
            Ok(_) => panic!("it started"),
            Err(exit) => (exit, puppets),
        }
    }

    /// Who is at `path`.
    pub(crate) fn pid(&self, path: &str) -> u64 {
        self.puppets.pid(path).unwrap_or_else(|| panic!("{path} is up"))
    }

    /// Asks the worker at `path` to end and waits until that incarnation has.
    pub(crate) async fn ends(&self, path: &str, how: How) {
        let pid = self.pid(path);
        self.system.exit(path, how).await;
        until(&format!("{path} ends"), || self.puppets.did(What::Gone, pid)).await;
    }

    /// Ends the worker at `path` and waits for the next one; who that is.
    pub(crate) async fn comes_back(&self, path: &str, how: How) -> u64 {
        self.ends(path, how).await;
        self.returns(path).await
    }

    /// Waits until somebody is at `path`.
    pub(crate) async fn returns(&self, path: &str) -> u64 {
        until(&format!("{path} is up"), || self.puppets.pid(path).is_some()).await;
        self.state(path).await; // whoever reads the supervisor next sees it there
        self.pid(path)
    }

    async fn state(&self, path: &str) {
        let (supervisor, id) = path.rsplit_once('/').unwrap_or(("", path));
        let begun = Instant::now();
        while !self.system.which_children(supervisor).await.iter().any(|(of, at)| of == id && *at == State::Up) {
            assert!(begun.elapsed() < PATIENCE, "its supervisor never says that {path} is up");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends the worker at `path`, which does not come back, and its supervisor goes on.
    pub(crate) async fn stays_down(&self, path: &str, how: How) {
        self.ends(path, how).await;
        quiet().await;
        assert_eq!(self.puppets.pid(path), None, "{path} stays down after {how:?}");
        self.goes_on();
    }

    pub(crate) fn goes_on(&self) {
        assert!(!self.system.has_ended(), "the supervisor is not affected");
    }

    /// Waits until the root is gone by itself.
    pub(crate) async fn gives_up(&self) -> Exit {
        let exit = tokio::time::timeout(PATIENCE, self.system.ended()).await;
        let exit = exit.expect("the supervisor gives up");
        until("nobody is left", || self.puppets.alive() == 0).await;
        exit
    }

    /// Stops the root in order: with `shutdown`, and nobody is left.
    pub(crate) async fn stops(&self) {
        self.system.stop();
        assert_eq!(self.system.ended().await, Exit::Shutdown);
        assert_eq!(self.puppets.alive(), 0, "nobody outlives the supervisor");
    }

    /// The children as the supervisor shows them.
    pub(crate) async fn shows(&self, supervisor: &str, children: &[(&str, State)]) {
        let shown = self.system.which_children(supervisor).await;
        let shown: Vec<_> = shown.iter().map(|(id, state)| (id.as_str(), *state)).collect();
        assert_eq!(shown, children);
    }
}

/// Lets everything happen that is going to.
pub(crate) async fn quiet() {
    tokio::time::sleep(QUIET).await;
}

/// Waits until `holds`.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
