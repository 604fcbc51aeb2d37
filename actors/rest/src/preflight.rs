//! One request before anything is started: is the token good, and whose is it?

use crate::{
    answer::Answer,
    application::ApplicationInfo,
    conduct::{Target, Verdict, breaker::Pass},
    config::Access,
    handle::Rest,
    hosts,
    live::Shared,
    transport::{Arrival, Broken, Outgoing, Transport},
    wire::Wire,
};
use reqwest::{
    Method,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long the answer may take; boot goes on without one.
pub const PREFLIGHT_DEADLINE: Duration = Duration::from_secs(5);

/// How long the body of any other answer than a good one is waited for.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(1);

/// What Discord says of the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preflight {
    /// It is good.
    Accepted {
        /// Whose it is.
        application: ApplicationInfo,
    },
    /// It is refused (401): nothing will work with it.
    Refused,
    /// Nobody knows: any other answer, or none. One sentence says why; boot goes on.
    Unknown(String),
}

impl Rest {
    /// Asks Discord whose token it is: one request, no retry, [`PREFLIGHT_DEADLINE`] at most. It works before the actor
    /// does. In a silence that the process before has left nothing is asked.
    pub async fn preflight(&self, access: &Access) -> Preflight {
        let pass = match self.shared.admit(&Target::PLAIN) {
            Verdict::Go(pass) => pass,
            Verdict::No(error) => return Preflight::Unknown(error.to_string()),
            Verdict::Wait(until) => {
                let left = until.saturating_duration_since(Instant::now()).as_secs();
                return Preflight::Unknown(format!("Discord's edge limits this address: nothing is sent for {left} s"));
            }
        };
        let asked = timeout(PREFLIGHT_DEADLINE, ask(&self.shared, access, pass)).await;
        asked
            .unwrap_or_else(|_elapsed| Err(format!("no answer within {} s", PREFLIGHT_DEADLINE.as_secs())))
            .unwrap_or_else(Preflight::Unknown)
    }
}

async fn ask(shared: &Shared, access: &Access, pass: Pass) -> Result<Preflight, String> {
    let base = hosts::admitted(&access.api_base, &access.allow_hosts)?;
    let path = format!("{}/oauth2/applications/@me", base.path().trim_end_matches('/'));
    let mut authorization = HeaderValue::from_str(&format!("Bot {}", access.token.expose()))
        .map_err(|_| "the token holds characters that no token has".to_owned())?;
    authorization.set_sensitive(true);
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
    let asked = Outgoing { method: Method::GET, path, headers, body: None };
    let wire = Wire::new(&base)?;
    let Arrival { status, headers, body } = wire.carry(asked).await.map_err(Broken::reason)?;
    if status == 401 {
        return Ok(Preflight::Refused); // whatever becomes of its body; the process ends with it
    }
    let mut answer = Answer { status, headers, body: Vec::new(), body_lost: true };
    // What is refused counts by its head, whatever becomes of the body: it must be learned from before the deadline.
    let limit = if status == 200 { PREFLIGHT_DEADLINE } else { REFUSAL_DEADLINE };
    let body = timeout(limit, body).await.unwrap_or_else(|_elapsed| Err(Broken::Lost("its body stalled".to_owned())));
    let body = body.map(|body| (answer.body, answer.body_lost) = (body, false));
    shared.observe(Instant::now(), &Target::PLAIN, pass, &answer.seen());
    match status {
        200 => {
            body.map_err(Broken::reason)?;
            let application = answer.parse("applications/@me").map_err(|error| error.to_string())?;
            Ok(Preflight::Accepted { application })
        }
        status => Err(format!("Discord answered {status}")),
    }
}
