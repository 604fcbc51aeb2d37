//! What earlier processes left: read once, before the tree starts. Whatever is wrong with it is a sentence and no reason
//! not to run.

use super::{
    EARLIER_MAX, FILE, OLDER,
    format::{Change, FORMAT, Head, News, Process, Times, WHAT},
    kept::{Inheritance, Kept},
    lines::{Lines, Next},
    segment::Segment,
    wall_ms,
};
use crate::{
    core::{Decision, Time, carried::Carried},
    journal::Entry,
    path::ActorPath,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// What earlier processes left in a data folder.
#[derive(Debug)]
pub struct Past {
    pub(super) folder: PathBuf,
    pub(super) now: u64,
    /// The same moment by a clock that nobody sets.
    read: Instant,
    pub(super) kept: Kept,
    /// Whether something had to be brought forward because the clock has gone back.
    pub(super) moved: bool,
    earlier: VecDeque<Arc<Entry>>,
    /// Where the current segment goes on; none: a new one begins.
    pub(super) tail: Option<Tail>,
    problems: Vec<String>,
}

/// Where a segment goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) end: u64,
    pub(super) checksum: u32,
}

/// A tree that gave up is not started again yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withheld {
    /// The child of the root that it gave up over.
    pub child: String,
    /// What its supervisor said when it gave up.
    pub said: String,
    /// When its budget has room again.
    pub until: SystemTime,
    /// How long that is from now.
    pub left: Duration,
    /// The file that holds the memory of it.
    pub file: PathBuf,
}

/// A record as far as the next process needs it: what a state or an event looks like may change with the version.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Glance {
    Head(Head),
    Process(Process),
    Kept(Kept),
    State(Begun),
    Step(Box<Went>),
    Lost {},
    Ended { orderly: bool },
}

#[derive(Deserialize)]
struct Begun {
    path: ActorPath,
    kept: Vec<(String, Carried<u64>)>,
    own: Vec<u64>,
}

#[derive(Deserialize)]
struct Went {
    path: ActorPath,
    wall: u64,
    #[serde(default)]
    told: Vec<Box<RawValue>>,
    #[serde(default)]
    kept: Vec<(String, Option<News>)>,
    #[serde(default)]
    own: Option<Times>,
    #[serde(default)]
    gave_up: Option<super::kept::GaveUp>,
}

#[derive(Deserialize)]
struct Numbered {
    seq: u64,
}

impl Past {
    /// Reads what stands in `folder`; `now` is the wall clock's time.
    pub fn read(folder: &Path, now: SystemTime) -> Self {
        let mut past = Self {
            folder: folder.to_owned(),
            now: wall_ms(now),
            read: Instant::now(),
            kept: Kept::default(),
            moved: false,
            earlier: VecDeque::new(),
            tail: None,
            problems: Vec::new(),
        };
        past.segment(&folder.join(OLDER)); // for its decisions; what it kept the current one repeats
        let older = past.problems.len();
        past.tail = past.segment(&folder.join(FILE));
        if past.tail.is_some() {
            past.problems.drain(..older); // told when it was the current one
        }
        past.moved = past.kept.settle(past.now);
        past
    }

    /// What was wrong with it, in a sentence each.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Decisions of earlier processes, oldest first.
    pub fn decisions(&self) -> impl Iterator<Item = &Entry> {
        self.earlier.iter().map(AsRef::as_ref)
    }

    /// Whether the tree gave up and its budget has no room yet: it would only give up again.
    pub fn withheld(&self) -> Option<Withheld> {
        let gave_up = self.kept.gave_up.as_ref().filter(|gave_up| gave_up.until > self.now)?;
        Some(Withheld {
            child: gave_up.child.clone(),
            said: gave_up.said.clone(),
            until: UNIX_EPOCH + Duration::from_millis(gave_up.until),
            left: Duration::from_millis(gave_up.until - self.now),
            file: self.folder.join(FILE),
        })
    }

    /// Forgets what the tree gave up over where by now that ends with the process: `carries` tells it of a child of the root.
    /// A child without a budget of its own spent the root's intensity, which outlives the process whatever the child's rules
    /// are.
    pub fn lift(&mut self, carries: impl Fn(&str) -> bool) {
        self.kept.gave_up.take_if(|gave_up| !gave_up.shared && !carries(&gave_up.child));
    }

    /// Forgets budgets, failures, parking, and what the tree gave up over. What was decided stays known.
    pub fn forget(&mut self) {
        for carried in self.kept.children.values_mut() {
            *carried = Carried { total: carried.total, since: carried.since, ..Carried::default() };
        }
        self.kept.own.clear();
        self.kept.gave_up = None;
    }

    /// Writes down what had to be brought forward because the clock has gone back, so that it is not brought forward at
    /// each start anew; whether there was anything. For a process that ends before its tree begins.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_moved(&self) -> io::Result<bool> {
        if self.moved {
            Segment::new(self, super::SEGMENT_MAX).restate(self.kept.clone())?;
        }
        Ok(self.moved)
    }

    /// Hands it to a tree that begins now, with the time that this is for it: late enough for all that is handed over.
    pub(crate) fn hand_over(self) -> (Time, Vec<Arc<Entry>>, HashMap<ActorPath, Inheritance>) {
        let read = self.kept.reach(self.now);
        (read + self.read.elapsed(), self.earlier.into(), self.kept.hand_over(self.now, read))
    }

    /// Takes in one segment; where it goes on, if it can.
    fn segment(&mut self, path: &Path) -> Option<Tail> {
        let mut lines = match Lines::open(path) {
            Ok(lines) => lines,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.problems.push(format!("{} cannot be read: {error}; what it holds is not used", path.display()));
                return None;
            }
        };
        // A segment begins with all that is carried over. Cut off before that, it says nothing against the one before.
        let (mut kept, mut whole, mut orderly) = (Kept::default(), false, None);
        let broken = loop {
            let glance = match lines.next() {
                Ok(Next::Json(json)) => serde_json::from_slice(json),
                Ok(Next::End { .. }) => break None,
                Ok(Next::Damaged) => break Some("is damaged".to_owned()),
                Err(error) => break Some(format!("cannot be read: {error}")),
            };
            match glance {
                Ok(Glance::Head(head)) if head.what != WHAT || head.format != FORMAT => {
                    break Some(format!("is of format {} and not {FORMAT}", head.format));
                }
                Ok(Glance::Head(_) | Glance::Lost {}) => {}
                Ok(Glance::Process(process)) => {
                    if !process.goes_on && orderly.take() == Some(true) {
                        kept.unpark(); // it says so itself next, if it came that far
                    }
                }
                Ok(Glance::Kept(all)) => (kept, whole) = (all, true),
                Ok(Glance::State(begun)) => kept.begins(&begun.path, &begun.kept, &begun.own),
                Ok(Glance::Step(went)) => {
                    let went = *went;
                    self.remember(&went);
                    let change = Change { kept: went.kept, own: went.own, gave_up: went.gave_up };
                    kept.changed(&went.path, &change);
                }
                Ok(Glance::Ended { orderly: said }) => orderly = Some(said),
                Err(_) => break Some("holds a record of another version".to_owned()),
            }
        };
        if orderly == Some(true) {
            kept.unpark();
        }
        if whole {
            self.kept = kept;
        }
        if let Some(what) = broken {
            let (path, good) = (path.display(), lines.good);
            self.problems.push(format!("{path} {what} after {good} records: the rest of it is not used"));
            return None;
        }
        (lines.good > 0).then_some(Tail { end: lines.end, checksum: lines.checksum })
    }

    fn remember(&mut self, went: &Went) {
        for raw in &went.told {
            let read = || {
                let seq = serde_json::from_str::<Numbered>(raw.get()).ok()?.seq;
                Some((seq, serde_json::from_str::<Decision>(raw.get()).ok()?))
            };
            let Some((seq, decision)) = read() else { continue }; // another version's words
            let path = if decision.id.is_empty() { went.path.clone() } else { went.path.child(&decision.id) };
            let wall = UNIX_EPOCH + Duration::from_millis(went.wall);
            if self.earlier.len() >= EARLIER_MAX {
                self.earlier.pop_front();
            }
            self.earlier.push_back(Arc::new(Entry { seq, wall, path, earlier: true, decision }));
        }
    }
}
