//! The wire: one request out, one bounded answer in.
//!
//! Connections are kept and used again: over loopback, 1,000 requests one after another open 2 or 3 of them, 50 callers
//! side by side 50 to 66 (a connection is back in the pool a moment after its answer, and who asks within that moment
//! opens another). At Discord's 50 requests a second and 100 ms an answer, about 5 are in use. HTTP/2 would carry all of
//! them on one, and is not built in: it would save handshakes in the first burst only, one lost packet would hold every
//! answer, and one lost connection would leave every outcome unknown at once.

use crate::answer::Answer;
use protocol::BoxFuture;
use reqwest::{Client, Request, redirect::Policy};
use std::{error::Error, time::Duration};

/// Largest answer that is read, after decompression, in bytes.
pub(crate) const BODY_MAX: usize = 8 * 1024 * 1024;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: a new one costs a quiet bot two to three round trips before its answer. Routers
/// and load balancers forget connections after 350 s and Discord's edge closes them after 400 s; this stays below both,
/// so that no request is written to a connection that the other side has given up.
const IDLE_TIMEOUT: Duration = Duration::from_secs(240);
/// How often an idle connection is probed, so that one whose other side is gone is closed before it is used.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Idle connections kept; more than the requests of one second are never needed.
const IDLE_MAX: usize = 64;
/// Discord asks for this form: `DiscordBot ($url, $version)`.
const USER_AGENT: &str = concat!("DiscordBot (impresario, ", env!("CARGO_PKG_VERSION"), ")");

/// Why there is no answer. The reasons name no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// No connection could be made: it was certainly not carried out.
    NotSent(String),
    /// The connection broke: it may have been carried out.
    Lost(String),
    /// The answer is larger than [`BODY_MAX`].
    TooLarge,
}

/// Carries requests.
pub(crate) trait Transport: Send + Sync + 'static {
    fn carry(&self, request: Request) -> BoxFuture<'_, Result<Answer, Broken>>;
}

/// A client that speaks HTTP/1.1, follows no redirect, uses no proxy from the environment and never waits for a connection for ever.
pub(crate) fn client() -> Result<Client, String> {
    Client::builder()
        .use_rustls_tls()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_MAX)
        .tcp_keepalive(KEEPALIVE)
        .tcp_nodelay(true)
        .user_agent(USER_AGENT)
        .build()
        .map_err(|error| format!("the HTTP client cannot be made: {}", chain(error.without_url())))
}

impl Transport for Client {
    fn carry(&self, request: Request) -> BoxFuture<'_, Result<Answer, Broken>> {
        let sent = self.execute(request);
        Box::pin(async move {
            let mut response = sent.await.map_err(broken)?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let mut body = Vec::new();
            while let Some(chunk) = response.chunk().await.map_err(broken)? {
                if body.len() + chunk.len() > BODY_MAX {
                    return Err(Broken::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, headers, body })
        })
    }
}

fn broken(error: reqwest::Error) -> Broken {
    let not_sent = error.is_connect() || error.is_builder();
    let reason = chain(error.without_url());
    if not_sent { Broken::NotSent(reason) } else { Broken::Lost(reason) }
}

/// The error with its causes: reqwest's own sentence names none.
fn chain(error: reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
