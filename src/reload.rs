//! `reload`: the configuration is read again, judged whole, and what can change while running is changed.
//!
//! All or nothing: one wrong key, one rule that does not hold, one actor that does not exist, and nothing has changed.

mod names;
mod refused;
#[cfg(test)]
mod tests;

pub use refused::ReloadError;

use crate::{
    config::{self, Change, Loaded, Sources},
    rules::{self, Ruling},
    wire,
};
use protocol::{
    Clock,
    method::{Checked, Method, NoParams},
    ports::{AuditLog, AuditRow},
};
use serde_json::{Value, json};
use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use supervision::{Amendment, ROOT, Role, Rules, Tree};
use task_supervisor::{TaskChange, TaskRegistry};
use telemetry::logging::{Directives, LogHandle};

/// Reads the configuration again, the way it was read first.
pub struct Reloader {
    sources: Sources,
    /// What is in force: what the process began with, and what reloads have applied since.
    current: Mutex<Loaded>,
    log: LogHandle,
    live: OnceLock<Live>,
    /// Held while one reload is under way, so that two do not mix.
    turn: tokio::sync::Mutex<()>,
}

/// What a reload acts on once it is there.
pub struct Live {
    /// The tree.
    pub tree: Tree,
    /// The tasks.
    pub tasks: Arc<TaskRegistry>,
    /// Keeps a row of what a signal asked for; what comes over the control channel has its row from there.
    pub audit: Arc<dyn AuditLog>,
    /// Wall time for the row.
    pub clock: Arc<dyn Clock>,
}

/// What a reload comes to.
struct Plan {
    new: Loaded,
    changes: Vec<Change>,
    actors: Vec<Amendment>,
    tasks: Vec<TaskChange>,
    /// What is logged from then on, if that changes.
    log: Option<Directives>,
}

impl Reloader {
    /// A reloader that starts from what is in force.
    pub fn new(sources: Sources, current: Loaded, log: LogHandle) -> Arc<Self> {
        let (live, turn) = (OnceLock::new(), tokio::sync::Mutex::default());
        Arc::new(Self { sources, current: Mutex::new(current), log, live, turn })
    }

    /// Gives it the tree and the tasks; once, by boot.
    pub fn attach(&self, live: Live) {
        self.live.set(live).ok(); // boot runs once
    }

    /// Reads, judges, compares; unless it is a dry run, applies.
    ///
    /// # Errors
    /// See [`ReloadError`]; nothing has changed.
    pub async fn reload(self: &Arc<Self>, dry_run: bool) -> Result<Value, ReloadError> {
        let reloader = Arc::clone(self);
        // A task of its own: a caller who goes away must not leave half of it done.
        let whole = tokio::spawn(async move {
            let _alone = reloader.turn.lock().await;
            let plan = reloader.plan().await?;
            if !dry_run {
                reloader.apply(&plan).await?;
            }
            Ok(plan.told(dry_run))
        });
        whole.await.unwrap_or(Err(ReloadError::Ending))
    }

    /// A reload that a signal asked for: with a row in the audit log.
    ///
    /// # Errors
    /// As [`Reloader::reload`].
    pub async fn signalled(self: &Arc<Self>) -> Result<Value, ReloadError> {
        let done = self.reload(false).await;
        if let Some(live) = self.live.get() {
            let (detail, outcome) = match &done {
                Ok(answer) => (answer["changes"].clone(), "done".to_owned()),
                Err(error) => (Value::Null, error.to_string()),
            };
            let (actor, action) = ("SIGHUP".to_owned(), "config.reload".to_owned());
            let row = AuditRow { at: live.clock.now(), actor, action, target: ROOT.to_owned(), detail, outcome };
            live.audit.record(row).await;
        }
        done
    }

    /// Everything that could refuse the new configuration is asked; nothing is done.
    async fn plan(&self) -> Result<Plan, ReloadError> {
        let new = config::load(&self.sources)?;
        let changes = self.with(|current| config::diff(current, &new));
        let relogs = changes.iter().any(|change| change.key == "telemetry.log");
        let log = relogs.then(|| self.log.would(&new.config.telemetry.log)).transpose()?;
        let (mut actors, mut tasks) = (Vec::new(), Vec::new());
        if let Some(live) = self.live.get() {
            let changed: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
            names::check(&new, &changed, live)?;
            let book = rules::rulebook(&new.config);
            tasks = live.tasks.would_adopt(&book).map_err(|error| ReloadError::task(error, &new))?;
            let ruling = Ruling::of(&new.config, &live.tasks) as Arc<dyn Rules>;
            actors = match live.tree.set_rules(ruling, true).await {
                Ok(actors) => actors,
                Err(error) => return Err(ReloadError::rules(error, &new, live).await),
            };
        }
        Ok(Plan { new, changes, actors, tasks, log })
    }

    /// What may refuse all the same, because of an actor or a task that came after the plan, comes first and leaves nothing
    /// behind. The tree before the tasks: it goes back without a trace but in its journal, while a task that adopts new rules
    /// plans its next run anew.
    async fn apply(&self, plan: &Plan) -> Result<(), ReloadError> {
        if let Some(live) = self.live.get() {
            let tasks = self.enforce(&plan.new, live).await?;
            live.tasks.carry_out(&tasks).await;
        }
        if let Some(log) = &plan.log {
            self.log.put(log.clone());
        }
        for warning in &plan.new.warnings {
            tracing::warn!("{warning}");
        }
        for Change { key, before, now, needs_restart } in &plan.changes {
            let when = if *needs_restart { "at the next start" } else { "at once" };
            let (was, is) = (before.as_deref().unwrap_or("-"), now.as_deref().unwrap_or("-"));
            tracing::info!(key, before, now, needs_restart, "configuration changed: {key} from {was} to {is}, {when}");
        }
        for TaskChange { task, change, .. } in &plan.tasks {
            tracing::info!(task, ?change, "the task {task} has new rules");
        }
        self.with(|current| config::adopt_live(current, &plan.new));
        Ok(())
    }

    /// Actors and tasks live by `new`, or as they did before.
    async fn enforce(&self, new: &Loaded, live: &Live) -> Result<Vec<TaskChange>, ReloadError> {
        let before = self.with(|current| Ruling::of(&current.config, &live.tasks));
        let ruling = Ruling::of(&new.config, &live.tasks) as Arc<dyn Rules>;
        if let Err(error) = live.tree.set_rules(ruling, false).await {
            return Err(ReloadError::rules(error, new, live).await);
        }
        let adopted = live.tasks.adopt(rules::rulebook(&new.config));
        if adopted.is_err()
            && let Err(error) = live.tree.set_rules(before as Arc<dyn Rules>, false).await
        {
            tracing::error!(%error, "the rules that were in force are not taken back");
        }
        adopted.map_err(|error| ReloadError::task(error, new))
    }

    fn with<R>(&self, look: impl FnOnce(&mut Loaded) -> R) -> R {
        look(&mut self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The limits of the way down, as configured now.
    pub fn shutdown(&self) -> crate::shutdown::Limits {
        self.with(|current| {
            let shutdown = &current.config.shutdown;
            crate::shutdown::Limits {
                total: Duration::from_millis(shutdown.total_ms),
                drain: Duration::from_millis(shutdown.drain_ms),
            }
        })
    }

    /// `config.reload`
    pub fn methods(self: &Arc<Self>) -> Vec<Method> {
        let (checking, reloader) = (Arc::clone(self), Arc::clone(self));
        let about = "Reads the configuration again and applies what can change while running.";
        let check = move |_: NoParams, _| {
            let checking = Arc::clone(&checking);
            async move { Ok(Checked::new(()).telling(checking.reload(true).await?)) }
        };
        vec![Method::write(
            "config.reload",
            Role::Admin,
            about,
            |_: &NoParams| ROOT.into(),
            check,
            move |(), _| {
                let reloader = Arc::clone(&reloader);
                async move { Ok(reloader.reload(false).await?) }
            },
        )]
    }
}

impl Plan {
    fn told(&self, dry_run: bool) -> Value {
        let waiting = self.changes.iter().filter(|change| change.needs_restart).count();
        json!({
            "dry_run": dry_run,
            "changes": self.changes,
            "waiting_for_restart": waiting,
            "actors": self.actors.iter().map(wire::amendment).filter(|row| row["rules"] != json!([])).collect::<Vec<_>>(),
            "tasks": self.tasks,
        })
    }
}
