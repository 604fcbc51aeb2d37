//! The steps of boot that happen once, and whether they have.

use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::watch;

/// One flag per step.
#[derive(Debug)]
pub struct Flags {
    setup_complete: AtomicBool,
    first_ready: watch::Sender<bool>,
    guilds_registered: AtomicBool,
    instrumented: AtomicBool,
    shutting_down: AtomicBool,
}

/// A reading of the flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Every phase of boot is over.
    pub setup_complete: bool,
    /// The gateway has been ready once.
    pub first_ready: bool,
    /// Slash commands are registered.
    pub guilds_registered: bool,
    /// Commands are counted and timed.
    pub instrumented: bool,
    /// The way down has begun.
    pub shutting_down: bool,
}

/// A step of boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every phase of boot is over.
    SetupComplete,
    /// The gateway has been ready once.
    FirstReady,
    /// Slash commands are registered.
    GuildsRegistered,
    /// Commands are counted and timed.
    Instrumented,
    /// The way down has begun.
    ShuttingDown,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            setup_complete: AtomicBool::new(false),
            first_ready: watch::Sender::new(false),
            guilds_registered: AtomicBool::new(false),
            instrumented: AtomicBool::new(false),
            shutting_down: AtomicBool::new(false),
        }
    }
}

impl Flags {
    /// Marks `step`; true the first time, so that what belongs to it happens once.
    pub fn mark(&self, step: Step) -> bool {
        match step {
            Step::SetupComplete => !self.setup_complete.swap(true, SeqCst),
            Step::FirstReady => !self.first_ready.send_replace(true),
            Step::GuildsRegistered => !self.guilds_registered.swap(true, SeqCst),
            Step::Instrumented => !self.instrumented.swap(true, SeqCst),
            Step::ShuttingDown => !self.shutting_down.swap(true, SeqCst),
        }
    }

    /// Turns true when the gateway has been ready once: what tasks wait for.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.first_ready.subscribe()
    }

    /// All of them.
    pub fn read(&self) -> Reading {
        Reading {
            setup_complete: self.setup_complete.load(SeqCst),
            first_ready: *self.first_ready.borrow(),
            guilds_registered: self.guilds_registered.load(SeqCst),
            instrumented: self.instrumented.load(SeqCst),
            shutting_down: self.shutting_down.load(SeqCst),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_happens_once() {
        let flags = Flags::default();
        assert!(flags.mark(Step::FirstReady));
        assert!(!flags.mark(Step::FirstReady));
        assert!(*flags.ready().borrow());
        assert!(!flags.read().setup_complete);
    }
}
