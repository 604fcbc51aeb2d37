//! What is known of a cog from outside its actor: published, so that no lane has to ask.

use crate::{
    actors::CogMsg,
    cog::{Cog, State},
};
use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::{Map, Value};
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};
use supervision::Addr;

/// Section `[cogs.NAME]`: whether it is used, and its settings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CogSettings {
    /// False: it is not loaded.
    pub disabled: bool,
    /// Its settings.
    pub values: Map<String, Value>,
}

/// Where a cog is in its life.
#[derive(Clone, Serialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub(crate) enum Phase {
    /// Its actor has not come up (yet).
    Down,
    /// Loading.
    Loading,
    /// Its commands run.
    Loaded {
        /// The incarnation of its actor that loaded it.
        incarnation: u64,
        #[serde(skip)]
        state: State,
    },
    /// Taken out by an operator.
    Unloaded,
    /// It could not be loaded.
    Failed { reason: String },
    /// It was never started: switched off, or a setting is missing.
    Skipped { reason: String },
}

/// Why a cog's commands do not run at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// It is being restarted, is parked or failed to load.
    Down,
    /// An operator took it out.
    Off,
}

/// One cog: its definition, its actor's address and its published state.
pub(crate) struct CogCell {
    pub(crate) cog: Cog,
    pub(crate) addr: Addr<CogMsg>,
    pub(crate) settings: CogSettings,
    /// Set by `disable`, taken back by `enable`: outlives incarnations, not the process.
    pub(crate) disabled: AtomicBool,
    pub(crate) invocations: AtomicU64,
    pub(crate) panics: AtomicU64,
    phase: ArcSwap<Phase>,
}

impl CogCell {
    pub(crate) fn new(cog: Cog, addr: Addr<CogMsg>, settings: CogSettings) -> Self {
        let missing: Vec<&str> = cog
            .settings
            .iter()
            .filter(|setting| setting.required && !settings.values.contains_key(setting.key))
            .map(|setting| setting.key)
            .collect();
        let phase = if settings.disabled {
            Phase::Skipped { reason: format!("[cogs.{}].enabled is false", cog.name) }
        } else if missing.is_empty() {
            Phase::Down
        } else {
            Phase::Skipped { reason: format!("set {} in [cogs.{}] to use it", missing.join(", "), cog.name) }
        };
        Self {
            cog,
            addr,
            settings,
            disabled: AtomicBool::new(false),
            invocations: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            phase: ArcSwap::from_pointee(phase),
        }
    }

    pub(crate) fn phase(&self) -> Arc<Phase> {
        self.phase.load_full()
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.store(Arc::new(phase));
    }

    pub(crate) fn skipped(&self) -> bool {
        matches!(**self.phase.load(), Phase::Skipped { .. })
    }

    /// The cog's state, when its commands may run: the incarnation that loaded it is the one that is alive.
    pub(crate) fn state(&self) -> Result<State, Absence> {
        match &**self.phase.load() {
            Phase::Loaded { incarnation, state }
                if self.addr.is_running() && self.addr.mailbox().incarnation() == *incarnation =>
            {
                Ok(Arc::clone(state))
            }
            Phase::Unloaded | Phase::Skipped { .. } => Err(Absence::Off),
            Phase::Down | Phase::Loading | Phase::Loaded { .. } | Phase::Failed { .. } => Err(Absence::Down),
        }
    }

    /// Its phase as one word, liveness of its actor considered.
    pub(crate) fn word(&self) -> &'static str {
        match &*self.phase() {
            Phase::Loaded { .. } if self.state().is_ok() => "loaded",
            Phase::Loaded { .. } | Phase::Down => "down",
            Phase::Loading => "loading",
            Phase::Unloaded if self.disabled.load(Relaxed) => "disabled",
            Phase::Unloaded => "unloaded",
            Phase::Failed { .. } => "failed",
            Phase::Skipped { .. } => "skipped",
        }
    }

    /// Why it is not loaded, when there is more to say than the word.
    pub(crate) fn reason(&self) -> Option<String> {
        match &*self.phase() {
            Phase::Failed { reason } | Phase::Skipped { reason } => Some(reason.clone()),
            Phase::Down | Phase::Loading | Phase::Loaded { .. } | Phase::Unloaded => None,
        }
    }
}
