//! Discord's REST API, as little of it as a bot needs to start and to answer: it accepts everything and counts.

use crate::{Failure, events::BOT};
use axum::{
    Json, Router,
    http::{Method, Uri},
};
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

/// The server; it ends with the process.
pub struct Api {
    /// `http://…/api/v10`
    pub base: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    messages: AtomicU64,
    arrivals: Mutex<Vec<(u64, Instant)>>,
    gateway: OnceLock<String>,
}

impl Api {
    /// Starts it on a thread of its own.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn start() -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let base = format!("http://{}/api/v10", listener.local_addr()?);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::spawn(move || {
            let served = runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let answer = move |method: Method, uri: Uri| {
                    let counts = Arc::clone(&shared);
                    async move { Json(answer(&counts, &method, uri.path())) }
                };
                axum::serve(listener, Router::new().fallback(answer)).await
            });
            if let Err(error) = served {
                eprintln!("the REST stand-in ended: {error}");
            }
        });
        Ok(Self { base, counts })
    }

    /// Requests so far.
    pub fn requests(&self) -> u64 {
        self.counts.requests.load(Relaxed)
    }

    /// Messages created so far.
    pub fn messages(&self) -> u64 {
        self.counts.messages.load(Relaxed)
    }

    /// Channel and time of each message created since this was asked last.
    pub fn arrivals(&self) -> Vec<(u64, Instant)> {
        std::mem::take(&mut *self.counts.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells those who ask here, as other libraries do, that the gateway is at `url`. Only the first one counts.
    pub fn set_gateway(&self, url: &str) {
        self.counts.gateway.get_or_init(|| url.to_owned());
    }
}

fn answer(counts: &Counts, method: &Method, path: &str) -> Value {
    counts.requests.fetch_add(1, Relaxed);
    let bot = json!({"id": BOT.to_string(), "username": "bot", "discriminator": "0", "avatar": null, "bot": true});
    match path.rsplit('/').next().unwrap_or("") {
        "messages" if *method == Method::POST => {
            let id = counts.messages.fetch_add(1, Relaxed);
            let channel = path.rsplit('/').nth(1).and_then(|id| id.parse().ok()).unwrap_or(0);
            counts.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push((channel, Instant::now()));
            json!({
                "id": (BOT + id).to_string(), "channel_id": "1", "content": "Pong!", "author": bot, "tts": false,
                "timestamp": "2026-01-01T12:00:00.123000+00:00", "edited_timestamp": null, "mention_everyone": false,
                "mentions": [], "mention_roles": [], "attachments": [], "embeds": [], "pinned": false, "type": 0,
            })
        }
        // The bot has the address in its configuration; at this one nothing answers.
        "bot" => json!({
            "url": counts.gateway.get().map_or("ws://127.0.0.1:1", String::as_str), "shards": 1,
            "session_start_limit": {"total": 1000, "remaining": 1000, "reset_after": 3_600_000, "max_concurrency": 1},
        }),
        "gateway" => json!({"url": counts.gateway.get()}),
        "@me" if path.contains("applications") => json!({
            "id": BOT.to_string(), "name": "bot", "icon": null, "description": "", "bot_public": true, "flags": 0,
            "bot_require_code_grant": false, "verify_key": "0", "owner": {
                "id": "500000000000000000", "username": "owner", "discriminator": "0", "avatar": null,
            }, "team": null,
        }),
        "@me" => bot,
        _ => json!([]),
    }
}
