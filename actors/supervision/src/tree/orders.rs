//! What may be done to a running tree: orders to its supervisors.

use super::Tree;
use crate::{
    core::{Order, Outcome, Refusal},
    message::Reply,
    path::ActorPath,
    spec::ChildSpec,
    supervisor::Message,
};

/// Why an order to the tree was not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// There is no such actor.
    #[error("there is no actor {path:?}{}", suggestion.as_deref().map(|near| format!("; did you mean {near:?}?")).unwrap_or_default())]
    UnknownPath {
        /// The path.
        path: String,
        /// The nearest existing path.
        suggestion: Option<String>,
    },
    /// The root can be shut down, not restarted, stopped or killed.
    #[error("the root has no supervisor that could do this; use shutdown")]
    Root,
    /// The addressed incarnation has gone.
    #[error("{path} is incarnation {actual}, not {wanted}")]
    StaleIncarnation {
        /// The path.
        path: String,
        /// The incarnation that was meant.
        wanted: u64,
        /// The incarnation that is there.
        actual: u64,
    },
    /// Its supervisor refused.
    #[error("{path}: {refusal}")]
    Refused {
        /// The path.
        path: String,
        /// Why.
        refusal: Refusal,
    },
    /// Nothing of that number is parked.
    #[error("no parked message has the number {number}; `poison list` shows them")]
    NotParked {
        /// The number.
        number: u64,
    },
    /// Its supervisor is not there (any more).
    #[error("{path}: its supervisor is not running")]
    NoSupervisor {
        /// The path.
        path: String,
    },
}

/// What an operator may do to an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Stop, if it is there, and start again, within budget and cooldown unless forced.
    Restart {
        /// Whether budget and cooldown are overridden.
        force: bool,
    },
    /// Stop and stay down.
    Stop,
    /// Start what is down or parked, whatever its budget and cooldown say: that is the operator's decision. The budget of
    /// a parked one begins anew once it is up, as after a try while parked; a start that fails leaves it down.
    Start,
    /// Kill the incarnation; its restart rule answers.
    Kill,
}

impl Tree {
    /// Carries out `verb` on the actor at `path`. With `dry_run` its supervisor only decides about it: the answer is
    /// [`Outcome::WouldBe`], or what the order would be refused for.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn order(
        &self,
        path: &ActorPath,
        verb: Verb,
        if_incarnation: Option<u64>,
        dry_run: bool,
    ) -> Result<Outcome, OrderError> {
        self.check(path, if_incarnation)?;
        let id = path.id().to_owned();
        let order = match verb {
            Verb::Restart { force } => Order::Cycle { id, force },
            Verb::Stop => Order::TerminateChild { id },
            Verb::Start => Order::RestartChild { id },
            Verb::Kill => Order::Kill { id },
        };
        if dry_run {
            let asked = |reply| Message::Rehearse { order, if_incarnation, reply };
            return self.put(path, asked).await;
        }
        self.ask(path, order, if_incarnation).await
    }

    fn check(&self, path: &ActorPath, if_incarnation: Option<u64>) -> Result<(), OrderError> {
        if path.is_root() {
            return Err(OrderError::Root);
        }
        let node = self
            .node(path)
            .ok_or_else(|| OrderError::UnknownPath { path: path.to_string(), suggestion: self.nearest(path) })?;
        match if_incarnation {
            Some(wanted) if wanted != node.incarnation => {
                Err(OrderError::StaleIncarnation { path: path.to_string(), wanted, actual: node.incarnation })
            }
            _ => Ok(()),
        }
    }

    /// Adds a child to the supervisor at `supervisor` and waits until it is up.
    ///
    /// # Errors
    /// See [`OrderError`]; a child that did not start is forgotten.
    pub async fn start_child(&self, supervisor: &ActorPath, spec: ChildSpec) -> Result<Outcome, OrderError> {
        let path = supervisor.child(&spec.policy.id);
        let order = Order::StartChild { policy: Box::new(spec.policy.clone()), missing: Vec::new() };
        let spec = Some(Box::new(spec));
        self.put_to(supervisor, &path, |reply| Message::Order { order, spec, if_incarnation: None, reply }).await
    }

    /// Stops the child at `path` and forgets it.
    ///
    /// # Errors
    /// See [`OrderError`].
    pub async fn remove_child(&self, path: &ActorPath) -> Result<(), OrderError> {
        let order = Order::RemoveChild { id: path.id().to_owned() };
        self.ask(path, order, None).await.map(|_done| ())
    }

    /// Forgets the child at `path`, which has to be down (OTP's `delete_child`).
    ///
    /// # Errors
    /// See [`OrderError`]; one that is there is refused as running, one that is being restarted as restarting.
    pub async fn delete_child(&self, path: &ActorPath) -> Result<(), OrderError> {
        let order = Order::DeleteChild { id: path.id().to_owned() };
        self.ask(path, order, None).await.map(|_done| ())
    }

    async fn ask(&self, path: &ActorPath, order: Order, if_incarnation: Option<u64>) -> Result<Outcome, OrderError> {
        self.put(path, |reply| Message::Order { order, spec: None, if_incarnation, reply }).await
    }

    /// Puts a question to the supervisor of `path`.
    async fn put(
        &self,
        path: &ActorPath,
        question: impl FnOnce(Reply<Result<Outcome, Refusal>>) -> Message,
    ) -> Result<Outcome, OrderError> {
        let parent = path.parent().ok_or_else(|| OrderError::NoSupervisor { path: path.to_string() })?;
        self.put_to(&parent, path, question).await
    }

    /// Puts a question about the child at `path` to `supervisor`. Not found by the path alone: a name that is none may
    /// hold a slash, and has to reach the supervisor to be refused.
    pub(super) async fn put_to(
        &self,
        supervisor: &ActorPath,
        path: &ActorPath,
        question: impl FnOnce(Reply<Result<Outcome, Refusal>>) -> Message,
    ) -> Result<Outcome, OrderError> {
        let gone = || OrderError::NoSupervisor { path: path.to_string() };
        let office = self.world.office(supervisor).ok_or_else(gone)?;
        let (reply, answer) = Reply::channel();
        office.handle.send(question(reply));
        let answered = answer.await.map_err(|_dropped| gone())?;
        answered.map_err(|refusal| match (path.to_string(), refusal) {
            (path, Refusal::Stale { wanted, actual }) => OrderError::StaleIncarnation { path, wanted, actual },
            (path, refusal) => OrderError::Refused { path, refusal },
        })
    }
}
