//! Events that a fault has a session send, as fast as the bot reads them or at a rate, made one by one, so that
//! millions of them need no memory.

use super::session::{Frame, Session};
use crate::journal::Journal;
use crate::mutate::Mutations;

/// What a session still has to send.
#[derive(Debug)]
pub(crate) struct Stream {
    kind: Kind,
    /// Events made so far.
    made: u64,
    /// Events to make in all.
    total: u64,
    /// Events a second, and when the first was due (Unix milliseconds), once it was; `None`: as fast as they are read.
    pace: Option<(u64, Option<u64>)>,
}

#[derive(Debug)]
enum Kind {
    /// The same event, `{n}` in it replaced by its number.
    Flood { name: String, data: String },
    /// Several events in turn.
    Traffic { mix: Vec<(String, String)> },
    /// Events changed at random.
    Mutated(Box<Mutations>),
}

impl Stream {
    pub(crate) fn flood(name: String, data: String, total: u64) -> Stream {
        Stream { kind: Kind::Flood { name, data }, made: 0, total, pace: None }
    }

    /// Nothing at all of an empty mix.
    pub(crate) fn traffic(mix: Vec<(String, String)>, per_second: u64, total: u64) -> Stream {
        let total = if mix.is_empty() { 0 } else { total };
        Stream { kind: Kind::Traffic { mix }, made: 0, total, pace: Some((per_second.max(1), None)) }
    }

    pub(crate) fn mutated(seed: u64, total: u64) -> Stream {
        Stream { kind: Kind::Mutated(Box::new(crate::mutate::mutate(seed))), made: 0, total, pace: None }
    }

    pub(crate) fn left(&self) -> u64 {
        self.total - self.made
    }

    /// How many of its events are due.
    pub(crate) fn due(&mut self, now_ms: u64) -> u64 {
        let Some((per_second, began)) = &mut self.pace else { return self.left() };
        let since_ms = now_ms.saturating_sub(*began.get_or_insert(now_ms));
        // The first at once, the others spread over the time.
        let by_now = (u128::from(*per_second) * u128::from(since_ms) / 1_000 + 1).min(u128::from(self.total)) as u64;
        by_now.saturating_sub(self.made)
    }

    /// The next event, numbered by its session; `None` when all were sent.
    pub(crate) fn next(&mut self, session: &mut Session, journal: &mut Journal) -> Option<Frame> {
        if self.made == self.total {
            return None;
        }
        let n = self.made;
        self.made += 1;
        Some(match &mut self.kind {
            Kind::Flood { name, data } => {
                journal.count_streamed(name);
                session.push_odd(name, &data.replace("{n}", &n.to_string()))
            }
            Kind::Traffic { mix } => {
                let (name, data) = &mix[(n % mix.len() as u64) as usize];
                journal.count_streamed(name);
                session.push_odd(name, &data.replace("{n}", &n.to_string()))
            }
            Kind::Mutated(mutations) => {
                let (name, data) = mutations.event();
                journal.count_streamed(name);
                // A RESUME does not repeat it: a bot that cannot read it would resume for ever.
                session.push_unkept(name, &data).odd()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_comes_in_turn_and_at_its_rate() {
        let mix = vec![("A".to_owned(), "{n}".to_owned()), ("B".to_owned(), "0".to_owned())];
        let mut stream = Stream::traffic(mix, 2_000, 9);
        let (mut session, mut journal) = (Session::new("s".into(), 0, 1, 0, 9), Journal::new(9));
        assert_eq!(stream.due(1_000), 1, "the first at once");
        assert!(stream.next(&mut session, &mut journal).unwrap().text.as_str().contains(r#""t":"A""#));
        assert_eq!((stream.due(1_000), stream.due(1_001), stream.due(1_002)), (0, 2, 4));
        for _ in 0..4 {
            stream.next(&mut session, &mut journal).unwrap();
        }
        assert_eq!((stream.due(1_002), stream.due(9_000), stream.left()), (0, 4, 4), "no more than there are");
        assert_eq!(journal.stats.streamed, [("A".to_owned(), 3), ("B".to_owned(), 2)].into());
        assert_eq!(Stream::traffic(Vec::new(), 1, 5).left(), 0);
    }
}
