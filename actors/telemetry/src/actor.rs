//! The actor: keeps the listener up and the recorder tidy.

use crate::{
    Shared,
    http::{self, Bound, Sources},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::{io, sync::Arc, time::Duration};
use supervision::{Actor, AdminCall, AdminError, AdminSpec, Ctx, Failure, Message, Role};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// How often the recorder folds what histograms gathered.
pub const UPKEEP: Duration = Duration::from_secs(5);
/// How long after a failure the address is tried again.
pub const BIND_RETRY: Duration = Duration::from_secs(30);
/// How long resolving and binding the address may take.
const BIND_LIMIT: Duration = Duration::from_secs(3);
/// The socket of an incarnation before this one may close a little late: so many tries, so far apart, stay unmentioned.
const QUIET_TRIES: u32 = 5;
const QUIET_PAUSE: Duration = Duration::from_millis(100);
/// How long `flush` waits for the reports, and then for the log.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// How long a stop waits for answers under way.
const SERVE_END: Duration = Duration::from_secs(1);

/// Keeps the listener up and the recorder tidy.
pub(crate) struct TelemetryActor {
    pub(crate) shared: Arc<Shared>,
    server: Option<Server>,
    tries: u32,
}

struct Server {
    end: CancellationToken,
    task: AbortOnDropHandle<()>,
}

/// What it tells itself.
pub(crate) enum TelemetryMsg {
    Upkeep,
    Bind,
    Bound(Box<io::Result<Bound>>),
    ServerEnded(String),
}

impl Message for TelemetryMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Upkeep => "Upkeep",
            Self::Bind => "Bind",
            Self::Bound(_) => "Bound",
            Self::ServerEnded(_) => "ServerEnded",
        }
    }
}

/// What `tell telemetry status` answers.
#[derive(Debug, Serialize, JsonSchema)]
struct Status {
    /// The configured address; empty: none.
    listen: String,
    /// The address that is listened on now; none while it cannot be had.
    address: Option<String>,
    /// Whether failure reports are sent.
    reports: bool,
    /// Failures of the instrumentation that were swallowed.
    swallowed: u64,
    /// Metrics that reached their bound of label sets.
    capped: Vec<String>,
}

/// What `tell telemetry flush` answers.
#[derive(Debug, Serialize)]
struct Flushed {
    reports: bool,
    log: bool,
}

impl Actor for TelemetryActor {
    type Msg = TelemetryMsg;

    /// Tries the address once, so that the probes answer while the rest of the tree comes up. It never fails: a bot
    /// without a listener is better than none.
    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        ctx.send_after(UPKEEP, TelemetryMsg::Upkeep);
        ctx.spawn(self.shared.lag.clone().watch());
        ctx.spawn(Arc::clone(&self.shared.memory).watch());
        if !self.shared.config.listen.is_empty() {
            let bound = self.binding().await;
            self.bound(bound, ctx);
        }
        Ok(())
    }

    async fn handle(&mut self, message: TelemetryMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            TelemetryMsg::Upkeep => {
                self.shared.exporter.upkeep();
                ctx.send_after(UPKEEP, TelemetryMsg::Upkeep);
            }
            TelemetryMsg::Bind => {
                let (binding, me) = (self.binding(), ctx.me());
                ctx.spawn(async move {
                    me.send(TelemetryMsg::Bound(Box::new(binding.await))).await.ok(); // only when it is gone already
                });
            }
            TelemetryMsg::Bound(bound) => self.bound(*bound, ctx),
            TelemetryMsg::ServerEnded(reason) => {
                self.server = None;
                self.shared.address.store(None);
                tracing::warn!(path = %ctx.path(), reason, "the telemetry listener ended; it is opened anew");
                ctx.send_after(BIND_RETRY, TelemetryMsg::Bind);
            }
        }
        Ok(())
    }

    async fn stop(&mut self, ctx: &Ctx<Self>) {
        self.shared.address.store(None);
        let Some(mut server) = self.server.take() else { return };
        server.end.cancel();
        if timeout(SERVE_END, &mut server.task).await.is_err() {
            tracing::debug!(path = %ctx.path(), "connections to the telemetry listener were cut off");
        }
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new(
                "status",
                Role::Observe,
                "Shows the listener, the reports and what was swallowed or capped.",
            ),
            AdminSpec::new("flush", Role::Operate, "Delivers the failure reports under way and writes the log out."),
        ]
    }

    async fn admin(&mut self, call: AdminCall, _: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "status" => serde_json::to_value(self.status()).map_err(AdminError::refused),
            "flush" => serde_json::to_value(self.flush().await).map_err(AdminError::refused),
            _ => Err(call.unknown(&Self::admin_messages())),
        }
    }
}

impl TelemetryActor {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, server: None, tries: 0 }
    }

    /// Binds on the control plane: the socket must be served while data-plane workers are stuck.
    fn binding(&self) -> impl Future<Output = io::Result<Bound>> + Send + use<> {
        let listen = self.shared.config.listen.clone();
        let task = self.shared.planes.control.spawn(async move {
            timeout(BIND_LIMIT, http::bind(&listen)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
        let task = AbortOnDropHandle::new(task);
        async move { task.await.unwrap_or_else(|cancelled| Err(io::Error::other(cancelled))) }
    }

    fn bound(&mut self, bound: io::Result<Bound>, ctx: &Ctx<Self>) {
        match bound {
            Ok(bound) => self.serve(bound, ctx),
            Err(error) => {
                self.tries += 1;
                let pause = if self.tries < QUIET_TRIES { QUIET_PAUSE } else { BIND_RETRY };
                if self.tries == QUIET_TRIES {
                    tracing::warn!(
                        path = %ctx.path(),
                        address = %self.shared.config.listen,
                        error = %error,
                        retry_s = BIND_RETRY.as_secs(),
                        "metrics and probes are not served: the address cannot be had; free it or set [telemetry].listen \
                         (empty: none); the bot runs without"
                    );
                }
                ctx.send_after(pause, TelemetryMsg::Bind);
            }
        }
    }

    fn serve(&mut self, bound: Bound, ctx: &Ctx<Self>) {
        let address = bound.address;
        let sources = Sources { exporter: self.shared.exporter.clone(), health: Arc::clone(&self.shared.health) };
        let (end, me) = (CancellationToken::new(), ctx.me());
        let ended = end.clone();
        let task = self.shared.planes.control.spawn(async move {
            let served = http::serve(bound, sources, ended.clone().cancelled_owned()).await;
            if !ended.is_cancelled() {
                let reason = served.err().map_or_else(|| "it ended by itself".to_owned(), |error| error.to_string());
                me.send(TelemetryMsg::ServerEnded(reason)).await.ok(); // only when the actor is gone already
            }
        });
        self.server = Some(Server { end, task: AbortOnDropHandle::new(task) });
        self.tries = 0;
        self.shared.address.store(Some(Arc::new(address)));
        tracing::info!(path = %ctx.path(), address = %address, "metrics and probes are served");
        if !address.ip().is_loopback() {
            tracing::warn!(
                path = %ctx.path(),
                address = %address,
                "metrics and probes are served to other machines, without a password"
            );
        }
    }

    fn status(&self) -> Status {
        Status {
            listen: self.shared.config.listen.clone(),
            address: self.shared.address.load().as_deref().map(ToString::to_string),
            reports: self.shared.capture.is_enabled(),
            swallowed: metering::instrumentation::failures(),
            capped: self.shared.exporter.capped().into_iter().map(|capped| capped.metric).collect(),
        }
    }

    async fn flush(&self) -> Flushed {
        let reports = self.shared.capture.flush(FLUSH_LIMIT).await;
        let log = match self.shared.log.clone() {
            Some(log) => tokio::task::spawn_blocking(move || log.flush(FLUSH_LIMIT)).await.unwrap_or(false),
            None => true,
        };
        Flushed { reports, log }
    }
}
