//! One connection as its shard sees it: the way out, and signs of life.

use crate::{session::Pulse, socket::Socket};
use futures_util::{SinkExt, stream::SplitSink};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use tokio_util::sync::CancellationToken;

/// Frames that may wait for the socket. A socket that takes none for this long is found dead by the heartbeat.
const OUT_CAPACITY: usize = 64;
/// How long a close frame may take to go out.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// What the reader has seen; written by it, read by the shard. And what was sent to keep the connection alive.
#[derive(Debug)]
pub(crate) struct Vitals {
    pub(crate) frames: AtomicU64,
    pub(crate) fresh: AtomicU64,
    pub(crate) live: AtomicU64,
    pub(crate) again: AtomicU64,
    pub(crate) paused: AtomicBool,
    /// Whether an IDENTIFY was sent whose READY has not come; set by the shard, ended by the reader.
    pub(crate) identified: AtomicBool,
    /// The shard has given the connection up: what still comes over it does not count.
    pub(crate) over: AtomicBool,
    opened: Instant,
    /// The last heartbeat, whoever sent it; microseconds since `opened`.
    beaten: AtomicU64,
    /// The last one of the pacemaker; likewise, plus one: 0 means none.
    stood_in: AtomicU64,
}

impl Vitals {
    fn new() -> Self {
        Self {
            frames: AtomicU64::new(0),
            fresh: AtomicU64::new(0),
            live: AtomicU64::new(0),
            again: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            identified: AtomicBool::new(false),
            over: AtomicBool::new(false),
            opened: Instant::now(),
            beaten: AtomicU64::new(0),
            stood_in: AtomicU64::new(0),
        }
    }

    pub(crate) fn pulse(&self) -> Pulse {
        let stood_in = self.stood_in.load(Relaxed).checked_sub(1);
        Pulse {
            frames: self.frames.load(Relaxed),
            fresh: self.fresh.load(Relaxed),
            live: self.live.load(Relaxed),
            again: self.again.load(Relaxed),
            paused: self.paused.load(Relaxed),
            stood_in: stood_in.map(|micros| self.opened + Duration::from_micros(micros)),
            asleep: Duration::ZERO,
        }
    }

    /// Notes a heartbeat, or what counts from when the first one is due.
    pub(crate) fn beat(&self) {
        self.beaten.store(self.now(), Relaxed);
    }

    /// Notes a heartbeat that the pacemaker sent.
    pub(crate) fn stand_in(&self) {
        self.beat();
        self.stood_in.store(self.now() + 1, Relaxed);
    }

    /// When the last heartbeat was sent.
    pub(crate) fn beaten(&self) -> Instant {
        self.opened + Duration::from_micros(self.beaten.load(Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_micros()).unwrap_or(u64::MAX - 1)
    }
}

/// What goes to the socket.
pub(crate) enum Outgoing {
    /// A payload. It may hold the token, so this type is never printed.
    Text(String),
    /// A close frame; nothing goes out after it.
    Close(u16),
}

/// The shard's end of a connection. Dropping it ends the connection.
pub(crate) struct Link {
    /// Which connection of this incarnation.
    pub(crate) generation: u64,
    pub(crate) vitals: Arc<Vitals>,
    /// Fires when the connection is given up.
    pub(crate) over: CancellationToken,
    /// Fires when the reader has let go of the socket.
    pub(crate) gone: CancellationToken,
    out: mpsc::Sender<Outgoing>,
}

impl Link {
    pub(crate) fn new(generation: u64) -> (Self, mpsc::Receiver<Outgoing>) {
        let (out, outgoing) = mpsc::channel(OUT_CAPACITY);
        let link = Self {
            generation,
            vitals: Arc::new(Vitals::new()),
            over: CancellationToken::new(),
            gone: CancellationToken::new(),
            out,
        };
        (link, outgoing)
    }

    /// Sends without waiting. Returns whether there was room.
    pub(crate) fn send(&self, payload: String) -> bool {
        self.out.try_send(Outgoing::Text(payload)).is_ok()
    }

    /// The way out for somebody who does not keep the connection open.
    pub(crate) fn out(&self) -> mpsc::WeakSender<Outgoing> {
        self.out.downgrade()
    }

    /// Gives the connection up, with a close frame if `code` is given. Fires the returned token once it is closed.
    pub(crate) fn close(self, code: Option<u16>) -> CancellationToken {
        if let Some(code) = code {
            self.out.try_send(Outgoing::Close(code)).ok(); // a stuck socket gets none, and is dropped
        }
        self.gone.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.vitals.over.store(true, Relaxed);
        self.over.cancel();
    }
}

/// Writes what the shard sends until it gives the connection up; independent of the reader, so that heartbeats go out
/// while a full sink holds the reader up. Once the connection is `over` a socket that takes nothing is dropped.
pub(crate) async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut outgoing: mpsc::Receiver<Outgoing>,
    over: CancellationToken,
) {
    let late = async {
        over.cancelled().await;
        tokio::time::sleep(CLOSE_LIMIT).await;
    };
    let writes = async {
        while let Some(next) = outgoing.recv().await {
            match next {
                Outgoing::Text(text) => {
                    if sink.send(Message::text(text)).await.is_err() {
                        return; // the reader sees the same failure and reports it
                    }
                }
                Outgoing::Close(code) => {
                    let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
                    let closing = sink.send(Message::Close(Some(frame)));
                    tokio::time::timeout(CLOSE_LIMIT, closing).await.ok(); // it is given up either way
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = writes => {}
        () = late => {}
    }
}
