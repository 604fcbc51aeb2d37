//! New rules for a supervisor that runs and for the children that are there.

use super::Desk;
use crate::{
    core::{self, Event, Order, Outcome, Refusal, Wanted, policy::Flags, policy::Policy, state::Goal},
    message::Reply,
    rules::{self, Rules},
};
use std::sync::Arc;

/// What is asked about new rules.
pub(crate) enum Amend {
    /// What they would change; nothing is done.
    Rehearse { rules: Arc<dyn Rules>, reply: Reply<Result<Amended, Refusal>> },
    /// Those of the tree are new: adopt them.
    Adopt { reply: Reply<Result<Outcome, Refusal>> },
}

/// What new rules change at one supervisor: before and after.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Amended {
    pub(crate) flags: Option<(Flags, Flags)>,
    pub(crate) children: Vec<(Policy, Policy)>,
}

impl Desk {
    pub(super) fn amend(&mut self, amend: Amend) {
        match amend {
            Amend::Rehearse { rules, reply } => reply.send(self.would_amend(&*rules)),
            Amend::Adopt { reply } => {
                let (flags, children) = self.under(&*self.world.rules.get());
                self.tickets += 1;
                self.answers.insert(self.tickets, reply);
                let order = Order::Amend { flags, children };
                self.decide(Event::Order { ticket: self.tickets, order });
            }
        }
    }

    fn would_amend(&self, rules: &dyn Rules) -> Result<Amended, Refusal> {
        let (flags, children) = self.under(rules);
        let plan = core::amend::plan(&self.state, &flags, &children)?;
        let changed = plan.of(core::Change::Respec).filter_map(|id| {
            let after = children.iter().find(|new| new.policy.id == id)?.policy.clone();
            Some((self.state.child(id)?.policy.clone(), after))
        });
        Ok(Amended { children: changed.collect(), flags: plan.flags.then_some((self.state.flags, flags)) })
    }

    /// What this supervisor and its children live by under `rules`.
    fn under(&self, rules: &dyn Rules) -> (Flags, Vec<Wanted>) {
        let mut flags = self.definition.load().flags;
        rules.flags(&self.path, &mut flags);
        let staying = self.state.children.iter().filter(|child| child.goal != Goal::Gone);
        let children = staying.filter_map(|child| {
            let declared = &self.specs.get(child.id())?.policy;
            let policy = rules::ruled(rules, &self.path.child(child.id()), declared);
            Some(Wanted { missing: self.missing(&policy.needs), policy, restart: false })
        });
        (flags, children.collect())
    }
}
