//! Deciding again: every event of a record goes through the core once more, and must lead to the same decisions.

use super::{
    format::{FORMAT, Record, Stepped, Told, WHAT},
    lines::{Lines, Next},
};
use crate::{
    core::{self, State},
    journal,
    panics::guarded_sync,
    path::ActorPath,
};
use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::Path,
};

/// What a replay came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compared {
    /// Decisions that were made again.
    pub decisions: u64,
    /// Supervisors, by path.
    pub supervisors: usize,
    /// Processes whose part the file holds.
    pub processes: u64,
    /// Records that were lost when the file was written.
    pub lost: u64,
    /// Decisions that could not be made again, because what came before them was lost.
    pub unchecked: u64,
    /// Whether the last record was not written to its end.
    pub torn: bool,
    /// The version that wrote the last part, when it is not this one.
    pub version: Option<String>,
    /// The revision of the rules that made the decisions of the last part, when it is not [`core::REVISION`]: decisions may
    /// come out differently, and nothing is wrong.
    pub rules: Option<u32>,
    /// The first decision that came out differently; nothing after it was looked at.
    pub difference: Option<Box<Difference>>,
}

/// A decision that came out differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The line of the file, from 1.
    pub line: u64,
    /// The supervisor.
    pub supervisor: ActorPath,
    /// What happened, as JSON.
    pub event: String,
    /// The decision in the file, as JSON; none: there is one less.
    pub recorded: Option<String>,
    /// The decision now, as JSON; none: there is one less.
    pub decided: Option<String>,
}

/// Why a file cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is something else.
    #[error("it is no journal of supervision")]
    Foreign,
    /// It is of another format.
    #[error("it is a journal of format {found}; this version reads format {FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
    /// A line is not what was written there.
    #[error("it is damaged at line {line}")]
    Damaged {
        /// The line, from 1.
        line: u64,
    },
    /// A record is not one of this version's.
    #[error("line {line} is no record of this version ({}): {reason}", writer(version))]
    Record {
        /// The line, from 1.
        line: u64,
        /// What does not fit.
        reason: String,
        /// The version that wrote it, when it is known.
        version: Option<String>,
    },
}

fn writer(version: &Option<String>) -> String {
    version
        .as_ref()
        .map_or("it does not say which wrote it".to_owned(), |version| format!("it was written by {version}"))
}

/// Replays the journal in `file`: from each state that stands in it, every event at its time.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(file: &Path) -> Result<Compared, ReplayError> {
    let mut lines = Lines::open(file)?;
    let mut replay = Replay::default();
    loop {
        let line = lines.good + 1;
        let json = match lines.next()? {
            Next::Json(json) => json,
            Next::End { .. } if line == 1 => return Err(ReplayError::Foreign),
            Next::End { torn } => {
                replay.compared.torn = torn;
                break;
            }
            Next::Damaged if line == 1 => return Err(ReplayError::Foreign),
            Next::Damaged => return Err(ReplayError::Damaged { line }),
        };
        let read = serde_json::from_slice(json);
        let record: Record = read.map_err(|error| match line {
            1 => ReplayError::Foreign,
            _ => ReplayError::Record { line, reason: error.to_string(), version: replay.version.clone() },
        })?;
        match (&record, line) {
            (Record::Head(head), 1) if head.what == WHAT && head.format == FORMAT => {}
            (Record::Head(head), 1) if head.what == WHAT => return Err(ReplayError::Format { found: head.format }),
            (_, 1) => return Err(ReplayError::Foreign),
            _ => {}
        }
        replay.take(record, line)?;
        if replay.compared.difference.is_some() {
            break;
        }
    }
    Ok(replay.done())
}

#[derive(Default)]
struct Replay {
    compared: Compared,
    known: HashMap<u64, (ActorPath, u64, State)>,
    paths: BTreeSet<ActorPath>,
    version: Option<String>,
    rules: Option<u32>,
}

impl Replay {
    fn take(&mut self, record: Record, line: u64) -> Result<(), ReplayError> {
        match record {
            Record::Head(_) | Record::Kept(_) | Record::Ended { .. } => {}
            Record::Process(process) => {
                self.known.clear();
                self.compared.processes += u64::from(!process.goes_on || self.compared.processes == 0);
                self.version = Some(process.version);
                self.rules = Some(process.rules);
            }
            Record::Lost { records } => self.compared.lost += records,
            Record::State(written) => {
                self.paths.insert(written.path.clone());
                self.known.insert(written.sup, (written.path, written.incarnation, written.state));
            }
            Record::Step(stepped) => return self.step(*stepped, line),
        }
        Ok(())
    }

    fn step(&mut self, stepped: Stepped, line: u64) -> Result<(), ReplayError> {
        let Stepped { sup, at, event, told, .. } = stepped;
        let Some((path, incarnation, state)) = self.known.get_mut(&sup) else {
            self.compared.unchecked += told.len() as u64;
            return Ok(());
        };
        // A file may say anything, such as a state that no supervisor was ever in.
        let step = guarded_sync(|| core::decide(state, event.clone(), at)).map_err(|panic| {
            let reason = format!("no supervisor was ever in that state ({panic})");
            ReplayError::Record { line, reason, version: self.version.clone() }
        })?;
        let decided = step.decisions.into_iter().filter_map(|it| journal::told(path, *incarnation, it));
        let decided: Vec<_> = decided.map(|(_, decision)| decision).collect();
        for n in 0..told.len().max(decided.len()) {
            let (recorded, now) = (told.get(n).map(|Told { decision, .. }| decision), decided.get(n));
            if recorded != now {
                let shown = |decision: Option<&core::Decision>| {
                    decision.map(|decision| serde_json::to_string(decision).unwrap_or_default())
                };
                self.compared.difference = Some(Box::new(Difference {
                    line,
                    supervisor: path.clone(),
                    event: serde_json::to_string(&event).unwrap_or_default(),
                    recorded: shown(recorded),
                    decided: shown(now),
                }));
                return Ok(());
            }
            self.compared.decisions += 1;
        }
        Ok(())
    }

    fn done(self) -> Compared {
        let version = self.version.filter(|version| version != env!("CARGO_PKG_VERSION"));
        let rules = self.rules.filter(|rules| *rules != core::REVISION);
        Compared { supervisors: self.paths.len(), version, rules, ..self.compared }
    }
}
