//! A gateway driven by hand.

pub(crate) use super::bot::*;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

/// Nothing on one machine takes this long unless it is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
}

/// Looks again and again until `holds`.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    soon(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A port that refuses connections, and that nobody else is given while this is held.
pub(crate) struct ClosedPort {
    /// Bound, and never listened on.
    _socket: TcpSocket,
    pub(crate) url: String,
}

impl ClosedPort {
    pub(crate) fn hold() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        let url = format!("ws://{}", socket.local_addr().unwrap());
        Self { _socket: socket, url }
    }
}

/// The gateway's side.
pub(crate) struct Fake {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Fake {
    pub(crate) async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// The next connection, greeted with HELLO.
    pub(crate) async fn accept(&self, interval_ms: u64) -> Peer {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        Peer::greet(stream, interval_ms).await
    }

    /// The next connection, up to READY.
    pub(crate) async fn begin(&self, interval_ms: u64) -> Peer {
        let mut peer = self.accept(interval_ms).await;
        peer.expect(2).await;
        peer.ready(&self.url).await;
        peer
    }

    pub(crate) async fn sees_nobody_for(&self, time: Duration) {
        assert!(tokio::time::timeout(time, self.listener.accept()).await.is_err(), "somebody connected");
    }
}

/// One connection, seen from Discord.
pub(crate) struct Peer<S = TcpStream> {
    pub(crate) ws: WebSocketStream<S>,
    pub(crate) heartbeats: u32,
    /// Whether heartbeats are acknowledged.
    pub(crate) answers: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// A WebSocket connection on `stream`, greeted with HELLO.
    pub(crate) async fn greet(stream: S, interval_ms: u64) -> Self {
        let mut peer = Self { ws: accept_async(stream).await.unwrap(), heartbeats: 0, answers: true };
        peer.send(json!({"op": 10, "d": {"heartbeat_interval": interval_ms}, "s": null, "t": null})).await;
        peer
    }

    pub(crate) async fn send(&mut self, frame: Value) {
        self.raw(&frame.to_string()).await;
    }

    pub(crate) async fn raw(&mut self, text: &str) {
        self.ws.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn ready(&mut self, url: &str) {
        let data = json!({
            "v": 10, "user": {"id": "900", "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
            "guilds": [{"id": "100", "unavailable": true}], "session_id": "session-1", "resume_gateway_url": url,
            "shard": [0, 1], "application": {"id": "1", "flags": 0},
        });
        // Discord's order of members, which serde_json's maps do not keep.
        self.raw(&format!(r#"{{"t":"READY","s":1,"op":0,"d":{data}}}"#)).await;
    }

    pub(crate) async fn message(&mut self, seq: u64) {
        self.raw(&message(seq)).await;
    }

    pub(crate) async fn resumed(&mut self, seq: u64) {
        self.raw(&format!(r#"{{"t":"RESUMED","s":{seq},"op":0,"d":{{"_trace":[]}}}}"#)).await;
    }

    /// The next frame, heartbeats answered in passing unless one is waited for.
    pub(crate) async fn expect(&mut self, op: u64) -> Value {
        loop {
            let next = soon(&format!("op {op}"), self.ws.next()).await;
            let Some(Ok(Message::Text(text))) = next else { panic!("op {op} was expected, not {next:?}") };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let got = frame["op"].as_u64().unwrap();
            if got == 1 {
                self.heartbeats += 1;
                if self.answers {
                    self.send(json!({"op": 11})).await;
                }
            }
            if got == op {
                return frame;
            }
            assert_eq!(got, 1, "op {op} was expected, not {frame}");
        }
    }

    /// The first frame that is no heartbeat.
    pub(crate) async fn first(&mut self) -> Value {
        loop {
            let next = soon("a frame", self.ws.next()).await;
            let Some(Ok(Message::Text(text))) = next else { panic!("a frame was expected, not {next:?}") };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame["op"] != 1 {
                return frame;
            }
        }
    }

    /// The code of the bot's close frame.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        soon("a close frame", async {
            while let Some(Ok(message)) = self.ws.next().await {
                if let Message::Close(frame) = message {
                    return frame.map(|frame| frame.code.into());
                }
            }
            None
        })
        .await
    }

    pub(crate) async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "scripted".into() };
        self.ws.close(Some(frame)).await.unwrap();
    }
}

/// A MESSAGE_CREATE whose id is `seq`.
pub(crate) fn message(seq: u64) -> String {
    let data = json!({
        "id": seq.to_string(), "channel_id": "3", "guild_id": "100", "content": "x", "timestamp": "2026-01-01T00:00:00Z",
        "author": {"id": "7", "username": "ann", "discriminator": "0", "avatar": null}, "edited_timestamp": null,
        "tts": false, "mention_everyone": false, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "pinned": false, "type": 0,
    });
    format!(r#"{{"t":"MESSAGE_CREATE","s":{seq},"op":0,"d":{data}}}"#)
}
