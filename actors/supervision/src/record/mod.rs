//! The record: what supervisors decided and why, in a file that outlives the process.
//!
//! It serves two ends. The next process reads from it what it must not forget ([`Past`]): how much of each restart budget
//! is used, who is parked, what was decided last. And every decision in it can be made again ([`replay()`]): each
//! supervisor's state stands in it, and each event with its time, so the pure core must come to the same decisions.
//!
//! - `format` one record, one line, one checksum; `kept` what is carried over;
//! - `tape` a supervisor's side: it puts records into a bounded queue (`queue`) and never waits;
//! - `writer` the thread that writes them, `segment` the file it writes to;
//! - `past` reading at the next start; [`replay()`] deciding again.
//!
//! Nothing is synced for each record: after a crash or SIGKILL of the process what was written is there; after a loss of
//! power the last seconds may be missing (as much as the kernel had not written back). An orderly end is synced.

pub(crate) mod format;
mod kept;
mod lines;
mod past;
mod queue;
mod replay;
pub(crate) mod segment;
mod tape;
mod writer;

pub(crate) use kept::Inheritance;
pub use past::{Past, Withheld};
pub use queue::Recorder;
pub use replay::{Compared, Difference, ReplayError, replay};
pub(crate) use tape::{Seen, Tape};

use std::time::{SystemTime, UNIX_EPOCH};

/// The record in the data folder.
pub(crate) const FILE: &str = "supervision.journal";
/// The segment before it.
pub(crate) const OLDER: &str = "supervision.journal.1";
/// Bytes of a segment, besides the states it begins with; then the next one begins and the one before the last goes.
pub(crate) const SEGMENT_MAX: u64 = 8 << 20;
/// Records that may wait for the writer. Past it they are lost, and counted: no supervisor waits for a disk.
pub(crate) const QUEUE_MAX: usize = 16_384;
/// The longest record: the state of a supervisor with some ten thousands of children.
pub(crate) const LINE_MAX: usize = 64 << 20;
/// Decisions of earlier processes that a process remembers, the newest ones.
pub(crate) const EARLIER_MAX: usize = 1_024;

/// Milliseconds of the wall clock since 1970.
pub(crate) fn wall_ms(at: SystemTime) -> u64 {
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}
