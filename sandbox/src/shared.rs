//! The one state that both servers and the handle work on, behind one lock held only for moments.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::config::SandboxConfig;
use crate::faults::Standing;
use crate::gateway::hub::Hub;
use crate::gateway::starts::Starts;
use crate::journal::Journal;
use crate::rest::limits::{Limits, Sizes};
use crate::world::World;

/// World, gateway, limits, faults and journal.
pub(crate) struct State {
    pub world: World,
    pub hub: Hub,
    pub starts: Starts,
    pub limits: Limits,
    pub standing: Standing,
    pub journal: Journal,
    pub config: Arc<SandboxConfig>,
    pub gateway_url: String,
    /// Unix milliseconds of the present turn; everything in one turn happens at once.
    pub now_ms: u64,
    /// Where the clock stands while it is held, in Unix milliseconds.
    pub held_ms: Option<u64>,
}

impl State {
    pub(crate) fn new(config: Arc<SandboxConfig>, world: World, gateway_url: String) -> State {
        State {
            world,
            hub: Hub::new(config.replay_events, config.session_life_ms),
            starts: Starts::new(config.session_starts, config.max_concurrency, config.identify_interval_ms),
            limits: Limits::new(Sizes {
                usual: config.bucket,
                messages: config.message_bucket,
                routes: config.limits.clone(),
                global_per_second: config.global_per_second,
                invalid_max: config.invalid_max,
            }),
            standing: Standing::default(),
            journal: Journal::new(config.events_kept),
            config,
            gateway_url,
            now_ms: 0,
            held_ms: None,
        }
    }

    pub(crate) fn accepts_token(&self, token: &str) -> bool {
        !self.standing.unauthorized && token.strip_prefix("Bot ").unwrap_or(token) == self.config.token
    }

    /// Sends out what the world's last changes caused.
    pub(crate) fn settle(&mut self) {
        let dispatches = std::mem::take(&mut self.world.outbox.dispatches);
        for event in &dispatches {
            self.hub.dispatch(event, &self.world, &mut self.journal, self.now_ms);
        }
        for note in std::mem::take(&mut self.world.outbox.notes) {
            self.journal.record(note);
        }
    }
}

/// The state with its lock and the means to wait for something to happen.
pub(crate) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    recorded: watch::Sender<u64>,
    #[cfg(feature = "validate")]
    pub(crate) judge: Option<crate::validate::Judge>,
}

impl Shared {
    pub(crate) fn new(state: State) -> Shared {
        Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            recorded: watch::Sender::new(0),
            #[cfg(feature = "validate")]
            judge: None,
        }
    }

    /// With the judge that the configuration asks for.
    #[cfg(feature = "validate")]
    pub(crate) fn judged(mut self, config: &SandboxConfig) -> std::io::Result<Shared> {
        self.judge = crate::validate::Judge::of(config)?;
        Ok(self)
    }

    /// A payload that the sandbox sends of its own accord goes out, still uncompressed.
    #[cfg_attr(not(feature = "validate"), expect(clippy::unused_self, reason = "only what is judged is looked at"))]
    pub(crate) fn sends(&self, payload: &Utf8Bytes) {
        #[cfg(feature = "validate")]
        if let Some(judge) = &self.judge {
            judge.take_payload(payload);
        }
        #[cfg(not(feature = "validate"))]
        let _unjudged = payload;
    }

    /// Takes one turn: everything `act` causes is sent and noted before anybody else has a turn.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        state.now_ms = state.held_ms.unwrap_or_else(unix_ms);
        let result = act(&mut state);
        state.settle();
        let recorded = state.journal.recorded;
        drop(state);
        self.changed.notify_all();
        self.recorded.send_if_modified(|last| std::mem::replace(last, recorded) != recorded);
        result
    }

    pub(crate) fn refuses_connection(&self) -> bool {
        self.with(|state| {
            let refused = state.standing.refuse_connections > 0;
            state.standing.refuse_connections = state.standing.refuse_connections.saturating_sub(1);
            refused
        })
    }

    /// Blocks until `seen` gives something or the time is over. Looked at after every turn.
    pub(crate) fn wait<R>(&self, within: Duration, mut seen: impl FnMut(&State) -> Option<R>) -> Option<R> {
        let deadline = Instant::now() + within;
        let mut state = self.lock();
        loop {
            if let Some(found) = seen(&state) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Tells how many events were recorded, for waiting in async code.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.recorded.subscribe()
    }

    /// A poisoned lock is taken all the same: a panic in one turn must not make every other test fail.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The clock of the sandbox unless it is held: the wall clock in Unix milliseconds.
fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
