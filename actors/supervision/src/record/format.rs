//! One record is one line: a checksum, a space, JSON. The checksum goes on from the line before it, so that a line that is
//! missing, or stands elsewhere, is damage too.

use super::kept::{GaveUp, Kept};
use crate::{
    core::{Decision, Event, State, Time, carried::Carried},
    journal::Entry,
    path::ActorPath,
};
use serde::{Deserialize, Serialize, Serializer};
use std::sync::Arc;

/// The version of this format; another one is not read.
pub(crate) const FORMAT: u32 = 1;
/// What the first record says that the file is.
pub(crate) const WHAT: &str = "impresario supervision journal";

/// One record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    /// The first of a segment.
    Head(Head),
    /// A process begins, or goes on in a new segment: supervisors that were known are those of another time.
    Process(Process),
    /// All that is carried over, as it stands here.
    Kept(Kept),
    /// A supervisor begins, or is written down anew in a new segment.
    State(Box<Written>),
    /// Something happened to a supervisor, and what it decided.
    Step(Box<Stepped>),
    /// Records that could not be written here.
    Lost {
        /// How many.
        records: u64,
    },
    /// The process ends.
    Ended {
        /// Whether somebody asked for it and it went down in order.
        orderly: bool,
    },
}

/// The first record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) what: String,
    pub(crate) format: u32,
}

/// One process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// The program's version: another one may decide otherwise.
    pub(crate) version: String,
    /// The revision of the rules that decided ([`crate::core::REVISION`]); 0: from before they were counted.
    #[serde(default)]
    pub(crate) rules: u32,
    /// Wall clock, in milliseconds.
    pub(crate) wall: u64,
    /// Whether it began in an earlier segment.
    pub(crate) goes_on: bool,
}

/// A supervisor's state, from which its next events can be decided again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Written {
    /// Names this life of the supervisor within the process.
    pub(crate) sup: u64,
    pub(crate) path: ActorPath,
    pub(crate) incarnation: u64,
    /// What its children would carry over now; nothing of others below it is known any more.
    pub(crate) kept: Vec<(String, Carried<u64>)>,
    /// Restarts that count against its own intensity.
    pub(crate) own: Vec<u64>,
    pub(crate) state: State,
}

/// One event and what followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stepped {
    pub(crate) sup: u64,
    pub(crate) path: ActorPath,
    pub(crate) at: Time,
    /// Wall clock, in milliseconds.
    pub(crate) wall: u64,
    pub(crate) event: Event,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) told: Vec<Told>,
    #[serde(flatten)]
    pub(crate) change: Change,
}

/// One decision with its number in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    #[serde(flatten)]
    pub(crate) decision: Decision,
}

/// Writes decisions down from the journal in memory, each as a [`Told`].
pub(super) fn told<S: Serializer>(entries: &[Arc<Entry>], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Telling<'e> {
        seq: u64,
        #[serde(flatten)]
        decision: &'e Decision,
    }
    serializer.collect_seq(entries.iter().map(|entry| Telling { seq: entry.seq, decision: &entry.decision }))
}

/// What a step changed of what is carried over.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Children; none: there is nothing to carry over of this one any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) kept: Vec<(String, Option<News>)>,
    /// Restarts that count against the supervisor's own intensity, if they changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) own: Option<Times>,
    /// The root gave up over this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gave_up: Option<GaveUp>,
}

/// What is carried over of a child, now. A budget of hundreds is not written anew for each of its restarts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct News {
    /// Of the restarts that are known, so many of the oldest are past.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) past: usize,
    /// All of it, but only the restarts that are new.
    #[serde(flatten)]
    pub(crate) carried: Carried<u64>,
}

/// How a list of times went on.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    /// So many of the oldest are past.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) past: usize,
    /// These came.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) new: Vec<u64>,
}

impl Times {
    /// What has become of `known`.
    pub(crate) fn follow(&self, known: &[u64]) -> Vec<u64> {
        [known.get(self.past..).unwrap_or_default(), &self.new].concat()
    }
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Appends `record` as a line to `out`; `checksum` is the one of the line before, and becomes this one's. Nothing is
/// appended on an error.
///
/// # Errors
/// What JSON cannot hold; no record of ours is such.
pub(crate) fn write(record: &impl Serialize, out: &mut Vec<u8>, checksum: &mut u32) -> serde_json::Result<()> {
    let begin = out.len();
    out.extend_from_slice(b"00000000 ");
    let json = out.len();
    if let Err(error) = serde_json::to_writer(&mut *out, record) {
        out.truncate(begin);
        return Err(error);
    }
    *checksum = crc(*checksum, &out[json..]);
    for (n, digit) in out[begin..begin + 8].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(*checksum >> (28 - 4 * n)) as usize & 15];
    }
    out.push(b'\n');
    Ok(())
}

/// The JSON of a line (without its end) whose checksum goes on from `checksum`.
pub(crate) fn checked<'l>(line: &'l [u8], checksum: &mut u32) -> Option<&'l [u8]> {
    let (said, json) = line.split_at_checked(9)?;
    let said = std::str::from_utf8(said).ok()?.strip_suffix(' ')?;
    let said = u32::from_str_radix(said, 16).ok()?;
    let sum = crc(*checksum, json);
    (sum == said).then(|| {
        *checksum = sum;
        json
    })
}

/// CRC-32 (the polynomial of zip and Ethernet, reflected), going on from `checksum`.
///
/// Eight bytes at a time, each through the table of its place: byte by byte it would be a third of the writer's work.
fn crc(checksum: u32, bytes: &[u8]) -> u32 {
    let (eights, rest) = bytes.as_chunks::<8>();
    let byte = |word: u32, n: u32| usize::from((word >> (8 * n)) as u8);
    let sum = eights.iter().fold(!checksum, |sum, &[a, b, c, d, e, f, g, h]| {
        let (low, high) = (sum ^ u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        (0..4).fold(0, |all, n| all ^ TABLES[7 - n as usize][byte(low, n)] ^ TABLES[3 - n as usize][byte(high, n)])
    });
    !rest.iter().fold(sum, |sum, byte| TABLES[0][usize::from((sum as u8) ^ byte)] ^ (sum >> 8))
}

/// What a byte does to the sum, with `n` more bytes behind it.
static TABLES: [[u32; 256]; 8] = {
    let mut tables = [[0; 256]; 8];
    let mut n = 0;
    while n < 256 {
        let mut sum = n as u32;
        let mut bit = 0;
        while bit < 64 {
            sum = if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
            if bit % 8 == 0 {
                tables[bit / 8 - 1][n] = sum;
            }
        }
        n += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one_and_goes_on_from_line_to_line() {
        assert_eq!(crc(0, b"123456789"), 0xCBF4_3926, "the check value of CRC-32");
        assert_eq!(crc(crc(0, b"1234"), b"56789"), 0xCBF4_3926);
        let mut lines = Vec::new();
        let mut sum = 0;
        for records in [1, 2] {
            write(&Record::Lost { records }, &mut lines, &mut sum).unwrap();
        }
        let text = String::from_utf8(lines).unwrap();
        let lines: Vec<_> = text.lines().map(str::as_bytes).collect();
        assert!(checked(lines[1], &mut 0).is_none(), "a line that is missing is noticed");
        let mut sum = 0;
        assert!(checked(lines[0], &mut sum).is_some() && checked(lines[1], &mut sum).is_some());
        assert!(checked(b"", &mut sum).is_none() && checked("äöüäöüäöü".as_bytes(), &mut sum).is_none());
    }
}
