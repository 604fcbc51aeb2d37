//! The handle: what the rest of the bot holds of the HTTP client.

use crate::{
    answer::Answer,
    application::ApplicationInfo,
    call::Call,
    config::{Access, RestConfig},
    error::RestError,
    execute::execute,
    hosts,
    keep::Past,
    live::{Live, Shared},
    send::Send,
    status::RestStatus,
    transport,
    wire::Wire,
};
use serde::de::DeserializeOwned;
use serenity::{
    http::{LightMethod, Request, Route},
    model::id::{ChannelId, GuildId},
};
use std::{fmt, sync::Arc, time::Duration};
use supervision::Addr;
use tokio::{sync::watch, time::Instant};

/// Sends requests to Discord. Cloning is cheap; every clone shares admission, breaker and limits.
///
/// It survives restarts of the actor behind it: while that is down, calls fail with [`RestError::Unavailable`].
#[derive(Clone)]
pub struct Rest {
    pub(crate) shared: Arc<Shared>,
}

impl Rest {
    /// A client without a tree, for commands that run beside no instance. Needs a tokio runtime; it works until it is
    /// dropped.
    ///
    /// # Errors
    /// One sentence: the host is not allowed, or the token is no header.
    pub fn standalone(config: RestConfig, access: &Access) -> Result<Self, String> {
        let base = hosts::admitted(&access.api_base, &access.allow_hosts)?;
        let wire = Arc::new(Wire::new(&base)?);
        let rest = Self::connect(config, access, Arc::clone(&wire) as _, Past::none())?;
        if let Some(live) = &*rest.shared.live.load() {
            let gone = live.gone.clone();
            tokio::spawn(async move { gone.run_until_cancelled(wire.tidy()).await });
        }
        Ok(rest)
    }

    pub(crate) fn connect(
        config: RestConfig,
        access: &Access,
        carrier: Arc<dyn transport::Transport>,
        past: Past,
    ) -> Result<Self, String> {
        let base = hosts::admitted(&access.api_base, &access.allow_hosts)?;
        let live = Live::new(1, &base, &access.token, carrier)?;
        let shared = Shared::new(config, Addr::new(crate::PATH, 1), past);
        let (gate, gone) = (Arc::clone(&shared.gate), live.gone.clone());
        tokio::spawn(async move {
            gone.run_until_cancelled_owned(gate.drive()).await;
        });
        shared.live.store(Some(Arc::new(live)));
        Ok(Self { shared })
    }

    /// Sends a request that serenity made, and reads the answer as `T` (`()` for answers without a body).
    /// Mentions are closed in it and nonces set like in any other; requests with attachments are refused.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn request<T: DeserializeOwned>(&self, request: Request<'_>, send: Send) -> Result<T, RestError> {
        let live = self.shared.live()?;
        let call = Call::of(request, &live.builder)?;
        drop(live);
        self.run(call, send).await
    }

    /// How long Discord takes to answer the cheapest request, waiting for admission included.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn ping(&self, deadline: Duration) -> Result<Duration, RestError> {
        let began = Instant::now();
        let call = Call::new(LightMethod::Get, Route::Gateway)?;
        self.answer(call, Send::default().within(deadline)).await?;
        Ok(began.elapsed())
    }

    /// Forgets what was forbidden below `scope` (`guilds/1` or `channels/2`): permissions have changed there.
    pub fn forget_refusals(&self, scope: &str) {
        self.shared.conduct().refusals.forget(scope);
    }

    /// Forgets what was forbidden in `guild` and in `channels`, its channels and threads: a role, a channel's overwrites or
    /// the bot's own roles have changed, so what was refused before may be allowed now. A path of a channel does not say
    /// which guild it is in, so the caller names them.
    pub fn permissions_changed(&self, guild: GuildId, channels: impl IntoIterator<Item = ChannelId>) {
        let channels = channels.into_iter().map(ChannelId::get).collect();
        self.shared.conduct().refusals.permissions_changed(guild.get(), &channels);
    }

    /// Whether Discord refuses the token (401), and every change of that. Whoever holds a session with the same token is
    /// to end it: no request is sent until the client is restarted with another.
    pub fn token_refused(&self) -> watch::Receiver<bool> {
        self.shared.token_refused()
    }

    /// Its state, without asking the actor.
    pub fn status(&self) -> RestStatus {
        RestStatus::read(&self.shared)
    }

    /// The application, asked for once and kept.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn current_application(&self) -> Result<ApplicationInfo, RestError> {
        if let Some(known) = self.shared.application.get() {
            return Ok(known.clone());
        }
        let info: ApplicationInfo =
            self.run(Call::new(LightMethod::Get, Route::Oauth2ApplicationCurrent)?, Send::default()).await?;
        Ok(self.shared.application.get_or_init(|| info).clone())
    }

    pub(crate) async fn run<T: DeserializeOwned>(&self, call: Call, send: Send) -> Result<T, RestError> {
        let pattern = call.pattern.clone();
        self.answer(call, send).await?.parse(&pattern)
    }

    pub(crate) async fn answer(&self, call: Call, send: Send) -> Result<Answer, RestError> {
        execute(&self.shared, call, &send).await
    }
}

impl fmt::Debug for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rest").field("available", &self.shared.live.load().is_some()).finish_non_exhaustive()
    }
}
