//! One gateway session: its sequence numbers and the events that a RESUME can have again. Pure.

use std::collections::VecDeque;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::members::Chunk;
use super::stream::Stream;
use crate::world::ids::{Id, shard_of};

/// What an IDENTIFY that names no `large_threshold` means (Discord documentation, "Identify").
pub(crate) const LARGE_THRESHOLD: usize = 50;

/// A text frame as it goes over the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub text: Utf8Bytes,
    /// It has a sequence number.
    pub is_event: bool,
    /// A fault made it: nothing that Discord documents need be in it.
    pub odd: bool,
}

impl Frame {
    pub(crate) fn new(text: impl Into<Utf8Bytes>) -> Frame {
        Frame { text: text.into(), is_event: false, odd: false }
    }

    pub(crate) fn odd(self) -> Frame {
        Frame { odd: true, ..self }
    }
}

/// What lives on when a connection is lost.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: String,
    pub shard: u32,
    pub shards: u32,
    pub intents: u64,
    /// IDENTIFY asked for the compression of large payloads.
    pub compressed: bool,
    /// Members of a guild above which GUILD_CREATE leaves out those who are offline.
    pub large_threshold: usize,
    /// Last sequence number given out.
    pub seq: u64,
    /// Events for replay, oldest first; sequence numbers grow but may have gaps.
    events: VecDeque<(u64, Frame)>,
    /// Highest sequence number that is no longer kept.
    forgotten: u64,
    kept: usize,
    /// Guilds whose GUILD_CREATE is still to come.
    pub awaiting: VecDeque<Id>,
    /// Members that were asked for and are still to be sent.
    pub chunks: VecDeque<Chunk>,
    /// Events that a fault has it sent as fast as they are read.
    pub stream: Option<Stream>,
    /// Connection that carries it now.
    pub connection: Option<u64>,
    /// Since when it has none (Unix milliseconds).
    pub detached_ms: u64,
}

/// Why a RESUME cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoReplay {
    /// The bot claims events that were never sent.
    TooNew,
    /// Events it needs are no longer kept.
    TooOld,
}

impl Session {
    pub(crate) fn new(id: String, shard: u32, shards: u32, intents: u64, kept: usize) -> Session {
        Session {
            id,
            shard,
            shards,
            intents,
            compressed: false,
            large_threshold: LARGE_THRESHOLD,
            seq: 0,
            events: VecDeque::new(),
            forgotten: 0,
            kept: kept.max(1),
            awaiting: VecDeque::new(),
            chunks: VecDeque::new(),
            stream: None,
            connection: None,
            detached_ms: 0,
        }
    }

    /// Whether events of this guild (or of none) belong to its shard.
    pub(crate) fn covers(&self, guild: Option<Id>) -> bool {
        match guild {
            Some(guild) => shard_of(guild, self.shards) == self.shard,
            None => self.shard == 0,
        }
    }

    /// Numbers an event, keeps it for replay and gives the frame.
    pub(crate) fn push(&mut self, name: &str, data: &str) -> Frame {
        let frame = self.number(name, data);
        self.keep(frame.clone());
        frame
    }

    /// As [`Session::push`] for what a fault made up.
    pub(crate) fn push_odd(&mut self, name: &str, data: &str) -> Frame {
        let frame = self.number(name, data).odd();
        self.keep(frame.clone());
        frame
    }

    /// Numbers an event that no later RESUME repeats (RESUMED itself).
    pub(crate) fn push_unkept(&mut self, name: &str, data: &str) -> Frame {
        self.number(name, data)
    }

    /// The events after `seq`, oldest first.
    pub(crate) fn replay(&self, seq: u64) -> Result<Vec<Frame>, NoReplay> {
        if seq > self.seq {
            return Err(NoReplay::TooNew);
        }
        if seq < self.forgotten {
            return Err(NoReplay::TooOld);
        }
        let from = self.events.partition_point(|(kept, _)| *kept <= seq);
        Ok(self.events.range(from..).map(|(_, frame)| frame.clone()).collect())
    }

    fn keep(&mut self, frame: Frame) {
        if self.events.len() == self.kept
            && let Some((seq, _)) = self.events.pop_front()
        {
            self.forgotten = seq;
        }
        self.events.push_back((self.seq, frame));
    }

    fn number(&mut self, name: &str, data: &str) -> Frame {
        self.seq += 1;
        let seq = self.seq;
        let mut frame = String::with_capacity(data.len() + name.len() + 48);
        frame.push_str("{\"t\":\"");
        frame.push_str(name);
        frame.push_str("\",\"s\":");
        frame.push_str(&seq.to_string());
        frame.push_str(",\"op\":0,\"d\":");
        frame.push_str(data);
        frame.push('}');
        Frame { is_event: true, ..Frame::new(frame) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(kept: usize) -> Session {
        Session::new("s".into(), 0, 1, 0, kept)
    }

    #[test]
    fn replay_gives_exactly_what_came_after() {
        let mut session = session(10);
        let frames: Vec<_> = (0..5).map(|n| session.push("X", &n.to_string())).collect();
        assert_eq!(session.replay(2).unwrap(), frames[2..]);
        assert_eq!(session.replay(5).unwrap(), Vec::<Frame>::new());
        assert_eq!(frames[0].text.as_str(), r#"{"t":"X","s":1,"op":0,"d":0}"#);
    }

    #[test]
    fn replay_refuses_the_future_and_the_forgotten() {
        let mut session = session(3);
        for n in 0..5 {
            session.push("X", &n.to_string());
        }
        assert_eq!(session.replay(6), Err(NoReplay::TooNew));
        assert_eq!(session.replay(1), Err(NoReplay::TooOld));
        assert_eq!(session.replay(2).unwrap().len(), 3);
    }

    #[test]
    fn an_unkept_event_takes_a_number_but_is_not_replayed() {
        let mut session = session(3);
        session.push("X", "1");
        session.push_unkept("RESUMED", "{}");
        let last = session.push("X", "2");
        assert_eq!(session.replay(1).unwrap(), vec![last]);
        assert_eq!(session.seq, 3);
    }
}
