//! Discord's gateway as a flood: one connection, frames made beforehand, written as fast as the socket takes them.

use crate::{
    Failure,
    events::{self, BOT, Event},
    trial::pause,
};
use serde_json::{Value, json};
use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// A client that says nothing for this long is broken.
const PATIENCE: Duration = Duration::from_secs(120);
/// So long that no heartbeat is due during a measurement.
const HEARTBEAT_MS: u64 = 600_000;
/// Bytes per write.
const CHUNK: usize = 256 << 10;
/// The first sequence number: it and all that follow have ten digits, and none is far from the one before it.
const FIRST_SEQ: u64 = 1_000_000_000;
const SEQ_DIGITS: usize = 10;

/// Where clients connect.
pub struct Server {
    pub(crate) listener: TcpListener,
}

impl Server {
    /// Listens on loopback.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn bind() -> Result<Self, Failure> {
        Ok(Self { listener: TcpListener::bind("127.0.0.1:0")? })
    }

    /// `ws://…`
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn url(&self) -> Result<String, Failure> {
        Ok(format!("ws://{}", self.listener.local_addr()?))
    }

    /// The next client, up to its READY in a session with `guilds` guilds, as long as it `lives`.
    ///
    /// # Errors
    /// When it does not IDENTIFY in time.
    pub fn accept(&self, guilds: u64, lives: impl FnMut() -> bool) -> Result<Connection, Failure> {
        let mut connection = self.greet(self.incoming(lives)?)?;
        connection.expect(2)?;
        self.ready(&mut connection, guilds)?;
        Ok(connection)
    }

    /// The WebSocket of a client that has just connected, after HELLO.
    pub(crate) fn greet(&self, stream: TcpStream) -> Result<Connection, Failure> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let socket = tungstenite::accept(stream)?;
        let mut connection = Connection { socket, seq: FIRST_SEQ - 1, out: Vec::with_capacity(CHUNK + (64 << 10)) };
        connection.send(&json!({"op": 10, "d": {"heartbeat_interval": HEARTBEAT_MS}, "s": null, "t": null}))?;
        Ok(connection)
    }

    /// Answers an IDENTIFY.
    pub(crate) fn ready(&self, connection: &mut Connection, guilds: u64) -> Result<(), Failure> {
        let guilds: Vec<Value> =
            (0..guilds).map(|n| json!({"id": events::guild_id(n).to_string(), "unavailable": true})).collect();
        let data = json!({
            "v": 10, "session_id": "a-session", "resume_gateway_url": self.url()?, "shard": [0, 1], "guilds": guilds,
            "user": {"id": BOT.to_string(), "username": "bot", "discriminator": "0", "avatar": null, "bot": true},
            "application": {"id": BOT.to_string(), "flags": 0},
        });
        connection.text(&format!(r#"{{"t":"READY","s":{},"op":0,"d":{data}}}"#, connection.seq))
    }

    fn incoming(&self, mut lives: impl FnMut() -> bool) -> Result<TcpStream, Failure> {
        self.listener.set_nonblocking(true)?;
        let begun = Instant::now();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => return Ok(stream),
                Err(error)
                    if error.kind() == std::io::ErrorKind::WouldBlock && begun.elapsed() < PATIENCE && lives() =>
                {
                    pause(Duration::from_millis(2));
                }
                Err(error) => return Err(format!("no client has connected: {error}").into()),
            }
        }
    }
}

/// A connected client.
pub struct Connection {
    pub(crate) socket: WebSocket<TcpStream>,
    seq: u64,
    out: Vec<u8>,
}

impl Connection {
    /// Sends GUILD_CREATE of guilds `0..guilds`.
    ///
    /// # Errors
    /// When the client has gone.
    pub fn guilds(&mut self, guilds: u64) -> Result<(), Failure> {
        for n in 0..guilds {
            self.seq += 1;
            let frame = format!(r#"{{"t":"GUILD_CREATE","s":{},"op":0,"d":{}}}"#, self.seq, events::guild(n));
            self.text(&frame)?;
        }
        Ok(())
    }

    /// Sends `count` events of `stream`, over and over.
    ///
    /// # Errors
    /// When the client has gone or takes nothing any more.
    pub fn flood(&mut self, stream: &Flood, count: u64) -> Result<(), Failure> {
        for frame in stream.frames().iter().cycle().take(usize::try_from(count)?) {
            self.queue(*frame)?;
            if self.out.len() >= CHUNK {
                self.write_out()?;
            }
        }
        self.write_out()
    }

    /// Puts a frame with the next sequence number among those that [`Connection::write_out`] writes.
    pub(crate) fn queue(&mut self, (frame, seq_at): (&[u8], usize)) -> Result<(), Failure> {
        self.seq += 1;
        let at = self.out.len() + seq_at;
        self.out.extend_from_slice(frame);
        write!(&mut self.out[at..at + SEQ_DIGITS], "{}", self.seq)?;
        Ok(())
    }

    pub(crate) fn write_out(&mut self) -> Result<(), Failure> {
        self.socket.get_mut().write_all(&self.out)?;
        self.out.clear();
        Ok(())
    }

    /// Waits until the client has handled all that was sent: asked for a heartbeat, it answers in its turn, with the last
    /// sequence number (or, where it keeps none, with null).
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn barrier(&mut self) -> Result<(), Failure> {
        self.send(&json!({"op": 1, "d": null, "s": null, "t": null}))?;
        loop {
            let beat = self.expect(1)?;
            if beat["d"].is_null() || beat["d"].as_u64() == Some(self.seq) {
                return Ok(());
            }
        }
    }

    pub(crate) fn send(&mut self, frame: &Value) -> Result<(), Failure> {
        self.text(&frame.to_string())
    }

    fn text(&mut self, frame: &str) -> Result<(), Failure> {
        Ok(self.socket.send(Message::text(frame))?)
    }

    fn expect(&mut self, op: u64) -> Result<Value, Failure> {
        loop {
            let Message::Text(text) = self.socket.read()? else { continue };
            let frame: Value = serde_json::from_str(&text)?;
            if frame["op"] == op {
                return Ok(frame);
            }
        }
    }
}

/// Frames ready for the wire, but for their sequence numbers.
pub struct Flood {
    bytes: Vec<u8>,
    /// Of each frame, where its sequence number begins and where it ends.
    ends: Vec<(usize, usize)>,
}

impl Flood {
    /// Frames `events`.
    ///
    /// # Errors
    /// When an event does not fit a frame with a length of 16 bits.
    pub fn new(events: &[Event]) -> Result<Self, Failure> {
        let mut flood = Self { bytes: Vec::new(), ends: Vec::new() };
        for event in events {
            let head = format!(r#"{{"t":"{}","s":"#, event.kind);
            let text = format!(r#"{head}{FIRST_SEQ},"op":0,"d":{}}}"#, event.data);
            flood.bytes.push(0x81); // a whole text frame, unmasked as servers send
            match u8::try_from(text.len()) {
                Ok(short @ 0..126) => flood.bytes.push(short),
                _ => {
                    flood.bytes.push(126);
                    flood.bytes.extend_from_slice(&u16::try_from(text.len())?.to_be_bytes());
                }
            }
            let seq_at = flood.bytes.len() + head.len();
            flood.bytes.extend_from_slice(text.as_bytes());
            flood.ends.push((seq_at, flood.bytes.len()));
        }
        Ok(flood)
    }

    /// Each frame, and where in it its sequence number stands.
    pub(crate) fn frames(&self) -> Vec<(&[u8], usize)> {
        let frames = self.ends.iter().scan(0, |from, (seq_at, end)| {
            let frame = &self.bytes[*from..*end];
            let at = *seq_at - *from;
            *from = *end;
            Some((frame, at))
        });
        frames.collect()
    }

    /// Bytes of an event on average, frame header included.
    pub fn mean_bytes(&self) -> usize {
        self.bytes.len() / self.ends.len().max(1)
    }
}
