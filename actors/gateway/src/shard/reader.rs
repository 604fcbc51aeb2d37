//! Reads one connection: scans each frame, drops what nobody wants, decodes the rest once and hands it to the sink.
//!
//! It runs beside the shard actor, so that a full sink stops the reading and nothing else. There is one task per
//! connection and none per event.

mod step;

use self::step::fingerprint;
use super::{
    link::{Link, Vitals},
    message::{Control, ShardMsg},
};
use crate::{
    books::Books,
    cache::{Cache, Passed, Ready},
    config::Compression,
    decode::decode,
    inflate::{Inflate, InflateError},
    keeper::Keeper,
    scan::{Header, scan},
    session::ResumePoint,
    socket::Socket,
    status::count,
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream::SplitStream};
use metering::gateway::{DropReason, EventCounters};
use protocol::{Clock, Dispatch, Event, EventKind, EventSink, KindSet};
use serde::Deserialize;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use supervision::{Addr, guarded_sync};
use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long the other end has to answer our close frame.
const FAREWELL: Duration = Duration::from_millis(500);
/// Unknown event names are cut to this length in the log.
const NAME_MAX: usize = 48;

/// Discord waits three seconds for the first answer to an interaction; the rest is for clocks that differ. Only replayed ones
/// are measured: what comes as it happens is not old, whatever the clocks say.
const INTERACTION_MAX: TimeDelta = TimeDelta::seconds(10);
/// The first moment of 2015, from which ids count milliseconds above their lowest 22 bits.
const DISCORD_EPOCH_MS: i64 = 1_420_070_400_000;

/// So many unreadable payloads are warned about one by one.
const LOUD_MAX: u64 = 16;

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

    async fn message(&mut self, message: Option<Result<Message, WsError>>, inflate: &mut Inflate) -> Next {
        match message {
            Some(Ok(Message::Text(text))) => self.frame(&text).await,
            Some(Ok(Message::Binary(bytes))) => match inflate.push(&bytes) {
                Ok(Some(text)) => self.frame(text).await,
                Ok(None) => self.alive(),
                Err(error @ InflateError::NotText(_)) => {
                    self.alive();
                    self.malformed("frame", Some(&error.to_string()));
                }
                Err(error) => {
                    self.malformed("frame", Some(&error.to_string()));
                    return Err(Control::Closed(None, error.to_string()));
                }
            },
            Some(Ok(Message::Close(frame))) => {
                let detail = frame.as_ref().map(|frame| frame.reason.to_string()).unwrap_or_default();
                return Err(Control::Closed(frame.map(|frame| frame.code.into()), detail));
            }
            Some(Ok(_)) => self.alive(),
            Some(Err(error)) => return Err(Control::Closed(None, error.to_string())),
            None => return Err(Control::Closed(None, "the connection ended".to_owned())),
        }
        Ok(())
    }

    fn alive(&self) {
        // The reader is the only writer: no read-modify-write is needed.
        self.vitals.frames.store(self.vitals.frames.load(Relaxed) + 1, Relaxed);
    }

    async fn frame(&mut self, text: &str) {
        self.alive();
        let header = match scan(text) {
            Ok(header) => header,
            Err(_) => {
                self.malformed("frame", None);
                return;
            }
        };
        match header.op {
            0 => self.dispatch(&header).await,
            1 => self.tell(Control::Heartbeat).await,
            7 => self.tell(Control::Reconnect).await,
            9 => self.tell(Control::InvalidSession(header.decode().unwrap_or(false))).await,
            10 => match header.decode::<Hello>() {
                Ok(hello) => self.tell(Control::Hello(Duration::from_millis(hello.heartbeat_interval))).await,
                Err(_) => self.malformed("op-10", None),
            },
            11 => self.tell(Control::Ack).await,
            op => {
                count(&self.keeper.tally.unknown);
                tracing::debug!(shard.id = self.keeper.shard().0, op, "unknown opcode");
            }
        }
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
        books.receive(seq);
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

    /// To the cache, and to the sink if it wants it. A panic in a decoder or in the sink costs this one event. False: the
    /// process stops and nobody took it; whoever resumes the session gets it again.
    async fn hand_over(&mut self, seq: u64, kind: EventKind, header: &Header<'_>, books: &Books) -> bool {
        let (cached, wanted) = (self.reads.contains(kind), self.wants.contains(kind));
        if !cached && !wanted {
            if matches!(kind, EventKind::Ready | EventKind::Resumed) {
                return true; // the session wanted it
            }
            count(&self.keeper.tally.unwanted);
            self.counters.dropped(place(kind), DropReason::Unwanted);
            return true;
        }
        let this = &*self;
        let decoded = guarded_sync(|| {
            if cached && books.apply(seq) {
                match header.decode_with(|data| this.cache.apply(kind, data))? {
                    Some(Passed::Emojis(guild, emojis)) => this.sink.guild_emojis(guild, &emojis),
                    Some(Passed::Permissions(guild)) => this.sink.permissions_changed(guild),
                    None => {}
                }
            }
            if !wanted || header.data().is_some_and(|data| !this.sink.may_concern(kind, data)) {
                return Ok(None);
            }
            let received = this.clock.monotonic(); // before decoding, and only for what is decoded: it is not free
            let decoded = header.decode_with(|data| decode(kind, data))?;
            this.cache.met(&decoded.0);
            Ok(Some((received, decoded)))
        });
        let (received, (event, guild)) = match decoded {
            Ok(Ok(Some(decoded))) => decoded,
            Ok(Ok(None)) => {
                if !cached {
                    count(&self.keeper.tally.unwanted);
                    self.counters.dropped(place(kind), DropReason::Unwanted);
                }
                return true;
            }
            // serde's messages name fields and types; where one quotes a value it is cut off.
            Ok(Err(error)) => {
                self.malformed(kind.name(), Some(&without_values(&error)));
                return true;
            }
            Err(panic) => {
                self.malformed(kind.name(), Some(&panic.to_string()));
                return true;
            }
        };
        // Asked in this order: once caught up no event costs a look at the clock.
        if !self.caught_up
            && let Some(age) = age(&event, self.clock.now()).filter(|age| *age > INTERACTION_MAX)
        {
            self.expired(seq, age, books);
            self.counters.dropped(place(kind), DropReason::Expired);
            return true;
        }
        let shard = self.keeper.shard();
        let dispatch = Dispatch { shard, seq, kind, guild, event, received, backlog: Arc::clone(books.backlog()) };
        match guarded_sync(|| self.sink.deliver(dispatch)) {
            Ok(None) => {}
            Ok(Some(room)) => {
                count(&self.keeper.tally.pushbacks);
                self.pause();
                let taken = tokio::select! {
                    biased;
                    () = room => true,
                    () = self.stopped() => false,
                };
                self.unpause();
                if !taken {
                    self.counters.dropped(place(kind), DropReason::Draining);
                    return false;
                }
            }
            Err(panic) => tracing::error!(shard.id = shard.0, event.r#type = kind.name(), "the sink panicked: {panic}"),
        }
        count(&self.keeper.tally.delivered);
        true
    }

    /// An interaction that was sent again can no longer be answered: nobody waits for what it would do.
    fn expired(&mut self, seq: u64, age: TimeDelta, books: &Books) {
        if seq <= books.accepted() {
            self.keeper.lost(1); // the process before has left it to this one
        }
        if !std::mem::replace(&mut self.told_expired, true) {
            let (shard, age) = (self.keeper.shard().0, age.as_seconds_f64());
            tracing::warn!(
                shard.id = shard,
                age_seconds = age,
                "an interaction that came again after a RESUME is {age:.0} s old by this machine's clock and is let alone: \
                 Discord takes no answer to it any more (an age that cannot be is a clock that runs ahead); more of them \
                 are counted only"
            );
        }
    }

    /// Ends when the connection is given up because the process stops. (One that is merely cut waits on: its successor
    /// goes on behind what is delivered here.)
    async fn stopped(&self) {
        self.over.cancelled().await;
        if !self.draining.load(Relaxed) {
            std::future::pending::<()>().await;
        }
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

    fn unknown(&self, name: &str) {
        count(&self.keeper.tally.unknown);
        metering::gateway::event_unknown(name);
        let name: String = name.chars().take(NAME_MAX).collect();
        tracing::debug!(shard.id = self.keeper.shard().0, event.r#type = ?name, "unknown event type");
    }

    fn malformed(&self, what: &'static str, why: Option<&str>) {
        let before = count(&self.keeper.tally.malformed);
        metering::gateway::payload_malformed(what);
        let (shard, why) = (self.keeper.shard().0, why.unwrap_or("it is not what Discord documents"));
        // A flood of them must not become a flood of log lines: all are counted, ever fewer are warned about.
        if before < LOUD_MAX || (before + 1).is_power_of_two() {
            tracing::warn!(shard.id = shard, event.r#type = what, "a payload could not be read: {why}");
        } else {
            tracing::debug!(shard.id = shard, event.r#type = what, "a payload could not be read: {why}");
        }
    }

    async fn tell(&self, control: Control) {
        let message = ShardMsg::Control { generation: self.generation, control };
        self.shard.send(message).await.ok(); // without a shard this task ends too
    }
}

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
struct Hello {
    heartbeat_interval: u64,
}

/// How long ago Discord made `event`, if it is an interaction.
fn age(event: &Event, now: DateTime<Utc>) -> Option<TimeDelta> {
    let Event::InteractionCreate(created) = event else { return None };
    let millis = DISCORD_EPOCH_MS.saturating_add_unsigned(created.interaction.id().get() >> 22);
    Some(TimeDelta::milliseconds(now.timestamp_millis().saturating_sub(millis)))
}

/// Where a type stands in [`EventKind::ALL`], which lists them as they are declared.
fn place(kind: EventKind) -> usize {
    kind as usize
}

/// serde quotes offending strings in backquotes or double quotes: they may be message content.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.starts_with("missing field") || text.starts_with("duplicate field") {
        true => text,
        false => format!("{:?} error at column {}", error.classify(), error.column()),
    }
}
