//! A sandbox that no test leaves with a violation unnoticed.

use std::ops::Deref;

use super::Violation;
use crate::config::{SandboxConfig, SandboxError};
use crate::events::Side;
use crate::handle::Sandbox;

/// A [`Sandbox`] that panics when it is dropped and something did not fit Discord's description or serenity's types.
pub struct Strict {
    sandbox: Sandbox,
    refusals_excused: bool,
    requests_excused: bool,
}

impl Strict {
    /// Starts a sandbox; every violation counts.
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub fn start(config: SandboxConfig) -> Result<Strict, SandboxError> {
        Ok(Strict { sandbox: Sandbox::start(config)?, refusals_excused: false, requests_excused: false })
    }

    /// Wrong requests that were refused (400 to 499) do not count: a test made them to see just that.
    pub fn excusing_refusals(mut self) -> Strict {
        self.refusals_excused = true;
        self
    }

    /// The peer's requests do not count, only the answers: a library of others sends what Discord is known to take.
    pub fn excusing_requests(mut self) -> Strict {
        self.requests_excused = true;
        self
    }

    /// The violations that count.
    pub fn counted(&self) -> Vec<Violation> {
        let excused = |violation: &Violation| {
            let refused = (400..500).contains(&violation.status);
            violation.by == Side::Peer && (self.requests_excused || self.refusals_excused && refused)
        };
        self.sandbox.violations().into_iter().filter(|violation| !excused(violation)).collect()
    }
}

impl Deref for Strict {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl Drop for Strict {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return; // The test has failed already; a second panic would end the process.
        }
        let violations = self.counted();
        let told: String = violations.iter().map(|violation| format!("\n  {violation}")).collect();
        assert!(violations.is_empty(), "does not fit Discord's own description, or serenity's types:{told}");
    }
}
