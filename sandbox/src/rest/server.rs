//! The REST socket: routing, faults on order, token, rate limits, then the operation.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts, Query, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodFilter, on};
use chrono::DateTime;
use serde_json::json;

use super::broken;
use super::limits::{Asked, Budget, Verdict};
use super::operations::{OPERATIONS, Operation};
use super::request::{Answer, Call, read_body};
use crate::api_error::ApiError;
use crate::events::SandboxEvent;
use crate::faults::RestFault;
use crate::shared::{Shared, State};
use crate::world::ids::Id;

/// The header that says whose fault a 429 is.
const SCOPE: &str = "x-ratelimit-scope";
/// Where API v10 begins.
pub(crate) const API: &str = "/api/v10";
/// Characters of a reason for the audit log.
const REASON_MAX: usize = 512;
/// Bytes of a request; Discord takes 25 MiB with files.
const BODY_MAX: usize = 25 * 1024 * 1024;

/// The router of every implemented operation.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut api = Router::new();
    for operation in OPERATIONS {
        let shared = Arc::clone(&shared);
        let run = move |request: Request| carry_out(operation, Arc::clone(&shared), request);
        api = api.route(&format!("{API}{}", operation.path), on(filter(operation.method), run));
    }
    let (lacking, method) = (Arc::clone(&shared), Arc::clone(&shared));
    api.fallback(move |request: Request| unknown(lacking, request))
        .method_not_allowed_fallback(move |request: Request| unknown(method, request))
}

async fn carry_out(operation: &'static Operation, shared: Arc<Shared>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let shown = shown_path(operation, &parts);
    let (delay, fault) = shared.with(|state| {
        state.journal.count_route(operation.method, operation.path);
        state.standing.take_rest(operation.method, operation.path)
    });
    if let Some(millis) = delay {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let params: Vec<(String, String)> = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => params.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        Err(_) => Vec::new(), // A path that is not UTF-8: the parameters are then refused as no ids.
    };
    let bytes = to_bytes(body, BODY_MAX).await;
    #[cfg(feature = "validate")]
    let sample = shared.judge.is_some().then(|| sample(operation, &parts, &params, bytes.as_ref().ok()));
    let (answer, headers) = shared.with(|state| {
        let turn = Turn { operation, parts: &parts, params, bytes, fault: fault.as_ref() };
        let (answer, mut headers) = turn.take(state);
        date(&mut headers, state);
        // What the proxy answers never reached Discord, and a shared limit is nobody's fault.
        let excused = is_page(&headers) || headers.get(SCOPE).is_some_and(|scope| scope == "shared");
        state.limits.answered(answer.status, excused, state.now_ms);
        let event = SandboxEvent::Request {
            method: operation.method.to_owned(),
            path: shown,
            status: shown_status(&answer, fault.as_ref()),
        };
        state.journal.record(event);
        (answer, headers)
    });
    #[cfg(feature = "validate")]
    if let (Some(judge), Some(mut sample)) = (&shared.judge, sample) {
        sample.status = answer.status;
        sample.answer = (fault.is_none() && !is_page(&headers)).then(|| answer.body.clone());
        judge.take(sample);
    }
    if let Some(fault) = fault {
        return broken::response(&fault, answer, headers);
    }
    response(answer.status, answer.body.map(Body::from), headers)
}

/// The request as it is judged; the answer is still to come.
#[cfg(feature = "validate")]
fn sample(
    operation: &'static Operation,
    parts: &Parts,
    params: &[(String, String)],
    bytes: Option<&Bytes>,
) -> crate::validate::Sample {
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    // A client that writes `%40original` means the route of the first answer.
    let original = params.iter().any(|(name, value)| name == "message_id" && value == "@original");
    let named = |one: &&Operation| one.method == operation.method && one.path.ends_with("/messages/@original");
    let meant = OPERATIONS.iter().find(named).filter(|_| original).unwrap_or(operation);
    crate::validate::Sample {
        method: operation.method,
        template: meant.path,
        params: params.iter().filter(|(_, value)| value != "@original").cloned().collect(),
        query: query(parts),
        content_type: kind.unwrap_or_default().to_owned(),
        body: bytes.map(|bytes| bytes.to_vec()).unwrap_or_default(),
        status: 0,
        answer: None,
    }
}

fn query(parts: &Parts) -> Vec<(String, String)> {
    Query::<Vec<(String, String)>>::try_from_uri(&parts.uri).map(|Query(pairs)| pairs).unwrap_or_default()
}

/// One request in one turn of the state.
struct Turn<'a> {
    operation: &'static Operation,
    parts: &'a Parts,
    params: Vec<(String, String)>,
    bytes: Result<Bytes, axum::Error>,
    fault: Option<&'a RestFault>,
}

impl Turn<'_> {
    fn take(self, state: &mut State) -> (Answer, HeaderMap) {
        match self.fault {
            Some(RestFault::Status { status, body }) => {
                return (Answer { status: *status, body: Some(body.clone()) }, HeaderMap::new());
            }
            Some(RestFault::Limited { retry_after_ms, global, scope, html }) => {
                return limited(*retry_after_ms, *global, scope, None, *html);
            }
            _ => {}
        }
        if state.standing.unauthorized || self.operation.needs_token && !self.authorized(state) {
            return (ApiError::unauthorized().into(), HeaderMap::new());
        }
        let headers = match state.limits.check(self.asked(state.world.application), state.now_ms) {
            Verdict::Pass(budget) => budget_headers(&skewed(budget, state)),
            Verdict::Limited(budget) => {
                let scope = if budget.shared { "shared" } else { "user" };
                state.journal.count_limited(scope);
                let budget = skewed(budget, state);
                return limited(budget.reset_after_ms, false, scope, Some(&budget), false);
            }
            Verdict::Global(wait_ms) => {
                state.journal.count_limited("global");
                return limited(wait_ms, true, "global", None, false);
            }
            Verdict::Banned => {
                state.journal.count_limited("banned");
                return limited(0, false, "", None, true);
            }
        };
        let answer = self.call().and_then(|call| (self.operation.handler)(state, &call));
        (answer.unwrap_or_else(Answer::from), headers)
    }

    fn asked(&self, application: Id) -> Asked<'_> {
        let param = |name: &str| self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let majors = ["channel_id", "guild_id", "webhook_token", "interaction_token"];
        let Operation { method, path: template, .. } = self.operation;
        // An interaction's follow-ups go through a webhook of the application's own id.
        let exempt = template.starts_with("/interactions/")
            || template.starts_with("/webhooks/") && param("webhook_id") == Some(&application.to_string());
        Asked { method, template, major: majors.into_iter().find_map(param).unwrap_or_default(), exempt }
    }

    fn authorized(&self, state: &State) -> bool {
        let token = self.parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        token.is_some_and(|token| token.starts_with("Bot ") && state.accepts_token(token))
    }

    fn call(&self) -> Result<Call, ApiError> {
        let bytes = self.bytes.as_ref().map_err(|_| ApiError::new(413, 40005, "Request entity too large"))?;
        let kind = self.parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let (body, files) = read_body(kind.unwrap_or_default(), bytes)?;
        let reason = self.parts.headers.get("x-audit-log-reason").map(|value| percent_decoded(value.as_bytes()));
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_MAX) {
            let message = format!("Must be {REASON_MAX} or fewer in length.");
            return Err(ApiError::invalid_field("reason", "BASE_TYPE_MAX_LENGTH", &message));
        }
        Ok(Call { params: self.params.clone(), query: query(self.parts), body, files, reason })
    }
}

/// 501 for API v10, Discord's refusal for other versions, 404 for everything else.
async fn unknown(shared: Arc<Shared>, request: Request) -> Response {
    let (method, whole) = (request.method().to_string(), request.uri().path().to_owned());
    let (answer, path) = match whole.strip_prefix(API) {
        Some(path) if path.starts_with('/') => {
            (ApiError::new(501, 0, "not implemented by the sandbox"), path.to_owned())
        }
        _ if whole.starts_with("/api/v") => (ApiError::new(400, 50041, "Invalid API version provided"), whole.clone()),
        _ => (ApiError::new(404, 0, "404: Not Found"), whole.clone()),
    };
    shared.with(|state| {
        if answer.status == 501 {
            state.journal.count_route(&method, "unimplemented");
            let (method, path) = (method.clone(), path.clone());
            state.journal.record(SandboxEvent::Unimplemented { method, path });
        }
        state.journal.record(SandboxEvent::Request { method: method.clone(), path, status: answer.status });
    });
    let answer = Answer::from(answer);
    response(answer.status, answer.body.map(Body::from), HeaderMap::new())
}

fn limited(retry_after_ms: u64, global: bool, scope: &str, budget: Option<&Budget>, html: bool) -> (Answer, HeaderMap) {
    if html {
        let page = "<!DOCTYPE html><html><head><title>Access denied</title></head><body>error code: 1015</body></html>";
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=UTF-8"));
        return (Answer { status: 429, body: Some(page.to_owned()) }, headers);
    }
    let seconds = retry_after_ms as f64 / 1_000.0;
    let body = json!({ "message": "You are being rate limited.", "retry_after": seconds, "global": global });
    let mut headers = budget.map(budget_headers).unwrap_or_default();
    insert(&mut headers, "retry-after", &retry_after_ms.div_ceil(1_000).to_string());
    insert(&mut headers, SCOPE, scope);
    if global {
        insert(&mut headers, "x-ratelimit-global", "true");
    }
    (Answer { status: 429, body: Some(body.to_string()) }, headers)
}

/// Whether the answer is a page for people, by the proxy in front of the API.
fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// The budget as a clock that is off tells of it.
fn skewed(budget: Budget, state: &State) -> Budget {
    Budget { reset_ms: budget.reset_ms.saturating_add_signed(state.standing.skew_ms), ..budget }
}

/// Says what time it is where that is not what the wall clock says; else the server adds it.
fn date(headers: &mut HeaderMap, state: &State) {
    if state.standing.skew_ms == 0 && state.held_ms.is_none() {
        return;
    }
    let told = state.now_ms.saturating_add_signed(state.standing.skew_ms);
    if let Some(told) = i64::try_from(told).ok().and_then(DateTime::from_timestamp_millis) {
        insert(headers, "date", &told.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
}

fn budget_headers(budget: &Budget) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, "x-ratelimit-limit", &budget.limit.to_string());
    insert(&mut headers, "x-ratelimit-remaining", &budget.remaining.to_string());
    insert(&mut headers, "x-ratelimit-reset", &format!("{:.3}", budget.reset_ms as f64 / 1_000.0));
    insert(&mut headers, "x-ratelimit-reset-after", &format!("{:.3}", budget.reset_after_ms as f64 / 1_000.0));
    insert(&mut headers, "x-ratelimit-bucket", &budget.bucket);
    headers
}

/// Sets a header; a value that cannot stand in one (a scope made up by a test) is left out.
fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

pub(crate) fn response(status: u16, body: Option<Body>, mut headers: HeaderMap) -> Response {
    if body.is_some() && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let mut response = Response::new(body.unwrap_or_else(Body::empty));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = headers;
    response
}

/// What onlookers are shown: an interaction's token stays out of it.
fn shown_path(operation: &Operation, parts: &Parts) -> String {
    let path = parts.uri.path().strip_prefix(API).unwrap_or_default();
    let hidden = operation.path.split('/').zip(path.split('/'));
    let piece = |(template, given): (&str, &str)| {
        if template.ends_with("_token}") { "{token}".to_owned() } else { given.to_owned() }
    };
    hidden.map(piece).collect::<Vec<_>>().join("/")
}

fn shown_status(answer: &Answer, fault: Option<&RestFault>) -> u16 {
    if fault == Some(&RestFault::Malformed) { 200 } else { answer.status }
}

/// The text of a header that carries more than ASCII: percent-encoded UTF-8.
fn percent_decoded(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn filter(method: &str) -> MethodFilter {
    match method {
        "GET" => MethodFilter::GET,
        "POST" => MethodFilter::POST,
        "PUT" => MethodFilter::PUT,
        "PATCH" => MethodFilter::PATCH,
        _ => MethodFilter::DELETE,
    }
}
