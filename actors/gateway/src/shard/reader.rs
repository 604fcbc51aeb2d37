//! Reads one connection: scans each frame, drops what nobody wants, decodes the rest once and hands it to the sink.
//!
//! It runs beside the shard actor, so that a full sink stops the reading and nothing else. There is one task per
//! connection and none per event.

mod frame;
mod hand_over;
mod oddities;
mod step;

use self::step::fingerprint;
use super::{
    link::{Link, Vitals},
    message::{Control, ShardMsg},
};
use crate::{
    books::Books,
    cache::{Cache, Ready},
    config::Compression,
    inflate::Inflate,
    keeper::Keeper,
    scan::Header,
    session::ResumePoint,
    socket::Socket,
    status::count,
};
use futures_util::{StreamExt, stream::SplitStream};
use metering::gateway::{DropReason, EventCounters};
use protocol::{Clock, EventKind, EventSink, KindSet};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::Addr;
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long the other end has to answer our close frame.
const FAREWELL: Duration = Duration::from_millis(500);

/// The reader of one connection.
pub(crate) struct Reader {
    pub(super) generation: u64,
    pub(super) shard: Addr<ShardMsg>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) cache: Arc<Cache>,
    pub(super) sink: Arc<dyn EventSink>,
    pub(super) wants: KindSet,
    reads: KindSet,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) draining: Arc<AtomicBool>,
    pub(super) vitals: Arc<Vitals>,
    over: CancellationToken,
    books: Option<Arc<Books>>,
    /// Whether READY or RESUMED has come: what does from then on is new.
    caught_up: bool,
    /// Dispatches in a row whose numbers were too far beyond the others.
    too_far: u32,
    /// Whether the shard was told that this connection is out of step: dispatches are left to the next one.
    astray: bool,
    /// Whether it has warned of interactions that came again too late.
    told_expired: bool,
    counters: EventCounters,
    compression: Compression,
    turn: Option<OwnedSemaphorePermit>,
    _gone: DropGuard,
}

/// What a reader shares with those of other connections.
pub(super) struct Shared<'a> {
    pub(super) shard: Addr<ShardMsg>,
    pub(super) keeper: &'a Arc<Keeper>,
    pub(super) cache: &'a Arc<Cache>,
    pub(super) sink: &'a Arc<dyn EventSink>,
    pub(super) wants: KindSet,
    pub(super) clock: &'a Arc<dyn Clock>,
    pub(super) draining: &'a Arc<AtomicBool>,
    pub(super) compression: Compression,
}

/// Whether reading goes on.
type Next = Result<(), Control>;

impl Reader {
    pub(super) fn new(link: &Link, shared: Shared<'_>) -> Self {
        Self {
            generation: link.generation,
            shard: shared.shard,
            books: shared.keeper.books(),
            caught_up: false,
            too_far: 0,
            astray: false,
            told_expired: false,
            keeper: Arc::clone(shared.keeper),
            cache: Arc::clone(shared.cache),
            sink: Arc::clone(shared.sink),
            wants: shared.wants,
            reads: shared.cache.reads(),
            clock: Arc::clone(shared.clock),
            draining: Arc::clone(shared.draining),
            vitals: Arc::clone(&link.vitals),
            over: link.over.clone(),
            counters: EventCounters::new(EventKind::ALL.iter().map(|kind| kind.name())),
            compression: shared.compression,
            turn: None,
            _gone: link.gone.clone().drop_guard(),
        }
    }

    /// Reads until the connection ends or is given up.
    pub(crate) async fn run(mut self, mut socket: SplitStream<Socket>) {
        let over = self.over.clone();
        let mut given_up = std::pin::pin!(over.cancelled());
        let mut inflate = Inflate::new(self.compression);
        loop {
            // A busy socket is asked first: the flag below is cheaper to read for each frame than the token.
            let message = tokio::select! {
                biased;
                message = socket.next() => message,
                () = &mut given_up => break,
            };
            if self.vitals.over.load(Relaxed) {
                break;
            }
            if let Err(closed) = self.message(message, &mut inflate).await {
                return self.tell(closed).await;
            }
        }
        self.turn = None;
        // Reading on lets the other end take our close frame and answer it; what else it sends is not ours any more.
        let goes_on = |message: &_| matches!(message, Some(Ok(message)) if !matches!(message, Message::Close(_)));
        let farewell = async { while goes_on(&socket.next().await) {} };
        tokio::time::timeout(FAREWELL, farewell).await.ok(); // it had its chance
    }

    fn alive(&self) {
        // The reader is the only writer: no read-modify-write is needed.
        self.vitals.frames.store(self.vitals.frames.load(Relaxed) + 1, Relaxed);
    }

    async fn dispatch(&mut self, header: &Header<'_>) {
        let (Some(seq), Some(name)) = (header.seq, header.kind.as_deref()) else {
            self.malformed("op-0", None);
            return;
        };
        self.take_turn().await;
        if self.astray || self.vitals.over.load(Relaxed) {
            return; // given up, perhaps while it waited: its successor is asked to replay this
        }
        // Yields now and then although a filled read buffer never makes the socket wait: others need the core too.
        tokio::task::consume_budget().await;
        let (known, books) = (EventKind::from_name(name), self.books.clone());
        let fits = match (known, &books) {
            (Some(EventKind::Ready), _) => true, // its number begins the count
            (Some(EventKind::Resumed), _) if !self.caught_up => self.resumed(seq).await,
            (_, Some(books)) => self.in_step(seq, known, books).await,
            (_, None) => true,
        };
        if !fits {
            return;
        }
        self.keeper.members.dispatch(name, header);
        let Some(kind) = known else {
            self.unknown(name);
            if !self.draining.load(Relaxed) {
                self.accept(seq, true);
            }
            return;
        };
        self.counters.received(place(kind));
        if kind == EventKind::Ready {
            return self.ready(seq, header).await;
        }
        let Some(books) = books else {
            self.malformed(kind.name(), Some("it came before READY"));
            return;
        };
        let before = books.received();
        books.receive(seq);
        if self.caught_up && kind != EventKind::Resumed {
            books.disprove(before, seq);
        }
        if self.draining.load(Relaxed) {
            // Not accepted: whoever resumes the session gets it again.
            self.counters.dropped(place(kind), DropReason::Draining);
            return;
        }
        let event = books.is_in_doubt().then(|| fingerprint(header));
        let is_stray = event.is_some_and(|event| !books.is_done(seq) && books.is_stray(event));
        if is_stray {
            books.accept(seq);
        }
        if books.is_done(seq) {
            count(&self.keeper.tally.replayed);
            self.vitals.again.store(self.vitals.again.load(Relaxed) + 1, Relaxed);
            self.counters.dropped(place(kind), DropReason::Duplicate);
            return;
        }
        if self.hand_over(seq, kind, header, &books).await {
            self.accept(seq, kind != EventKind::Resumed);
            if let Some(event) = event {
                books.sign(seq, event);
            }
        }
    }

    /// All that Discord kept of the time without a connection has come.
    fn replayed(&self) {
        let Some(books) = self.books.as_ref().filter(|_| !self.draining.load(Relaxed)) else { return };
        let lost = books.give_up_due();
        if lost > 0 {
            self.keeper.lost(lost);
            let shard = self.keeper.shard().0;
            tracing::warn!(
                shard.id = shard,
                lost,
                "{lost} event(s) that the process before had not begun did not come again"
            );
        }
    }

    /// Waits until the connection before this one has finished its last delivery, so that nothing is doubled.
    async fn take_turn(&mut self) {
        if self.turn.is_none() {
            self.pause();
            self.turn = Arc::clone(&self.keeper.turn).acquire_owned().await.ok(); // it is never closed
            self.unpause();
            self.books.iter().for_each(|books| books.rewind());
        }
    }

    async fn ready(&mut self, seq: u64, header: &Header<'_>) {
        let ready = match header.decode::<Ready>() {
            Ok(ready) => ready,
            Err(error) => {
                self.malformed(EventKind::Ready.name(), Some(&error.to_string()));
                return;
            }
        };
        // It answers an IDENTIFY, once. Any other would put another session in place of the one under way: which of them this
        // connection speaks of from now on is asked by a RESUME.
        if !self.vitals.identified.swap(false, Relaxed) {
            let why = "READY came, and no IDENTIFY was waiting for it";
            self.malformed(EventKind::Ready.name(), Some(why));
            return self.astray(why.to_owned()).await;
        }
        let books = self.keeper.begin(&ready, seq);
        self.cache.ready(&ready, self.keeper.shard().0, self.keeper.total());
        self.books = Some(Arc::clone(&books));
        self.caught_up = true;
        let point = ResumePoint { session_id: ready.session_id, url: ready.resume_gateway_url };
        self.tell(Control::Ready(point)).await;
        self.hand_over(seq, EventKind::Ready, header, &books).await;
    }

    fn accept(&self, seq: u64, fresh: bool) {
        let Some(books) = &self.books else { return };
        books.receive(seq);
        if books.is_done(seq) {
            return;
        }
        books.accept(seq);
        if fresh {
            self.vitals.fresh.store(self.vitals.fresh.load(Relaxed) + 1, Relaxed);
            self.vitals.live.store(self.vitals.live.load(Relaxed) + u64::from(self.caught_up), Relaxed);
        }
    }

    fn pause(&self) {
        self.vitals.paused.store(true, Relaxed);
        self.keeper.tally.pushed_back.store(true, Relaxed);
    }

    fn unpause(&self) {
        self.alive(); // what lies in the socket's buffer has waited for us, not the other way round
        self.vitals.paused.store(false, Relaxed);
        self.keeper.tally.pushed_back.store(false, Relaxed);
    }

    async fn tell(&self, control: Control) {
        let message = ShardMsg::Control { generation: self.generation, control };
        self.shard.send(message).await.ok(); // without a shard this task ends too
    }
}

#[cfg(test)]
mod tests;

/// Where a type stands in [`EventKind::ALL`], which lists them as they are declared.
fn place(kind: EventKind) -> usize {
    kind as usize
}
