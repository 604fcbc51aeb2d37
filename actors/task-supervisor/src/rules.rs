//! `[tasks]` as far as tasks adopt it as they run: what new rules would change, and changing it.
//!
//! A task that is there keeps its actor, its figures and a run under way; it is the next generation of itself, and plans
//! its next run anew. One that is switched off is taken down and its declaration kept; one that is switched on comes up.

use crate::{
    admission,
    config::TaskRules,
    monitor,
    registry::{Held, Registered, TaskRegistry},
    task::{self, TaskMsg},
};
use protocol::task::{RegisterError, TaskSpec};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};
use supervision::{ActorPath, Policy};

/// `[tasks.NAME]`, and the zone of those that say none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// By task.
    pub rules: BTreeMap<String, TaskRules>,
    /// `[tasks].zone`
    pub zone: String,
}

/// What new rules change for one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskChange {
    /// The task.
    pub task: String,
    /// What becomes of it.
    pub change: Becomes,
    /// Which of its rules, before and after.
    pub rules: Vec<RuleChange>,
}

/// What becomes of a task under new rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Becomes {
    /// It adopts them as it runs.
    Respec,
    /// It was switched off and is brought up.
    Start,
    /// It is switched off: taken down.
    Stop,
}

/// One rule that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleChange {
    /// Which.
    pub rule: &'static str,
    /// The value before, in words.
    pub before: String,
    /// The value now, in words.
    pub now: String,
}

impl Rulebook {
    /// The rules that `declared` stands under the task supervisor with, also where it is switched off.
    pub fn policy(&self, declared: &TaskSpec) -> Policy {
        task::policy(&self.ruled(declared))
    }

    /// Judges declared tasks that are not registered yet as registering them under these rules would: those that it would
    /// refuse, and why, by name. Rules for others are left to whoever registers those.
    pub fn judge<'a>(&self, declared: impl IntoIterator<Item = &'a TaskSpec>) -> Vec<RegisterError> {
        let ruled = declared.into_iter().filter_map(|declared| self.over(declared));
        let all: BTreeMap<String, Arc<TaskSpec>> = ruled.map(|spec| (spec.name.clone(), Arc::new(spec))).collect();
        let refused = |name: &String| {
            let mut others = all.clone();
            let spec = others.remove(name)?;
            admission::admit(&spec, &others).err()
        };
        self.rules.keys().filter_map(refused).collect()
    }

    /// What is declared with what the rules say about it; none: it is switched off.
    pub(crate) fn over(&self, declared: &TaskSpec) -> Option<TaskSpec> {
        self.switches_on(&declared.name).then(|| self.ruled(declared))
    }

    /// Whether the task called `name` is not switched off.
    pub fn switches_on(&self, name: &str) -> bool {
        self.rules.get(name).is_none_or(|said| said.enabled != Some(false))
    }

    /// The same, switched off or not.
    fn ruled(&self, declared: &TaskSpec) -> TaskSpec {
        let mut spec = declared.clone();
        if let Some(said) = self.rules.get(&spec.name) {
            said.apply(&mut spec, &self.zone);
        }
        spec
    }

    /// Whether it says the same of the task called `name` as `other` does.
    pub(crate) fn agrees(&self, other: &Self, name: &str) -> bool {
        // Every task has the zone by which its times of day are read, and those contradict nothing.
        self.rules.get(name) == other.rules.get(name)
    }
}

impl TaskRegistry {
    /// What `new` would change, by name. Nothing is done.
    ///
    /// # Errors
    /// The first task whose rules would contradict themselves.
    pub fn would_adopt(&self, new: &Rulebook) -> Result<Vec<TaskChange>, RegisterError> {
        self.with(|held| would_adopt(held, new))
    }

    /// Makes `new` what registered tasks, and those registered later, live by. Their actors hear of it by
    /// [`TaskRegistry::carry_out`].
    ///
    /// # Errors
    /// As [`TaskRegistry::would_adopt`]; nothing has changed then.
    pub fn adopt(&self, new: Rulebook) -> Result<Vec<TaskChange>, RegisterError> {
        self.with(|held| {
            let changes = would_adopt(held, &new)?;
            held.adopt(new, &changes, self.around.now())?;
            Ok(changes)
        })
    }

    /// Tells the tasks that are there, takes down what was switched off, brings up what was switched on or refused before.
    pub async fn carry_out(self: &Arc<Self>, changes: &[TaskChange]) {
        for TaskChange { task: name, change, .. } in changes {
            match (change, self.get(name)) {
                (Becomes::Respec, Some(task)) => self.tell(&task).await,
                (Becomes::Start, Some(task)) => {
                    if let Err(refused) = monitor::bring(self, &task).await {
                        let error = refused.reason;
                        tracing::error!(task = name, operation = "start_task", error, "the task could not be started");
                    }
                }
                (Becomes::Stop, None) => self.end(name).await,
                // It was registered or unregistered meanwhile: whoever did that has seen to it.
                (Becomes::Respec | Becomes::Start, None) | (Becomes::Stop, Some(_)) => {}
            }
        }
        let tried = |name: &str| changes.iter().any(|change| change.change == Becomes::Start && change.task == name);
        self.bring_refused(tried).await;
    }

    /// Tries those again that could not be brought up: what was in their way may have been mended.
    async fn bring_refused(self: &Arc<Self>, tried: impl Fn(&str) -> bool) {
        let absent = |task: &Registered| {
            task.refused().is_some() && self.node(&task.spec.name).is_none() && !tried(&task.spec.name)
        };
        for task in self.all().into_iter().filter(absent) {
            if let Err(refused) = monitor::bring(self, &task).await {
                let (task, error) = (refused.name, refused.reason);
                tracing::warn!(task, operation = "start_task", error, "the task still cannot be started");
            }
        }
    }

    /// One that has run once and is now to run by a schedule has no actor any more to tell.
    async fn tell(self: &Arc<Self>, task: &Registered) {
        let name = &task.spec.name;
        if task.addr.is_running() {
            task.addr.send(TaskMsg::Rules).await.ok(); // it ended meanwhile: its next incarnation begins with them
        } else if task.is_finished(self.node(name).as_ref()) {
            self.end(name).await;
            monitor::bring(self, task).await.map_err(|refused| refused.reason).unwrap_or_else(|error| {
                tracing::error!(task = name, operation = "start_task", error, "the task could not be started again");
            });
        }
    }

    async fn end(&self, name: &str) {
        let _moving = self.moving.lock().await;
        if let Some(tree) = self.tree.get()
            && let Err(error) = tree.remove_child(&Self::path(name)).await
        {
            tracing::debug!(task = name, %error, "the task was not running when it was switched off");
        }
    }

    /// Gives the child at `path`, where it is a task, the restart rules that `book` leaves it with.
    pub fn rule(&self, book: &Rulebook, path: &ActorPath, policy: &mut Policy) {
        let declared = path
            .parent()
            .filter(|parent| parent.as_str() == crate::PATH)
            .and_then(|_| self.with(|held| held.declared().find(|declared| declared.name == path.id()).cloned()));
        if let Some(spec) = declared.and_then(|declared| book.over(&declared)) {
            task::rule(&spec, policy);
        }
    }

    /// Whether a task of this name is registered, switched off, or has been here.
    pub fn knows(&self, name: &str) -> bool {
        self.with(|held| held.knows(name))
    }
}

fn would_adopt(held: &Held, new: &Rulebook) -> Result<Vec<TaskChange>, RegisterError> {
    let after: BTreeMap<String, Arc<TaskSpec>> =
        held.declared().filter_map(|declared| Some((declared.name.clone(), Arc::new(new.over(declared)?)))).collect();
    let mut changes = Vec::new();
    // One that was rejected, and of which nothing new is said, stays so, and stands in nobody's way.
    let stays = |name: &&String| !(held.is_rejected(name) && new.agrees(held.book(), name));
    for name in after.keys().filter(stays) {
        let spec = &after[name];
        let (change, rules) = match held.task(name) {
            None => (Becomes::Start, Vec::new()),
            Some(task) => (Becomes::Respec, changed(&task.spec, spec)),
        };
        if change == Becomes::Start || !rules.is_empty() {
            let mut others = after.clone();
            others.remove(name);
            admission::admit(spec, &others)?;
            changes.push(TaskChange { task: name.clone(), change, rules });
        }
    }
    let gone = held.declared().filter(|declared| !after.contains_key(&declared.name));
    let gone = gone.filter(|declared| held.task(&declared.name).is_some() || held.is_rejected(&declared.name));
    changes.extend(gone.map(|declared| TaskChange {
        task: declared.name.clone(),
        change: Becomes::Stop,
        rules: Vec::new(),
    }));
    Ok(changes)
}

/// The rules in which two declarations of one task differ.
fn changed(before: &TaskSpec, now: &TaskSpec) -> Vec<RuleChange> {
    let rows = |spec: &TaskSpec| {
        [
            ("schedule", crate::schedule::words(&spec.schedule)),
            ("jitter", seconds(spec.jitter)),
            ("overlap", format!("{:?}", spec.overlap)),
            ("timeout", seconds(spec.timeout)),
            ("restarts", spec.restart_limit.to_string()),
            ("window", seconds(spec.restart_window)),
            ("cooldown", seconds(spec.cooldown)),
            ("health", seconds(spec.health_check)),
            ("stall_periods", spec.stall_periods.to_string()),
        ]
    };
    let pairs = rows(before).into_iter().zip(rows(now)).filter(|(before, now)| before != now);
    pairs.map(|((rule, before), (_, now))| RuleChange { rule, before, now }).collect()
}

fn seconds(time: std::time::Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
