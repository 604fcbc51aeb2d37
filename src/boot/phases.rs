//! The phases of boot: each a span `bot.setup_<service>`, a log line, a metric, a row of `status --boot`, and a warning as
//! soon as it takes too long.

use super::child::Added;
use crate::{exit::Fatal, status::Status};
use std::time::{Duration, Instant};
use tracing::{Instrument, Span};

macro_rules! phases {
    ($($(#[$about:meta])+ $phase:ident: $name:literal, $span:literal;)+) => {
        /// A phase of boot, in order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Phase {
            $($(#[$about])+ $phase,)+
        }

        impl Phase {
            /// Every phase, in order.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$phase,)+];

            /// The word for it in the log, in `status --boot` and as a label.
            pub(crate) fn name(self) -> &'static str {
                match self {
                    $(Self::$phase => $name,)+
                }
            }

            /// Its span; how it ended is recorded there.
            fn span(self) -> Span {
                use tracing::field::Empty;
                match self {
                    $(Self::$phase => {
                        tracing::info_span!($span, phase = $name, setup.status = Empty, setup.error = Empty)
                    })+
                }
            }
        }
    };
}

phases! {
    /// The configuration is read and checked.
    Configuration: "configuration", "bot.setup_configuration";
    /// The data folder is made and locked.
    DataFolder: "data-folder", "bot.setup_data_folder";
    /// The control socket is bound.
    ControlSocket: "control-socket", "bot.setup_control_socket";
    /// Discord is asked whose token it is.
    Token: "token", "bot.setup_token";
    /// Metrics and probes.
    Telemetry: "telemetry", "bot.setup_telemetry";
    /// The control channel.
    Control: "control", "bot.setup_control";
    /// The HTTP client.
    Rest: "rest", "bot.setup_rest";
    /// Connect, migrate, check.
    Database: "database", "bot.setup_database";
    /// Emojis; they are read in the background.
    EmojiCache: "emoji-cache", "bot.setup_emoji_cache";
    /// Guilds' prefixes.
    Prefixes: "prefixes", "bot.setup_prefixes";
    /// Cogs, by priority.
    Cogs: "cogs", "bot.setup_cogs";
    /// How many shards to run.
    Shards: "shards", "bot.setup_shards";
    /// What the process before left is taken up.
    Handover: "handover", "bot.setup_handover";
    /// The gateway's actors; READY comes later.
    Gateway: "gateway", "bot.setup_gateway";
    /// Background tasks, critical ones first.
    Tasks: "tasks", "bot.setup_tasks";
}

/// Runs the phases and keeps the account.
pub(super) struct Phases<'a> {
    pub(super) status: &'a Status,
    /// What takes longer is warned about.
    pub(super) slow: Duration,
}

impl Phases<'_> {
    /// Runs one phase to its end.
    ///
    /// # Errors
    /// What the phase failed with; it has been logged.
    pub(super) async fn run<T>(&self, phase: Phase, work: impl Future<Output = Result<T, Fatal>>) -> Result<T, Fatal> {
        self.timed(phase, work, |_| None).await
    }

    /// Runs a phase that adds an actor: boot may go on although that one is not up.
    ///
    /// # Errors
    /// As [`Phases::run`].
    pub(super) async fn add(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<Added, Fatal>>,
    ) -> Result<(), Fatal> {
        self.timed(phase, work, Added::missing).await.map(drop)
    }

    async fn timed<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, Fatal>>,
        missing: impl Fn(&T) -> Option<&str>,
    ) -> Result<T, Fatal> {
        let (name, span, begun) = (phase.name(), phase.span(), Instant::now());
        self.status.phase_begins(name);
        let mut work = std::pin::pin!(work.instrument(span.clone()));
        let done = tokio::select! {
            done = &mut work => done,
            // Said while it can still help: whoever looks at a start that hangs sees where.
            () = tokio::time::sleep(self.slow) => {
                let slow_ms = crate::wire::millis(self.slow);
                tracing::warn!(target: "boot", phase = name, slow_ms, "{name} is slow: not up after {slow_ms} ms");
                work.await
            }
        };
        let took = begun.elapsed();
        match done.as_ref().map(missing) {
            Ok(None) => {
                span.record("setup.status", "success");
                self.done(phase, took);
            }
            Ok(Some(why)) => {
                span.record("setup.status", "without");
                self.note(phase, took);
                tracing::warn!(target: "boot", phase = name, reason = why, "{name} is not up: {why}");
            }
            Err(fatal) => {
                span.record("setup.status", "failed");
                span.record("setup.error", fatal.message.as_str());
                self.note(phase, took);
                tracing::error!(target: "boot", phase = name, error = fatal.message, "{name} cannot start");
            }
        }
        done
    }

    /// A phase is over that took `took`.
    pub(super) fn done(&self, phase: Phase, took: Duration) {
        self.note(phase, took);
        let (name, duration_seconds) = (phase.name(), took.as_secs_f64());
        tracing::info!(target: "boot", phase = name, duration_seconds, "{name} is up");
    }

    fn note(&self, phase: Phase, took: Duration) {
        self.status.phase_ended(phase.name(), took);
        metering::boot::phase(phase.name(), took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_has_the_span_of_its_service() {
        for phase in Phase::ALL {
            // Without a subscriber a span has no metadata: the names are held against each other with one.
            let name = tracing::subscriber::with_default(tracing_subscriber::registry(), || {
                phase.span().metadata().map(tracing::Metadata::name)
            });
            assert_eq!(name, Some(format!("bot.setup_{}", phase.name().replace('-', "_")).as_str()));
        }
    }
}
