//! New rules for a whole tree, while it runs.

use super::{OrderError, Tree};
use crate::{
    core::{
        Refusal,
        policy::{Flags, Policy},
    },
    message::Reply,
    path::ActorPath,
    rules::{self, Rules},
    supervisor::{Amend, Amended, Message},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What new rules change for one actor.
#[derive(Debug, Clone, PartialEq)]
pub struct Amendment {
    /// The actor.
    pub path: ActorPath,
    /// As a child of its supervisor: the rules before and after.
    pub policy: Option<(Policy, Policy)>,
    /// As a supervisor: its own rules before and after.
    pub flags: Option<(Flags, Flags)>,
}

/// How long one supervisor may take to say what new rules would change, or to adopt them: it runs nobody's code and awaits
/// nothing, so it answers within milliseconds unless its runtime is blocked.
const AMEND_DEADLINE: Duration = Duration::from_secs(5);

impl Tree {
    /// Puts `rules` in force: for everything that is there, which adopts them as it runs, and for whatever is added later.
    /// A delay, a stop or a parking that is under way ends as it was decided. Returns what changes, in start order.
    ///
    /// All or nothing: every supervisor judges its part first; one that refuses, or needs that would go in a circle, and
    /// nothing has changed. A child that is added between judging and adopting may still not hold under the new rules, or
    /// close a circle: then those who have adopted them go back. Supervisors that are down or on their way down are not
    /// asked: their next life begins under the new rules. With `dry_run` nothing is done.
    ///
    /// # Errors
    /// [`OrderError::Refused`] with the path and what is wrong; [`OrderError::NoSupervisor`] when a supervisor did not
    /// answer in time.
    pub async fn set_rules(&self, rules: Arc<dyn Rules>, dry_run: bool) -> Result<Vec<Amendment>, OrderError> {
        let _alone = self.world.amending.lock().await;
        let amendments = self.would_amend(&rules).await?;
        if dry_run {
            return Ok(amendments);
        }
        let before = self.world.rules.swap(rules);
        // A child that came in between was let in beside the needs of before.
        let adopted = self.adopt_all().await.and_then(|()| self.in_no_circle(&amendments));
        if adopted.is_err() {
            self.world.rules.swap(before);
            self.go_back().await;
        }
        adopted.map(|()| amendments)
    }

    /// Everybody who is there now adopts the rules in force: one that has begun since they were judged, too.
    async fn adopt_all(&self) -> Result<(), OrderError> {
        for supervisor in self.supervisors() {
            self.adopt(&supervisor).await?;
        }
        Ok(())
    }

    /// What held before holds again, also for those who have begun under what did not last.
    async fn go_back(&self) {
        for supervisor in self.supervisors() {
            if let Err(error) = self.adopt(&supervisor).await {
                tracing::error!(%supervisor, %error, "it does not go back to the rules that were in force");
            }
        }
    }

    /// What would change.
    async fn would_amend(&self, rules: &Arc<dyn Rules>) -> Result<Vec<Amendment>, OrderError> {
        let mut amendments = Vec::new();
        for path in self.supervisors() {
            let asked = |reply| Amend::Rehearse { rules: Arc::clone(rules), reply };
            let Amended { flags, children } = match self.amended(&path, asked).await? {
                Ok(amended) => amended,
                Err(Refusal::ShuttingDown) => continue,
                Err(refusal) => return Err(OrderError::Refused { path: path.to_string(), refusal }),
            };
            if flags.is_some() {
                amendments.push(Amendment { path: path.clone(), policy: None, flags });
            }
            amendments.extend(children.into_iter().map(|(before, after)| {
                let path = path.child(&after.id);
                Amendment { path, policy: Some((before, after)), flags: None }
            }));
        }
        self.in_no_circle(&amendments)?;
        Ok(amendments)
    }

    async fn adopt(&self, supervisor: &ActorPath) -> Result<(), OrderError> {
        match self.amended(supervisor, |reply| Amend::Adopt { reply }).await? {
            Ok(_) | Err(Refusal::ShuttingDown) => Ok(()),
            Err(refusal) => Err(OrderError::Refused { path: supervisor.to_string(), refusal }),
        }
    }

    /// Asks one supervisor; one that has gone meanwhile is on its way down.
    async fn amended<T: Send>(
        &self,
        supervisor: &ActorPath,
        question: impl FnOnce(Reply<Result<T, Refusal>>) -> Amend,
    ) -> Result<Result<T, Refusal>, OrderError> {
        let Some(office) = self.world.office(supervisor) else { return Ok(Err(Refusal::ShuttingDown)) };
        let (reply, answer) = Reply::channel();
        office.handle.send(Message::Amend(question(reply)));
        match tokio::time::timeout(AMEND_DEADLINE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_dropped)) => Ok(Err(Refusal::ShuttingDown)),
            Err(_) => Err(OrderError::NoSupervisor { path: supervisor.to_string() }),
        }
    }

    /// Every supervisor that is there, one before those below it. One that has just begun may not stand in its own
    /// supervisor's view yet.
    fn supervisors(&self) -> Vec<ActorPath> {
        let mut new = self.world.offices();
        let nodes = self.nodes().into_iter().filter(|node| node.flags.is_some());
        let mut all: Vec<ActorPath> = nodes.map(|node| node.path).filter(|path| new.remove(path)).collect();
        all.extend(new);
        all
    }

    /// Whether nobody's needs would lead back to it.
    fn in_no_circle(&self, amendments: &[Amendment]) -> Result<(), OrderError> {
        let new: BTreeMap<&str, &Policy> = amendments
            .iter()
            .filter_map(|amendment| Some((amendment.path.as_str(), &amendment.policy.as_ref()?.1)))
            .collect();
        let needs_of = |path: &str| new.get(path).map_or_else(|| self.world.needs_of(path), |new| new.needs.clone());
        for amendment in amendments {
            let Some((_, after)) = &amendment.policy else { continue };
            rules::circle(&amendment.path, &after.needs, needs_of).map_err(|reason| OrderError::Refused {
                path: amendment.path.to_string(),
                refusal: Refusal::BadSpec { reason },
            })?;
        }
        Ok(())
    }
}
