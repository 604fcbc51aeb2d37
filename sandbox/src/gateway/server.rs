//! The gateway's sockets: accept, greet, read, write, end.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::compress::{Compressor, Transport};
use super::frames::close;
use super::line::Outgoing;
use crate::shared::Shared;

/// How long the WebSocket handshake, and the answer to our close frame, may take.
const PATIENCE: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<TcpStream>;

/// Accepts connections for as long as it is polled.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if shared.refuses_connection() {
                    continue;
                }
                tokio::spawn(connection(stream, Arc::clone(&shared)));
            }
            Err(error) => {
                // Out of file descriptors, most likely: waiting lets others close theirs.
                tracing::warn!(%error, "the gateway cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    stream.set_nodelay(true).ok(); // Only latency is lost where it cannot be set.
    let Some((socket, transport)) = handshake(stream).await else { return };
    let compressor = match Compressor::new(transport) {
        Ok(compressor) => compressor,
        Err(error) => return tracing::error!(%error, "a connection cannot be compressed"),
    };
    let (id, wake, cut) = shared.with(|state| {
        let opened = state.hub.open();
        state.hello(opened.0);
        opened
    });
    let (mut sink, mut source) = socket.split();
    let writer = Writer { id, wake, compressor };
    let code = tokio::select! {
        biased;
        () = cut.cancelled() => None,
        code = read(&mut source, id, &shared) => code,
        () = writer.run(&mut sink, &shared) => None,
    };
    let reset = shared.with(|state| state.hub.left(id, code, &mut state.journal, state.now_ms));
    if reset && let Ok(socket) = sink.reunite(source) {
        // Not lingering makes the end of the socket a reset; where it cannot be set, it is an orderly end.
        socket.get_ref().set_zero_linger().ok();
    }
}

/// The WebSocket and the compression it asked for; `None` when the bot asked for what does not exist here.
async fn handshake(stream: TcpStream) -> Option<(Socket, Option<Transport>)> {
    let mut query = String::new();
    #[expect(clippy::result_large_err, reason = "the handshake's callback has this type")]
    let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        query = request.uri().query().unwrap_or_default().to_owned();
        Ok(response)
    };
    let accepted = tokio::time::timeout(PATIENCE, tokio_tungstenite::accept_hdr_async(stream, look)).await;
    let mut socket = accepted.ok()?.ok()?;
    match transport(&query) {
        Ok(transport) => Some((socket, transport)),
        Err(code) => {
            let frame = CloseFrame { code: code.into(), reason: close::reason(code).into() };
            // The bot is being turned away; whether it still listens does not matter.
            socket.close(Some(frame)).await.ok();
            None
        }
    }
}

/// What the connection's address asks for. The error is a close code: 4012 for another version than 10, as
/// documented, and 4002 for an encoding or compression that the sandbox does not speak (a choice of its own:
/// of an unknown one the documentation says nothing, and Discord would speak `etf`).
fn transport(query: &str) -> Result<Option<Transport>, u16> {
    let value = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == wanted).map(|(_, value)| value)
    };
    if value("v").is_some_and(|version| version != "10") {
        return Err(close::INVALID_VERSION);
    }
    if value("encoding").is_some_and(|encoding| encoding != "json") {
        return Err(close::DECODE_ERROR);
    }
    match value("compress") {
        None | Some("") => Ok(None),
        Some("zlib-stream") => Ok(Some(Transport::Zlib)),
        Some("zstd-stream") => Ok(Some(Transport::Zstd)),
        Some(_) => Err(close::DECODE_ERROR),
    }
}

/// Reads until the bot's end is gone; the value is its close code.
async fn read(source: &mut SplitStream<Socket>, id: u64, shared: &Shared) -> Option<u16> {
    loop {
        match source.next().await {
            Some(Ok(Message::Text(text))) => shared.with(|state| state.frame(id, &text)),
            Some(Ok(Message::Binary(_))) => shared.with(|state| state.close(id, close::DECODE_ERROR)),
            Some(Ok(Message::Close(frame))) => {
                // A close frame is answered with one (RFC 6455, 5.5.1): the next turn of reading writes it.
                tokio::time::timeout(PATIENCE, source.next()).await.ok(); // who does not take it is gone
                return frame.map(|frame| frame.code.into());
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(%error, connection = id, "a gateway connection broke");
                return None;
            }
            None => return None,
        }
    }
}

/// What one connection's writing needs.
struct Writer {
    id: u64,
    wake: Arc<Notify>,
    compressor: Compressor,
}

impl Writer {
    /// Writes what is queued until the connection is to end (a close frame has its time to be answered), or the
    /// socket breaks.
    async fn run(mut self, sink: &mut SplitSink<Socket, Message>, shared: &Shared) {
        loop {
            let (batch, now_ms) = shared.with(|state| {
                let (journal, cuts) = (&mut state.journal, &mut state.standing.cut_every);
                (state.hub.take(self.id, &state.world, journal, cuts, state.now_ms), state.now_ms)
            });
            if batch.frames.is_empty() {
                match batch.next_ms {
                    Some(due_ms) => {
                        let wait = Duration::from_millis(due_ms.saturating_sub(now_ms));
                        // Either the time is over, or there is something sooner: both are found out by looking.
                        tokio::time::timeout(wait, self.wake.notified()).await.ok();
                    }
                    None => self.wake.notified().await,
                }
                continue;
            }
            for frame in batch.frames {
                let closing = matches!(frame, Outgoing::Close(_));
                if let Outgoing::Text(frame) = &frame
                    && !frame.odd
                {
                    shared.sends(&frame.text);
                }
                let Some(message) = self.message(frame, batch.compressed) else {
                    sink.flush().await.ok(); // What cannot be written is lost with the connection.
                    return;
                };
                if let Err(error) = sink.feed(message).await {
                    return self.broke(&error).await;
                }
                if closing {
                    sink.flush().await.ok(); // The bot may be gone already.
                    tokio::time::sleep(PATIENCE).await;
                    return;
                }
            }
            if let Err(error) = sink.flush().await {
                return self.broke(&error).await;
            }
        }
    }

    /// Leaves it to the reader, which sees the close frame if there was one, to notice that the socket broke.
    async fn broke(&self, error: &Error) {
        tracing::debug!(%error, connection = self.id, "a gateway connection cannot be written to");
        tokio::time::sleep(PATIENCE).await;
    }

    /// What goes over the socket; `None` where the connection is to end instead.
    fn message(&mut self, frame: Outgoing, by_payload: bool) -> Option<Message> {
        let closing = |code: u16| CloseFrame { code: code.into(), reason: close::reason(code).into() };
        Some(match frame {
            Outgoing::Text(frame) => match self.compressor.payload(frame.text.as_bytes(), by_payload) {
                Ok(Some(bytes)) => Message::Binary(Bytes::from(bytes)),
                Ok(None) => Message::Text(frame.text),
                Err(error) => {
                    tracing::error!(%error, "a payload cannot be compressed");
                    Message::Close(Some(closing(4000)))
                }
            },
            Outgoing::Binary(bytes) => Message::Binary(bytes),
            Outgoing::Close(code) => Message::Close(code.map(closing)),
            Outgoing::Cut => return None,
        })
    }
}
