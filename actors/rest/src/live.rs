//! What an incarnation of the actor publishes, and what outlives it.

use crate::{
    actor::RestMsg,
    application::ApplicationInfo,
    conduct::{Conduct, Notice, Seen, Target, Verdict, breaker::Pass},
    config::RestConfig,
    error::RestError,
    gate::Gate,
    keep::{Keeper, Past},
    transport::Transport,
};
use arc_swap::ArcSwapOption;
use protocol::Secret;
use reqwest::{Client, Url, header::HeaderValue};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::Addr;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

/// When to try again while the actor is being restarted.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Shared by every handle: what a restart must not forget, and the way to the running incarnation.
pub(crate) struct Shared {
    pub(crate) config: RestConfig,
    pub(crate) addr: Addr<RestMsg>,
    pub(crate) live: ArcSwapOption<Live>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) application: OnceLock<ApplicationInfo>,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) sent: AtomicU64,
    pub(crate) keeper: Keeper,
    conduct: Mutex<Conduct>,
    token_refused: watch::Sender<bool>,
}

/// What one incarnation owns: the client and its connections.
pub(crate) struct Live {
    pub(crate) incarnation: u64,
    /// The path of the API's base, without a trailing slash.
    pub(crate) base: String,
    pub(crate) authorization: HeaderValue,
    pub(crate) transport: Arc<dyn Transport>,
    /// Makes serenity's requests readable; sends nothing.
    pub(crate) builder: Client,
    /// Fires when the incarnation ends: what it had under way is cut off.
    pub(crate) gone: CancellationToken,
}

impl Live {
    pub(crate) fn new(
        incarnation: u64,
        base: &Url,
        token: &Secret,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, String> {
        let mut authorization = HeaderValue::from_str(&format!("Bot {}", token.expose()))
            .map_err(|_| "the token holds characters that no token has".to_owned())?;
        authorization.set_sensitive(true);
        let base = base.path().trim_end_matches('/').to_owned();
        let builder =
            Client::builder().no_proxy().build().map_err(|error| format!("no HTTP client can be made: {error}"))?;
        Ok(Self { incarnation, base, authorization, transport, builder, gone: CancellationToken::new() })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}

impl Shared {
    pub(crate) fn new(config: RestConfig, addr: Addr<RestMsg>, past: Past) -> Arc<Self> {
        let mut conduct = Conduct::new(&config);
        let keeper = Keeper::new(past, &mut conduct);
        Arc::new(Self {
            addr,
            live: ArcSwapOption::empty(),
            gate: Arc::new(Gate::new(config.global_per_second)),
            application: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            sent: AtomicU64::new(0),
            keeper,
            conduct: Mutex::new(conduct),
            token_refused: watch::Sender::new(false),
            config,
        })
    }

    /// The running incarnation.
    pub(crate) fn live(&self) -> Result<Arc<Live>, RestError> {
        self.live.load_full().ok_or(RestError::Unavailable { retry_after: RETRY_AFTER })
    }

    pub(crate) fn gone() -> RestError {
        RestError::Unavailable { retry_after: RETRY_AFTER }
    }

    /// Withdraws what `incarnation` has published, unless a newer one has taken over.
    pub(crate) fn withdraw(&self, incarnation: u64) {
        self.live.rcu(|live| live.clone().filter(|live| live.incarnation != incarnation));
    }

    /// Whether Discord refuses the token, and every change of that.
    pub(crate) fn token_refused(&self) -> watch::Receiver<bool> {
        self.token_refused.subscribe()
    }

    /// A new incarnation may have a new token.
    pub(crate) fn forget_unauthorized(&self) {
        self.conduct().forget_unauthorized();
        self.token_refused.send_replace(false);
    }

    pub(crate) fn conduct(&self) -> MutexGuard<'_, Conduct> {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a request whose turn it is; a `Go` must be followed by sending it, and that by [`Self::ended`].
    pub(crate) fn admit(&self, target: &Target<'_>) -> Verdict {
        let verdict = self.conduct().admit(Instant::now(), target);
        if matches!(verdict, Verdict::Go(Pass { probe: true })) {
            self.keeper.wake();
        }
        verdict
    }

    /// Takes an answer, and tells of it whoever has to know.
    pub(crate) fn observe(&self, now: Instant, target: &Target<'_>, pass: Pass, seen: &Seen) {
        let (notices, due) = {
            let mut conduct = self.conduct();
            let notices = conduct.observe(now, target, pass, seen);
            (notices, conduct.saving.due(now))
        };
        if due.is_some() {
            self.keeper.wake();
        }
        self.tell(notices);
    }

    /// A request that was let through is under way no more, whatever became of it.
    pub(crate) fn ended(&self, target: &Target<'_>) {
        let notice = self.conduct().ended(Instant::now(), target);
        self.tell(notice.into_iter().collect());
    }

    /// An operator has mended the cause.
    pub(crate) fn reset(&self) {
        self.conduct().reset();
        self.keeper.wake();
    }

    /// Tells the actor, which logs it and says whether the client can work.
    fn tell(&self, notices: Vec<Notice>) {
        for notice in notices {
            if notice == Notice::TokenRefused {
                self.token_refused.send_replace(true);
            }
            if self.addr.try_send(RestMsg::Notice(notice.clone())).is_err() {
                notice.log();
            }
        }
    }

    /// Counts a request as under way until the guard is dropped.
    pub(crate) fn under_way(self: &Arc<Self>) -> UnderWay {
        self.in_flight.fetch_add(1, Relaxed);
        self.sent.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }
}

pub(crate) struct UnderWay(Arc<Shared>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
