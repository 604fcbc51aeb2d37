//! Who is connected, which sessions there are, and how an event reaches them. Pure but for the wake-ups.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::intents;
use super::line::{Batch, Later, Line, Outgoing};
use super::members::{self, MemberRequests};
use super::session::{Frame, Session};
use super::stream::Stream;
use crate::events::{SandboxEvent, Side};
use crate::faults::take;
use crate::journal::Journal;
use crate::world::World;
use crate::world::ids::Id;
use crate::world::outbox::{Dispatch, to_json};

/// Sessions without a connection that are remembered at most.
const DETACHED_MAX: usize = 256;
/// GUILD_CREATEs made ready at a time while a connection is being greeted.
const GREETED_AT_ONCE: usize = 8;
/// Events of a stream made ready at a time.
const STREAMED_AT_ONCE: usize = 64;

/// All sessions and connections.
pub(crate) struct Hub {
    pub sessions: BTreeMap<String, Session>,
    pub lines: BTreeMap<u64, Line>,
    /// When all members of each guild were last asked for.
    pub member_requests: MemberRequests,
    opened: u64,
    queue_max: usize,
    session_life_ms: u64,
}

impl Hub {
    pub(crate) fn new(queue_max: usize, session_life_ms: u64) -> Hub {
        Hub {
            sessions: BTreeMap::new(),
            lines: BTreeMap::new(),
            member_requests: MemberRequests::default(),
            opened: 0,
            queue_max: queue_max.max(16),
            session_life_ms,
        }
    }

    pub(crate) fn open(&mut self) -> (u64, Arc<Notify>, CancellationToken) {
        self.opened += 1;
        let line = Line::new();
        let (wake, cut) = (Arc::clone(&line.wake), line.cut.clone());
        self.lines.insert(self.opened, line);
        (self.opened, wake, cut)
    }

    /// Queues a control frame.
    pub(crate) fn send(&mut self, connection: u64, frame: Outgoing) {
        if let Some(line) = self.lines.get_mut(&connection).filter(|line| !line.ended) {
            line.outbox.push_back(frame);
            line.wake.notify_one();
        }
    }

    /// Holds something back on a connection until `due_ms`; it is lost with the connection.
    pub(crate) fn send_later(&mut self, connection: u64, due_ms: u64, what: Later) {
        if let Some(line) = self.lines.get_mut(&connection).filter(|line| !line.ended) {
            line.hold(due_ms, what);
        }
    }

    /// Queues `{"op":…,"d":…}`.
    pub(crate) fn send_op(&mut self, connection: u64, op: u8, data: &Value) {
        self.send(connection, Outgoing::Text(op_frame(op, data)));
    }

    /// What is to be written next; greets with further guilds, sends members, then streams, when there
    /// is nothing else.
    pub(crate) fn take(
        &mut self,
        connection: u64,
        world: &World,
        journal: &mut Journal,
        cut_every: &mut Option<(u32, u64)>,
        now_ms: u64,
    ) -> Batch {
        let Some(line) = self.lines.get_mut(&connection) else { return Batch::default() };
        let mut session = line.session.as_ref().and_then(|id| self.sessions.get_mut(id));
        while let Some(what) = if line.ended { None } else { line.due(now_ms) } {
            match (what, &mut session) {
                (Later::Frame(frame), _) => line.outbox.push_back(frame),
                (Later::Event(name, data), Some(session)) => {
                    journal.stats.dispatches += 1;
                    line.outbox.push_back(Outgoing::Text(session.push(name, &data)));
                }
                (Later::Event(..), None) => {}
            }
        }
        if let Some(session) = session.as_deref_mut().filter(|_| line.outbox.is_empty() && !line.ended) {
            line.outbox.extend(greeting(session, world));
            if line.outbox.is_empty() {
                send_chunk(session, line, world, now_ms);
            }
            if line.outbox.is_empty() {
                line.outbox.extend(streamed(session, journal, now_ms));
            }
            journal.stats.dispatches += line.outbox.len() as u64;
        }
        // Traffic that has its pace goes on with the next millisecond.
        let paced = session.as_deref().is_some_and(|session| session.stream.is_some()).then_some(now_ms + 1);
        let next_ms = line.next_ms().into_iter().chain(paced).min();
        let compressed = session.is_some_and(|session| session.compressed);
        let mut frames = std::mem::take(&mut line.outbox);
        let most = cut_every.map(|(_, events)| events).filter(|_| !line.ended);
        if line.carry(&mut frames, most) {
            take(cut_every);
            line.ended = true;
            self.ended(connection, None, Side::Sandbox, journal, now_ms);
        }
        Batch { frames, compressed, next_ms }
    }

    /// Gives an event to every session that covers its guild and asked for its kind.
    pub(crate) fn dispatch(&mut self, event: &Dispatch, world: &World, journal: &mut Journal, now_ms: u64) {
        let needed = intents::of(event.name, event.guild.is_some());
        let mut overrun = Vec::new();
        for session in self.sessions.values_mut() {
            let wanted = event.about_bot || needed.is_none_or(|intent| session.intents & intent != 0);
            if !wanted || !session.covers(event.guild) {
                continue;
            }
            let mut frames = Vec::with_capacity(1);
            if let Some(guild) = event.guild
                && let Some(at) = session.awaiting.iter().position(|awaited| *awaited == guild)
            {
                // A guild is introduced before anything happens in it.
                session.awaiting.remove(at);
                frames.extend(guild_create(session, world, guild));
            }
            if event.name == "GUILD_CREATE" {
                frames.extend(event.guild.and_then(|guild| guild_create(session, world, guild)));
            } else {
                let open = session.intents & intents::MESSAGE_CONTENT != 0;
                let blank = event.body_without_content.as_ref().filter(|_| !open);
                frames.push(session.push(event.name, blank.unwrap_or(&event.body)));
            }
            journal.stats.dispatches += frames.len() as u64;
            let line = session.connection.and_then(|connection| Some((connection, self.lines.get_mut(&connection)?)));
            if let Some((connection, line)) = line
                && !line.ended
            {
                if line.outbox.len() + frames.len() > self.queue_max {
                    overrun.push(connection);
                } else {
                    line.outbox.extend(frames.into_iter().map(Outgoing::Text));
                    line.wake.notify_one();
                }
            }
        }
        // A bot that reads so slowly loses its connection; its session keeps what is still kept.
        for connection in overrun {
            self.cut(connection, journal, now_ms);
        }
    }

    /// Drops a connection without a close frame.
    pub(crate) fn cut(&mut self, connection: u64, journal: &mut Journal, now_ms: u64) {
        let Some(line) = self.lines.get_mut(&connection).filter(|line| !line.ended) else { return };
        line.ended = true;
        line.outbox.clear();
        line.cut.cancel();
        self.ended(connection, None, Side::Sandbox, journal, now_ms);
    }

    /// As [`Hub::cut`], by a TCP reset.
    pub(crate) fn reset(&mut self, connection: u64, journal: &mut Journal, now_ms: u64) {
        if let Some(line) = self.lines.get_mut(&connection) {
            line.reset = true;
        }
        self.cut(connection, journal, now_ms);
    }

    /// Closes a connection with or without a code; fatal ones end the session.
    pub(crate) fn close(&mut self, connection: u64, code: Option<u16>, journal: &mut Journal, now_ms: u64) {
        if self.lines.get(&connection).is_none_or(|line| line.ended) {
            return;
        }
        self.send(connection, Outgoing::Close(code));
        if let Some(line) = self.lines.get_mut(&connection) {
            line.ended = true;
        }
        self.ended(connection, code, Side::Sandbox, journal, now_ms);
    }

    /// A connection is gone; says whether the socket is to end with a reset.
    pub(crate) fn left(&mut self, connection: u64, code: Option<u16>, journal: &mut Journal, now_ms: u64) -> bool {
        if self.lines.get(&connection).is_some_and(|line| !line.ended) {
            self.ended(connection, code, Side::Peer, journal, now_ms);
        }
        self.lines.remove(&connection).is_some_and(|line| line.reset)
    }

    /// Takes the session off its connection; it stays for a RESUME unless `over`.
    pub(crate) fn detach(&mut self, connection: u64, over: bool, now_ms: u64) {
        let Some(id) = self.lines.get_mut(&connection).and_then(|line| line.session.take()) else { return };
        if over {
            self.sessions.remove(&id);
        } else if let Some(session) = self.sessions.get_mut(&id) {
            session.connection = None;
            session.detached_ms = now_ms;
        }
        self.forget_old(now_ms);
    }

    /// Puts a session on a connection.
    pub(crate) fn attach(&mut self, connection: u64, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.connection = Some(connection);
            if let Some(line) = self.lines.get_mut(&connection) {
                line.shard = Some(session.shard);
                line.session = Some(id.to_owned());
                line.wake.notify_one();
            }
        }
    }

    /// Connections that are open, of one shard or all.
    pub(crate) fn open_lines(&self, shard: Option<u32>) -> Vec<u64> {
        let wanted = |line: &Line| !line.ended && (shard.is_none() || line.shard == shard);
        self.lines.iter().filter(|(_, line)| wanted(line)).map(|(connection, _)| *connection).collect()
    }

    /// Frames queued or held back on open connections, and what their sessions still have to send.
    pub(crate) fn undelivered(&self) -> usize {
        let of = |line: &Line| {
            let session = line.session.as_ref().and_then(|id| self.sessions.get(id));
            let owed = |session: &Session| {
                let streamed = session.stream.as_ref().map_or(0, Stream::left) as usize;
                session.awaiting.len() + session.chunks.len() + streamed
            };
            line.waiting() + session.map_or(0, owed)
        };
        self.lines.values().filter(|line| !line.ended).map(of).sum()
    }

    /// Drops sessions whose time is over, and the oldest beyond the bound.
    pub(crate) fn forget_old(&mut self, now_ms: u64) {
        let life = self.session_life_ms;
        self.sessions
            .retain(|_, session| session.connection.is_some() || now_ms < session.detached_ms.saturating_add(life));
        let mut detached: Vec<(u64, String)> = self
            .sessions
            .values()
            .filter(|session| session.connection.is_none())
            .map(|session| (session.detached_ms, session.id.clone()))
            .collect();
        detached.sort_unstable();
        let surplus = detached.len().saturating_sub(DETACHED_MAX);
        for (_, id) in detached.into_iter().take(surplus) {
            self.sessions.remove(&id);
        }
    }

    fn ended(&mut self, connection: u64, code: Option<u16>, by: Side, journal: &mut Journal, now_ms: u64) {
        let shard = self.lines.get(&connection).and_then(|line| line.shard);
        self.detach(connection, ends_session(code, by), now_ms);
        journal.record(SandboxEvent::Disconnected { shard, code, by });
    }
}

/// A bot that closes with 1000 or 1001 gives up its session; our fatal codes and 4007, 4009 end it too.
fn ends_session(code: Option<u16>, by: Side) -> bool {
    match by {
        Side::Peer => matches!(code, Some(1000 | 1001)),
        Side::Sandbox => matches!(code, Some(1000 | 1001 | 4004 | 4007 | 4009 | 4010..=4014)),
    }
}

/// The next GUILD_CREATEs that a session waits for.
fn greeting(session: &mut Session, world: &World) -> Vec<Outgoing> {
    let mut frames = Vec::new();
    while frames.len() < GREETED_AT_ONCE {
        let Some(guild) = session.awaiting.pop_front() else { break };
        frames.extend(guild_create(session, world, guild).map(Outgoing::Text));
    }
    frames
}

/// Queues the next members that were asked for, or holds them back.
fn send_chunk(session: &mut Session, line: &mut Line, world: &World, now_ms: u64) {
    while let Some(chunk) = session.chunks.pop_front() {
        let Some(body) = chunk.body(world) else { continue };
        match chunk.late_ms {
            Some(millis) => line.hold(now_ms + millis, Later::Event(members::EVENT, body)),
            None => return line.outbox.push_back(Outgoing::Text(session.push(members::EVENT, &body))),
        }
    }
}

/// The next events of what a fault has the session send.
fn streamed(session: &mut Session, journal: &mut Journal, now_ms: u64) -> Vec<Outgoing> {
    let Some(mut stream) = session.stream.take() else { return Vec::new() };
    let due = usize::try_from(stream.due(now_ms)).map_or(STREAMED_AT_ONCE, |due| due.min(STREAMED_AT_ONCE));
    let next = || stream.next(session, journal);
    let frames: Vec<Outgoing> = std::iter::from_fn(next).take(due).map(Outgoing::Text).collect();
    session.stream = Some(stream).filter(|stream| stream.left() > 0);
    frames
}

/// A frame that is no event.
pub(crate) fn op_frame(op: u8, data: &Value) -> Frame {
    Frame::new(format!("{{\"t\":null,\"s\":null,\"op\":{op},\"d\":{data}}}"))
}

/// The GUILD_CREATE of one guild as this session may see it; `None` when it hears of no guilds.
fn guild_create(session: &mut Session, world: &World, guild: Id) -> Option<Frame> {
    let guilds = intents::of("GUILD_CREATE", true).is_some_and(|intent| session.intents & intent != 0);
    let guild = world.guild(guild).ok().filter(|_| guilds)?;
    let everyone = session.intents & intents::GUILD_PRESENCES != 0;
    let presences = if everyone { World::presences(guild) } else { Vec::new() };
    let body = to_json(&guild.as_create(everyone, world.bot, presences, session.large_threshold));
    Some(session.push("GUILD_CREATE", &body))
}
