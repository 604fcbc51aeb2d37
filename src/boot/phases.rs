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
    /// What happens once after the first READY: commands are registered, the banner. Nobody waits for it.
    PostReady: "post-ready", "bot.setup_post_ready";
}

/// Runs the phases and keeps the account.
pub(crate) struct Phases<'a> {
    /// Where the account is kept.
    pub(crate) status: &'a Status,
    /// What takes longer is warned about.
    pub(crate) slow: Duration,
}

impl Phases<'_> {
    /// Runs one phase to its end.
    ///
    /// # Errors
    /// What the phase failed with; it has been logged.
    pub(super) async fn run<T>(&self, phase: Phase, work: impl Future<Output = Result<T, Fatal>>) -> Result<T, Fatal> {
        self.status.phase_begins(phase.name());
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
        self.status.phase_begins(phase.name());
        self.timed(phase, work, Added::missing).await.map(drop)
    }

    /// Runs a phase behind boot, which holds nobody up: what it returns says what has not come about, if anything.
    pub(crate) async fn behind(&self, phase: Phase, work: impl Future<Output = Option<String>>) {
        let work = async { Ok(work.await) };
        self.timed(phase, work, |missing| missing.as_deref()).await.ok(); // it has no way to fail
    }

    /// A phase is over that took `took`, before anything could be told of it.
    pub(super) fn past(&self, phase: Phase, took: Duration) {
        let span = phase.span();
        span.record("setup.status", "success");
        span.in_scope(|| {
            if took > self.slow {
                let (name, slow_ms) = (phase.name(), crate::wire::millis(self.slow));
                let took_ms = crate::wire::millis(took);
                tracing::warn!(target: "boot", phase = name, slow_ms, took_ms, "{name} was slow: up after {took_ms} ms");
            }
            self.done(phase, took);
        });
    }

    async fn timed<T>(
        &self,
        phase: Phase,
        work: impl Future<Output = Result<T, Fatal>>,
        missing: impl Fn(&T) -> Option<&str>,
    ) -> Result<T, Fatal> {
        let (name, span, begun) = (phase.name(), phase.span(), Instant::now());
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

    fn done(&self, phase: Phase, took: Duration) {
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
    use crate::notify::Notifier;
    use std::sync::{Arc, Mutex};
    use tracing::{Event, Level, Subscriber, subscriber::DefaultGuard};
    use tracing_subscriber::{
        Layer,
        layer::{Context, SubscriberExt},
        registry::LookupSpan,
    };

    const SLOW: Duration = Duration::from_secs(10);

    /// The target and level of what was said, and in which span.
    type Said = (&'static str, Level, Option<&'static str>);

    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<Said>>>);

    impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Told {
        fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
            let (of, span) = (event.metadata(), context.event_span(event).map(|span| span.name()));
            self.0.lock().unwrap().push((of.target(), *of.level(), span));
        }
    }

    impl Told {
        fn listen() -> (Self, DefaultGuard) {
            let told = Self::default();
            let guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(told.clone()));
            (told, guard)
        }

        fn take(&self) -> Vec<Said> {
            std::mem::take(&mut self.0.lock().unwrap())
        }
    }

    fn status() -> Arc<Status> {
        let notifier = Arc::new(Notifier::new(&crate::config::ServiceManager::default()));
        Status::new(Arc::default(), Arc::default(), Arc::default(), notifier)
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_phase_says_stands_in_its_span_and_what_is_slow_is_warned_about_while_it_lasts() {
        let (told, _listening) = Told::listen();
        let status = status();
        let phases = Phases { status: &status, slow: SLOW };
        let work = |takes: Duration| async move {
            tokio::time::sleep(takes).await;
            tracing::info!(target: "work", "done");
        };
        phases
            .run(Phase::Rest, async {
                work(SLOW / 2).await;
                Ok(())
            })
            .await
            .unwrap();
        let (info, warn) = (Level::INFO, Level::WARN);
        assert_eq!(told.take(), [("work", info, Some("bot.setup_rest")), ("boot", info, None)]);
        phases
            .run(Phase::Rest, async {
                work(SLOW * 2).await;
                Ok(())
            })
            .await
            .unwrap();
        assert_eq!(told.take(), [("boot", warn, None), ("work", info, Some("bot.setup_rest")), ("boot", info, None)]);
        // Behind boot too, where a phase has no way to fail but may come to less.
        let less = async {
            work(SLOW * 2).await;
            Some("not all of it".to_owned())
        };
        phases.behind(Phase::PostReady, less).await;
        assert_eq!(
            told.take(),
            [("boot", warn, None), ("work", info, Some("bot.setup_post_ready")), ("boot", warn, None)]
        );
        assert_eq!(
            status.phase_under_way().map(|(name, _)| name),
            Some("rest"),
            "nobody waits for what is behind boot"
        );
        let names: Vec<_> = status.phases().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["rest", "rest", "post-ready"]);
    }

    #[test]
    fn what_was_over_before_anything_could_be_told_is_told_in_its_span_and_warned_about() {
        let (told, _listening) = Told::listen();
        let status = status();
        let phases = Phases { status: &status, slow: SLOW };
        let span = Some("bot.setup_configuration");
        phases.past(Phase::Configuration, SLOW);
        assert_eq!(told.take(), [("boot", Level::INFO, span)]);
        phases.past(Phase::Configuration, SLOW * 2);
        assert_eq!(told.take(), [("boot", Level::WARN, span), ("boot", Level::INFO, span)]);
        assert_eq!(status.phases()[1], ("configuration", SLOW * 2));
    }

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
