//! The actor at the path `control`: accepts connections and serves each in a task on the control plane.
//!
//! Its restart loses nothing but idle connections: the socket outlives it, so clients that come meanwhile wait in the
//! listener's queue, and answers under way have [`STOP_GRACE`] to get out.

use crate::{
    access::Access,
    audit::Audit,
    config::ControlConfig,
    connection::{self, CALLS_MAX, STOP_GRACE},
    registry::Registry,
    seats::Seats,
    socket::Socket,
    wire::{self, Code},
};
use protocol::{Clock, method::Peer, ports::AuditLog};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{
    Actor, ActorPath, Addr, AdminCall, AdminError, AdminSpec, Backoff, ChildSpec, Criticality, Ctx, Failure, Intensity,
    Kind, Message, Policy, Role, guarded,
};
use tokio::{
    net::{UnixListener, UnixStream},
    runtime::Handle,
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Where the actor stands in the tree.
pub const PATH: &str = "control";
/// Messages that its mailbox admits.
const MAILBOX: usize = 8;
/// How often it looks whether the socket file is still there: so long an operator is locked out when somebody removed it.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long an orderly stop waits for answers under way.
const STOP_WAIT: Duration = Duration::from_millis(200);
/// How long accepting rests after the system refused (out of file descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the actor is made from; all of it outlives its incarnations.
pub struct ControlSetup {
    /// The section `[control]`.
    pub config: ControlConfig,
    /// The bound socket.
    pub socket: Socket,
    /// The methods; rooms may be added later.
    pub registry: Registry,
    /// Who may connect.
    pub access: Access,
    /// Keeps the rows of mutations.
    pub audit: Arc<dyn AuditLog>,
    /// Wall time for the rows.
    pub clock: Arc<dyn Clock>,
    /// The control plane: connections are served there.
    pub plane: Handle,
    /// The program's version, for `hello`.
    pub version: &'static str,
    /// Holds the incarnation that a mutation means against the one that is there.
    pub incarnations: Incarnations,
}

/// Says whether the actor at a path is the incarnation that is meant, else the typed reason.
pub type Incarnations = Arc<dyn Fn(&ActorPath, u64) -> Result<(), AdminError> + Send + Sync>;

/// What every incarnation and every connection shares.
pub(crate) struct Shared {
    pub(crate) config: ControlConfig,
    pub(crate) registry: Registry,
    pub(crate) audit: Audit,
    pub(crate) version: &'static str,
    pub(crate) incarnations: Incarnations,
    /// Calls under way, those included whose caller has hung up.
    pub(crate) calls: Arc<Semaphore>,
    socket: Socket,
    access: Access,
    plane: Handle,
    pub(crate) seats: Seats,
}

/// The channel: makes its supervised actor, and tells the metrics how busy it is. Cloning it shares it.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
}

impl Channel {
    /// A channel on a bound socket; nothing is accepted before [`Channel::child`] runs.
    pub fn new(setup: ControlSetup) -> Self {
        Self { shared: Shared::new(setup) }
    }

    /// The supervised child: important (the bot goes on without it), restarted with a short backoff.
    pub fn child(&self) -> ChildSpec {
        let addr = Addr::new(PATH, MAILBOX);
        let shared = Arc::clone(&self.shared);
        ChildSpec::worker(&addr, move || Control::new(Arc::clone(&shared))).with(|declared| *declared = policy())
    }
}

/// The rules that it is declared with.
pub fn policy() -> Policy {
    Policy {
        criticality: Criticality::Important,
        required: false,
        budget: Some(Intensity::new(10, Duration::from_secs(60))),
        backoff: Some(Backoff::doubling(Duration::from_millis(10), Duration::from_secs(5))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(10), Duration::from_secs(300))),
        ..Policy::new(PATH, Kind::Worker)
    }
}

impl metering::Collector for Channel {
    fn name(&self) -> &'static str {
        PATH
    }

    fn collect(&self, scrape: &metering::Scrape) {
        metering::control::connections(scrape, self.shared.connections_open());
    }
}

/// Messages of the actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlMsg {
    /// Look whether the socket file is still in its place.
    Look,
}

impl Message for ControlMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Look => "look",
        }
    }
}

/// The actor.
pub struct Control {
    shared: Arc<Shared>,
    connections: TaskTracker,
    closing: CancellationToken,
    /// Fires when the audit writer is to let go.
    audited: CancellationToken,
}

impl Control {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connections: TaskTracker::new(),
            closing: CancellationToken::new(),
            audited: CancellationToken::new(),
        }
    }
}

impl Drop for Control {
    /// However the incarnation ends, its connections end too; each has a grace for its last answers.
    fn drop(&mut self) {
        self.closing.cancel();
        self.connections.close();
    }
}

impl Actor for Control {
    type Msg = ControlMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let listener = self.shared.socket.listener()?;
        let (shared, closing, connections) = (Arc::clone(&self.shared), self.closing.clone(), self.connections.clone());
        // The data plane may be stuck one day; whoever wants to know why must still be served.
        let accepting = self.shared.plane.spawn(guarded(async move {
            let listener = UnixListener::from_std(listener)?;
            tokio::select! {
                () = closing.cancelled() => {}
                () = accept(listener, &shared, &closing, &connections) => {}
            }
            Ok::<(), std::io::Error>(())
        }));
        let (closing, me) = (self.closing.clone(), ctx.clone());
        ctx.spawn(async move {
            let ended = accepting.await;
            if !closing.is_cancelled() {
                me.fail(Failure::restart(format_args!("the accept loop ended: {ended:?}")));
            }
        });
        let shared = Arc::clone(&self.shared);
        let until = self.audited.clone();
        ctx.spawn(async move { shared.audit.write(until).await });
        ctx.send_after(LOOK_EVERY, ControlMsg::Look);
        tracing::info!(control.socket = %self.shared.socket.path().display(), "control: listening");
        Ok(())
    }

    async fn handle(&mut self, message: ControlMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        match message {
            ControlMsg::Look => {
                if !self.shared.socket.is_in_place() {
                    return Err(Failure::restart("the socket file has gone: binding anew"));
                }
                ctx.send_after(LOOK_EVERY, ControlMsg::Look);
            }
        }
        Ok(())
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        self.closing.cancel();
        self.connections.close();
        // An order to restart the channel, given over the channel, ends only after the channel has: its connection is
        // not waited for. It outlives this incarnation and has STOP_GRACE for its answer.
        tokio::time::timeout(STOP_WAIT, self.connections.wait()).await.ok();
        self.shared.socket.close();
        self.audited.cancel();
        tokio::time::timeout(STOP_GRACE, self.shared.audit.flush()).await.ok(); // the rows stand in the log as well
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("connections", Role::Observe, "Counts open connections and calls under way."),
            AdminSpec::new("look", Role::Operate, "Looks at once whether the socket file is still in its place."),
        ]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        match call.name.as_str() {
            "connections" => Ok(self.shared.readings()),
            "look" => {
                let in_place = self.shared.socket.is_in_place();
                if !in_place {
                    ctx.fail(Failure::restart("the socket file has gone: binding anew"));
                }
                Ok(json!({"in_place": in_place}))
            }
            _ => Err(call.unknown(&Self::admin_messages())),
        }
    }
}

impl Shared {
    pub(crate) fn new(setup: ControlSetup) -> Arc<Self> {
        let ControlSetup { config, socket, registry, access, audit, clock, plane, version, incarnations } = setup;
        let calls = config.connections_max.saturating_mul(CALLS_MAX as usize).clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            calls: Arc::new(Semaphore::new(calls)),
            seats: Seats::new(config.connections_max),
            audit: Audit::new(audit, clock),
            config,
            registry,
            version,
            incarnations,
            socket,
            access,
            plane,
        })
    }

    #[cfg(test)]
    pub(crate) fn listener(&self) -> std::os::unix::net::UnixListener {
        self.socket.listener().unwrap()
    }

    fn connections_open(&self) -> usize {
        self.seats.taken()
    }

    fn readings(&self) -> Value {
        let calls_max = self.config.connections_max.saturating_mul(CALLS_MAX as usize);
        json!({
            "connections": self.connections_open(),
            "connections_max": self.config.connections_max,
            "calls": calls_max.saturating_sub(self.calls.available_permits()),
            "calls_max": calls_max,
            "socket": self.socket.path(),
        })
    }

    /// The peer and its role, or the line that refuses it.
    fn admit(&self, stream: &UnixStream) -> Result<Peer, String> {
        let refuse = |code, text| Err(wire::failure(Value::Null, code, text, None));
        let Ok(credentials) = stream.peer_cred() else {
            return refuse(Code::Forbidden, "the system does not say who you are".to_owned());
        };
        let Some(role) = self.access.role(credentials.uid()) else {
            tracing::warn!(control.uid = credentials.uid(), "control: a connection of another user was refused");
            return refuse(Code::Forbidden, format!("user {} may not connect", credentials.uid()));
        };
        Ok(Peer { uid: credentials.uid(), pid: credentials.pid(), role })
    }

    /// The line that refuses a connection for want of room.
    fn full(&self) -> String {
        let most = self.config.connections_max;
        let text =
            format!("{most} connections are open already and at work: close one, or raise control.connections_max");
        wire::failure(Value::Null, Code::Limit, text, None)
    }
}

/// Accepts for ever; dropping it ends nothing but the accepting.
pub(crate) async fn accept(
    listener: UnixListener,
    shared: &Arc<Shared>,
    closing: &CancellationToken,
    connections: &TaskTracker,
) {
    let mut well = true;
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                if std::mem::replace(&mut well, false) {
                    tracing::warn!(error = %error, "control: connections wait: they cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if !std::mem::replace(&mut well, true) {
            tracing::info!("control: connections are accepted again");
        }
        let seat =
            shared.admit(&stream).and_then(|peer| Ok((peer, shared.seats.claim().ok_or_else(|| shared.full())?)));
        match seat {
            Ok((peer, claim)) => {
                let (shared, closing) = (Arc::clone(shared), closing.clone());
                connections.spawn(async move {
                    let Some(seat) = claim.seat().await else { return refuse(&stream, shared.full()) };
                    if let Err(panic) = guarded(connection::serve(stream, peer, shared, closing, seat)).await {
                        tracing::error!(error = %panic, "control: a connection panicked");
                    }
                });
            }
            Err(line) => refuse(&stream, line),
        }
    }
}

/// Says why, as a courtesy: nothing of theirs has been read.
fn refuse(stream: &UnixStream, mut line: String) {
    line.push('\n');
    stream.try_write(line.as_bytes()).ok(); // whoever does not listen is not told
}
