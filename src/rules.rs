//! What the configuration says about supervision, as the tree asks for it: for every actor, whenever it is added.

use crate::config::{Config, SupervisionRules, WatchConfig};
use std::{collections::BTreeMap, sync::Arc};
use supervision::{ActorPath, Flags, Policy, Rules};
use task_supervisor::{Rulebook, TaskRegistry};

/// `[supervision]`, `[supervision."PATH"]` and what `[tasks.NAME]` says of a task's restarts.
pub struct Ruling {
    watch: WatchConfig,
    actors: BTreeMap<String, SupervisionRules>,
    tasks: Arc<TaskRegistry>,
    book: Rulebook,
}

impl Ruling {
    /// What `config` says.
    pub fn of(config: &Config, tasks: &Arc<TaskRegistry>) -> Arc<Self> {
        let (watch, actors) = (config.watch, config.supervision.clone());
        Arc::new(Self { watch, actors, tasks: Arc::clone(tasks), book: rulebook(config) })
    }
}

/// What `config` says of tasks.
pub fn rulebook(config: &Config) -> Rulebook {
    Rulebook { rules: config.task_rules.clone(), zone: config.tasks.zone.clone() }
}

impl Rules for Ruling {
    /// The nearer word counts: an actor's own rules over a task's, those over `[supervision]`.
    fn policy(&self, path: &ActorPath, policy: &mut Policy) {
        self.tasks.rule(&self.book, path, policy);
        self.watch.apply(policy);
        if let Some(rules) = self.actors.get(path.as_str()) {
            rules.apply(policy);
        }
    }

    fn flags(&self, path: &ActorPath, flags: &mut Flags) {
        if let Some(rules) = self.actors.get(path.as_str()) {
            rules.apply_flags(flags);
        }
    }
}
