//! `reload`: the configuration is read again, checked whole, and what can change while running is changed.

use crate::config::{self, Loaded, Sources};
use protocol::method::{Checked, Method, MethodError, NoParams};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use supervision::{ROOT, Role};
use telemetry::logging::LogHandle;

/// Reads the configuration again, the way it was read first.
pub struct Reloader {
    sources: Sources,
    /// What is in force: what the process began with, and what reloads have applied since.
    current: Mutex<Loaded>,
    log: LogHandle,
}

impl Reloader {
    /// A reloader that starts from what is in force.
    pub fn new(sources: Sources, current: Loaded, log: LogHandle) -> Arc<Self> {
        Arc::new(Self { sources, current: Mutex::new(current), log })
    }

    /// Reads, checks, compares, applies. All or nothing: one wrong key and nothing has changed.
    ///
    /// # Errors
    /// What is wrong with the new configuration.
    pub fn reload(&self, dry_run: bool) -> Result<Value, String> {
        let new = config::load(&self.sources).map_err(|problems| problems.to_string())?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = config::diff(&current, &new);
        if !dry_run {
            if changes.iter().any(|change| change.key == "telemetry.log") {
                self.log.set(&new.config.telemetry.log).map_err(|error| error.to_string())?;
            }
            for warning in &new.warnings {
                tracing::warn!("{warning}");
            }
            for change in &changes {
                tracing::info!(key = change.key, needs_restart = change.needs_restart, "configuration changed");
            }
            config::adopt_live(&mut current, &new);
        }
        let waiting = changes.iter().filter(|change| change.needs_restart).count();
        Ok(json!({ "dry_run": dry_run, "changes": changes, "waiting_for_restart": waiting }))
    }

    /// The limits of the way down, as configured now.
    pub fn shutdown(&self) -> crate::shutdown::Limits {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let shutdown = &current.config.shutdown;
        crate::shutdown::Limits {
            total: std::time::Duration::from_millis(shutdown.total_ms),
            drain: std::time::Duration::from_millis(shutdown.drain_ms),
        }
    }

    /// `config.reload`
    pub fn methods(self: &Arc<Self>) -> Vec<Method> {
        let (checking, reloader) = (Arc::clone(self), Arc::clone(self));
        let about = "Reads the configuration again and applies what can change while running.";
        let check = move |_: NoParams, _| {
            let would = checking.reload(true).map_err(MethodError::refused);
            async move { Ok(Checked::new(()).telling(would?)) }
        };
        vec![Method::write(
            "config.reload",
            Role::Admin,
            about,
            |_: &NoParams| ROOT.into(),
            check,
            move |(), _| {
                let done = reloader.reload(false).map_err(MethodError::refused);
                async move { done }
            },
        )]
    }
}
