//! What the configuration says about supervision, as the tree asks for it: for every actor, whenever it is added.

use crate::config::{Config, SupervisionRules, WatchConfig};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use supervision::{
    ActorPath, Flags, Policy, Rules,
    core::{self, Contradiction},
};
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

    /// Whether it is a task that is switched off: on its way down, and nobody lives by its rules.
    fn is_off(&self, path: &ActorPath) -> bool {
        task_of(path).is_some_and(|task| !self.book.switches_on(task))
    }

    /// What `[tasks]` says.
    fn of_task(&self, path: &ActorPath, policy: &mut Policy) {
        self.tasks.rule(&self.book, path, policy);
    }

    /// What `[supervision]` says, and `[supervision."PATH"]` over it.
    fn of_actor(&self, path: &ActorPath, policy: &mut Policy) {
        self.watch.apply(policy);
        if let Some(rules) = self.actors.get(path.as_str()) {
            lay(rules, path, policy);
        }
    }
}

/// Lays what an actor's own `rules` say over what it is declared with.
pub(crate) fn lay(rules: &SupervisionRules, path: &ActorPath, policy: &mut Policy) {
    match task_of(path) {
        Some(_) => rules.apply_to_task(policy),
        None => rules.apply(policy),
    }
}

/// The name of the task whose actor stands at `path`, where one can.
pub(crate) fn task_of(path: &ActorPath) -> Option<&str> {
    let below = path.parent().is_some_and(|parent| parent.as_str() == task_supervisor::PATH);
    (below && path.id() != task_supervisor::MONITOR).then(|| path.id())
}

/// What `config` says of tasks.
pub fn rulebook(config: &Config) -> Rulebook {
    Rulebook { rules: config.task_rules.clone(), zone: config.tasks.zone.clone() }
}

impl Rules for Ruling {
    /// The nearer word counts: an actor's own rules over a task's, those over `[supervision]`.
    fn policy(&self, path: &ActorPath, policy: &mut Policy) {
        if !self.is_off(path) {
            self.of_task(path, policy);
            self.of_actor(path, policy);
        }
    }

    fn flags(&self, path: &ActorPath, flags: &mut Flags) {
        if let Some(rules) = self.actors.get(path.as_str()) {
            rules.apply_flags(flags);
        }
    }
}

/// The same rules, which note of everybody they are asked about what becomes of it: to tell, where they have been refused,
/// for whom and why.
pub(crate) struct Witness {
    ruling: Arc<Ruling>,
    seen: Mutex<BTreeMap<ActorPath, Seen>>,
}

/// What the rules make of one actor.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Whether they hold together; if not, and it is a task, whether what `[tasks]` says is at odds already.
    pub(crate) contradiction: Option<(Contradiction, bool)>,
    /// What it needs.
    pub(crate) needs: Vec<String>,
}

impl Witness {
    /// Nobody has been asked about yet.
    pub(crate) fn of(ruling: Arc<Ruling>) -> Arc<Self> {
        Arc::new(Self { ruling, seen: Mutex::default() })
    }

    /// Everybody who was asked about.
    pub(crate) fn seen(&self) -> BTreeMap<ActorPath, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Rules for Witness {
    fn policy(&self, path: &ActorPath, policy: &mut Policy) {
        if self.ruling.is_off(path) {
            return;
        }
        self.ruling.of_task(path, policy);
        let as_task = core::check(None, policy).err();
        self.ruling.of_actor(path, policy);
        // What an actor's own rules mend is not at odds.
        let contradiction = core::check(None, policy).err().map(|said| {
            let by_task = as_task.is_some_and(|before| before == said);
            (said, by_task)
        });
        let seen = Seen { contradiction, needs: policy.needs.clone() };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone(), seen);
    }

    fn flags(&self, path: &ActorPath, flags: &mut Flags) {
        self.ruling.flags(path, flags);
    }
}
