//! What the registry holds: who is registered, who is switched off, and what is remembered of those that were.

use super::{Judged, Registered};
use crate::{
    admission,
    rules::{Becomes, Rulebook, TaskChange},
    schedule::{Moment, Timetable},
    stats::Stats,
    task,
};
use protocol::task::{RegisterError, Schedule, TaskRule, TaskSpec};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// Tasks that may be registered at once.
const TASKS_MAX: usize = 1_000;
/// Tasks whose figures are remembered while they are not registered; those that left first are forgotten first.
const REMEMBERED_MAX: usize = 1_000;

/// All of it, under one lock.
#[derive(Default)]
pub(crate) struct Held {
    pub(super) tasks: BTreeMap<String, Registered>,
    /// Declarations that the rules switch off.
    pub(super) off: BTreeMap<String, Arc<TaskSpec>>,
    /// Declarations that would hold if the rules did not contradict them, and how: told of until a reload mends it.
    pub(super) rejected: BTreeMap<String, (Arc<TaskSpec>, String)>,
    book: Rulebook,
    /// By cog and name: what a task did before it was unregistered, and how often it has been registered.
    remembered: BTreeMap<(String, String), Remembered>,
    registrations: u64,
}

struct Remembered {
    generation: u64,
    stats: Arc<Stats>,
    judged: Arc<Mutex<Judged>>,
    /// The number of the registration, over all tasks.
    at: u64,
}

impl Held {
    /// Nothing yet, under these rules.
    pub(super) fn under(book: Rulebook) -> Self {
        Self { book, ..Self::default() }
    }

    /// Takes a declaration in, with what the rules say about it; none: they switch it off.
    pub(super) fn enter(&mut self, declared: Arc<TaskSpec>) -> Result<Option<Registered>, RegisterError> {
        self.rejected.remove(&declared.name);
        // One that could not be brought up is no obstacle to its cog's next try.
        let again = |there: &Registered| there.declared.cog == declared.cog && there.refused().is_some();
        if self.tasks.get(&declared.name).is_some_and(again) {
            self.tasks.remove(&declared.name);
        }
        if self.tasks.len() + self.off.len() + self.rejected.len() >= TASKS_MAX {
            let (name, reason) = (declared.name.clone(), "1,000 tasks are registered already".to_owned());
            return Err(RegisterError::Invalid { name, rule: TaskRule::Outside, reason });
        }
        let Some(spec) = self.book.over(&declared) else {
            tracing::info!(task = declared.name, "the task is switched off by configuration");
            self.off.insert(declared.name.clone(), declared);
            return Ok(None);
        };
        let known = self.tasks.iter().map(|(name, task)| (name.clone(), Arc::clone(&task.spec))).collect();
        let table = Arc::new(admission::admit(&spec, &known).inspect_err(|error| {
            if let RegisterError::Invalid { reason, .. } = error
                && admission::admit(&declared, &known).is_ok()
            {
                self.rejected.insert(declared.name.clone(), (Arc::clone(&declared), reason.clone()));
            }
        })?);
        self.registrations += 1;
        let turn = self.registrations;
        let before = self.remembered.entry((spec.cog.clone(), spec.name.clone())).or_insert_with(|| Remembered {
            generation: 0,
            stats: Arc::default(),
            judged: Arc::default(),
            at: 0,
        });
        (before.generation, before.at) = (before.generation + 1, turn);
        before.stats.register(spec.run_at_start || matches!(spec.schedule, Schedule::Once(_)));
        let (stats, judged, generation) = (Arc::clone(&before.stats), Arc::clone(&before.judged), before.generation);
        let addr = task::addr(&spec.name);
        let task = Registered { spec: Arc::new(spec), declared, table, addr, stats, judged, generation, turn };
        self.tasks.insert(task.spec.name.clone(), task.clone());
        self.forget();
        Ok(Some(task))
    }

    /// Makes `new` the rules, and each task that `changes` names what it then is.
    pub(crate) fn adopt(&mut self, new: Rulebook, changes: &[TaskChange], now: Moment) -> Result<(), RegisterError> {
        self.book = new;
        for change in changes {
            let name = &change.task;
            match (change.change, self.tasks.get(name).cloned()) {
                (Becomes::Respec, Some(mut task)) => {
                    let Some(spec) = self.book.over(&task.declared) else { continue };
                    let rule = TaskRule::Schedule;
                    let invalid = |reason| RegisterError::Invalid { name: name.clone(), rule, reason };
                    task.table = Arc::new(Timetable::read(&spec.schedule).map_err(invalid)?);
                    let before = std::mem::replace(&mut task.spec, Arc::new(spec));
                    if before.schedule != task.spec.schedule {
                        task.stats.reschedule(now); // another schedule counts from now
                    }
                    task.generation += 1;
                    let identity = (task.spec.cog.clone(), name.clone());
                    if let Some(before) = self.remembered.get_mut(&identity) {
                        before.generation = task.generation;
                    }
                    self.tasks.insert(name.clone(), task);
                }
                (Becomes::Stop, Some(task)) => {
                    self.tasks.remove(name);
                    self.off.insert(name.clone(), task.declared);
                }
                (Becomes::Start, None) => {
                    let rejected = self.rejected.remove(name).map(|(declared, _)| declared);
                    if let Some(declared) = self.off.remove(name).or(rejected) {
                        self.enter(declared)?;
                    }
                }
                (Becomes::Stop, None) => {
                    if let Some((declared, _)) = self.rejected.remove(name) {
                        self.off.insert(name.clone(), declared);
                    }
                }
                (Becomes::Respec, None) | (Becomes::Start, Some(_)) => {}
            }
        }
        Ok(())
    }

    /// Every declaration, switched off or rejected or not.
    pub(crate) fn declared(&self) -> impl Iterator<Item = &Arc<TaskSpec>> {
        let rejected = self.rejected.values().map(|(declared, _)| declared);
        self.tasks.values().map(|task| &task.declared).chain(self.off.values()).chain(rejected)
    }

    pub(crate) fn task(&self, name: &str) -> Option<&Registered> {
        self.tasks.get(name)
    }

    /// Whether it would hold if the rules did not contradict it.
    pub(crate) fn is_rejected(&self, name: &str) -> bool {
        self.rejected.contains_key(name)
    }

    pub(crate) fn book(&self) -> &Rulebook {
        &self.book
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        self.declared().any(|declared| declared.name == name) || self.remembered.keys().any(|(_, known)| known == name)
    }

    pub(super) fn holds(&self, task: &Registered) -> bool {
        self.tasks.get(&task.spec.name).is_some_and(|there| there.turn == task.turn)
    }

    /// Forgets the figures of those that left first, when too many have left.
    fn forget(&mut self) {
        let gone =
            |held: &Self, (cog, name): &(String, String)| held.tasks.get(name).is_none_or(|task| task.spec.cog != *cog);
        while self.remembered.len() > self.tasks.len() + REMEMBERED_MAX {
            let left = self.remembered.iter().filter(|(identity, _)| gone(self, identity));
            let Some(oldest) = left.min_by_key(|(_, kept)| kept.at).map(|(identity, _)| identity.clone()) else {
                return;
            };
            self.remembered.remove(&oldest);
        }
    }
}
