//! The actor `rest`: owns the client and its connections; its death makes every call fail at once, its rebirth mends it.

use crate::{
    conduct::Notice,
    config::Access,
    handle::Rest,
    hosts,
    keep::{Keeper, Past},
    live::{Live, Shared},
    wire::Wire,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use supervision::{
    Actor, Addr, AdminCall, AdminError, AdminSpec, Backoff, ChildSpec, Criticality, Ctx, Failure, Intensity, Kind,
    Message, Policy, Role,
};
use tokio::time::Instant;

/// Its place in the tree.
pub const PATH: &str = "rest";
/// Notices that may wait.
const MAILBOX: usize = 64;
/// How long `ping` waits for Discord; less than an admin message may take.
const PING_DEADLINE: Duration = Duration::from_secs(4);
/// While the token is refused, there is nothing to retry.
const TOKEN_RETRY: Duration = Duration::from_secs(3600);

/// What the handles tell the actor.
#[derive(Debug)]
pub(crate) enum RestMsg {
    /// Something an operator has to hear of.
    Notice(Notice),
    /// A silence may be over.
    Recheck,
}

impl Message for RestMsg {
    fn name(&self) -> &'static str {
        match self {
            Self::Notice(_) => "Notice",
            Self::Recheck => "Recheck",
        }
    }
}

/// Owns the HTTP client.
pub(crate) struct RestActor {
    shared: Arc<Shared>,
    access: Access,
    published: Option<Arc<Live>>,
}

/// The handle and the supervised child behind it: important, five restarts a minute, then parked with slow retries. The
/// handle goes on where `past` ends.
pub fn child(config: crate::RestConfig, access: Access, past: Past) -> (Rest, ChildSpec) {
    let addr = Addr::new(PATH, MAILBOX);
    let shared = Shared::new(config, addr.clone(), past);
    let rest = Rest { shared: Arc::clone(&shared) };
    let make = move || RestActor { shared: Arc::clone(&shared), access: access.clone(), published: None };
    (rest, ChildSpec::worker(&addr, make).with(|declared| *declared = policy()))
}

/// The rules that it is declared with.
pub fn policy() -> Policy {
    Policy {
        criticality: Criticality::Important,
        required: false,
        budget: Some(Intensity::new(5, Duration::from_secs(60))),
        retry_parked: Some(Backoff::doubling(Duration::from_secs(30), Duration::from_secs(600))),
        ..Policy::new(PATH, Kind::Worker)
    }
}

impl Actor for RestActor {
    type Msg = RestMsg;

    async fn start(&mut self, ctx: &Ctx<Self>) -> Result<(), Failure> {
        let base = hosts::admitted(&self.access.api_base, &self.access.allow_hosts).map_err(Failure::fatal)?;
        let wire = Arc::new(Wire::new(&base).map_err(Failure::fatal)?);
        let live =
            Live::new(ctx.incarnation(), &base, &self.access.token, Arc::clone(&wire) as _).map_err(Failure::fatal)?;
        let live = Arc::new(live);
        self.shared.forget_unauthorized();
        self.published = Some(Arc::clone(&live));
        self.shared.live.store(Some(live));
        ctx.spawn(Arc::clone(&self.shared.gate).drive());
        ctx.spawn(async move { wire.tidy().await });
        ctx.spawn(Keeper::run(Arc::clone(&self.shared)));
        self.recheck(ctx);
        Ok(())
    }

    async fn handle(&mut self, message: RestMsg, ctx: &Ctx<Self>) -> Result<(), Failure> {
        if let RestMsg::Notice(notice) = message {
            notice.log();
        }
        self.recheck(ctx);
        Ok(())
    }

    async fn stop(&mut self, _: &Ctx<Self>) {
        Keeper::finish(Arc::clone(&self.shared)).await;
    }

    fn admin_messages() -> Vec<AdminSpec> {
        vec![
            AdminSpec::new("status", Role::Observe, "shows admission, breaker, stops and counts"),
            AdminSpec::new("ping", Role::Observe, "measures a round trip to Discord's API"),
            AdminSpec::new("reset_breaker", Role::Admin, "forgets invalid answers, stops and remembered refusals"),
        ]
    }

    async fn admin(&mut self, call: AdminCall, ctx: &Ctx<Self>) -> Result<Value, AdminError> {
        let rest = Rest { shared: Arc::clone(&self.shared) };
        match call.name.as_str() {
            "status" => serde_json::to_value(rest.status()).map_err(AdminError::refused),
            "ping" => {
                let took = rest.ping(PING_DEADLINE).await.map_err(AdminError::refused)?;
                Ok(json!({ "round_trip_ms": took.as_secs_f64() * 1e3 }))
            }
            "reset_breaker" => {
                self.shared.reset();
                self.recheck(ctx);
                Ok(json!({ "reset": true }))
            }
            _ => Err(call.unknown(&Self::admin_messages())),
        }
    }
}

impl RestActor {
    /// Says whether the client can work, and looks again when a silence ends.
    fn recheck(&self, ctx: &Ctx<Self>) {
        let now = Instant::now();
        let (unauthorized, breaker, silence, from_before) = {
            let conduct = self.shared.conduct();
            let silences = (conduct.breaker.silence(now), conduct.silence(now), conduct.silence_from_before(now));
            (conduct.is_unauthorized(), silences.0, silences.1, silences.2)
        };
        match (unauthorized, silence) {
            (true, _) => ctx.unavailable("Discord refuses the bot's token", TOKEN_RETRY),
            (false, Some(silence)) => {
                let reason = match (breaker.is_some(), from_before.is_some()) {
                    (true, false) => "too many invalid answers",
                    (true, true) => "too many invalid answers, since before this process",
                    (false, false) => "Discord's edge limits this address",
                    (false, true) => "Discord's edge limits this address, since before this process",
                };
                ctx.unavailable(reason, silence);
                ctx.send_after(silence, RestMsg::Recheck);
            }
            (false, None) => ctx.available(),
        }
    }
}

impl Drop for RestActor {
    fn drop(&mut self) {
        if let Some(live) = &self.published {
            self.shared.withdraw(live.incarnation);
            live.gone.cancel();
        }
    }
}

impl Notice {
    /// One line for the log.
    pub(crate) fn log(self) {
        match self {
            Self::TokenRefused => tracing::error!(path = PATH, "Discord refuses the bot's token; nothing more is sent"),
            Self::BreakerOpened { invalid } => tracing::error!(
                path = PATH,
                invalid,
                "too many invalid answers within 10 minutes; nothing is sent but a probe now and then"
            ),
            Self::BreakerClosed => tracing::info!(path = PATH, "a probe was answered; requests flow again"),
            Self::Gone { kind, id } => tracing::warn!(
                path = PATH,
                kind,
                id,
                "Discord knows this no more; requests to it fail here for an hour without being sent"
            ),
            Self::Missing { method, route } => tracing::warn!(
                path = PATH,
                method,
                route = &*route,
                "Discord forbade this for one target after the other, so the bot seems to lack the permission: such requests \
                 fail here, but for one now and then, until one succeeds or permissions change"
            ),
            Self::Stopped { until, edge } => {
                let silence_ms = u64::try_from(until.saturating_duration_since(Instant::now()).as_millis());
                let silence_ms = silence_ms.unwrap_or(u64::MAX);
                tracing::warn!(path = PATH, edge, silence_ms, "Discord wants silence from the whole bot");
            }
        }
    }
}
