//! The listener's routes: `/metrics` and the probes. Everything is answered from snapshots, on the control plane.

mod host;
mod listener;

pub use listener::{CONNECTIONS_MAX, IDLE, LIFETIME};

use crate::{
    health::{Health, Verdict},
    recorder::Exporter,
};
use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use host::AllowedHosts;
use listener::Bounded;
use serde_json::json;
use std::{future::Future, io, net::SocketAddr, sync::Arc};
use tokio::net::TcpListener;

/// What the routes answer from.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) exporter: Exporter,
    pub(crate) health: Arc<dyn Health>,
}

/// A listener that is bound and not served yet.
pub(crate) struct Bound {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    hosts: AllowedHosts,
}

/// Binds `listen` on the runtime that polls this.
pub(crate) async fn bind(listen: &str) -> io::Result<Bound> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    Ok(Bound { listener, address, hosts: AllowedHosts::new(listen, address) })
}

/// Serves until `end` resolves, then finishes the answers under way.
pub(crate) async fn serve(
    bound: Bound,
    sources: Sources,
    end: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = router(sources, bound.hosts);
    axum::serve(Bounded::new(bound.listener), router).with_graceful_shutdown(end).await
}

fn router(sources: Sources, hosts: AllowedHosts) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|State(sources): State<Sources>| async move { probe(|| sources.health.live()) }))
        .route("/readyz", get(|State(sources): State<Sources>| async move { probe(|| sources.health.ready()) }))
        .route("/healthz", get(|State(sources): State<Sources>| async move { probe(|| sources.health.ready()) }))
        .route("/startupz", get(|State(sources): State<Sources>| async move { probe(|| sources.health.started()) }))
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "there is no such page") })
        .layer(middleware::from_fn(move |request: Request, next: Next| guard(hosts.clone(), request, next)))
        .with_state(sources)
}

/// Refuses foreign hosts and everything but GET, before any route sees it.
async fn guard(hosts: AllowedHosts, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let one_host = request.headers().get_all(header::HOST).iter().count() == 1;
    let authority = request.uri().authority().is_none_or(|authority| hosts.admit(authority.as_str()));
    let mut response = if !(one_host && authority && hosts.admit(host)) {
        refusal(StatusCode::MISDIRECTED_REQUEST, "this host is not answered for; use the listener's address")
    } else if request.method() != Method::GET {
        let mut refused = refusal(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered");
        refused.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
        refused
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn metrics(State(sources): State<Sources>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], sources.exporter.render()).into_response()
}

/// 200 or 503 with the verdict; a probe that panics fails.
fn probe(ask: impl FnOnce() -> Verdict) -> Response {
    let verdict = supervision::guarded_sync(ask)
        .unwrap_or_else(|exit| Verdict::fail(json!({ "reason": format!("the probe itself failed: {exit}") })));
    let status = if verdict.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(verdict)).into_response()
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "error": error }))).into_response()
}
