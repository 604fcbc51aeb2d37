//! One open connection: what waits to be written on it, now or later.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Bytes;
use tokio_util::sync::CancellationToken;

use super::session::Frame;

/// Something to be written on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Outgoing {
    Text(Frame),
    Binary(Bytes),
    /// A close frame, without a code where there is none.
    Close(Option<u16>),
    /// The end of the connection, once what is before it was written.
    Cut,
}

/// Something that is held back until its time.
#[derive(Clone, Debug)]
pub(crate) enum Later {
    Frame(Outgoing),
    /// An event, which is numbered when it is sent, so that numbers stay in order.
    Event(&'static str, String),
}

/// What a connection is to write next.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub frames: VecDeque<Outgoing>,
    /// Large payloads are to be compressed one by one.
    pub compressed: bool,
    /// When something held back is due (Unix milliseconds).
    pub next_ms: Option<u64>,
}

/// One open connection.
pub(crate) struct Line {
    pub outbox: VecDeque<Outgoing>,
    /// Held back until their time (Unix milliseconds), soonest first.
    later: VecDeque<(u64, Later)>,
    pub wake: Arc<Notify>,
    pub cut: CancellationToken,
    /// It ends with a TCP reset instead of an orderly end.
    pub reset: bool,
    pub session: Option<String>,
    pub shard: Option<u32>,
    /// When the frames of the last minute came in (Unix milliseconds).
    pub received_ms: VecDeque<u64>,
    /// Events it has carried.
    pub carried: u64,
    /// Its end was decided: nothing more is queued or heard.
    pub ended: bool,
}

impl Line {
    pub(crate) fn new() -> Line {
        Line {
            outbox: VecDeque::new(),
            later: VecDeque::new(),
            wake: Arc::new(Notify::new()),
            cut: CancellationToken::new(),
            reset: false,
            session: None,
            shard: None,
            received_ms: VecDeque::new(),
            carried: 0,
            ended: false,
        }
    }

    /// Holds something back until `due_ms`.
    pub(crate) fn hold(&mut self, due_ms: u64, what: Later) {
        let at = self.later.partition_point(|(other, _)| *other <= due_ms);
        self.later.insert(at, (due_ms, what));
        self.wake.notify_one();
    }

    /// The next of what was held back whose time has come.
    pub(crate) fn due(&mut self, now_ms: u64) -> Option<Later> {
        let due = self.later.front().is_some_and(|(due_ms, _)| *due_ms <= now_ms);
        if due { self.later.pop_front().map(|(_, what)| what) } else { None }
    }

    /// When the next of what is held back is due.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        self.later.front().map(|(due_ms, _)| *due_ms)
    }

    /// Counts the events among `frames`. Where the connection is to end after `most`, what is behind the last
    /// of them is dropped; the value says whether it ends.
    pub(crate) fn carry(&mut self, frames: &mut VecDeque<Outgoing>, most: Option<u64>) -> bool {
        for at in 0..frames.len() {
            self.carried += u64::from(matches!(&frames[at], Outgoing::Text(frame) if frame.is_event));
            if most.is_some_and(|most| self.carried >= most) {
                frames.truncate(at + 1);
                frames.push_back(Outgoing::Cut);
                return true;
            }
        }
        false
    }

    /// What is queued or held back.
    pub(crate) fn waiting(&self) -> usize {
        self.outbox.len() + self.later.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_back_comes_when_it_is_due_and_in_order() {
        let mut line = Line::new();
        for (due_ms, name) in [(30, "c"), (10, "a"), (10, "b")] {
            line.hold(due_ms, Later::Event(name, String::new()));
        }
        assert!(line.due(9).is_none());
        assert_eq!(line.next_ms(), Some(10));
        let mut due = || line.due(10).map(|what| if let Later::Event(name, _) = what { name } else { "" });
        assert_eq!((due(), due(), due()), (Some("a"), Some("b"), None));
        assert_eq!(line.next_ms(), Some(30));
    }
}
