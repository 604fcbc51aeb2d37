//! A new list of children for a supervisor that runs.

use super::{Definition, Desk, starter};
use crate::{
    core::{self, Event, Order, Outcome, Refusal, Removed, Wanted, policy::Flags, policy::Policy, policy::Strategy},
    message::Reply,
    rules,
    spec::ChildSpec,
};
use std::{collections::BTreeSet, sync::Arc};

/// What a supervisor is to be from now on.
pub(crate) struct Respecify {
    pub(crate) flags: Flags,
    pub(crate) children: Vec<ChildSpec>,
    pub(crate) removed: Removed,
    /// Children that have to be restarted, running though they may be.
    pub(crate) restart: BTreeSet<String>,
    pub(crate) rehearse: bool,
    pub(crate) reply: Reply<Result<Outcome, Refusal>>,
}

impl Desk {
    /// Judges the new list whole; then makes it the supervisor's own, its next life's too, and lets the core decide.
    pub(super) fn respecify(&mut self, new: Respecify) {
        let Respecify { flags, children, removed, restart, rehearse, reply } = new;
        let rules = self.world.rules.get();
        let mut wanted = Vec::new();
        for spec in &children {
            let path = self.path.child(&spec.policy.id);
            let elsewhere = spec.path.as_ref().filter(|said| **said != path && flags.strategy != Strategy::Dynamic);
            let stands =
                elsewhere.map_or(Ok(()), |said| Err(format!("its address says {said}, but it stands at {path}")));
            if let Err(said) = stands {
                return reply.send(Err(Refusal::BadSpec { reason: format!("{}: {said}", spec.policy.id) }));
            }
            let policy = rules::ruled(&*rules, &path, &spec.policy);
            let (missing, restart) = (self.missing(&policy.needs), restart.contains(&policy.id));
            wanted.push(Wanted { policy, missing, restart });
        }
        let policies: Vec<Policy> = wanted.iter().map(|new| new.policy.clone()).collect();
        if let Err(reason) = starter::in_no_circle(&self.path, &policies, &self.world) {
            return reply.send(Err(Refusal::BadSpec { reason }));
        }
        let declared = flags;
        let mut flags = flags;
        rules.flags(&self.path, &mut flags);
        let planned = core::respec::plan(&self.state, &flags, &wanted, removed);
        if rehearse || planned.is_err() {
            return reply.send(planned.map(|plan| Outcome::Planned { plan }));
        }
        let dynamic = flags.strategy == Strategy::Dynamic;
        let template = children.first().map(|spec| spec.policy.clone());
        let list = if dynamic { self.definition.load().children.clone() } else { children.clone() };
        self.definition.store(Arc::new(Definition { flags: declared, children: list }));
        if let Some(template) = template.filter(|_| dynamic) {
            for spec in self.specs.values_mut() {
                spec.policy = core::respec::adopted(&template, spec.policy.clone());
            }
        } else {
            for spec in children {
                let id = spec.policy.id.clone();
                self.adopt(&id, spec);
            }
            self.publisher.begin_anew();
        }
        self.tickets += 1;
        self.answers.insert(self.tickets, reply);
        let order = Order::Respecify { flags, children: wanted, removed };
        self.decide(Event::Order { ticket: self.tickets, order });
    }
}
