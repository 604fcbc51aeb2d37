//! A Discord without sockets, for paused time: answers by script, remembers when it was asked what.

use crate::{
    Access, Past, Preflight, Rest, RestConfig,
    answer::Answer,
    transport::{Arrival, Broken, Outgoing, Transport},
};
use protocol::{BoxFuture, Secret};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    future::ready,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// What it was asked.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    pub(crate) method: reqwest::Method,
    pub(crate) path: String,
    pub(crate) body: Value,
    pub(crate) authorized: bool,
}

type Script = dyn Fn(usize, &Asked) -> Result<Answer, Broken> + Send + Sync;

type Latency = dyn Fn(usize) -> Duration + Send + Sync;

pub(crate) struct Fake {
    script: Box<Script>,
    latency: Box<Latency>,
    asked: Mutex<Vec<Asked>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Fake {
    /// A client whose requests end at a script, which is given each request's number (from 0) and content.
    pub(crate) fn rest(
        config: RestConfig,
        script: impl Fn(usize, &Asked) -> Result<Answer, Broken> + Send + Sync + 'static,
    ) -> (Rest, Arc<Self>) {
        Self::slow(config, |_| Duration::from_millis(1), script)
    }

    /// The same, with the time that passes between each request, by number, and its answer. What the request does is
    /// done at once.
    pub(crate) fn slow(
        config: RestConfig,
        latency: impl Fn(usize) -> Duration + Send + Sync + 'static,
        script: impl Fn(usize, &Asked) -> Result<Answer, Broken> + Send + Sync + 'static,
    ) -> (Rest, Arc<Self>) {
        Self::after(Past::none(), config, latency, script)
    }

    /// The same in a process that goes on where another ended.
    pub(crate) fn after(
        past: Past,
        config: RestConfig,
        latency: impl Fn(usize) -> Duration + Send + Sync + 'static,
        script: impl Fn(usize, &Asked) -> Result<Answer, Broken> + Send + Sync + 'static,
    ) -> (Rest, Arc<Self>) {
        let fake = Arc::new(Self {
            script: Box::new(script),
            latency: Box::new(latency),
            asked: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        });
        let carrier = Carrier(Arc::clone(&fake));
        let rest = Rest::connect(config, &access("http://127.0.0.1:1/api/v10"), Arc::new(carrier), past);
        (rest.unwrap(), fake)
    }

    /// The most requests that it ever had before it at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.most_under_way.load(Relaxed)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

struct Carrier(Arc<Fake>);

impl Transport for Carrier {
    fn carry(&self, request: Outgoing) -> BoxFuture<'_, Result<Arrival<'_>, Broken>> {
        let path = request.path.split('?').next().unwrap_or_default();
        let asked = Asked {
            at: Instant::now(),
            path: path.trim_start_matches("/api/v10/").to_owned(),
            body: serde_json::from_slice(request.body.as_deref().unwrap_or(b"null")).unwrap(),
            authorized: request.headers.contains_key("authorization"),
            method: request.method,
        };
        let number = {
            let mut all = self.0.asked.lock().unwrap();
            all.push(asked.clone());
            all.len() - 1
        };
        Box::pin(async move {
            let now = self.0.under_way.fetch_add(1, Relaxed) + 1;
            self.0.most_under_way.fetch_max(now, Relaxed);
            let answer = (self.0.script)(number, &asked);
            // However it ends: answered, or given up by the caller.
            let _back = Back(&self.0.under_way);
            sleep((self.0.latency)(number)).await;
            let Answer { status, headers, body, body_lost } = answer?;
            let body = if body_lost { Err(Broken::Lost("it broke off".to_owned())) } else { Ok(body) };
            Ok(Arrival { status, headers, body: Box::pin(ready(body)) })
        })
    }
}

struct Back<'a>(&'a AtomicUsize);

impl Drop for Back<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// Buckets as Discord keeps them: one for each method and channel or guild, in fixed windows.
pub(crate) struct Bucketed {
    limit: u32,
    window: Duration,
    /// How far its clock is ahead, in seconds.
    pub(crate) skew: i64,
    windows: Mutex<HashMap<String, (Instant, u32)>>,
    limited: AtomicUsize,
}

impl Bucketed {
    pub(crate) fn new(limit: u32, window: Duration) -> Arc<Self> {
        Arc::new(Self { limit, window, skew: 0, windows: Mutex::default(), limited: AtomicUsize::new(0) })
    }

    /// How often it had to say 429.
    pub(crate) fn limited(&self) -> usize {
        self.limited.load(Relaxed)
    }

    /// Whether a request passes, and the answer, with `body` if it does.
    pub(crate) fn answer(&self, asked: &Asked, body: &Value) -> Result<Answer, Broken> {
        let major: Vec<_> = asked.path.split('/').take(2).collect();
        let key = format!("{} {}", asked.method, major.join("/"));
        let (used, left) = {
            let mut windows = self.windows.lock().unwrap();
            let window = windows.entry(key).or_insert((asked.at, 0));
            if asked.at - window.0 >= self.window {
                *window = (asked.at, 0);
            }
            window.1 += 1;
            (window.1, window.0 + self.window - asked.at)
        };
        let clock = 1_790_000_000 + self.skew;
        let (left, reset) = (left.as_secs_f64().to_string(), (clock + 5).to_string());
        let (limit, remaining) = (self.limit.to_string(), self.limit.saturating_sub(used).to_string());
        let date = if self.skew < 0 { "Mon, 01 Jan 2001 00:00:00 GMT" } else { "Sun, 01 Jan 2090 00:00:00 GMT" };
        let headers = [
            ("x-ratelimit-bucket", "a1b2"),
            ("x-ratelimit-limit", &limit),
            ("x-ratelimit-remaining", &remaining),
            ("x-ratelimit-reset", &reset),
            ("x-ratelimit-reset-after", &left),
            ("date", date),
        ];
        if used <= self.limit {
            return answer(200, &headers, body);
        }
        self.limited.fetch_add(1, Relaxed);
        let headers: Vec<_> =
            headers.into_iter().chain([("retry-after", &*left), ("x-ratelimit-scope", "user")]).collect();
        answer(429, &headers, &json!({"retry_after": left.parse::<f64>().unwrap()}))
    }
}

pub(crate) fn access(api_base: &str) -> Access {
    Access {
        api_base: api_base.to_owned(),
        token: Secret::new("canary-token"),
        allow_hosts: vec!["127.0.0.1".to_owned()],
    }
}

/// What a client that has sent nothing yet finds out about the token.
pub(crate) async fn preflight(access: &Access) -> Preflight {
    crate::child(config(), access.clone(), Past::none()).0.preflight(access).await
}

pub(crate) fn config() -> RestConfig {
    RestConfig { global_per_second: 50, deadline_ms: 15_000, attempts: 3, invalid_limit: 5_000 }
}

pub(crate) fn answer(status: u16, headers: &[(&'static str, &str)], body: &Value) -> Result<Answer, Broken> {
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    Ok(Answer { status, headers, body, body_lost: false })
}

pub(crate) fn ok(body: &Value) -> Result<Answer, Broken> {
    answer(200, &[], body)
}

/// A message as Discord answers it.
pub(crate) fn message(id: u64) -> Value {
    json!({
        "id": id.to_string(), "channel_id": "1", "content": "", "timestamp": "2026-01-01T00:00:00Z",
        "edited_timestamp": null, "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [],
        "attachments": [], "embeds": [], "pinned": false, "type": 0,
        "author": {"id": "2", "username": "bot", "discriminator": "0000", "avatar": null, "bot": true},
    })
}
