//! Events that a fault has a session send as fast as the bot reads them, made one by one, so that millions
//! of them need no memory.

use super::session::{Frame, Session};
use crate::mutate::Mutations;

/// What a session still has to send.
#[derive(Debug)]
pub(crate) struct Stream {
    kind: Kind,
    /// Events made so far.
    made: u64,
    /// Events to make in all.
    total: u64,
}

#[derive(Debug)]
enum Kind {
    /// The same event, `{n}` in it replaced by its number.
    Flood { name: String, data: String },
    /// Events changed at random.
    Mutated(Box<Mutations>),
}

impl Stream {
    pub(crate) fn flood(name: String, data: String, total: u64) -> Stream {
        Stream { kind: Kind::Flood { name, data }, made: 0, total }
    }

    pub(crate) fn mutated(seed: u64, total: u64) -> Stream {
        Stream { kind: Kind::Mutated(Box::new(crate::mutate::mutate(seed))), made: 0, total }
    }

    pub(crate) fn left(&self) -> u64 {
        self.total - self.made
    }

    /// The next event, numbered by its session; `None` when all were sent.
    pub(crate) fn next(&mut self, session: &mut Session) -> Option<Frame> {
        if self.made == self.total {
            return None;
        }
        let n = self.made;
        self.made += 1;
        Some(match &mut self.kind {
            Kind::Flood { name, data } => session.push_odd(name, &data.replace("{n}", &n.to_string())),
            Kind::Mutated(mutations) => {
                let (name, data) = mutations.event();
                // A RESUME does not repeat it: a bot that cannot read it would resume for ever.
                session.push_unkept(name, &data).odd()
            }
        })
    }
}
