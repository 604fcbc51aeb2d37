//! A bot of few words for the tests.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::Method;
use sandbox::{Sandbox, SandboxConfig, Strict, description_at};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Long enough for a loaded machine; reached only by a test that fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Every intent.
pub(crate) const ALL: u64 = 53_608_447 | 1 << 24 | 1 << 25;

pub(crate) fn start() -> Strict {
    start_with(|_| {})
}

/// A sandbox that is judged: every gateway payload has to fit serenity's types, and where Discord's description is at hand
/// every answer has to fit it, and every request that is not refused.
pub(crate) fn start_with(change: impl FnOnce(&mut SandboxConfig)) -> Strict {
    let mut config =
        SandboxConfig { description: Some(description()), judge_payloads: true, ..SandboxConfig::default() };
    change(&mut config);
    Strict::start(config).unwrap().excusing_refusals()
}

/// Where Discord's own OpenAPI description is: beside the repository, or where the environment says.
pub(crate) fn description() -> PathBuf {
    description_at(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/discord-openapi.json"))
}

/// One gateway connection.
pub(crate) struct Line {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    token: String,
    pub(crate) seq: u64,
    pub(crate) session: String,
}

/// What came next on a connection.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    Frame(Value),
    Binary(Vec<u8>),
    Closed(Option<u16>),
}

impl Line {
    /// Connects and takes HELLO.
    pub(crate) async fn open(sandbox: &Sandbox) -> Line {
        let mut line = Line::open_silently(sandbox, "v=10&encoding=json").await;
        let hello = line.frame().await;
        assert_eq!(hello["op"], 10);
        assert!(hello["d"]["heartbeat_interval"].as_u64().unwrap() > 0);
        line
    }

    pub(crate) async fn open_silently(sandbox: &Sandbox, query: &str) -> Line {
        let (socket, _) = connect_async(format!("{}/?{query}", sandbox.gateway_url())).await.unwrap();
        Line { socket, token: sandbox.token(), seq: 0, session: String::new() }
    }

    /// Connects, identifies and takes READY and every GUILD_CREATE of it.
    pub(crate) async fn ready(sandbox: &Sandbox, intents: u64) -> Line {
        Line::shard(sandbox, intents, 0, 1).await
    }

    /// As [`Line::ready`], as one of several shards.
    pub(crate) async fn shard(sandbox: &Sandbox, intents: u64, shard: u64, shards: u64) -> Line {
        let mut line = Line::open(sandbox).await;
        line.identify(intents, json!([shard, shards])).await;
        let ready = line.event("READY").await;
        if intents & 1 != 0 {
            for _ in ready["guilds"].as_array().unwrap() {
                line.event("GUILD_CREATE").await;
            }
        }
        line
    }

    pub(crate) async fn identify(&mut self, intents: u64, shard: Value) {
        let properties = json!({ "os": "linux", "browser": "test", "device": "test" });
        let data = json!({ "token": self.token, "intents": intents, "shard": shard, "properties": properties });
        self.say(json!({ "op": 2, "d": data })).await;
    }

    /// Connects anew and resumes the session of a line that was lost.
    pub(crate) async fn resumed(sandbox: &Sandbox, lost: &Line) -> Line {
        let mut line = Line::open(sandbox).await;
        line.resume(&lost.session, lost.seq).await;
        line.session.clone_from(&lost.session);
        line.seq = lost.seq;
        line
    }

    pub(crate) async fn resume(&mut self, session: &str, seq: u64) {
        self.say(json!({ "op": 6, "d": { "token": self.token, "session_id": session, "seq": seq } })).await;
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// What comes next as the socket gives it.
    pub(crate) async fn message(&mut self) -> Option<Result<Message, Error>> {
        tokio::time::timeout(SOON, self.socket.next()).await.expect("the gateway is silent")
    }

    pub(crate) async fn heard(&mut self) -> Heard {
        loop {
            let next = self.message().await;
            return match next {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if let Some(seq) = frame["s"].as_u64() {
                        self.seq = seq;
                    }
                    if frame["t"] == "READY" {
                        self.session = frame["d"]["session_id"].as_str().unwrap().to_owned();
                    }
                    Heard::Frame(frame)
                }
                Some(Ok(Message::Binary(bytes))) => Heard::Binary(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => Heard::Closed(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Heard::Closed(None),
            };
        }
    }

    pub(crate) async fn frame(&mut self) -> Value {
        match self.heard().await {
            Heard::Frame(frame) => frame,
            other => panic!("a frame was expected, not {other:?}"),
        }
    }

    /// The next frame, which has to be this event; the value is its data.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        let mut frame = self.frame().await;
        assert_eq!(frame["t"], name, "{frame}");
        frame["d"].take()
    }

    /// The close code that comes next.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        match self.heard().await {
            Heard::Closed(code) => code,
            other => panic!("a close was expected, not {other:?}"),
        }
    }

    pub(crate) async fn close(&mut self, code: u16) {
        self.socket.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await.unwrap();
        while !matches!(self.heard().await, Heard::Closed(None)) {}
    }

    /// Answers once everything sent before was handled.
    pub(crate) async fn beat(&mut self) -> Value {
        self.say(json!({ "op": 1, "d": self.seq })).await;
        self.frame().await
    }
}

/// A REST request with the bot's token; status and JSON (null without a body).
pub(crate) async fn call(sandbox: &Sandbox, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
    let request = reqwest::Client::new()
        .request(method, format!("{}{path}", sandbox.api_base()))
        .header("Authorization", format!("Bot {}", sandbox.token()));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

pub(crate) async fn post(sandbox: &Sandbox, path: &str, body: Value) -> (u16, Value) {
    call(sandbox, Method::POST, path, Some(body)).await
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> (u16, Value) {
    call(sandbox, Method::GET, path, None).await
}

/// The path of #general's messages.
pub(crate) fn messages(sandbox: &Sandbox) -> String {
    format!("/channels/{}/messages", sandbox.general_id())
}
